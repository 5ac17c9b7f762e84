//! The domain of mesh: it decides and never acts.
//!
//! Events and the time go in, decisions and actions come out. This crate knows no clock, no files, no threads and no outside
//! packages; it iterates only over ordered collections, so the same inputs give the same decisions for ever.

mod absorb;
mod chains;
mod choose;
pub mod decision;
pub mod dense;
mod disjunctive;
mod enact;
pub mod event;
pub mod filename;
pub mod findings;
pub mod forecast;
mod frontier;
pub mod graph;
pub mod id;
pub mod issue;
pub mod lock;
mod noise;
mod paper;
pub mod pending;
pub mod plan;
pub mod policy;
pub mod rank;
mod shortest;
pub mod state;
pub mod task;
pub mod text;
pub mod time;
pub mod why;

pub use choose::{apply, decide, handle};
pub use enact::STOP_PATIENCE;
