//! Starting and ending processes. This crate knows nothing of tasks, trackers or repositories, and Linux is its only system.
//!
//! There are two kinds of process here, and they share almost nothing:
//!
//! * **Short commands** ([`run`]): a version control or tracker call that we wait for. It gets a complete environment, a time
//!   limit, an output limit and a process group of its own; its output goes to unnamed files, because a pipe lets any heir of the
//!   command keep us waiting.
//! * **Long children** ([`shim`]): agents, proofs and setup commands. Each runs under a small process of our own that outlives
//!   us, holds the attempt's lock for exactly as long as it lives, ends the whole tree and writes what happened to a file. We
//!   only wait for that process ([`watch`]), and can come back to it after we died ([`shim::ShimHandle::adopt`]).
//!
//! When a shim itself is killed its tree goes on under process 1; [`stray`] finds and ends it.
//!
//! What must never be here: a decision about a task, a process-wide registry, a signal to a number that may by now belong to a
//! stranger (processes are named by number *and* start time, and signalled through a process file descriptor), unsafe code.

pub mod env;
pub mod find;
pub mod orphans;
pub mod run;
pub mod sandbox;
pub mod shim;
pub mod show;
pub mod signal;
pub mod tree;
pub mod watch;

mod atomic;
mod cgroup;
mod os_string_serde;
mod poll;
