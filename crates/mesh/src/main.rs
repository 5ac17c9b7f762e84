//! The `mesh` program.
fn main() {}
