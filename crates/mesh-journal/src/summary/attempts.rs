//! The story of every attempt, gathered from facts and decisions in one pass.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::evidence::{Ending, Evidence};
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::time::Millis;

use super::{AttemptSummary, SummaryContext, VerifySummary};
use crate::layout::RunDir;
use crate::timestamp::Timestamp;
use crate::wire::Record;

/// When something was recorded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Millis,
    pub(super) wall: Timestamp,
}

/// One attempt.
#[derive(Debug, Clone)]
pub(super) struct AttemptTimeline {
    slot: SlotId,
    pub(super) decided: Moment,
    pub(super) agent_started: Option<Moment>,
    pub(super) ended: Option<Moment>,
    pub(super) verified: Option<Moment>,
    exit_code: Option<i32>,
    outcome: Option<String>,
    failure: Option<String>,
    changed: Vec<String>,
    noticed: Vec<String>,
    verify: Option<VerifySummary>,
    commit: Option<String>,
}

impl AttemptTimeline {
    fn new(slot: SlotId, decided: Moment) -> AttemptTimeline {
        AttemptTimeline {
            slot,
            decided,
            agent_started: None,
            ended: None,
            verified: None,
            exit_code: None,
            outcome: None,
            failure: None,
            changed: Vec::new(),
            noticed: Vec::new(),
            verify: None,
            commit: None,
        }
    }

    pub(super) fn summary(
        &self,
        id: &AttemptId,
        dir: &RunDir,
        around: &SummaryContext<'_>,
    ) -> AttemptSummary {
        AttemptSummary {
            number: id.number,
            slot: self.slot.to_string(),
            started_at: self.decided.wall,
            agent_started_at: self.agent_started.map(|moment| moment.wall),
            ended_at: self.ended.map(|moment| moment.wall),
            exit_code: self.exit_code,
            outcome: self.outcome.clone(),
            agent: None,
            tokens: None,
            cost_usd: None,
            turns: (around.turns)(id),
            activity: None,
            sandbox: (around.sandbox)(id),
            failure: self.failure.clone(),
            changed: self.changed.clone(),
            noticed: self.noticed.clone(),
            verify: self.verify.clone(),
            workspace: (around.workspace)(id),
            commit: self.commit.clone(),
            logs: dir.attempt(id).path().to_owned(),
        }
    }

    fn left(&mut self, evidence: &Evidence) {
        self.changed = evidence.changes.paths.clone();
        self.commit = Some(evidence.changes.commit.to_string());
    }
}

/// All attempts of a task.
pub(super) fn all_of(task: &TaskId) -> RangeInclusive<AttemptId> {
    let number = |number| AttemptId {
        task: task.clone(),
        number,
    };
    number(0)..=number(u32::MAX)
}

/// By task and number. Reports on attempts that were never started change nothing.
pub(super) fn collect(records: &[Record]) -> BTreeMap<AttemptId, AttemptTimeline> {
    let mut timelines = BTreeMap::new();
    for record in records {
        let now = Moment {
            at: record.at,
            wall: record.wall,
        };
        take_event(&mut timelines, now, &record.event);
        for decision in &record.decisions {
            take_decision(&mut timelines, now, decision);
        }
    }
    timelines
}

fn take_event(timelines: &mut BTreeMap<AttemptId, AttemptTimeline>, now: Moment, event: &Event) {
    match event {
        Event::Started { attempt } => {
            if let Some(found) = timelines.get_mut(attempt) {
                found.agent_started.get_or_insert(now);
            }
        }
        Event::StartFailed { attempt, .. } => {
            if let Some(found) = timelines.get_mut(attempt) {
                found.ended.get_or_insert(now);
            }
        }
        Event::Ended {
            attempt, ending, ..
        } => {
            if let Some(found) = timelines
                .get_mut(attempt)
                .filter(|found| found.ended.is_none())
            {
                found.ended = Some(now);
                found.exit_code = exit_code(ending);
            }
        }
        Event::Inspected {
            attempt,
            evidence: Ok(evidence),
        } => {
            if let Some(found) = timelines.get_mut(attempt) {
                found.left(evidence);
            }
        }
        Event::Proved { attempt, proof } => {
            if let Some(verify) = timelines
                .get_mut(attempt)
                .and_then(|found| found.verify.as_mut())
            {
                verify.exit_code = exit_code(&proof.ending);
            }
        }
        Event::Noticed { attempts, changes } => {
            for attempt in attempts {
                let others: Vec<String> = attempts
                    .iter()
                    .filter(|other| *other != attempt)
                    .map(ToString::to_string)
                    .collect();
                let also = if others.is_empty() {
                    String::new()
                } else {
                    format!(" ({} ran too)", others.join(", "))
                };
                if let Some(found) = timelines.get_mut(attempt) {
                    for change in changes.iter().map(|change| format!("{change}{also}")) {
                        // A recording that is repeated sees the same again.
                        if !found.noticed.contains(&change) {
                            found.noticed.push(change);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

fn take_decision(
    timelines: &mut BTreeMap<AttemptId, AttemptTimeline>,
    now: Moment,
    decision: &Decision,
) {
    let mut outcome = |attempt: &AttemptId, word: &str| {
        if let Some(found) = timelines.get_mut(attempt) {
            found.outcome.get_or_insert_with(|| word.to_owned());
        }
    };
    match decision {
        Decision::Start { attempt, slot } => {
            timelines.insert(attempt.clone(), AttemptTimeline::new(*slot, now));
        }
        Decision::Prove {
            attempt,
            command,
            self_checked,
            ..
        } => {
            if let Some(found) = timelines.get_mut(attempt) {
                let (command, self_checked) = (command.clone(), *self_checked);
                found.verify = Some(VerifySummary {
                    command,
                    exit_code: None,
                    self_checked,
                });
            }
        }
        Decision::Accept {
            attempt, commit, ..
        } => {
            outcome(attempt, "verified");
            if let Some(found) = timelines.get_mut(attempt) {
                found.verified = Some(now);
                found.commit = Some(commit.to_string());
            }
        }
        Decision::Retry {
            attempt, failure, ..
        }
        | Decision::Fail { attempt, failure } => {
            outcome(attempt, failure.class.as_str());
            if let Some(found) = timelines.get_mut(attempt) {
                found.failure.get_or_insert_with(|| failure.detail.clone());
            }
        }
        // It was verified, and its result cannot be landed.
        Decision::GiveBack { attempt, failure } => {
            if let Some(found) = timelines.get_mut(attempt) {
                found.outcome = Some(failure.class.as_str().to_owned());
                found.failure = Some(failure.detail.clone());
            }
        }
        Decision::Question { attempt, .. } => outcome(attempt, "question"),
        Decision::Interrupt { attempt } => outcome(attempt, "interrupted"),
        // It names the task: the newest attempt is meant, if it goes on.
        Decision::Skip { task, .. } => {
            if let Some((_, found)) = timelines.range_mut(all_of(task)).next_back() {
                found.outcome.get_or_insert_with(|| "skipped".to_owned());
            }
        }
        _ => {}
    }
}

fn exit_code(ending: &Ending) -> Option<i32> {
    match ending {
        Ending::Exited(code) => Some(*code),
        _ => None,
    }
}
