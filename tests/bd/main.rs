//! The tracker's adapter, on the fake and on the real programs: the same functions for both.

mod claiming;
mod faults;
mod finalizing;
mod marks;
mod opening;
mod pool;
mod queue;
mod read_back;
mod reading;
mod shape;
mod support;
