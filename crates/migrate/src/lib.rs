//! Schema migrations: plan, lock, apply, verify; and loading posts in bulk.
