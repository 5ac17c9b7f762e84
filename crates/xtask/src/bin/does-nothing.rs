//! Ends at once, whatever it is asked: what `cargo xtask bench wrapper` measures the wrapper against. It must never do more.

fn main() {}
