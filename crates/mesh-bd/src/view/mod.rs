//! The view: copies of the tracker for agents to read, because every read of the tracker itself writes files there and waits
//! for writers.
//!
//! ```text
//! <root>/ask                   the socket on which a reader asks for a fresh copy
//!        .snapshots/<p>/        what a snapshot was taken into: .beads and read slots; never read by agents
//!        <view>/<n>/.beads     copy n for one reader, put there whole, never changed by us again
//!                   lock       locked by a reader that has no read slot
//!                   read-slot-0 …   links to the snapshot's read slots, shared by all copies of a snapshot
//! ```
//!
//! A snapshot is taken between two calls of the one writer and checked. Each reader has a view of its own, so that one that
//! writes rubbish harms itself alone; and since a reader may put anything into its view, nothing in there is opened or followed
//! here after it was renamed into place. ReadSlots bound how many reads run at once on the machine: eight agents that read in a loop
//! on copies made a claim take 6 times as long on 2 cores, and 1.1 times when they read one after the other (bd 1.3.0).
//!
//! It must never write to the tracker, and never remove a copy that somebody reads.

mod manager;
mod read_slots;
mod refresh_socket;
mod replica;
mod snapshot;

pub use mesh_bd_ro::view::MESH_VIEW;

pub use manager::{Options, TakeSnapshot, Views, on_turns_of};
pub use snapshot::{Manifest, SnapshotError, take};
