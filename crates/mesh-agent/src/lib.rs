//! Agent programs: what they are, how one is launched, and what its output says.
//!
//! A [`profile::Profile`] is data about a program. [`launch`] turns it and the facts of one attempt into a command line and a
//! complete environment. When the process tree is dead, [`protocol`] and [`block`] read what the agent said, [`ownership`] compares
//! what it changed with what it held, [`proof`] chooses the command that proves it, and [`evidence`] is the record of all that.
//!
//! What an agent says is a claim. Nothing here decides whether a task is done: the core does, on facts.
//!
//! What must never be here: the scheduler, the tracker, version control, a process started or signalled.

pub mod activity;
pub mod block;
pub mod evidence;
pub mod launch;
pub mod nearest;
pub mod ownership;
pub mod profile;
pub mod proof;
pub mod protocol;
pub mod secrets;

mod shell;
