//! The tracker `bd`: dialects, typed calls, one writer.
//!
//! [`open`] gives a [`Tracker`], whose dialect spells each call and reads what came back, because exit codes of `bd` lie; the transport
//! below it knows processes and no commands. [`Queue`] owns a tracker and lets one call run at a time.
//!
//! What must never be here: a decision which task runs, a blind repetition of a write, a guess about a response that could
//! not be read, and any command that deletes (`delete`, `mol burn`, `mol squash`).

pub mod audit;
mod environment;
pub mod view;

mod error;
mod finalize;
mod listing;
mod queue;
mod read_back;
mod tracker;
mod transport;

pub use audit::AuditEntry;
pub use error::{BdError, Refusal, RefusalReason};
pub use finalize::{Finalization, Finalized, NewComment, retry_transient};
pub use listing::Listing;
pub use queue::{Lane, Queue};
pub use tracker::molecule::{FormulaUse, Molecule};
pub use tracker::swarm::{
    SwarmActive, SwarmBlocked, SwarmCreated, SwarmFront, SwarmIssue, SwarmStatus, SwarmValidation,
};
pub use tracker::version::{Dialect, Unsupported, UnsupportedReason};
pub use tracker::{About, AgentState, ClaimStep, Claimed, Comment, Renewal, Setup, Tracker, open};
pub use transport::Limits;
