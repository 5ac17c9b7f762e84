//! What is said of a run as a whole, read off its state.

use mesh_core::decision::{Decision, SkipReason};
use mesh_core::evidence::BlockReading;
use mesh_core::graph::Ix;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::state::{Phase, State};
use mesh_core::task::Eligibility;
use mesh_core::time::Millis;
use mesh_core::wave::{WaveEnd, WaveTask};
use mesh_core::why::Why;
use mesh_plan::comment::{self, TaskBuckets, WaveStatus, WorkLocation};

use crate::source::{FinalReport, VerifiedTask, WaveReport};

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
            Phase::Verified { commit, .. } => {
                let location = pull_request(state, at)
                    .map_or_else(|| WorkLocation::Commit(commit.clone()), WorkLocation::Pr);
                task_buckets.completed.push((id, location));
            }
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
            _ => {
                let reason = match state.why(now, at) {
                    Why::Needs(needs) => {
                        let needs: Vec<&str> = needs.iter().map(|(id, _)| id.as_str()).collect();
                        needs.join(" and ")
                    }
                    why => why.to_string(),
                };
                task_buckets.blocked.push((id, reason));
            }
        }
    }
    task_buckets
}

/// The pull request that the agent of the task's last attempt names.
fn pull_request(state: &State, at: Ix) -> Option<String> {
    match &state.task(at).observed.evidence.as_ref()?.block {
        BlockReading::Read(block) => block.pr.clone(),
        _ => None,
    }
}

/// The announcement of a wave, when `decisions`, which led to `state`, have one. The tasks stand there as they stood before any
/// of the wave started.
#[must_use]
pub fn wave_status(state: &State, now: Millis, decisions: &[Decision]) -> Option<String> {
    let announced = decisions.iter().find_map(|decision| match decision {
        Decision::AnnounceWave { tasks, .. } if !tasks.is_empty() => Some(tasks),
        _ => None,
    })?;
    let started = |id: &TaskId| {
        decisions.iter().any(
            |decision| matches!(decision, Decision::Start { attempt, .. } if attempt.task == *id),
        )
    };
    let mut task_buckets = task_buckets(state, now);
    task_buckets.active.retain(|(id, _)| !started(id));
    // Best first, as they are recommended.
    let tasks = state.ranking().order().tasks().iter().copied();
    let ready = |at: &Ix| state.is_ready(*at) || started(&state.plan().task(*at).id);
    task_buckets.ready = tasks
        .filter(ready)
        .map(|at| state.plan().task(at).id.clone())
        .collect();
    let status = WaveStatus {
        task_buckets: &task_buckets,
        recommended: announced,
        cap: state.width(),
        rank: state.policy().rank,
        marker: None,
    };
    // The template is ours and tested.
    comment::wave_status(&status).ok()
}

/// What a source is told at a wave's end. What follows it may have started by now; it was not when the wave ended.
pub(crate) fn wave_report(state: &State, end: WaveEnd, resumed: bool) -> WaveReport {
    let mut task_buckets = task_buckets(state, Millis(0));
    let follows = |id: &TaskId| end.next.contains(id);
    task_buckets.active.retain(|(id, _)| !follows(id));
    let (verified, failed) = end.tasks.iter().partition(|one| one.is_done);
    let ids = |tasks: Vec<&WaveTask>| tasks.into_iter().map(|one| one.task.clone()).collect();
    WaveReport {
        number: end.wave,
        members: ids(end.tasks.iter().collect()),
        verified: ids(verified),
        failed: ids(failed),
        task_buckets,
        next: end.next,
        resumed,
    }
}

/// What is verified and written down, needs before what stands on them.
pub(crate) fn verified(state: &State) -> Vec<VerifiedTask> {
    let verified = |&at: &Ix| {
        let task = state.task(at);
        let Phase::Verified {
            attempt,
            commit,
            self_checked,
            delivery,
            ..
        } = &task.phase
        else {
            return None;
        };
        Some(VerifiedTask {
            attempt: AttemptId {
                task: state.plan().task(at).id.clone(),
                number: *attempt,
            },
            commit: commit.clone(),
            self_checked: *self_checked,
            delivery: delivery.clone(),
        })
    };
    state
        .plan()
        .graph()
        .order()
        .iter()
        .filter_map(verified)
        .collect()
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
