//! Overlap, makespan and lower bound, from what was measured.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::forecast::bounds;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::state::State;
use mesh_core::time::Millis;

use super::Overlap;
use super::attempts::AttemptTimeline;

/// Figures of a run.
pub(super) struct Figures {
    pub(super) overlap: Overlap,
    pub(super) makespan_seconds: Option<f64>,
    pub(super) lower_bound_seconds: Option<f64>,
}

/// An agent that has not ended executes until `now`.
pub(super) fn of(
    state: &State,
    timelines: &BTreeMap<AttemptId, AttemptTimeline>,
    now: Millis,
) -> Figures {
    let spans: Vec<(u64, u64)> = timelines
        .values()
        .filter_map(|attempt| executing(attempt, now))
        .collect();
    let first = timelines.values().map(|attempt| attempt.decided.at).min();
    let last = timelines
        .values()
        .filter_map(|attempt| attempt.verified)
        .map(|moment| moment.at)
        .max();
    Figures {
        overlap: overlap(&spans),
        makespan_seconds: first
            .zip(last)
            .map(|(first, last)| seconds(last.since(first).0)),
        lower_bound_seconds: lower_bound(state, timelines, now),
    }
}

fn executing(attempt: &AttemptTimeline, now: Millis) -> Option<(u64, u64)> {
    let start = attempt.agent_started?.at;
    let end = attempt.ended.map_or(now, |ended| ended.at);
    Some((start.0, end.0.max(start.0)))
}

fn overlap(spans: &[(u64, u64)]) -> Overlap {
    // Ends before starts of the same moment: a handover is no overlap.
    let mut edges: Vec<(u64, i8)> = spans
        .iter()
        .flat_map(|&(start, end)| [(start, 1), (end, -1)])
        .collect();
    edges.sort_unstable();
    let (mut executing, mut peak) = (0_i64, 0_i64);
    for (_, step) in &edges {
        executing += i64::from(*step);
        peak = peak.max(executing);
    }
    let total: u64 = spans.iter().map(|(start, end)| end - start).sum();
    let whole = match (edges.first(), edges.last()) {
        (Some((first, _)), Some((last, _))) => last - first,
        _ => 0,
    };
    let mean = if whole == 0 {
        0.0
    } else {
        rounded(total as f64 / whole as f64)
    };
    Overlap {
        peak: u32::try_from(peak).unwrap_or(0),
        mean,
    }
}

/// A task's duration is the time that all its attempts executed: they cannot have overlapped. Once a task is verified, those that are not
/// count nothing: the makespan, to which this is compared, ends with the last that is.
fn lower_bound(
    state: &State,
    timelines: &BTreeMap<AttemptId, AttemptTimeline>,
    now: Millis,
) -> Option<f64> {
    let mut durations = vec![0_u64; state.plan().tasks().len()];
    let mut ended = false;
    let verified: BTreeSet<&TaskId> = timelines
        .iter()
        .filter(|(_, attempt)| attempt.verified.is_some())
        .map(|(id, _)| &id.task)
        .collect();
    let counts = |task: &TaskId| verified.is_empty() || verified.contains(task);
    for (id, attempt) in timelines {
        if let (Some(at), Some((start, end)), true) = (
            state.plan().find(&id.task),
            executing(attempt, now),
            counts(&id.task),
        ) {
            durations[at.index()] += end - start;
            ended |= attempt.ended.is_some();
        }
    }
    ended.then(|| seconds(bounds(state.plan(), state.policy().concurrency, &durations).lower_bound))
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Three decimals are more than anybody can measure here.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
