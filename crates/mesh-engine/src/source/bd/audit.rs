//! What goes into the tracker's audit of a run, and that each entry goes there once. It decides nothing about a task, and nobody waits
//! for it but the run's end.
//!
//! An entry is first noted in the run's audit outbox, then recorded when the tracker has nothing else to do. What is not recorded yet, after
//! a failed call or a death at any point, is looked for in the trail and recorded at the run's end or by the next coordinator.

use std::path::PathBuf;
use std::sync::Arc;

use mesh_bd::audit::outbox::{AuditOutbox, AuditWrite, Wanted};
use mesh_bd::audit::{AuditEntry, NEEDS_REVIEW, text_or_reference, trail_bytes};
use mesh_bd::{BdError, Lane, Queue, Tracker};
use mesh_core::decision::Outcome;
use mesh_core::id::AttemptId;
use mesh_core::process::Role;
use mesh_core::text::counted;

use super::{ACTOR, BdSource, SourceContext};
use crate::setup::AuditLevel;
use crate::source::{AttemptReport, WaveReport};

/// The key of an entry in a run's audit outbox: `t-1#2 prompt`.
#[must_use]
pub fn key_of(of: impl std::fmt::Display, what: &str) -> String {
    format!("{of} {what}")
}

/// What a outbox has of an attempt.
pub const PROMPT: &str = "prompt";
/// What a outbox has of an attempt.
pub const RESPONSE: &str = "response";
/// What a outbox has of an attempt, and of a wave.
pub const TOOL_CALL: &str = "tool_call";

/// The audit of a run.
pub(super) struct RunAudit {
    level: AuditLevel,
    /// Nothing when it could not be opened: then there is no audit, and the run says so at its end.
    outbox: Result<AuditOutbox, String>,
    queue: Arc<Queue>,
    beads_dir: PathBuf,
}

impl RunAudit {
    /// Opens the run's outbox, and hands over what a coordinator before this one left.
    pub fn start(queue: Arc<Queue>, context: &SourceContext) -> Arc<RunAudit> {
        let outbox = AuditOutbox::open(&context.run_dir.audit_outbox());
        let beads_dir = context.setup.source.path().to_path_buf();
        let audit = Arc::new(RunAudit {
            level: context.setup.audit,
            outbox: outbox.map_err(|error| error.to_string()),
            queue,
            beads_dir,
        });
        for wanted in audit.missing() {
            audit.submit(wanted, true);
        }
        audit
    }

    fn missing(&self) -> Vec<Wanted> {
        self.outbox
            .as_ref()
            .map(AuditOutbox::missing)
            .unwrap_or_default()
    }

    /// Whether there is to be an entry, given whether it is one of something that failed.
    fn wants(&self, failed_call: bool) -> bool {
        match self.level {
            AuditLevel::None => false,
            AuditLevel::Minimal => failed_call,
            AuditLevel::Full => true,
        }
    }

    /// Wants an entry, and a label on it if there is a reason for one.
    fn want(
        self: &Arc<RunAudit>,
        key: String,
        actor: &str,
        entry: AuditEntry,
        review: Option<String>,
    ) {
        let label = review.map(|reason| AuditWrite::Label {
            of: key.clone(),
            label: NEEDS_REVIEW.to_owned(),
            reason,
        });
        let label_key = key_of(&key, NEEDS_REVIEW);
        self.want_write(key, actor, AuditWrite::Entry(entry));
        if let Some(label) = label {
            self.want_write(label_key, ACTOR, label);
        }
    }

    fn want_write(self: &Arc<RunAudit>, key: String, actor: &str, write: AuditWrite) {
        let wanted = Wanted {
            key,
            actor: actor.to_owned(),
            after_bytes: trail_bytes(&self.beads_dir),
            write,
        };
        let Ok(outbox) = &self.outbox else {
            return;
        };
        match outbox.want(&wanted) {
            Ok(true) => self.submit(wanted, false),
            // A coordinator before this one wanted it, and what it left was handed over at the start.
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, key = wanted.key, "it is not in the audit"),
        }
    }

    /// Lets it be recorded when there is nothing else to do. `may_be_there` when it was tried before.
    fn submit(self: &Arc<RunAudit>, wanted: Wanted, may_be_there: bool) {
        let (audit, key) = (Arc::clone(self), wanted.key.clone());
        self.queue.submit(
            Lane::Audit,
            move |tracker: &dyn Tracker| audit.record(tracker, &wanted, may_be_there),
            move |recorded: Result<(), BdError>| {
                if let Err(error) = recorded {
                    tracing::warn!(key, %error, "it is not in the audit yet");
                }
            },
        );
    }

    fn record(
        &self,
        tracker: &dyn Tracker,
        wanted: &Wanted,
        may_be_there: bool,
    ) -> Result<(), BdError> {
        let Ok(outbox) = &self.outbox else {
            return Ok(());
        };
        let (actor, after) = (&wanted.actor, wanted.after_bytes);
        let id = match &wanted.write {
            AuditWrite::Entry(entry) => {
                let find = || tracker.find_audit(entry, after, &outbox.ids());
                match may_be_there.then(find).transpose()?.flatten() {
                    Some(id) => id,
                    None => tracker.audit(entry, actor)?,
                }
            }
            AuditWrite::Label { of, label, reason } => {
                // With its entry missing, it is missing too and tried again.
                let Some(entry) = outbox.id(of) else {
                    return Ok(());
                };
                let find = || tracker.find_audit_label(&entry, label, after);
                match may_be_there.then(find).transpose()?.flatten() {
                    Some(id) => id,
                    None => tracker.audit_label(&entry, label, reason, actor)?,
                }
            }
        };
        if let Err(error) = outbox.recorded(&wanted.key, &id) {
            tracing::warn!(%error, key = wanted.key, "that it is in the audit is not noted");
        }
        Ok(())
    }

    /// Waits until all is recorded, tries what was refused once more, and says what is missing then.
    pub fn finish(self: &Arc<RunAudit>) -> Vec<String> {
        if self.level == AuditLevel::None {
            return Vec::new();
        }
        let outbox = match &self.outbox {
            Ok(outbox) => outbox,
            Err(error) => return vec![format!("the audit is missing: {error}")],
        };
        // The last lane: when this has had its turn, so has all that was handed over before.
        let mut problem = self.queue.call(Lane::Audit, |_| Ok(())).err();
        for wanted in outbox.missing() {
            let audit = Arc::clone(self);
            let again = move |tracker: &dyn Tracker| audit.record(tracker, &wanted, true);
            problem = problem.or(self.queue.call(Lane::Audit, again).err());
        }
        match (outbox.missing().len(), problem) {
            (0, _) => Vec::new(),
            (missing, problem) => {
                let why = problem.map_or_else(String::new, |error| format!(" ({error})"));
                vec![format!(
                    "{} not in the tracker's audit{why}; `mesh resume` tries again",
                    counted(missing, "entry")
                )]
            }
        }
    }
}

impl BdSource {
    /// Wants the entry of a prompt.
    pub(super) fn audit_prompt(&self, attempt: &AttemptId, actor: &str, text: &str) {
        if !self.audit.wants(false) {
            return;
        }
        let path = self.context.run_dir.attempt(attempt).prompt();
        let entry = AuditEntry::LlmPrompt {
            issue: attempt.task.clone(),
            model: self.context.model.clone(),
            prompt: text_or_reference(text, &path),
        };
        self.audit.want(key_of(attempt, PROMPT), actor, entry, None);
    }

    /// Wants the entries of an attempt that has ended.
    pub(super) fn audit_attempt(&self, report: &AttemptReport<'_>, actor: &str) {
        let (attempt, context) = (report.attempt, &self.context);
        let failure = match report.outcome {
            Outcome::Retried(failure) | Outcome::Failed(failure) => Some(failure),
            _ => None,
        };
        if let Some(text) = &report.prompt {
            self.audit_prompt(attempt, actor, text);
        }
        if let (true, Some(text)) = (self.audit.wants(false), &report.response) {
            let path = context
                .run_dir
                .attempt(attempt)
                .process(Role::Agent)
                .stdout();
            let entry = AuditEntry::LlmResponse {
                issue: attempt.task.clone(),
                model: context.model.clone(),
                response: text_or_reference(text, &path),
            };
            let review = report.odd_answer.clone();
            self.audit
                .want(key_of(attempt, RESPONSE), actor, entry, review);
        }
        if !self.audit.wants(failure.is_some()) {
            return;
        }
        let payload = mesh_plan::audit::attempt(&mesh_plan::audit::AttemptAudit {
            run: &context.run,
            attempt,
            workspace: &report.workspace,
            base: &report.base,
            commit: report.commit.as_ref().map(|commit| commit.0.as_str()),
            proof: report
                .proof
                .as_ref()
                .map(|(command, end)| (command.as_str(), end)),
            changed: &report.changed,
            failure,
        });
        let failed = i32::from(failure.is_some());
        let entry = AuditEntry::ToolCall {
            issue: attempt.task.clone(),
            tool_name: "mesh.attempt".to_owned(),
            exit_code: report.exit_code.unwrap_or(failed),
            payload,
        };
        let review = failure.map(|failure| failure.in_one_line());
        self.audit
            .want(key_of(attempt, TOOL_CALL), actor, entry, review);
    }

    /// Wants the entry of a wave.
    pub(super) fn audit_wave(&self, report: &WaveReport) {
        let failed = !report.failed.is_empty();
        if !self.audit.wants(failed) {
            return;
        }
        let entry = AuditEntry::ToolCall {
            issue: self.target.id().clone(),
            tool_name: "mesh.wave".to_owned(),
            exit_code: i32::from(failed),
            payload: mesh_plan::audit::wave(&mesh_plan::audit::WaveAudit {
                run: &self.context.run,
                number: report.number,
                members: &report.members,
                verified: &report.verified,
                failed: &report.failed,
            }),
        };
        let key = key_of(format!("wave-{}", report.number), TOOL_CALL);
        let review = failed.then(|| "a task of the wave was not verified".to_owned());
        self.audit.want(key, ACTOR, entry, review);
    }
}
