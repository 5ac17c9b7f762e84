//! The tracker. Everything goes through its queue, one call at a time; every write names the actor that holds the claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, OnceLock};

use mesh_bd::view::{MESH_VIEW, Views};
use mesh_bd::{BdError, Lane, Queue, RefusalReason, Renewal, Tracker};
use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::{Delivery, Event, PlanChange};
use mesh_core::filename::safe_file_name;
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::issue::{Issue, IssueStatus};
use mesh_plan::comment::{
    self, AttemptOutcome, BeadComment, SwarmStatus, marker_of_attempt, marker_of_run,
};
use mesh_plan::details::TaskDetails;
use mesh_plan::epic::{self, Target};
use mesh_plan::source_snapshot::SourceSnapshot;
use mesh_proc::env::Env;

use super::renewals::Renewals;
use super::{AttemptReport, ClaimRefusal, FinalReport, baseline};
use crate::context::{RunContext, lock};
use crate::inbox::Input;
use crate::setup::{ClosePolicy, SourceSetup};

mod audit;

/// The coordinator's own actor.
pub const ACTOR: &str = "mesh";
/// Metadata that says which run holds a bead.
const METADATA_RUN: &str = "mesh.run";

/// The tracker in use.
pub(crate) struct BdSource {
    queue: Arc<Queue>,
    target: Target,
    baseline: Mutex<SourceSnapshot>,
    /// Who holds each task: the actor of its first claim in this run.
    holders: Mutex<BTreeMap<TaskId, String>>,
    /// Tasks that mesh has closed, and those that were closed before.
    closed: Mutex<BTreeSet<TaskId>>,
    renewals: OnceLock<Renewals>,
    /// Copies for the agents, until the run's end.
    views: Mutex<Option<Views>>,
}

/// A write that the tracker did not take for a moment is made once more, on the same turn of the queue; `write` hears whether it is
/// the second time. What comes then stands.
fn twice<T>(mut write: impl FnMut(bool) -> Result<T, BdError>) -> Result<T, BdError> {
    match write(false) {
        Err(error) if error.is_transient() => {
            tracing::warn!(%error, "a write is made once more");
            write(true)
        }
        answer => answer,
    }
}

/// The name of an attempt's view.
fn view_of(attempt: &AttemptId) -> String {
    format!(
        "{}.{}",
        safe_file_name(attempt.task.as_str()),
        attempt.number
    )
}

/// The actor of a slot.
#[must_use]
pub fn actor_of(slot: SlotId) -> String {
    format!("agent:{slot}")
}

/// What is noted with the claim for an attempt.
#[must_use]
pub fn claim_metadata(run: &str, attempt: &AttemptId) -> Vec<(String, String)> {
    vec![
        (METADATA_RUN.to_owned(), run.to_owned()),
        ("mesh.attempt".to_owned(), attempt.to_string()),
    ]
}

/// Whether an issue is held by a mesh: one of its actors has it, under a run.
#[must_use]
pub fn is_held_by_mesh(issue: &Issue) -> bool {
    let actor = issue
        .assignee
        .as_deref()
        .is_some_and(|name| name.starts_with("agent:mesh-"));
    actor
        && issue.status == IssueStatus::InProgress
        && issue.metadata.iter().any(|(key, _)| key == METADATA_RUN)
}

impl BdSource {
    pub fn new(
        queue: Arc<Queue>,
        target: Target,
        loaded: SourceSnapshot,
        views: Option<Views>,
    ) -> BdSource {
        let held = |details: &TaskDetails| {
            let name = details.assignee.clone().filter(|name| {
                name.starts_with("agent:mesh-") && details.status == "in_progress"
            })?;
            Some((details.id.clone(), name))
        };
        let holders = loaded.details.values().filter_map(held).collect();
        let is_closed = |details: &&TaskDetails| details.status == "closed";
        let closed = loaded
            .details
            .values()
            .filter(is_closed)
            .map(|details| details.id.clone())
            .collect();
        BdSource {
            queue,
            target,
            baseline: Mutex::new(loaded),
            holders: Mutex::new(holders),
            closed: Mutex::new(closed),
            renewals: OnceLock::new(),
            views: Mutex::new(views),
        }
    }

    pub fn claim(
        &self,
        context: &Arc<RunContext>,
        order: &StartOrder,
        answer: Sender<Result<(), ClaimRefusal>>,
    ) {
        let task = order.attempt.task.clone();
        // A bead that an earlier coordinator of ours left behind is claimed again by the name that has it.
        let actor = lock(&self.holders)
            .entry(task.clone())
            .or_insert_with(|| actor_of(order.slot))
            .clone();
        let metadata = claim_metadata(&context.run, &order.attempt);
        let shared = Arc::clone(context);
        let id = task.clone();
        self.queue.submit(
            Lane::Claim,
            move |tracker: &dyn Tracker| tracker.claim(&id, &actor, &metadata),
            move |claimed| {
                let refusal = match claimed {
                    Ok(claimed) => {
                        if claimed.is_leased {
                            keep_lease(&shared, &task);
                        }
                        None
                    }
                    Err(BdError::Refused(refusal)) => {
                        Some(ClaimRefusal::Taken(refusal.reason.to_string()))
                    }
                    Err(BdError::NotFound { .. }) => Some(ClaimRefusal::Taken(
                        "it is no longer in the tracker".to_owned(),
                    )),
                    Err(error) => Some(ClaimRefusal::Failed(error.to_string())),
                };
                // The worker that asked may have died with its attempt.
                let _ = answer.send(refusal.map_or(Ok(()), Err));
            },
        );
    }

    pub fn finalize(&self, context: &Arc<RunContext>, report: &AttemptReport<'_>) -> Vec<String> {
        if let Some(views) = &*lock(&self.views) {
            views.close(&view_of(report.attempt));
        }
        let task = &report.attempt.task;
        let actor = self.holder(task).unwrap_or_else(|| ACTOR.to_owned());
        let mut refused = Vec::new();
        let mut note = |what: &str, result: Result<(), BdError>| {
            if let Err(error) = result {
                refused.push(format!("{task}: {what}: {error}"));
            }
        };
        if !matches!(report.outcome, Outcome::Skipped(_)) {
            note(
                "the comment was not written",
                self.comment(context, report, &actor),
            );
        }
        if self.may_close(context, report) {
            let reason = close_reason(context, report);
            let (id, by) = (task.clone(), actor.clone());
            let close = move |tracker: &dyn Tracker| tracker.close(&id, &by, &reason);
            let closed = self
                .queue
                .call(Lane::Rest, move |tracker| twice(|_| close(tracker)));
            if closed.is_ok() {
                lock(&self.closed).insert(task.clone());
            }
            note("it was not closed", closed);
        }
        if matches!(
            report.outcome,
            Outcome::Verified { .. } | Outcome::Skipped(_)
        ) && let Some(renewals) = self.renewals.get()
        {
            renewals.drop_lease(task);
        }
        for written in self.audit_attempt(context, report, &actor) {
            note("the audit entry was not written", written);
        }
        refused
    }

    fn may_close(&self, context: &RunContext, report: &AttemptReport<'_>) -> bool {
        let Outcome::Verified { self_checked, .. } = report.outcome else {
            return false;
        };
        let policy = match context.setup.close {
            ClosePolicy::Verified => true,
            ClosePolicy::Landed => matches!(report.delivery, Delivery::Landed { .. }),
            ClosePolicy::Never => false,
        };
        policy && (context.setup.trust_agent_verify || !self_checked)
    }

    fn comment(
        &self,
        context: &RunContext,
        report: &AttemptReport<'_>,
        actor: &str,
    ) -> Result<(), BdError> {
        let stopped = |outcome: &Outcome| match outcome {
            Outcome::Skipped(reason) => reason.to_string(),
            _ => "the run was stopped".to_owned(),
        };
        let why = stopped(report.outcome);
        let outcome = match report.outcome {
            Outcome::Verified { self_checked, .. } => AttemptOutcome::Verified {
                self_checked: *self_checked,
                no_change: report.no_change_reason.as_deref(),
            },
            Outcome::Retried(failure) => AttemptOutcome::Failed {
                failure,
                retried: true,
            },
            Outcome::Failed(failure) => AttemptOutcome::Failed {
                failure,
                retried: false,
            },
            Outcome::Question(text) => AttemptOutcome::Question(text),
            Outcome::Interrupted | Outcome::Skipped(_) => AttemptOutcome::Stopped(&why),
        };
        let notes: Vec<String> = match report.delivery {
            Delivery::Kept | Delivery::Queued => Vec::new(),
            Delivery::Landed { commit } => vec![format!("landed as {commit}")],
            Delivery::NotLanded { reason } => vec![format!("not landed: {reason}")],
        };
        let comment = BeadComment {
            run: &context.run,
            attempt: report.attempt,
            title: &report.title,
            outcome,
            pr: report.pr.as_deref(),
            commit: report.commit.as_ref(),
            proof: report
                .proof
                .as_ref()
                .map(|(command, end)| (command.as_str(), end)),
            changed: &report.changed,
            notes: &notes,
        };
        let text = match comment::bead(&comment) {
            Ok(text) => text,
            // The template is ours and tested; a plain sentence still says what happened.
            Err(error) => format!(
                "{}\n{}",
                error,
                marker_of_attempt(&context.run, report.attempt)
            ),
        };
        let (id, by) = (report.attempt.task.clone(), actor.to_owned());
        let marker = marker_of_attempt(&context.run, report.attempt);
        let may_be_there = report.resumed;
        let write = move |tracker: &dyn Tracker, may_be_there: bool| {
            // Only after a doubtful end, one's own or a predecessor's, has to be looked whether it is there.
            if may_be_there {
                tracker.comment_once(&id, &by, &text, &marker)
            } else {
                tracker.comment(&id, &by, &text)
            }
        };
        self.queue
            .call(Lane::Rest, move |tracker| {
                twice(|resumed| write(tracker, resumed || may_be_there))
            })
            .map(|_| ())
    }

    pub fn refresh(&self, context: &Arc<RunContext>) -> Result<PlanChange, String> {
        let (answer, receiver) = std::sync::mpsc::channel();
        self.queue.submit_listing(move |listing| {
            // The receiver waits below; it is gone only if its thread is.
            let _ = answer.send(listing);
        });
        let listing = receiver
            .recv()
            .map_err(|_| "the tracker's queue has ended".to_owned())?
            .map_err(|error| error.to_string())?;
        let holders = lock(&self.holders).clone();
        let closed = lock(&self.closed).clone();
        let ours = |issue: &Issue| {
            issue.assignee.is_some() && issue.assignee.as_ref() == holders.get(&issue.id)
        };
        let mut after = baseline::validate(epic::load(&self.target, &listing.issues, &ours))?;
        crate::prior_results::keep_known_results(&mut after, &lock(&self.baseline));
        let wrote = |details: &TaskDetails| match details.status.as_str() {
            "closed" => closed.contains(&details.id),
            "in_progress" => {
                details.assignee.is_some() && details.assignee.as_ref() == holders.get(&details.id)
            }
            "open" => details.assignee.is_none() && holders.contains_key(&details.id),
            _ => false,
        };
        Ok(baseline::advance(
            &context.details,
            &mut lock(&self.baseline),
            after,
            &wrote,
        ))
    }

    pub fn conclude(&self, context: &Arc<RunContext>, run_summary: &FinalReport) -> Vec<String> {
        let views = lock(&self.views).take();
        if let Some(views) = views {
            views.end();
        }
        let mut refused = Vec::new();
        for task in &run_summary.claimed {
            let Some(actor) = lock(&self.holders).remove(task) else {
                continue;
            };
            if let Some(renewals) = self.renewals.get() {
                renewals.drop_lease(task);
            }
            if lock(&self.closed).contains(task) {
                continue;
            }
            let id = task.clone();
            let release = move |tracker: &dyn Tracker| twice(|_| tracker.release(&id, &actor));
            match self.queue.call(Lane::Rest, release) {
                Ok(()) => {}
                // There is nothing of ours to give back; whoever lost it to them has said so.
                Err(BdError::Refused(refusal))
                    if matches!(refusal.reason, RefusalReason::HeldBy(_)) =>
                {
                    tracing::info!(%task, %refusal, "the claim is somebody else's by now");
                }
                Err(error) => {
                    refused.push(format!("{task}: the claim was not given back: {error}"));
                }
            }
        }
        if let Err(error) = self.epic_comment(context, run_summary) {
            refused.push(format!(
                "{}: the last comment was not written: {error}",
                self.target.id()
            ));
        }
        if run_summary.all_done
            && context.setup.close_epic
            && let Err(error) = self.close_epic(context)
        {
            refused.push(format!(
                "{}: the epic was not closed: {error}",
                self.target.id()
            ));
        }
        refused
    }

    fn epic_comment(&self, context: &RunContext, run_summary: &FinalReport) -> Result<(), BdError> {
        let mut notes = Vec::new();
        if run_summary.all_done && !context.setup.close_epic {
            notes.push("all children are done: the epic is eligible to be closed".to_owned());
        }
        let status = SwarmStatus {
            run: &context.run,
            what: "end",
            task_buckets: &run_summary.task_buckets,
            next_wave: &run_summary.task_buckets.ready,
            verify: None,
            notes: &notes,
        };
        let Ok(text) = comment::swarm_status(&status) else {
            return Ok(());
        };
        let marker = marker_of_run(&context.run, "end");
        let id = self.target.id().clone();
        self.queue
            .call(Lane::Rest, move |tracker| {
                tracker.comment_once(&id, ACTOR, &text, &marker)
            })
            .map(|_| ())
    }

    fn close_epic(&self, context: &RunContext) -> Result<(), BdError> {
        let id = self.target.id().clone();
        let reason = format!("all children are done (mesh {})", context.run);
        self.queue.call(Lane::Rest, move |tracker| {
            tracker.close(&id, ACTOR, &reason)
        })
    }

    /// Its view is there already; from now on it is kept fresh again.
    pub fn adopt(&self, attempt: &AttemptId) {
        if let Some(views) = &*lock(&self.views)
            && let Err(error) = views.open(&view_of(attempt))
        {
            tracing::warn!(%attempt, %error, "the agent reads an older copy of the tracker");
        }
    }

    /// Where `mesh-bd-ro` finds the tracker: a view of the attempt's own, or the tracker itself.
    pub fn agent_environment(
        &self,
        context: &RunContext,
        attempt: &AttemptId,
    ) -> std::io::Result<Env> {
        let mut env = Env::empty();
        match (&*lock(&self.views), &context.setup.source) {
            (Some(views), _) => env.insert(MESH_VIEW, views.open(&view_of(attempt))?),
            (None, SourceSetup::Bd { beads_dir, .. }) => env.insert("BEADS_DIR", beads_dir),
            (None, SourceSetup::St { .. }) => {}
        }
        if let Some(bd) = &context.setup.programs.bd {
            env.insert("MESH_BD", bd);
        }
        env.insert("MESH_BD_RO_LOG", context.run_dir.path().join("bd-ro.log"));
        Ok(env)
    }

    fn holder(&self, task: &TaskId) -> Option<String> {
        lock(&self.holders).get(task).cloned()
    }
}

/// Goes on renewing the leases of a coordinator that died.
pub(crate) fn keep_leases<'a>(context: &Arc<RunContext>, tasks: impl Iterator<Item = &'a TaskId>) {
    tasks.for_each(|task| keep_lease(context, task));
}

/// Renews the lease of a task of ours until its end. The tracker's refusal is a fact for the core.
fn keep_lease(context: &Arc<RunContext>, task: &TaskId) {
    let super::Source::Bd(source) = &context.source else {
        return;
    };
    let renewals = source.renewals.get_or_init(|| {
        let weak = Arc::downgrade(context);
        let renew = move |task: &TaskId| {
            let Some(context) = weak.upgrade() else {
                return;
            };
            let super::Source::Bd(source) = &context.source else {
                return;
            };
            let Some(actor) = source.holder(task) else {
                return;
            };
            let (id, lost, inbox) = (task.clone(), task.clone(), context.inbox.clone());
            let answer = move |renewed: Result<Renewal, BdError>| match renewed {
                Ok(Renewal::Refused(refusal)) => {
                    let holder = refusal.reason.to_string();
                    let _ = inbox.send(Input::Fact(Box::new(Event::ClaimLost {
                        task: lost,
                        holder,
                    })));
                }
                Ok(Renewal::Renewed | Renewal::NoLeases) => {}
                // The lease runs on for a while, and the next renewal is minutes away.
                Err(error) => tracing::warn!(task = %lost, %error, "a lease was not renewed"),
            };
            source.queue.submit(
                Lane::Renewal,
                move |tracker: &dyn Tracker| tracker.renew(&id, &actor),
                answer,
            );
        };
        Renewals::start(renew).unwrap_or_else(|_| Renewals::idle())
    });
    renewals.keep(task);
}

fn close_reason(context: &RunContext, report: &AttemptReport<'_>) -> String {
    let commit = report
        .commit
        .as_ref()
        .map(|commit| format!(" as {commit}"))
        .unwrap_or_default();
    format!("verified{commit} (mesh {} {})", context.run, report.attempt)
}
