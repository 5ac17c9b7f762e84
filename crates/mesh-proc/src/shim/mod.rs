//! The shim: a small process that owns one child's process tree and outlives the coordinator.
//!
//! It is our own executable, started again with the word [`ARGUMENT`]. It holds the attempt's lock file as its stdin: the caller
//! locks the file, the lock belongs to the open file, and so it is held from before the start until the shim has ended, whoever
//! dies in between. The shim enforces the limits that must hold without a coordinator, ends and reaps every descendant of the
//! child, and only then writes the exit report. So whoever finds the lock free *and* a report knows that nothing of the child is
//! left; the lock free *without* a report means that the shim was killed, and [`crate::orphans`] has to look.
//!
//! [`start`] and [`ShimHandle`] are the coordinator's side, [`main`] is the shim itself.

mod handle;
mod lock;
mod logs;
mod main;
mod report;
mod spec;
mod supervise;
mod sweep;

pub use handle::{Launcher, ShimHandle, StartError, start};
pub use lock::{LockError, is_locked, lock_attempt};
pub use main::{NICENESS, main};
pub use report::{
    Cause, ChildEnd, ChildRecord, ExitReport, Killed, ReadError, ShimRecord, read_record,
    read_report, read_spec,
};
pub use spec::ShimSpec;

/// The first argument by which our executable knows that it is to be a shim. The second is the path of the [`ShimSpec`].
pub const ARGUMENT: &str = "__shim";

/// The spec files of the shims that this process descends from, nearest first: what runs under a shim can clear its environment,
/// not its ancestors.
#[must_use]
pub fn specs_above() -> Vec<std::path::PathBuf> {
    let mut specs = Vec::new();
    let mut pid = std::process::id();
    while let Some(process) = crate::tree::stat(pid) {
        let bytes = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if let [_, word, spec, ..] = crate::tree::parse_cmdline(&bytes).as_slice()
            && word == ARGUMENT
        {
            specs.push(spec.into());
        }
        // A parent of another namespace shows as 0.
        if process.parent == 0 || process.parent == pid {
            break;
        }
        pid = process.parent;
    }
    specs
}
