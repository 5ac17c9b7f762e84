//! What the suites of `mesh-bd-ro` share: `bd`'s own commands and flags as its help tells them, hostile calls made from
//! them, and a checker of accepted calls that knows the contract and not the wrapper's table.

pub mod checker;
pub mod commands;
pub mod fuzz;
pub mod hostile;

/// The commands that agents may call, by the contract: written down apart from the wrapper's table, which is judged by it.
pub const CONTRACT: [&str; 18] = [
    "show",
    "list",
    "ready",
    "blocked",
    "search",
    "count",
    "status",
    "state",
    "dep list",
    "dep tree",
    "dep cycles",
    "mol show",
    "mol current",
    "mol progress",
    "swarm status",
    "swarm validate",
    "swarm list",
    "epic status",
];
