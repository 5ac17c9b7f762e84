//! The shipping core against seeded worlds.
//!
//! One seed is one world: a plan, rules, agents, a tracker, a clock and faults, all plain data. The simulator carries out what
//! `mesh_core::handle` asks for in that world and judges every step from the world's facts, never from the core's own opinion.
//! It starts no process, reads no clock and no file; the same seed gives the same trace for ever.

pub mod drive;
pub mod engine;
pub mod epics;
pub mod faults;
pub mod generate;
pub mod judge;
pub mod rng;
pub mod schedule;
pub mod script;
pub mod slot_waits;
pub mod world;

pub use drive::{Broken, Counts, run_seed};
pub use schedule::{best_of_schedules, zero_overhead_makespan};
