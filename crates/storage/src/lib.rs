//! PostgreSQL: nodes, pools, routing, transactions, tokens; then the repositories.
