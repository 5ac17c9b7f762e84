//! Exit codes of `mesh`: a public table, one place.

/// All tasks are verified, or the command did what it was asked.
pub const OK: u8 = 0;
/// A bug of mesh.
pub const INTERNAL: u8 = 1;
/// Wrong or missing arguments.
pub const USAGE: u8 = 2;
/// The plan cannot be run.
pub const PLAN_INVALID: u8 = 10;
/// The configuration cannot be used.
pub const CONFIG_INVALID: u8 = 11;
/// A program is missing or too old.
pub const TOOL_MISSING: u8 = 12;
/// Another coordinator holds the run, the tracker or the repository.
pub const HELD: u8 = 13;
/// Disk, permissions, the system.
pub const ENVIRONMENT: u8 = 14;
/// Some tasks failed.
pub const SOME_FAILED: u8 = 20;
/// No task failed, but some could not run.
pub const SOME_COULD_NOT_RUN: u8 = 21;
/// A question waits for an answer.
pub const QUESTION: u8 = 22;
/// Stopped at a limit.
pub const LIMIT: u8 = 23;
/// Interrupted by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM.
pub const TERMINATED: u8 = 143;
