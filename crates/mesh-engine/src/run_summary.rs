//! What is said of a run as a whole, read off its state.

use mesh_core::decision::SkipReason;
use mesh_core::graph::Ix;
use mesh_core::state::{Phase, State};
use mesh_core::task::Eligibility;
use mesh_core::time::Millis;
use mesh_plan::comment::{TaskBuckets, WorkLocation};

use crate::source::FinalReport;

/// Whether everything that was to be done is done: nothing failed, waits or was left out.
#[must_use]
pub fn all_done(state: &State) -> bool {
    state
        .plan()
        .all()
        .all(|at| state.is_done(at) || is_not_ours(state, at))
}

fn is_not_ours(state: &State, at: Ix) -> bool {
    matches!(
        state.plan().task(at).eligibility,
        Eligibility::NotOurs { .. }
    )
}

/// Where every task stands, for comments.
#[must_use]
pub fn task_buckets(state: &State, now: Millis) -> TaskBuckets {
    let mut task_buckets = TaskBuckets {
        ready: Vec::new(),
        active: Vec::new(),
        blocked: Vec::new(),
        completed: Vec::new(),
    };
    for at in state.plan().all() {
        let task = state.plan().task(at);
        if task.eligibility == Eligibility::Container {
            continue;
        }
        let id = task.id.clone();
        match &state.task(at).phase {
            Phase::Verified { commit, .. } => task_buckets
                .completed
                .push((id, WorkLocation::Commit(commit.clone()))),
            Phase::Satisfied { commit } => {
                let delivery = commit
                    .clone()
                    .map_or(WorkLocation::Nothing, WorkLocation::Commit);
                task_buckets.completed.push((id, delivery));
            }
            Phase::Active(active) => task_buckets.active.push((id, active.slot)),
            Phase::Skipped(SkipReason::ByPerson) => task_buckets
                .blocked
                .push((id, "left out by a person".to_owned())),
            _ if state.is_ready(at) => task_buckets.ready.push(id),
            _ => task_buckets
                .blocked
                .push((id, state.why(now, at).to_string())),
        }
    }
    task_buckets
}

/// What a source is told at the end of a run.
pub(crate) fn final_report(state: &State) -> FinalReport {
    // A verified task that its source was not told to close, or did not close, is given back too: nobody works on it any more.
    let is_verified = |at: &Ix| matches!(state.task(*at).phase, Phase::Verified { .. });
    let verified = state.plan().all().filter(is_verified);
    let verified = verified.map(|at| state.plan().task(at).id.clone());
    FinalReport {
        claimed: state.claimed().cloned().chain(verified).collect(),
        task_buckets: task_buckets(state, Millis(0)),
        all_done: all_done(state),
    }
}
