//! The `exaplan` program.

fn main() {}
