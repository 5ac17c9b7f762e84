//! What goes into the tracker's audit trail of an attempt. It writes entries and decides nothing about the task.

use mesh_bd::audit::{AuditEntry, text_or_reference};
use mesh_bd::{BdError, Lane, Tracker};
use mesh_core::decision::Outcome;
use mesh_core::id::{AttemptId, SlotId};
use mesh_core::process::Role;

use super::{BdSource, SourceContext, actor_of, twice};
use crate::setup::AuditLevel;
use crate::source::AttemptReport;

impl BdSource {
    pub fn audit_prompt(&self, attempt: &AttemptId, slot: SlotId, text: String) {
        if self.context.setup.audit != AuditLevel::Full {
            return;
        }
        let path = self.context.run_dir.attempt(attempt).prompt();
        let entry = AuditEntry::LlmPrompt {
            issue: attempt.task.clone(),
            model: self.context.model.clone(),
            prompt: text_or_reference(&text, &path),
        };
        let actor = self.holder(&attempt.task).unwrap_or_else(|| actor_of(slot));
        let attempt = attempt.clone();
        self.queue.submit(
            Lane::Rest,
            move |tracker: &dyn Tracker| tracker.audit(&entry, &actor),
            move |written| {
                if let Err(error) = written {
                    tracing::warn!(%attempt, %error, "the prompt is not in the audit");
                }
            },
        );
    }

    /// Writes the entries of an attempt that has ended; the result of each.
    pub(super) fn audit_attempt(
        &self,
        report: &AttemptReport<'_>,
        actor: &str,
    ) -> Vec<Result<(), BdError>> {
        let write = |(entry, may_be_there): (AuditEntry, bool)| {
            let by = actor.to_owned();
            let write = move |tracker: &dyn Tracker, may_be_there: bool| match may_be_there
                .then(|| tracker.find_audit(&entry))
                .transpose()?
                .flatten()
            {
                Some(_) => Ok(()),
                None => tracker.audit(&entry, &by).map(|_| ()),
            };
            self.queue.call(Lane::Rest, move |tracker| {
                twice(|resumed| write(tracker, resumed || may_be_there))
            })
        };
        audit_entries(&self.context, report)
            .into_iter()
            .map(write)
            .collect()
    }
}

/// What goes into the audit at an attempt's end, each with whether it may be there already.
fn audit_entries(context: &SourceContext, report: &AttemptReport<'_>) -> Vec<(AuditEntry, bool)> {
    let failure = match report.outcome {
        Outcome::Retried(failure) | Outcome::Failed(failure) => Some(failure),
        _ => None,
    };
    let wanted = match context.setup.audit {
        AuditLevel::None => false,
        AuditLevel::Minimal => failure.is_some(),
        AuditLevel::Full => true,
    };
    if !wanted {
        return Vec::new();
    }
    let mut entries = Vec::new();
    let issue = report.attempt.task.clone();
    if let (AuditLevel::Full, Some(text)) = (context.setup.audit, &report.prompt) {
        let prompt = text_or_reference(text, &context.run_dir.attempt(report.attempt).prompt());
        let entry = AuditEntry::LlmPrompt {
            issue: issue.clone(),
            model: context.model.clone(),
            prompt,
        };
        entries.push((entry, true));
    }
    if let (AuditLevel::Full, Some(text)) = (context.setup.audit, &report.response) {
        let path = context
            .run_dir
            .attempt(report.attempt)
            .process(Role::Agent)
            .stdout();
        let response = text_or_reference(text, &path);
        let entry = AuditEntry::LlmResponse {
            issue: issue.clone(),
            model: context.model.clone(),
            response,
        };
        entries.push((entry, report.resumed));
    }
    let payload = mesh_plan::audit::attempt(&mesh_plan::audit::AttemptAudit {
        run: &context.run,
        attempt: report.attempt,
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
    let entry = AuditEntry::ToolCall {
        issue,
        tool_name: "mesh.attempt".to_owned(),
        exit_code: report
            .exit_code
            .unwrap_or(if failure.is_some() { 1 } else { 0 }),
        payload,
    };
    entries.push((entry, report.resumed));
    entries
}
