//! Memory and Redis tiers. Knows no PostgreSQL.
