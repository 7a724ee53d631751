//! A migrated database of its own for every test.
