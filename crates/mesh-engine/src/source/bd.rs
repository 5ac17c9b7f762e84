//! The tracker. Everything goes through its queue, one call at a time; every write names the actor that holds the claim.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use mesh_bd::view::{MESH_VIEW, Views};
use mesh_bd::{
    AgentState, BdError, Finalization, Lane, Listing, NewComment, Queue, RefusalReason, Renewal,
    Tracker, retry_transient,
};
use mesh_core::decision::{Outcome, StartOrder};
use mesh_core::event::{Delivery, Event, PlanChange};
use mesh_core::evidence::FailureClass;
use mesh_core::filename::safe_file_name;
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::issue::Issue;
use mesh_core::task::{Commit, Eligibility, Task};
use mesh_journal::layout::RunDir;
use mesh_plan::comment::{
    self, AttemptOutcome, BeadComment, SwarmStatus, marker_of_attempt, marker_of_run,
};
use mesh_plan::details::TaskDetails;
use mesh_plan::epic::{self, Target};
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};

use super::renewals::Renewals;
use super::{
    AttemptReport, ClaimRefusal, FinalReport, Source, SourceAccess, VerifiedTask, WaveReport,
    baseline,
};
use crate::context::{Details, lock};
use crate::inbox::Input;
use crate::notes::Notes;
use crate::setup::{ClosePolicy, RunSetup, SourceSetup};

pub mod audit;
pub mod bookkeeping;
pub mod claimant;
mod swarm_check;

use audit::RunAudit;
use bookkeeping::Bookkeeping;
use claimant::{actor_of, agent_in, claim_metadata, claimant_of};

/// The coordinator's own actor.
pub const ACTOR: &str = "mesh";

/// What the tracker's adapter knows of the run that works on it.
#[derive(Clone)]
pub(crate) struct SourceContext {
    pub run: String,
    pub run_dir: RunDir,
    pub setup: RunSetup,
    /// The model of the agents, for the audit.
    pub model: String,
    /// The texts of the tasks, which a refresh brings up to date.
    pub details: Details,
    pub inbox: Sender<Input>,
    pub notes: Arc<Notes>,
    /// How many agents may run at once.
    pub concurrency: u16,
}

/// The tracker in use.
pub(crate) struct BdSource {
    this: Weak<BdSource>,
    context: SourceContext,
    queue: Arc<Queue>,
    target: Target,
    baseline: Mutex<SourceSnapshot>,
    /// Who holds each task: the actor of its first claim in this run.
    holders: Mutex<BTreeMap<TaskId, String>>,
    /// Tasks that a mesh had when this run began.
    inherited: Vec<TaskId>,
    /// Tasks that mesh has closed, and those that were closed before.
    closed: Mutex<BTreeSet<TaskId>>,
    renewals: OnceLock<Renewals>,
    /// What mesh keeps in the tracker beside the beads.
    bookkeeping: Arc<Bookkeeping>,
    /// Copies for the agents, until the run's end.
    views: Mutex<Option<Views>>,
    audit: Arc<RunAudit>,
}

/// The name of an attempt's view.
fn view_of(attempt: &AttemptId) -> String {
    format!(
        "{}.{}",
        safe_file_name(attempt.task.as_str()),
        attempt.number
    )
}

/// What the bead of an agent says after an attempt that ended like this.
fn agent_state(outcome: &Outcome) -> AgentState {
    match outcome {
        Outcome::Verified { .. } => AgentState::Done,
        Outcome::Question(_) => AgentState::Stuck,
        Outcome::Retried(failure) | Outcome::Failed(failure)
            if failure.class == FailureClass::Hung =>
        {
            AgentState::Stuck
        }
        Outcome::Retried(_) | Outcome::Failed(_) | Outcome::Interrupted | Outcome::Skipped(_) => {
            AgentState::Idle
        }
    }
}

impl BdSource {
    pub fn new(
        queue: Arc<Queue>,
        target: Target,
        listing: &Arc<Listing>,
        loaded: SourceSnapshot,
        views: Option<Views>,
        context: SourceContext,
    ) -> Arc<BdSource> {
        // What is in progress and is not somebody else's is a claim of ours, of a task with a recorded result too.
        let held = |task: &Task| {
            let details = loaded.details.get(&task.id)?;
            let is_held = details.status == "in_progress"
                && !matches!(task.eligibility, Eligibility::NotOurs { .. });
            let name = details.assignee.clone().filter(|_| is_held)?;
            Some((task.id.clone(), name))
        };
        let holders: BTreeMap<TaskId, String> = loaded.tasks.iter().filter_map(held).collect();
        let is_closed = |details: &&TaskDetails| details.status == "closed";
        let closed = loaded
            .details
            .values()
            .filter(is_closed)
            .map(|details| details.id.clone())
            .collect();
        let audit = RunAudit::start(Arc::clone(&queue), &context);
        let bookkeeping = Bookkeeping::new(&context, &queue, &target, listing);
        Arc::new_cyclic(|this| BdSource {
            audit,
            this: Weak::clone(this),
            context,
            queue,
            target,
            baseline: Mutex::new(loaded),
            inherited: holders.keys().cloned().collect(),
            holders: Mutex::new(holders),
            closed: Mutex::new(closed),
            renewals: OnceLock::new(),
            bookkeeping,
            views: Mutex::new(views),
        })
    }

    /// Whether a verified task is to be closed.
    fn may_close(&self, self_checked: bool, delivery: &Delivery) -> bool {
        let policy = match self.context.setup.close {
            ClosePolicy::Verified => true,
            ClosePolicy::Landed => matches!(delivery, Delivery::Landed { .. }),
            ClosePolicy::Never => false,
        };
        policy && (self.context.setup.trust_agent_verify || !self_checked)
    }

    fn comment(&self, report: &AttemptReport<'_>) -> NewComment {
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
        let mut notes: Vec<String> = match report.delivery {
            Delivery::Kept | Delivery::Queued => Vec::new(),
            Delivery::Landed { commit } => vec![format!("landed as {commit}")],
            Delivery::NotLanded { reason } => vec![format!("not landed: {reason}")],
        };
        if !report.learnings.is_empty() {
            notes.push(format!("learned: {}", report.learnings.join(", ")));
        }
        let comment = BeadComment {
            run: &self.context.run,
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
                marker_of_attempt(&self.context.run, report.attempt)
            ),
        };
        let holder = self.holder(&report.attempt.task);
        NewComment {
            author: agent_in(holder.as_deref().unwrap_or(ACTOR)).to_owned(),
            text,
            marker: marker_of_attempt(&self.context.run, report.attempt),
            may_be_there: report.resumed,
        }
    }

    /// Writes the swarm status on the epic, once for each `what` of the run.
    fn epic_comment(&self, status: &SwarmStatus<'_>) -> Result<(), BdError> {
        let marker = marker_of_run(&self.context.run, status.what);
        let text =
            comment::swarm_status(status).unwrap_or_else(|error| format!("{error}\n{marker}"));
        let id = self.target.id().clone();
        let write = move |tracker: &dyn Tracker| {
            retry_transient(|_| tracker.comment_once(&id, ACTOR, &text, &marker)).map(|_| ())
        };
        self.queue.call(Lane::Rest, write)
    }

    fn last_comment(&self, run_summary: &FinalReport) -> Result<(), BdError> {
        let mut notes = Vec::new();
        if run_summary.all_done && !self.context.setup.close_epic {
            notes.push("all children are done: the epic is eligible to be closed".to_owned());
        }
        self.epic_comment(&SwarmStatus {
            run: &self.context.run,
            what: "end",
            task_buckets: &run_summary.task_buckets,
            next_wave: &run_summary.task_buckets.ready,
            verify: None,
            notes: &notes,
        })
    }

    fn close_epic(&self) -> Result<(), BdError> {
        let id = self.target.id().clone();
        let reason = format!("all children are done (mesh {})", self.context.run);
        self.queue.call(Lane::Rest, move |tracker| {
            tracker.close(&id, ACTOR, &reason)
        })
    }

    fn holder(&self, task: &TaskId) -> Option<String> {
        lock(&self.holders).get(task).cloned()
    }

    /// Renews the lease of a task of ours until its end. The tracker's refusal is a fact for the core.
    fn keep_lease(&self, task: &TaskId) {
        let renewals = self.renewals.get_or_init(|| {
            let this = Weak::clone(&self.this);
            let renew = move |task: &TaskId| {
                if let Some(source) = this.upgrade() {
                    source.renew(task);
                }
            };
            Renewals::start(renew).unwrap_or_else(|_| Renewals::idle())
        });
        renewals.keep(task);
    }

    fn renew(&self, task: &TaskId) {
        let Some(actor) = self.holder(task) else {
            return;
        };
        let (id, lost, inbox) = (task.clone(), task.clone(), self.context.inbox.clone());
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
        self.queue.submit(
            Lane::Renewal,
            move |tracker: &dyn Tracker| tracker.renew(&id, &actor),
            answer,
        );
    }
}

impl Source for BdSource {
    fn kind(&self) -> SourceKind {
        SourceKind::Bd
    }

    fn claim(&self, order: &StartOrder) -> Receiver<Result<(), ClaimRefusal>> {
        let (answer, receiver) = channel();
        let task = order.attempt.task.clone();
        // What this run has is claimed again by the name that has it; what another one left is given back by its name first.
        let (actor, left_by) = {
            let mut holders = lock(&self.holders);
            let held = holders.get(&task).cloned();
            match held {
                Some(name) if name.ends_with(&format!("@{}", self.context.run)) => (name, None),
                held => {
                    let name = claimant_of(order.slot, &self.context.run);
                    holders.insert(task.clone(), name.clone());
                    (name, held)
                }
            }
        };
        let metadata = claim_metadata(&self.context.run, &order.attempt);
        let this = Weak::clone(&self.this);
        let id = task.clone();
        self.queue.submit(
            Lane::Claim,
            move |tracker: &dyn Tracker| {
                if let Some(name) = left_by {
                    tracker.release(&id, &name)?;
                }
                tracker.claim(&id, &actor, &metadata)
            },
            move |claimed| {
                let refusal = match claimed {
                    Ok(claimed) => {
                        if claimed.is_leased
                            && let Some(source) = this.upgrade()
                        {
                            source.keep_lease(&task);
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
        // After the claim, so that it goes before.
        self.bookkeeping.begin();
        receiver
    }

    fn keep_claims(&self, tasks: &[TaskId]) {
        tasks.iter().for_each(|task| self.keep_lease(task));
    }

    /// Its view is there already; from now on it is kept fresh again.
    fn adopt(&self, attempt: &AttemptId) {
        if let Some(views) = &*lock(&self.views)
            && let Err(error) = views.open(&view_of(attempt))
        {
            tracing::warn!(%attempt, %error, "the agent reads an older copy of the tracker");
        }
    }

    fn prompt_written(&self, attempt: &AttemptId, slot: SlotId, text: String) {
        let (task, agent) = (attempt.task.clone(), actor_of(slot));
        let shown = attempt.clone();
        self.queue.submit(
            Lane::Rest,
            move |tracker: &dyn Tracker| retry_transient(|_| tracker.hook(&agent, &task)),
            move |hooked| {
                if let Err(error) = hooked {
                    tracing::warn!(attempt = %shown, %error, "the agent's bead does not show its task");
                }
            },
        );
        self.bookkeeping.bond_arm(attempt);
        let holder = self.holder(&attempt.task).unwrap_or_else(|| actor_of(slot));
        self.audit_prompt(attempt, agent_in(&holder), &text);
    }

    fn wave_ended(&self, report: &WaveReport) -> Vec<String> {
        self.audit_wave(report);
        let what = format!("wave-{}", report.number);
        let written = self.epic_comment(&SwarmStatus {
            run: &self.context.run,
            what: &what,
            task_buckets: &report.task_buckets,
            next_wave: &report.next,
            verify: None,
            notes: &[],
        });
        let refused = |error| {
            format!(
                "{}: the comment on {what} was not written: {error}",
                self.target.id()
            )
        };
        written.err().map(refused).into_iter().collect()
    }

    fn finalize(&self, report: &AttemptReport<'_>) -> Vec<String> {
        if let Some(views) = &*lock(&self.views) {
            views.close(&view_of(report.attempt));
        }
        self.bookkeeping.close_arm(report.attempt);
        let task = &report.attempt.task;
        let actor = self.holder(task).unwrap_or_else(|| ACTOR.to_owned());
        let is_skipped = matches!(report.outcome, Outcome::Skipped(_));
        let close = match report.outcome {
            Outcome::Verified { self_checked, .. } => {
                self.may_close(*self_checked, report.delivery)
            }
            _ => false,
        };
        let finalized = self.queue.finalize(Finalization {
            id: task.clone(),
            actor: actor.clone(),
            comment: (!is_skipped).then(|| self.comment(report)),
            close: close
                .then(|| close_reason(&self.context.run, report.attempt, report.commit.as_ref())),
        });
        let mut refused = Vec::new();
        let mut note = |what: &str, result: Result<(), BdError>| {
            if let Err(error) = result {
                refused.push(format!("{task}: {what}: {error}"));
            }
        };
        note("the comment was not written", finalized.comment);
        match finalized.close {
            Ok(()) if close => {
                lock(&self.closed).insert(task.clone());
            }
            Ok(()) => {}
            // What is closed by the run's end is well.
            Err(error) => tracing::warn!(%task, %error, "it is closed later"),
        }
        if let (Outcome::Verified { .. } | Outcome::Skipped(_), Some(renewals)) =
            (report.outcome, self.renewals.get())
        {
            renewals.drop_lease(task);
        }
        self.audit_attempt(report, agent_in(&actor));
        let (id, state, shown) = (
            task.clone(),
            agent_state(report.outcome),
            report.attempt.clone(),
        );
        self.queue.submit(
            Lane::Rest,
            move |tracker: &dyn Tracker| retry_transient(|_| tracker.unhook(&id, state)),
            move |unhooked| {
                if let Err(error) = unhooked {
                    tracing::warn!(attempt = %shown, %error, "the agent's bead still shows its task");
                }
            },
        );
        refused
    }

    fn refresh(&self) -> Result<PlanChange, String> {
        let (answer, receiver) = channel();
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
            &self.context.details,
            &mut lock(&self.baseline),
            after,
            &wrote,
        ))
    }

    fn write_missing(&self, verified: &[VerifiedTask]) -> Vec<(TaskId, String)> {
        let closed = lock(&self.closed).clone();
        let (answer, receiver) = channel();
        for task in verified {
            let id = &task.attempt.task;
            if closed.contains(id) || !self.may_close(task.self_checked, &task.delivery) {
                continue;
            }
            let (answer, asked) = (answer.clone(), id.clone());
            let end = Finalization {
                id: id.clone(),
                actor: self.holder(id).unwrap_or_else(|| ACTOR.to_owned()),
                comment: None,
                close: Some(close_reason(
                    &self.context.run,
                    &task.attempt,
                    Some(&task.commit),
                )),
            };
            self.queue.submit_finalization(end, move |finalized| {
                // The receiver waits below; it is gone only if its thread is.
                let _ = answer.send((asked, finalized.close));
            });
        }
        drop(answer);
        let mut missing = Vec::new();
        for (task, closed) in receiver {
            match closed {
                Ok(()) => {
                    lock(&self.closed).insert(task);
                }
                Err(error) => missing.push((task, error.to_string())),
            }
        }
        missing
    }

    fn conclude(&self, run_summary: &FinalReport) -> Vec<String> {
        let views = lock(&self.views).take();
        if let Some(views) = views {
            views.end();
        }
        let mut refused = Vec::new();
        // What an earlier run left claimed and this one had no need to claim is given back as well.
        for task in run_summary.claimed.iter().chain(&self.inherited) {
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
            let release =
                move |tracker: &dyn Tracker| retry_transient(|_| tracker.release(&id, &actor));
            match self.queue.call(Lane::Rest, release) {
                Ok(()) => {}
                // There is nothing of ours to give back; whoever lost it to them has said so.
                Err(BdError::Refused(refusal))
                    if matches!(refusal.reason, RefusalReason::HeldBy(_))
                        || !run_summary.claimed.contains(task) =>
                {
                    tracing::info!(%task, %refusal, "there is no claim of ours by now");
                }
                Err(error) => {
                    refused.push(format!("{task}: the claim was not given back: {error}"));
                }
            }
        }
        let idle = |tracker: &dyn Tracker| retry_transient(|_| tracker.idle_agents());
        if let Err(error) = self.queue.call(Lane::Rest, idle) {
            refused.push(format!(
                "the agents' beads do not show that they are idle: {error}"
            ));
        }
        if let Err(error) = self.last_comment(run_summary) {
            refused.push(format!(
                "{}: the last comment was not written: {error}",
                self.target.id()
            ));
        }
        refused.extend(self.audit.finish());
        if run_summary.all_done
            && self.context.setup.close_epic
            && let Err(error) = self.close_epic()
        {
            refused.push(format!(
                "{}: the epic was not closed: {error}",
                self.target.id()
            ));
        }
        let closed = lock(&self.closed).clone();
        refused.extend(self.bookkeeping.end(run_summary.all_done, closed));
        refused
    }

    /// Where `mesh-bd-ro` finds the tracker: a view of the attempt's own, or the tracker itself.
    fn agent_access(&self, attempt: &AttemptId) -> std::io::Result<SourceAccess> {
        let SourceAccess { mut env, mut write } = SourceAccess::default();
        match (&*lock(&self.views), &self.context.setup.source) {
            (Some(views), _) => {
                let view = views.open(&view_of(attempt))?;
                write.push(view.clone());
                env.insert(MESH_VIEW, view);
            }
            (None, SourceSetup::Bd(bd)) => {
                write.push(bd.beads_dir.clone());
                env.insert("BEADS_DIR", &bd.beads_dir);
            }
            (None, SourceSetup::File(_)) => {}
        }
        if let Some(bd) = &self.context.setup.programs.bd {
            env.insert("MESH_BD", bd);
        }
        let log = self.context.run_dir.path().join("bd-ro.log");
        // In a sandbox only a file that is there can be written to.
        fs_err::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log)?;
        write.push(log.clone());
        env.insert("MESH_BD_RO_LOG", log);
        Ok(SourceAccess { env, write })
    }
}

fn close_reason(run: &str, attempt: &AttemptId, commit: Option<&Commit>) -> String {
    let commit = commit
        .map(|commit| format!(" as {commit}"))
        .unwrap_or_default();
    format!("verified{commit} (mesh {run} {attempt})")
}
