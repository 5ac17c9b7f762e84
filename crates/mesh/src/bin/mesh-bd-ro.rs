//! The `mesh-bd-ro` program.
fn main() {}
