//! The view: copies of the tracker for agents to read, because every read of the tracker itself writes files there and waits
//! for writers.
//!
//! ```text
//! <root>/ask                   the socket on which a reader asks for a fresh copy
//!        .pictures/<p>/        what a picture was taken into: .beads and seats; never read by agents
//!        <view>/<n>/.beads     copy n for one reader, put there whole, never changed by us again
//!                   lock       locked by a reader that has no seat
//!                   seat-0 …   links to the picture's seats, shared by all copies of a picture
//! ```
//!
//! A picture is taken between two calls of the one writer and checked. Each reader has a view of its own, so that one that
//! writes rubbish harms itself alone; and since a reader may put anything into its view, nothing in there is opened or followed
//! here after it was renamed into place. Seats bound how many reads run at once on the machine: eight agents that read in a loop
//! on copies made a claim take 6 times as long on 2 cores, and 1.1 times when they read one after the other (bd 1.3.0).
//!
//! It must never write to the tracker, and never remove a copy that somebody reads.

mod door;
mod keeper;
mod picture;
mod seats;
mod shelf;

pub use mesh_bd_ro::view::MESH_VIEW;

pub use keeper::{Options, TakePicture, Views, on_turns_of};
pub use picture::{PictureError, Survey, take};
