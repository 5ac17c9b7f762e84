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

use mesh_plan::prompt::RenderError;

use entry::Entry;
use step::{Act, Next, Outcome, Reason};
use strategy::{Settings, Strategy};
use task::Task;

/// What is to be done now. It is asked again after each entry.
///
/// Never nothing: as long as the answer has no [`Act::Finish`], it has a turn or an act. An entry that says the same as an earlier one, or
/// speaks of a turn that nobody asked for, changes nothing.
///
/// # Errors
/// When a template is at fault.
pub fn next(
    strategy: Strategy,
    task: &Task,
    settings: &Settings,
    transcript: &[Entry],
) -> Result<Next, RenderError> {
    let _ = (task, settings, transcript);
    Ok(Next {
        turns: Vec::new(),
        act: Some(Act::Finish(Outcome::Blocked {
            reason: Reason::ToolingUnavailable,
            detail: format!("the strategy {strategy} is not there yet"),
            notes: Vec::new(),
        })),
    })
}
