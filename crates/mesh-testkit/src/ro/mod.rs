//! What the suites of `mesh-bd-ro` share: `bd`'s own commands and flags as its help tells them, hostile calls made from
//! them, and a checker of accepted calls that knows the contract and not the wrapper's table.

pub mod checker;
pub mod commands;
pub mod hostile;
