//! What happened: append-only records, their replay, and the names of all files of a run.
//!
//! Leaf types of the core derive their stored form; records, events and decisions are declared in the private module `wire`. This
//! crate must never decide anything, start a process or read the clock: the time comes in as an argument.

pub mod call_log;
pub mod control;
pub mod layout;
pub mod locks;
pub mod notes;
pub mod reader;
pub mod replay;
pub mod results;
pub mod run_id;
pub mod summary;
pub mod timestamp;
pub mod writer;

mod append;
mod error;
mod wire;

#[cfg(test)]
mod sample;

pub use error::JournalError;
pub use layout::{AttemptDir, MeshDir, ProcessDir, RunDir};
pub use reader::{Contents, Damage, Tail, read, read_header};
pub use replay::{ReplayError, replay};
pub use run_id::RunId;
pub use timestamp::Timestamp;
pub use wire::{
    FORMAT, Header, Record, WireError, decode_header, decode_record, encode_header, encode_record,
};
pub use writer::{Journal, Mend};
