//! A source of tasks in memory.

use std::sync::mpsc::{Receiver, channel};

use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::PlanChange;
use mesh_core::id::TaskId;
use mesh_core::task::Eligibility;
use mesh_engine::{AttemptReport, ClaimRefusal, Details, FinalReport, Source, WaveReport};
use mesh_plan::details::{ProofFrom, TaskDetails};
use mesh_plan::source_snapshot::SourceKind;

use super::world::{Hand, World};
use crate::script::Worker;

/// The source, for one coordinator.
pub(super) struct MemorySource {
    pub hand: Hand,
    pub details: Details,
}

/// Whether a task names a proof of its own; of the others the agent may name one.
pub(super) fn names_proof(id: &TaskId) -> bool {
    !id.as_str().ends_with('5')
}

/// A task's text.
pub(super) fn details(id: &TaskId) -> TaskDetails {
    TaskDetails {
        id: id.clone(),
        title: format!("Write {id}"),
        description: "Write it.".to_owned(),
        acceptance: String::new(),
        design: String::new(),
        notes: String::new(),
        priority: 2,
        labels: Vec::new(),
        proof: names_proof(id)
            .then(|| "make check".to_owned())
            .into_iter()
            .collect(),
        proof_from: ProofFrom::Acceptance,
        scope: Vec::new(),
        allow_no_validation: false,
        consensus: mesh_plan::details::ConsensusLayer::default(),
        text_fingerprint: String::new(),
        status: "open".to_owned(),
        assignee: None,
        parents: [].into(),
        member: true,
    }
}

impl World {
    /// What is different of the tasks since a coordinator was last told.
    pub fn listing(&mut self) -> PlanChange {
        let seen = std::mem::replace(&mut self.seen, self.tasks.clone());
        let changed = self.tasks.values();
        PlanChange {
            tasks: changed
                .filter(|task| seen.get(&task.id) != Some(task))
                .cloned()
                .collect(),
            removed: Vec::new(),
            taken: std::mem::take(&mut self.taken).into_iter().collect(),
            closed: std::mem::take(&mut self.closed).into_iter().collect(),
        }
    }
}

impl Source for MemorySource {
    fn kind(&self) -> SourceKind {
        SourceKind::St
    }

    fn claim(&self, order: &StartOrder) -> Receiver<Result<(), ClaimRefusal>> {
        let (answer, receiver) = channel();
        let Some(mut world) = self.hand.call() else {
            return receiver;
        };
        let attempt = &order.attempt;
        if world.script(attempt).worker_hangs == Some(Worker::Start)
            && world.store.once(attempt, "claim")
        {
            drop(world);
            panic!("{}", super::ON_PURPOSE);
        }
        let tracked = world.tracker.entry(attempt.task.clone()).or_default();
        let closed = tracked.closed_by_others.then(|| "it is closed".to_owned());
        let answered = match tracked.theirs.clone().or(closed) {
            Some(holder) => Err(ClaimRefusal::Taken(holder)),
            None => {
                tracked.ours = true;
                Ok(())
            }
        };
        let _ = answer.send(answered);
        receiver
    }

    fn finalize(&self, report: &AttemptReport<'_>) -> Vec<String> {
        let Some(mut world) = self.hand.call() else {
            return vec!["the coordinator is dead".to_owned()];
        };
        let attempt = report.attempt;
        *world.finalized.entry(attempt.clone()).or_default() += 1;
        let lives = world.living().find(|one| one.attempt == *attempt).cloned();
        if let Some(process) = lives {
            world.breaks(format!(
                "the end of {attempt} is written while its {} lives",
                process.role
            ));
        }
        if let Outcome::Verified { .. } = report.outcome {
            if !world.is_good(attempt) {
                world.breaks(format!("P2: {attempt} is written down as done and is not"));
            }
            let needs = world
                .tasks
                .get(&attempt.task)
                .map(|task| task.needs.clone());
            let open = needs.into_iter().flatten().find(|need| {
                let ended = world
                    .tracker
                    .get(need)
                    .is_some_and(|one| one.closed.is_some());
                !ended && world.result_of(need).is_some() && world.policy.land.is_none()
            });
            if let Some(need) = open {
                world.breaks(format!("{attempt} is closed before its need {need}"));
            }
            let tracked = world.tracker.entry(attempt.task.clone()).or_default();
            tracked.closed = Some(attempt.clone());
        }
        Vec::new()
    }

    fn wave_ended(&self, report: &WaveReport) -> Vec<String> {
        let Some(mut world) = self.hand.call() else {
            return vec!["the coordinator is dead".to_owned()];
        };
        let wave = report.number;
        if !world.finalized_waves.insert(wave) && !report.resumed {
            world.breaks(format!("waves: the end of wave {wave} is written twice"));
        }
        Vec::new()
    }

    fn refresh(&self) -> Result<PlanChange, String> {
        let mut world = self.hand.call().ok_or("the coordinator is dead")?;
        let fails = world.faults.listing_fails;
        if world.rng.percent(fails) {
            return Err("the source did not answer".to_owned());
        }
        let change = world.listing();
        let mut known = self
            .details
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for task in &change.tasks {
            known
                .entry(task.id.clone())
                .or_insert_with(|| details(&task.id));
        }
        Ok(change)
    }

    fn conclude(&self, report: &FinalReport) -> Vec<String> {
        let Some(mut world) = self.hand.call() else {
            return vec!["the coordinator is dead".to_owned()];
        };
        for task in &report.claimed {
            let lives = world
                .living()
                .find(|one| one.attempt.task == *task)
                .cloned();
            if let Some(process) = lives {
                world.breaks(format!(
                    "the claim of {task} is given back while the {process} lives"
                ));
            }
            world.tracker.entry(task.clone()).or_default().ours = false;
        }
        Vec::new()
    }
}

/// Somebody takes an open task, or closes it.
pub(super) fn withdraw(world: &mut World, task: &TaskId, closes: bool) {
    let open = world.tasks.get_mut(task);
    let Some(open) = open.filter(|task| task.eligibility == Eligibility::Open) else {
        return;
    };
    let tracked = world.tracker.entry(task.clone()).or_default();
    tracked.ours = false;
    if closes {
        open.eligibility = Eligibility::Satisfied { commit: None };
        tracked.closed_by_others = true;
        world
            .closed
            .insert(task.clone(), "its status became closed".to_owned());
    } else {
        open.eligibility = Eligibility::NotOurs {
            reason: "held by ada".to_owned(),
        };
        tracked.theirs = Some("ada".to_owned());
        world
            .taken
            .insert(task.clone(), "it was given to ada".to_owned());
    }
}
