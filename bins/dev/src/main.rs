//! The `dev` binary.

fn main() {}
