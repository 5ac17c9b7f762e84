//! From "may start" to "agent executing": the claim on the tracker's queue, and meanwhile workspace and prompt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_agent::launch::{self, AttemptFacts, CommandKind};
use mesh_agent::profile::Limits;
use mesh_core::decision::StartOrder;
use mesh_core::event::{Event, StartFailure};
use mesh_core::evidence::{Ending, Failure, FailureClass, quoting};
use mesh_core::id::AttemptId;
use mesh_core::time::Span;
use mesh_journal::layout::ProcessDir;
use mesh_proc::shim::ShimHandle;
use mesh_vcs::{CommitId, Kind, Workspace};

use crate::actions::{folder, output, process, prompt, shared};
use crate::context::{RunContext, lock};
use crate::inbox::{Process, Role};
use crate::setup::BaseConflict;
use crate::source::ClaimRefusal;
use crate::submodules;

/// Starts the attempt, or says why not. At the end of this exactly one of `Started` and `StartFailed` has been told.
pub(crate) fn start(context: &Arc<RunContext>, order: &StartOrder) {
    match prepare_and_launch(context, order) {
        Ok(live) => {
            context.report(Event::Started {
                attempt: order.attempt.clone(),
            });
            context.watch(
                Process {
                    attempt: order.attempt.clone(),
                    role: Role::Agent,
                },
                live,
            );
        }
        Err(cause) => {
            shared::end(context, &order.attempt);
            context.report(Event::StartFailed {
                attempt: order.attempt.clone(),
                cause,
            });
        }
    }
}

fn prepare_and_launch(
    context: &Arc<RunContext>,
    order: &StartOrder,
) -> Result<ShimHandle, StartFailure> {
    let attempt = &order.attempt;
    let claim = order.claim.then(|| context.source.claim(context, order));
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
    run_setup(context, &facts, &context.run_dir.attempt(attempt).setup())?;
    note_empty_submodules(context, &workspace);
    let launch = launch::agent(
        &context.profile,
        &context.agent_program,
        &facts,
        &context.ours,
    )
    .map_err(could_not)?;
    process::start(context, attempt, &launch, &folder, &context.profile.limits).map_err(could_not)
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
    let mut parents = context.base.clone();
    for need in &order.needs {
        parents.push(CommitId::new(need.commit.0.clone()).map_err(could_not)?);
    }
    if let Some(onto) = &order.onto {
        parents.push(context.vcs.target(onto).map_err(could_not)?);
    }
    let title = context
        .details(&order.attempt.task)
        .map(|details| details.title)
        .unwrap_or_default();
    let workspace = context.vcs_gate.pass(|| {
        // Without needs there is nothing to reduce, and no call to make.
        let parents = if order.needs.is_empty() && order.onto.is_none() {
            parents
        } else {
            context.vcs.heads(&parents)?
        };
        let new = folder::new_workspace(context, &order.attempt, parents, &title)?;
        // A coordinator that died may have made it already; nobody has worked in it, and half-made ones are not worth a look.
        if new.path.symlink_metadata().is_ok()
            && let Some(half) = context.vcs.workspace(&new.name)?
        {
            context.vcs.discard(&half)?;
        }
        context.vcs.add_workspace(&new)
    });
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
    context: &Arc<RunContext>,
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
        .prompt_written(context, &order.attempt, order.slot, text);
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
        .agent_environment(context, attempt)
        .map_err(could_not)?;
    let ours = context
        .vcs
        .agent_environment(workspace, &workspace.parents, folder)
        .map_err(could_not)?;
    for (name, value) in ours {
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
    Ok(AttemptFacts {
        run: context.run.clone(),
        attempt: attempt.clone(),
        workspace: workspace.path.clone(),
        root: context.setup.repository.clone(),
        prompt_file,
        path_front: context.path_front(),
        state_folder,
        extra_env,
    })
}

/// After setup, which is the way to fill them.
fn note_empty_submodules(context: &RunContext, workspace: &Workspace) {
    let empty = submodules::empty_in(&workspace.path);
    let is_git = context.vcs.kind() == Kind::Git;
    if let Some(note) = submodules::empty_submodules_note(&empty, is_git) {
        context.note(note);
    }
}

/// Makes the workspace usable: ignored files that a build needs and that version control does not carry. `process` is where the
/// command's own files go.
pub(crate) fn run_setup(
    context: &RunContext,
    facts: &AttemptFacts,
    process: &ProcessDir,
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
    match process::run(context, &facts.attempt, &launch, process.path(), &limits) {
        Ok(Ending::Exited(0)) => Ok(()),
        Ok(ending) => Err(failed(quoting(
            ending.to_string(),
            &output::of_command(context, process.path()),
        ))),
        Err(cause) => Err(failed(format!("failed: {cause}"))),
    }
}
