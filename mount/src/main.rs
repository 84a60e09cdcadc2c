//! The `jetfs` command.

fn main() {}
