//! The domain of mesh: it decides and never acts.
//!
//! Events and the time go in, decisions and actions come out. This crate knows no clock, no files, no threads and no outside
//! packages; it iterates only over ordered collections, so the same inputs give the same decisions for ever.

mod apply_decision;
mod apply_event;
mod chains;
pub mod clamp;
mod decide;
pub mod decision;
pub mod dense;
mod disjunctive;
pub mod duration;
pub mod event;
pub mod evidence;
pub mod filename;
pub mod forecast;
mod frontier;
pub mod graph;
pub mod id;
pub mod issue;
pub mod landing;
pub mod limit;
pub mod lock;
mod makespan;
pub mod metered;
mod pace;
pub mod pending_work;
pub mod plan;
#[cfg_attr(not(feature = "planted"), doc(hidden))]
pub mod planted;
pub mod policy;
pub mod process;
pub mod rank;
mod schedule_sim;
mod slot_wait;
pub mod split_mix;
pub mod state;
#[cfg(feature = "serde")]
mod stored;
pub mod task;
pub mod text;
pub mod time;
pub mod upcoming;
pub mod wave;
pub mod why;

pub use apply_decision::STOP_PATIENCE;
pub use decide::{apply, decide, handle};
