//! The tracker's issues as a source: which epic is meant ([`resolve_target`]), and its tasks ([`load`]). It reads a listing and
//! asks nobody.
//!
//! Membership comes from parent-child edges alone: the tracker's own field names one parent only, and the wrong one when an issue
//! has two (measured on bd 1.0.5 and 1.3.0).

mod bead;
mod hierarchy;
#[cfg(test)]
mod listings;
mod target;
mod tasks;

pub use target::{Target, TargetProblem, resolve_target};
pub use tasks::{LABEL_CHECKPOINT, LABEL_LOCK, METADATA_AGENT, METADATA_VERIFY, load};
