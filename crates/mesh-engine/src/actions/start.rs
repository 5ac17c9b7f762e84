//! From "may start" to "agent executing": the claim on the tracker's queue, and meanwhile workspace and prompt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_agent::launch::{self, AttemptFacts, CommandKind};
use mesh_agent::profile::Limits;
use mesh_core::decision::StartOrder;
use mesh_core::event::{Event, StartFailure};
use mesh_core::evidence::{Ending, Failure, FailureClass, quoting};
use mesh_core::id::AttemptId;
use mesh_core::process::{ProcessId, Role, Tree};
use mesh_core::time::Span;
use mesh_vcs::{Kind, Workspace};

use crate::actions::{folder, output, prepare, prompt, shared};
use crate::context::{RunContext, lock};
use crate::setup::BaseConflict;
use crate::source::ClaimRefusal;
use crate::submodules;

/// Starts the attempt, or says why not. At the end of this exactly one of `Started` and `StartFailed` has been told.
pub(crate) fn start(context: &Arc<RunContext>, order: &StartOrder) {
    let attempt = order.attempt.clone();
    match prepare_and_launch(context, order) {
        Ok(agent) => {
            context.report(Event::Started { attempt });
            context.executor.watch(&agent);
        }
        Err(cause) => {
            shared::end(context, &attempt);
            context.report(Event::StartFailed { attempt, cause });
        }
    }
}

fn prepare_and_launch(context: &RunContext, order: &StartOrder) -> Result<ProcessId, StartFailure> {
    let attempt = &order.attempt;
    let claim = order.claim.then(|| context.source.claim(order));
    let workspace = make_workspace(context, order);
    match claim.map(|answer| answer.recv()) {
        None => {}
        Some(Ok(Ok(()))) => context.report(Event::Claimed {
            attempt: attempt.clone(),
        }),
        Some(Ok(Err(refusal))) => {
            // What a question left in it is not thrown away.
            if let (Ok((_, workspace)), None) = (&workspace, &order.question) {
                discard(context, workspace);
            }
            return Err(match refusal {
                ClaimRefusal::Taken(holder) => StartFailure::Taken { holder },
                ClaimRefusal::Failed(cause) => could_not(format!("the claim failed: {cause}")),
            });
        }
        Some(Err(_)) => {
            return Err(could_not(
                "the tracker's queue ended before the claim was answered",
            ));
        }
    }
    let (folder, workspace) = workspace?;
    let prompt_file = write_prompt(context, order, &workspace, &folder)?;
    let facts = facts(context, attempt, &workspace, &folder, prompt_file)?;
    shared::begin(context, attempt);
    run_setup(context, &facts, Tree::Workspace)?;
    note_empty_submodules(context, &workspace);
    let launch = launch::agent(
        &context.profile,
        &context.agent_program,
        &facts,
        &context.ours,
    )
    .map_err(could_not)?;
    let agent = attempt.process(Role::Agent);
    context
        .executor
        .start(&agent, &launch, &context.profile.limits)
        .map_err(could_not)?;
    Ok(agent)
}

fn could_not(cause: impl ToString) -> StartFailure {
    StartFailure::Failed(Failure::new(FailureClass::CouldNotStart, cause.to_string()))
}

/// A workspace that nobody has worked in.
fn discard(context: &RunContext, workspace: &Workspace) {
    if let Err(error) = context.vcs_gate.pass(|| context.vcs.discard(workspace)) {
        tracing::warn!(workspace = workspace.name, %error, "could not remove an unused workspace");
    }
}

fn make_workspace(
    context: &RunContext,
    order: &StartOrder,
) -> Result<(PathBuf, Workspace), StartFailure> {
    let folder = folder::of(context, &order.attempt).map_err(could_not)?;
    if let Some(workspace) = workspace_of_question(context, order).map_err(could_not)? {
        folder::save(&folder, &workspace, &order.needs).map_err(could_not)?;
        return Ok((folder, workspace));
    }
    let onto = order.onto.as_deref();
    let workspace = prepare::workspace(context, &order.attempt, &order.needs, onto);
    let workspace = workspace.map_err(could_not)?;
    if context.setup.base_conflict == BaseConflict::Fail && !workspace.conflicted.is_empty() {
        discard(context, &workspace);
        let detail = format!(
            "its needs conflict with one another in {}",
            shown(&workspace.conflicted)
        );
        return Err(StartFailure::Failed(Failure::new(
            FailureClass::Conflict,
            detail,
        )));
    }
    folder::save(&folder, &workspace, &order.needs).map_err(could_not)?;
    Ok((folder, workspace))
}

/// The workspace in which the attempt before asked its question, with all that it left there. A fresh one is made when it is gone, or
/// when it does not stand on the needs as they are now.
fn workspace_of_question(
    context: &RunContext,
    order: &StartOrder,
) -> Result<Option<Workspace>, mesh_vcs::VcsError> {
    let Some(question) = &order.question else {
        return Ok(None);
    };
    let asker = AttemptId {
        task: order.attempt.task.clone(),
        number: question.attempt,
    };
    let folder = context.run_dir.attempt(&asker).path().to_path_buf();
    let (Ok(Some(workspace)), true) = (
        folder::load(&folder),
        folder::load_needs(&folder) == order.needs,
    ) else {
        return Ok(None);
    };
    let known = context
        .vcs_gate
        .pass(|| context.vcs.workspace(&workspace.name))?;
    Ok(known.filter(|_| workspace.path.is_dir()).map(|_| workspace))
}

pub(crate) fn shown(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn write_prompt(
    context: &RunContext,
    order: &StartOrder,
    workspace: &Workspace,
    folder: &Path,
) -> Result<PathBuf, StartFailure> {
    let text = prompt::render(context, order, workspace).map_err(could_not)?;
    let path = folder.join("prompt.md");
    fs_err::write(&path, &text).map_err(could_not)?;
    lock(&context.prompted).insert(order.attempt.clone());
    context
        .source
        .prompt_written(&order.attempt, order.slot, text);
    Ok(path)
}

/// What every process of the attempt is started with.
pub(crate) fn facts(
    context: &RunContext,
    attempt: &AttemptId,
    workspace: &Workspace,
    folder: &Path,
    prompt_file: PathBuf,
) -> Result<AttemptFacts, StartFailure> {
    let mut extra_env = context
        .source
        .agent_environment(attempt)
        .map_err(could_not)?;
    let access = context
        .vcs
        .agent_environment(workspace, &workspace.parents, folder)
        .map_err(could_not)?;
    for (name, value) in access.env {
        extra_env.insert(name, value);
    }
    let state_folder = context
        .profile
        .state_folder
        .as_ref()
        .map(|_| folder.join("state"));
    if let Some(state) = &state_folder {
        fs_err::create_dir_all(state).map_err(could_not)?;
    }
    let tmp_folder = context.profile.own_tmpdir.then(|| folder.join("tmp"));
    if let Some(folder) = &tmp_folder {
        fs_err::create_dir_all(folder).map_err(could_not)?;
    }
    Ok(AttemptFacts {
        run: context.run.clone(),
        attempt: attempt.clone(),
        workspace: workspace.path.clone(),
        root: context.setup.repository.clone(),
        prompt_file,
        path_front: context.path_front(),
        bash_env: Some(context.run_dir.bash_env()).filter(|script| script.is_file()),
        tmp_folder,
        state_folder,
        extra_env,
        write: access.write,
    })
}

/// After setup, which is the way to fill them.
fn note_empty_submodules(context: &RunContext, workspace: &Workspace) {
    let empty = submodules::empty_in(&workspace.path);
    let is_git = context.vcs.kind() == Kind::Git;
    if let Some(note) = submodules::empty_submodules_note(&empty, is_git) {
        context.notes.note(note);
    }
}

/// Makes a workspace usable: ignored files that a build needs and that version control does not carry.
pub(crate) fn run_setup(
    context: &RunContext,
    facts: &AttemptFacts,
    tree: Tree,
) -> Result<(), StartFailure> {
    let Some(command) = &context.setup.workspace_setup else {
        return Ok(());
    };
    let failed = |detail: String| {
        let detail = format!("the setup command `{command}` {detail}");
        StartFailure::Failed(Failure::new(FailureClass::Setup, detail))
    };
    let launch = launch::command(
        CommandKind::Setup,
        command,
        &context.profile,
        facts,
        &context.ours,
    )
    .map_err(could_not)?;
    let limits = Limits {
        hard: Span(context.setup.setup_limit_ms),
        ..context.profile.limits
    };
    let process = facts.attempt.process(Role::Setup(tree));
    match context.executor.run(&process, &launch, &limits) {
        Ok(Ending::Exited(0)) => Ok(()),
        Ok(ending) => Err(failed(quoting(
            ending.to_string(),
            &output::of_command(context, &process),
        ))),
        Err(cause) => Err(failed(format!("failed: {cause}"))),
    }
}
