//! Compound agents: how several agents work one task together.
//!
//! [`next`] is a pure function of the task, the settings and the transcript: what has happened goes in, what is to be done now comes
//! out. Whoever drives it appends an [`entry::Entry`] for each thing that has happened, writes it to disk, and asks again. So the same
//! transcript gives the same steps for ever, and an attempt that goes on after a crash runs no finished turn again.
//!
//! All roles read and none writes: they answer with text, and what they propose is put into the workspace by whoever drives.
//! No clock, no files and no processes here.

pub mod entry;
pub mod step;
pub mod strategy;
pub mod task;

mod answer;
mod consensus;
mod contract;
mod patch;
mod patch_first;
mod pipeline;
mod script;

use mesh_plan::prompt::RenderError;

use entry::Entry;
use script::{Halt, Script};
use step::Next;
use strategy::{Settings, Strategy};
use task::Task;

/// What is to be done now. It is asked again after each entry.
///
/// Never nothing: as long as the answer has no [`step::Act::Finish`], it has a turn or an act. An entry that repeats an earlier one, and the
/// answer of a turn that is no longer wanted, change nothing.
///
/// # Errors
/// When a template is at fault.
pub fn next(
    strategy: Strategy,
    task: &Task,
    settings: &Settings,
    transcript: &[Entry],
) -> Result<Next, RenderError> {
    match *steps(strategy, task, settings, Script::new(transcript)) {
        Halt::Next(next) => Ok(next),
        Halt::Fault(fault) => Err(fault),
    }
}

fn steps(strategy: Strategy, task: &Task, settings: &Settings, script: Script<'_>) -> Box<Halt> {
    let Err(halt) = match strategy {
        Strategy::PatchFirst => patch_first::run(task, settings, script),
        Strategy::Pipeline => pipeline::run(task, settings, script),
        Strategy::Consensus => consensus::run(task, &settings.consensus, script),
    };
    halt
}

#[cfg(test)]
#[path = "machines_test.rs"]
mod tests;

#[cfg(test)]
#[path = "simulation_test.rs"]
mod simulation;
