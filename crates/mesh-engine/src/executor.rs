//! What starts, adopts, stops and ends processes. Here they are owned by shims on this machine ([`local`]); a program of tests has
//! them in memory.
//!
//! What must never be here: a decision about an attempt. An executor says what it did and what it found.

mod answer;
pub(crate) mod local;

use std::path::Path;

use mesh_agent::launch::Launch;
use mesh_agent::profile::{Limits, Protocol};
use mesh_core::evidence::Ending;
use mesh_core::id::AttemptId;
use mesh_core::process::{ProcessId, Role};

/// What runs the processes of a run. Every method may be called from several threads.
pub trait Executor: Send + Sync {
    /// Starts `launch` as `process`. What an earlier try of the same process reported is forgotten first, and nothing is started
    /// for an attempt for which [`Executor::end_attempt`] was called.
    ///
    /// # Errors
    /// Why nothing executes, as a fragment.
    fn start(&self, process: &ProcessId, launch: &Launch, limits: &Limits) -> Result<(), String>;

    /// From now on the end of a process that was started or found living comes to the inbox, also when it has ended already.
    fn watch(&self, process: &ProcessId);

    /// Starts `launch` as [`Executor::start`] does and waits for its end.
    ///
    /// # Errors
    /// It could not be started, or not be ended at its limit.
    fn run(&self, process: &ProcessId, launch: &Launch, limits: &Limits) -> Result<Ending, String>;

    /// What became of a process that a coordinator before this one may have started.
    fn find(&self, process: &ProcessId) -> Found;

    /// Removes what was reported of a process that lives no more, so that nobody takes it for a later one's.
    ///
    /// # Errors
    /// It stays.
    fn forget(&self, process: &ProcessId) -> std::io::Result<()>;

    /// How a process ended that lives no more. Blocks until its whole tree is known dead.
    fn ending(&self, process: &ProcessId) -> Ending;

    /// When it was told to start, in Unix milliseconds: no later than anything it did.
    fn launched_unix_ms(&self, process: &ProcessId) -> Option<u64>;

    /// What was reported of its end; nothing while it lives, and when nobody could report.
    fn report(&self, process: &ProcessId) -> Option<Report>;

    /// When the attempt's agent last showed a sign of life, in Unix milliseconds: by its output, by its processes or in `workspace`.
    fn last_sign_unix_ms(&self, attempt: &AttemptId, workspace: &Path) -> Option<u64>;

    /// Tells the inbox once that the attempt's agent has an answer of its provider, when its stream shows that it has. Nothing is told
    /// of an agent that writes for people.
    fn await_answer(&self, attempt: &AttemptId, protocol: Protocol);

    /// Asks the living processes of the attempt to end: a polite signal, a grace, a kill. Their ends come as always.
    fn request_stop(&self, attempt: &AttemptId);

    /// Ends the processes of the attempt that have one of these roles, and what is left of the attempt without an owner. Blocks until
    /// they are gone.
    fn end(&self, attempt: &AttemptId, roles: &[Role]);

    /// Ends every process of the attempt and starts none for it again. Blocks until they are gone.
    fn end_attempt(&self, attempt: &AttemptId);
}

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It lives.
    Living,
    /// It has ended, and how is known.
    Ended,
    /// It was started and nobody could report its end.
    Died,
    /// It was never started.
    Never,
}

/// The reported end of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How.
    pub ending: Ending,
    /// When it began to execute, in Unix milliseconds.
    pub started_unix_ms: Option<u64>,
    /// When its whole tree was gone, in Unix milliseconds.
    pub ended_unix_ms: u64,
}
