//! The tracker `bd`: dialects, typed calls, one writer.
//!
//! [`Client`] makes single calls and reads what came back, because exit codes of `bd` lie. [`Queue`] owns a client and lets
//! one call run at a time. [`commands`] gives the exact arguments of each call without making it.
//!
//! What must never be here: a decision which task runs, a blind repetition of a write, a guess about a response that could
//! not be read, and any command that deletes (`delete`, `mol burn`, `mol squash`).

pub mod audit;
pub mod commands;
pub mod dialect;
pub mod environment;
pub mod listing;
pub mod marker;
pub mod record;
pub mod view;

mod annotations;
mod client;
mod error;
mod exec;
mod queue;
mod read_back;
mod reads;
mod response;
mod swarm;
mod wire;
mod writes;

pub use audit::AuditEntry;
pub use client::{Client, Limits, Setup};
pub use dialect::{Dialect, Features, Unsupported, UnsupportedReason, Version};
pub use error::{BdError, Refusal, RefusalReason};
pub use listing::Listing;
pub use queue::{Lane, Queue};
pub use reads::Comment;
pub use record::{CallOutcome, CallRecord, Observer, unobserved};
pub use swarm::{
    SwarmActive, SwarmBlocked, SwarmCreated, SwarmFront, SwarmIssue, SwarmStatus, SwarmValidation,
};
pub use writes::{Claimed, Renewal};
