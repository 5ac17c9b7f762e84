//! From "may start" to "agent executing": the claim on the tracker's queue, and meanwhile workspace and prompt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_agent::launch::{self, AttemptFacts, CommandKind};
use mesh_agent::profile::Limits;
use mesh_core::decision::StartOrder;
use mesh_core::event::{Event, StartFailure};
use mesh_core::findings::{Ending, Failure, FailureClass, quoting};
use mesh_core::id::AttemptId;
use mesh_core::time::Span;
use mesh_journal::layout::ProcessDir;
use mesh_proc::shim::Live;
use mesh_vcs::{CommitId, Kind, Workspace};

use crate::host::{Host, lock};
use crate::inbox::{Process, Role};
use crate::setup::BaseConflict;
use crate::source::ClaimRefusal;
use crate::submodules;
use crate::work::{folder, output, process, prompt, shared};

/// Starts the attempt, or says why not. At the end of this exactly one of `Started` and `StartFailed` has been told.
pub(crate) fn start(host: &Arc<Host>, order: &StartOrder) {
    match prepare_and_launch(host, order) {
        Ok(live) => {
            host.tell(Event::Started {
                attempt: order.attempt.clone(),
            });
            host.watch(
                Process {
                    attempt: order.attempt.clone(),
                    role: Role::Agent,
                },
                live,
            );
        }
        Err(cause) => {
            shared::end(host, &order.attempt);
            host.tell(Event::StartFailed {
                attempt: order.attempt.clone(),
                cause,
            });
        }
    }
}

fn prepare_and_launch(host: &Arc<Host>, order: &StartOrder) -> Result<Live, StartFailure> {
    let attempt = &order.attempt;
    let claim = order.claim.then(|| host.source.claim(host, order));
    let workspace = make_workspace(host, order);
    match claim.map(|answer| answer.recv()) {
        None => {}
        Some(Ok(Ok(()))) => host.tell(Event::Claimed {
            attempt: attempt.clone(),
        }),
        Some(Ok(Err(refusal))) => {
            // What a question left in it is not thrown away.
            if let (Ok((_, workspace)), None) = (&workspace, &order.question) {
                discard(host, workspace);
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
    let prompt_file = write_prompt(host, order, &workspace, &folder)?;
    let facts = facts(host, attempt, &workspace, &folder, prompt_file)?;
    shared::begin(host, attempt);
    run_setup(host, &facts, &host.run_dir.attempt(attempt).setup())?;
    note_empty_submodules(host, &workspace);
    let launch =
        launch::agent(&host.profile, &host.agent_program, &facts, &host.ours).map_err(could_not)?;
    process::start(host, attempt, &launch, &folder, &host.profile.limits).map_err(could_not)
}

fn could_not(cause: impl ToString) -> StartFailure {
    StartFailure::Failed(Failure::new(FailureClass::CouldNotStart, cause.to_string()))
}

/// A workspace that nobody has worked in.
fn discard(host: &Host, workspace: &Workspace) {
    if let Err(error) = host.vcs_gate.pass(|| host.vcs.discard(workspace)) {
        tracing::warn!(workspace = workspace.name, %error, "could not remove an unused workspace");
    }
}

fn make_workspace(host: &Host, order: &StartOrder) -> Result<(PathBuf, Workspace), StartFailure> {
    let folder = folder::of(host, &order.attempt).map_err(could_not)?;
    if let Some(workspace) = workspace_of_question(host, order).map_err(could_not)? {
        folder::remember(&folder, &workspace, &order.needs).map_err(could_not)?;
        return Ok((folder, workspace));
    }
    let mut parents = host.base.clone();
    for need in &order.needs {
        parents.push(CommitId::new(need.commit.0.clone()).map_err(could_not)?);
    }
    let title = host
        .sheet(&order.attempt.task)
        .map(|sheet| sheet.title)
        .unwrap_or_default();
    let workspace = host.vcs_gate.pass(|| {
        // Without needs there is nothing to reduce, and no call to make.
        let parents = if order.needs.is_empty() {
            parents
        } else {
            host.vcs.heads(&parents)?
        };
        let new = folder::new_workspace(host, &order.attempt, parents, &title)?;
        // A coordinator that died may have made it already; nobody has worked in it, and half-made ones are not worth a look.
        if let Some(half) = host.vcs.workspace(&new.name)? {
            host.vcs.discard(&half)?;
        }
        host.vcs.add_workspace(&new)
    });
    let workspace = workspace.map_err(could_not)?;
    if host.setup.base_conflict == BaseConflict::Fail && !workspace.conflicted.is_empty() {
        discard(host, &workspace);
        let detail = format!(
            "its needs conflict with one another in {}",
            shown(&workspace.conflicted)
        );
        return Err(StartFailure::Failed(Failure::new(
            FailureClass::Conflict,
            detail,
        )));
    }
    folder::remember(&folder, &workspace, &order.needs).map_err(could_not)?;
    Ok((folder, workspace))
}

/// The workspace in which the attempt before asked its question, with all that it left there. A fresh one is made when it is gone, or
/// when it does not stand on the needs as they are now.
fn workspace_of_question(
    host: &Host,
    order: &StartOrder,
) -> Result<Option<Workspace>, mesh_vcs::VcsError> {
    let Some(question) = &order.question else {
        return Ok(None);
    };
    let asker = AttemptId {
        task: order.attempt.task.clone(),
        number: question.attempt,
    };
    let folder = host.run_dir.attempt(&asker).path().to_path_buf();
    let (Ok(Some(workspace)), true) = (
        folder::recall(&folder),
        folder::recall_needs(&folder) == order.needs,
    ) else {
        return Ok(None);
    };
    let known = host.vcs_gate.pass(|| host.vcs.workspace(&workspace.name))?;
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
    host: &Arc<Host>,
    order: &StartOrder,
    workspace: &Workspace,
    folder: &Path,
) -> Result<PathBuf, StartFailure> {
    let text = prompt::render(host, order, workspace).map_err(could_not)?;
    let path = folder.join("prompt.md");
    fs_err::write(&path, &text).map_err(could_not)?;
    lock(&host.prompted).insert(order.attempt.clone());
    host.source
        .prompt_written(host, &order.attempt, order.slot, text);
    Ok(path)
}

/// What every process of the attempt is started with.
pub(crate) fn facts(
    host: &Host,
    attempt: &AttemptId,
    workspace: &Workspace,
    folder: &Path,
    prompt_file: PathBuf,
) -> Result<AttemptFacts, StartFailure> {
    let mut extra_env = host
        .source
        .agent_environment(host, attempt)
        .map_err(could_not)?;
    let ours = host
        .vcs
        .agent_environment(workspace, &workspace.parents, folder)
        .map_err(could_not)?;
    for (name, value) in ours {
        extra_env.insert(name, value);
    }
    let state_folder = host
        .profile
        .state_folder
        .as_ref()
        .map(|_| folder.join("state"));
    if let Some(state) = &state_folder {
        fs_err::create_dir_all(state).map_err(could_not)?;
    }
    Ok(AttemptFacts {
        run: host.run.clone(),
        attempt: attempt.clone(),
        workspace: workspace.path.clone(),
        root: host.setup.repository.clone(),
        prompt_file,
        path_front: host.path_front(),
        state_folder,
        extra_env,
    })
}

/// After setup, which is the way to fill them.
fn note_empty_submodules(host: &Host, workspace: &Workspace) {
    let empty = submodules::empty_in(&workspace.path);
    let is_git = host.vcs.kind() == Kind::Git;
    if let Some(note) = submodules::empty_submodules_note(&empty, is_git) {
        host.note(note);
    }
}

/// Makes the workspace usable: ignored files that a build needs and that version control does not carry. `process` is where the
/// command's own files go.
pub(crate) fn run_setup(
    host: &Host,
    facts: &AttemptFacts,
    process: &ProcessDir,
) -> Result<(), StartFailure> {
    let Some(command) = &host.setup.workspace_setup else {
        return Ok(());
    };
    let failed = |detail: String| {
        let detail = format!("the setup command `{command}` {detail}");
        StartFailure::Failed(Failure::new(FailureClass::Setup, detail))
    };
    let launch = launch::command(
        CommandKind::Setup,
        command,
        &host.profile,
        facts,
        &host.ours,
    )
    .map_err(could_not)?;
    let limits = Limits {
        hard: Span(host.setup.setup_limit_ms),
        ..host.profile.limits
    };
    match process::run(host, &facts.attempt, &launch, process.path(), &limits) {
        Ok(Ending::Exited(0)) => Ok(()),
        Ok(ending) => Err(failed(quoting(
            ending.to_string(),
            &output::of_command(host, process.path()),
        ))),
        Err(cause) => Err(failed(format!("failed: {cause}"))),
    }
}
