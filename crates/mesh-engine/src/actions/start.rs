//! From "may start" to "agent executing": the claim on the tracker's queue, and meanwhile workspace and prompt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_agent::launch::{self, AttemptFacts, CommandKind};
use mesh_agent::profile::Limits;
use mesh_agent::protocol::SessionId;
use mesh_core::decision::StartOrder;
use mesh_core::event::{Event, StartFailure};
use mesh_core::evidence::{Ending, Failure, FailureClass, quoting};
use mesh_core::id::AttemptId;
use mesh_core::process::{ProcessId, Role, Tree};
use mesh_core::time::Span;
use mesh_plan::prompt::Continuity;
use mesh_vcs::{Kind, Workspace};

use crate::actions::{compound, folder, output, ports, prepare, prompt, shared};
use crate::context::{RunContext, lock};
use crate::setup::BaseConflict;
use crate::source::{ClaimRefusal, SourceAccess};
use crate::submodules;

/// In the attempt's folder: what its agent keeps of its own.
const STATE_FOLDER: &str = "state";

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
    let place = make_workspace(context, order);
    match claim.map(|answer| answer.recv()) {
        None => {}
        Some(Ok(Ok(()))) => context.report(Event::Claimed {
            attempt: attempt.clone(),
        }),
        Some(Ok(Err(refusal))) => {
            // What an attempt before left in it is not thrown away.
            if let Ok(Place {
                workspace,
                before: None,
                ..
            }) = &place
            {
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
    let place = place?;
    let session = place
        .before
        .as_ref()
        .and_then(|before| session_of(context, attempt, before));
    let prompt_file = write_prompt(context, order, &place, session.is_some())?;
    let Place {
        folder,
        workspace,
        before,
    } = place;
    ports::hand_out(context, order, &folder).map_err(could_not)?;
    let mut facts = facts(context, attempt, &workspace, &folder, prompt_file)?;
    facts.session = session;
    shared::begin(context, attempt);
    run_setup(context, &facts, Tree::Workspace)?;
    note_empty_submodules(context, &workspace);
    if context.setup.strategy.is_some() {
        compound::write(context, order, &folder, &workspace, before.is_some())
            .map_err(could_not)?;
        facts.write.push(folder.join(compound::ROLES_FOLDER));
    }
    let (profile, program) = context.agent_of(attempt);
    let launch = launch::agent(profile, program, &facts, &context.ours).map_err(could_not)?;
    let agent = attempt.process(Role::Agent);
    let mut limits = profile.limits;
    limits.hard = order.limits.hard.unwrap_or(limits.hard);
    context
        .executor
        .start(&agent, &launch, &limits)
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

/// Where an attempt works.
struct Place {
    /// The attempt's own folder.
    folder: PathBuf,
    /// Its workspace.
    workspace: Workspace,
    /// The attempt that worked in the workspace before and that it goes on from.
    before: Option<AttemptId>,
}

fn make_workspace(context: &RunContext, order: &StartOrder) -> Result<Place, StartFailure> {
    let folder = folder::of(context, &order.attempt).map_err(could_not)?;
    if let Some((before, workspace)) = workspace_of_before(context, order).map_err(could_not)? {
        folder::save(&folder, &workspace, &order.needs).map_err(could_not)?;
        share_state(context, &before, &folder).map_err(could_not)?;
        return Ok(Place {
            folder,
            workspace,
            before: Some(before),
        });
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
    Ok(Place {
        folder,
        workspace,
        before: None,
    })
}

/// The attempt that this one goes on from, and its workspace with all that it left there. A fresh one is made when it is gone, or
/// when it does not stand on the needs as they are now.
fn workspace_of_before(
    context: &RunContext,
    order: &StartOrder,
) -> Result<Option<(AttemptId, Workspace)>, mesh_vcs::VcsError> {
    let Some(continues) = order.continues.as_ref().filter(|_| order.onto.is_none()) else {
        return Ok(None);
    };
    let before = AttemptId {
        task: order.attempt.task.clone(),
        number: continues.attempt,
    };
    let folder = context.run_dir.attempt(&before).path().to_path_buf();
    let (Ok(Some(workspace)), true) = (
        folder::load(&folder),
        folder::load_needs(&folder) == order.needs,
    ) else {
        return Ok(None);
    };
    let known = context
        .vcs_gate
        .pass(|| context.vcs.workspace(&workspace.name))?;
    Ok(known
        .filter(|_| workspace.path.is_dir())
        .map(|_| (before, workspace)))
}

/// The state folder of the attempt before is that of this one too: the session lies in it.
fn share_state(context: &RunContext, before: &AttemptId, folder: &Path) -> std::io::Result<()> {
    let (theirs, ours) = (
        context.run_dir.attempt(before).path().join(STATE_FOLDER),
        folder.join(STATE_FOLDER),
    );
    if theirs.is_dir() && ours.symlink_metadata().is_err() {
        fs_err::os::unix::fs::symlink(fs_err::canonicalize(theirs)?, ours)?;
    }
    Ok(())
}

/// The session that `before` worked in, if the program of `attempt` is the same and can take it up again. One in which the model
/// never answered, as under a limit of its provider, has nothing to go on from.
fn session_of(context: &RunContext, attempt: &AttemptId, before: &AttemptId) -> Option<SessionId> {
    let ((profile, _), (theirs, _)) = (context.agent_of(attempt), context.agent_of(before));
    if profile.resume_args.is_empty() || profile.name != theirs.name {
        return None;
    }
    let stdout = context
        .run_dir
        .attempt(before)
        .process(Role::Agent)
        .stdout();
    let activity = profile.protocol.activity(&stdout).ok()?;
    let session = profile.protocol.session(&stdout).ok()?;
    session.filter(|_| activity.has_answer)
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
    place: &Place,
    same_session: bool,
) -> Result<PathBuf, StartFailure> {
    let continuity = match (&place.before, same_session) {
        (None, _) => Continuity::Fresh,
        (Some(_), false) => Continuity::Workspace,
        (Some(_), true) => Continuity::Session,
    };
    let text = prompt::render(context, order, &place.workspace, continuity).map_err(could_not)?;
    let path = place.folder.join("prompt.md");
    fs_err::write(&path, &text).map_err(could_not)?;
    lock(&context.prompted).insert(order.attempt.clone());
    context
        .source
        .prompt_written(&order.attempt, order.slot, context.secrets.mask(&text));
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
    let SourceAccess {
        env: mut extra_env,
        mut write,
    } = context.source.agent_access(attempt).map_err(could_not)?;
    let access = context
        .vcs
        .agent_environment(workspace, &workspace.parents, folder)
        .map_err(could_not)?;
    for (name, value) in access.env {
        extra_env.insert(name, value);
    }
    write.extend(access.write);
    write.extend(context.setup.sandbox.write.iter().cloned());
    let (profile, _) = context.agent_of(attempt);
    let state_folder = profile
        .state_folder
        .as_ref()
        .map(|_| folder.join(STATE_FOLDER));
    if let Some(state) = &state_folder {
        fs_err::create_dir_all(state).map_err(could_not)?;
    }
    // In a sandbox the folder that all share is not writable.
    let own_tmpdir = profile.own_tmpdir || context.sandboxed;
    let tmp_folder = own_tmpdir.then(|| folder.join(folder::TMP_FOLDER));
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
        session: None,
        ports: ports::of(context, attempt),
        state_folder,
        extra_env,
        write,
        sandboxed: context.sandboxed,
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
    let (profile, _) = context.agent_of(&facts.attempt);
    let launch = launch::command(CommandKind::Setup, command, profile, facts, &context.ours)
        .map_err(could_not)?;
    let limits = Limits {
        hard: Span(context.setup.setup_limit_ms),
        ..profile.limits
    };
    let process = facts.attempt.process(Role::Setup(tree));
    match context.executor.run(&process, &launch, &limits) {
        Ok(Ending::Exited(0)) => Ok(()),
        Ok(ending) => Err(failed(quoting(
            ending.to_string(),
            &output::of_command(context, &process, &ending),
        ))),
        Err(cause) => Err(failed(format!("failed: {cause}"))),
    }
}
