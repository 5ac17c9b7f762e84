//! What the agent is told.

use mesh_core::decision::{HeldLocks, StartOrder};
use mesh_core::id::LockGroup;
use mesh_plan::prompt::{
    Continuity, FailedAttempt, NeedResult, PromptInput, PromptVcs, RenderError, render_prompt,
};
use mesh_vcs::{Kind, Workspace};

use crate::actions::learnings;
use crate::context::{RunContext, lock};

/// Renders the prompt of an attempt.
pub(crate) fn render(
    context: &RunContext,
    order: &StartOrder,
    workspace: &Workspace,
    continuity: Continuity,
) -> Result<String, String> {
    let task = &order.attempt.task;
    let Some(details) = context.details(task) else {
        return Err(format!("there is no text for {task}"));
    };
    let needs: Vec<NeedResult> = {
        let details = lock(&context.details);
        let result = |need: &mesh_core::decision::NeedCommit| NeedResult {
            id: need.task.clone(),
            title: details
                .get(&need.task)
                .map(|details| details.title.clone())
                .unwrap_or_default(),
            commit: Some(need.commit.clone()),
            changed: order
                .changed
                .get(&need.task)
                .map(|paths| paths.to_vec())
                .unwrap_or_default(),
        };
        order.needs.iter().map(result).collect()
    };
    let previous = order.previous.as_ref().map(|failure| FailedAttempt {
        number: order.attempt.number.saturating_sub(1),
        class: failure.class,
        detail: failure.detail.lines().next().unwrap_or_default().to_owned(),
        tail: failure
            .detail
            .lines()
            .skip(1)
            .collect::<Vec<_>>()
            .join("\n"),
    });
    let own_proof = details.proof_command();
    let locks: Vec<LockGroup> = match &order.locks {
        HeldLocks::All => Vec::new(),
        HeldLocks::Groups(groups) => groups.iter().cloned().collect(),
    };
    let conflicts: Vec<String> = workspace
        .conflicted
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let input = PromptInput {
        details: &details,
        source: context.source.kind(),
        run: &context.run,
        attempt: &order.attempt,
        vcs: match context.vcs.kind() {
            Kind::Jj => PromptVcs::Jj,
            Kind::Git => PromptVcs::Git,
        },
        workspace: &workspace.path.display().to_string(),
        pr: context.agent_of(&order.attempt).0.may_open_pull_request(),
        proof: own_proof.as_deref().or(context.setup.verify.as_deref()),
        locks: &locks,
        needs: &needs,
        previous: previous.as_ref(),
        conflicts: &conflicts,
        question: order
            .continues
            .as_ref()
            .and_then(|before| before.question.as_ref()),
        continuity,
        learnings: &learnings::of_task(context, &details, &locks),
        learn: context.setup.learnings.write,
    };
    render_prompt(&input).map_err(|error: RenderError| error.to_string())
}
