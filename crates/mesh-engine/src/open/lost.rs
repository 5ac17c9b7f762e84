//! Runs whose journal lost records, to damage or because somebody cut it. What the records said may have happened all the same: an
//! attempt may have been started, a result verified. So nothing is ever started from such a journal; it can only be closed.

use std::collections::BTreeMap;

use mesh_core::decision::Decision;
use mesh_core::event::{Delivery, Event, Request};
use mesh_core::id::AttemptId;
use mesh_core::state::{RunEnd, State, TaskState};
use mesh_core::time::Millis;
use mesh_core::{apply, filename};
use mesh_journal::layout::RunDir;
use mesh_journal::{Contents, Journal, JournalError, RunId, Timestamp, replay};
use mesh_proc::shim;

use crate::error::EngineError;

/// Makes sure that the journal knows of every attempt that has a folder: a start is in the journal before anything is made for it,
/// so otherwise its record is lost.
///
/// # Errors
/// [`EngineError::LostRecords`]; or the folders cannot be read.
pub fn check_attempts(run: &RunId, state: &State, run_dir: &RunDir) -> Result<(), EngineError> {
    let plan = state.plan();
    let made: BTreeMap<String, u32> = plan
        .all()
        .map(|at| {
            let folder = filename::safe_file_name(plan.task(at).id.as_str());
            (folder, state.task(at).attempts)
        })
        .collect();
    let mut unknown = Vec::new();
    for (task, numbers) in run_dir.attempt_folders().map_err(EngineError::folder)? {
        let known = made.get(&task).copied().unwrap_or(0);
        let numbers = numbers.into_iter().filter(|number| *number > known);
        unknown.extend(numbers.map(|number| format!("{task}#{number}")));
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(EngineError::LostRecords {
        run: run.to_string(),
        attempts: unknown.join(", "),
    })
}

/// Whether a run of which this was read may still have agents at work, or go on.
pub(super) fn is_unfinished(contents: Result<Contents, JournalError>, run_dir: &RunDir) -> bool {
    let state = contents.ok().and_then(|contents| {
        let is_whole = contents.damage.is_none_or(|damage| !damage.is_lossy);
        Some((replay(&contents.records).ok()?, is_whole))
    });
    match state {
        Some((state, _)) if state.run_end() != RunEnd::Concluded => true,
        Some((_, true)) => false,
        // What it says about its end, if anything, may not be the last word.
        Some((_, false)) | None => {
            let processes = run_dir.processes().unwrap_or_default();
            processes.iter().any(|one| shim::is_locked(&one.lock()))
        }
    }
}

/// Closes a run of which nothing lives any more: its attempts are as if they had been ended with it, and nothing is written
/// anywhere else. What the tracker and earlier results say counts for the next run.
pub(super) fn close(
    journal: &mut Journal,
    state: &mut State,
    at: Millis,
    wall: Timestamp,
) -> Result<(), JournalError> {
    let mut record = |state: &mut State, event: Event, decisions: Vec<Decision>| {
        let _ = apply(state, at, &event, &decisions);
        journal.append(at, wall, &event, &decisions)
    };
    let active = attempts(state, |task| {
        task.active().map(|one| one.attempt).into_iter().collect()
    });
    let interrupts = active
        .into_iter()
        .map(|attempt| Decision::Interrupt { attempt });
    let request = Request::Stop { now: true };
    let decisions = std::iter::once(Decision::Drain).chain(interrupts).collect();
    record(state, Event::Requested { request }, decisions)?;
    let finalizing = |task: &TaskState| task.finalizing.iter().map(|end| end.attempt).collect();
    for attempt in attempts(state, finalizing) {
        let delivery = Delivery::Kept;
        record(state, Event::Finalized { attempt, delivery }, Vec::new())?;
    }
    record(state, Event::Tick, vec![Decision::Conclude])?;
    record(state, Event::Concluded, Vec::new())?;
    journal.sync()
}

/// Of each task the attempts with these numbers.
fn attempts(state: &State, numbers: impl Fn(&TaskState) -> Vec<u32>) -> Vec<AttemptId> {
    let of_task = |at| {
        let task = state.plan().task(at).id.clone();
        let ids = numbers(state.task(at)).into_iter();
        ids.map(move |number| AttemptId {
            task: task.clone(),
            number,
        })
    };
    state.plan().all().flat_map(of_task).collect()
}
