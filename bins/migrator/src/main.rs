//! The `migrator` binary.

fn main() {}
