//! The proof: run by mesh, under a shim, in the attempt's workspace or in a fresh one of the recorded commit.
//!
//! A proof in the attempt's own workspace also sees what is in no commit. Where the agent left such files, or the command names
//! one, it has to pass in a fresh workspace too: what a result stands on must be in the result.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use mesh_agent::launch::{self, AttemptFacts, CommandKind};
use mesh_agent::profile::Limits;
use mesh_core::event::{Event, StartFailure};
use mesh_core::evidence::{Ending, ProofEnd};
use mesh_core::id::AttemptId;
use mesh_core::process::{ProcessId, Role, Tree};
use mesh_core::task::Commit;
use mesh_core::time::Span;
use mesh_vcs::{CommitId, NewWorkspace, VcsError, Workspace, name};

use crate::actions::inspect::RecordedFiles;
use crate::actions::leftout::{self, Ran};
use crate::actions::manifest::Manifest;
use crate::actions::{folder, output, start};
use crate::context::{RunContext, lock};
use crate::setup::ProofWhere;
use crate::workers;

/// What is to be proved.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    /// The attempt.
    pub attempt: AttemptId,
    /// The command.
    pub command: String,
    /// The recorded result.
    pub commit: Commit,
}

/// Starts the proof. Its end is told by [`tell_end`].
pub(crate) fn prove(context: &RunContext, proof: &Proof) {
    let tree = match context.setup.proof_where {
        ProofWhere::Workspace => Tree::Workspace,
        ProofWhere::Clean => Tree::Recorded,
    };
    start_in(context, proof, tree);
}

fn start_in(context: &RunContext, proof: &Proof, tree: Tree) {
    let process = proof.attempt.process(Role::Proof(tree));
    let started = match tree {
        Tree::Recorded => start_in_fresh_workspace(context, proof, &process),
        Tree::Workspace | Tree::Integrated => start_in_workspace(context, proof, &process),
    };
    match started {
        Ok(()) => context.executor.watch(&process),
        Err(cause) => report(
            context,
            proof,
            tree,
            Ending::CouldNotStart(cause),
            String::new(),
        ),
    }
}

fn report(context: &RunContext, proof: &Proof, tree: Tree, ending: Ending, tail: String) {
    if tree == Tree::Recorded {
        remove_fresh_workspace(context, proof);
    }
    let end = ProofEnd {
        ending,
        tail,
        passed_in_workspace: tree == Tree::Recorded
            && context.setup.proof_where == ProofWhere::Workspace,
    };
    context.report(Event::Proved {
        attempt: proof.attempt.clone(),
        proof: end,
    });
}

fn start_in_workspace(
    context: &RunContext,
    proof: &Proof,
    process: &ProcessId,
) -> Result<(), String> {
    let folder = folder::of(context, &proof.attempt).map_err(|error| error.to_string())?;
    let workspace = folder::load(&folder)
        .map_err(|error| error.to_string())?
        .ok_or("the workspace is gone")?;
    let facts = facts(context, &proof.attempt, &workspace, &folder)?;
    launch(context, &proof.command, &facts, process)
}

fn start_in_fresh_workspace(
    context: &RunContext,
    proof: &Proof,
    process: &ProcessId,
) -> Result<(), String> {
    let workspace = add_fresh_workspace(context, proof).map_err(|error| error.to_string())?;
    let facts = fresh_facts(context, process, &workspace)?;
    start::run_setup(context, &facts, Tree::Recorded).map_err(text_of)?;
    if context.setup.proof_where == ProofWhere::Workspace {
        lend_dependencies(context, proof, &workspace.path);
    }
    launch(context, &proof.command, &facts, process)
}

/// What a package manager installed in the attempt's own workspace is there by links, unless the setup command installs it: it is
/// no work of the agent, and what is looked for is work that no commit holds.
fn lend_dependencies(context: &RunContext, proof: &Proof, to: &Path) {
    let folder = context.run_dir.attempt(&proof.attempt).path().to_path_buf();
    let Ok(Some(from)) = folder::load(&folder) else {
        return;
    };
    for path in leftout::dependencies(&from.path) {
        let link = to.join(&path);
        let is_wanted = link.parent().is_some_and(Path::is_dir) && link.symlink_metadata().is_err();
        if is_wanted && let Err(error) = fs_err::os::unix::fs::symlink(from.path.join(&path), &link)
        {
            tracing::warn!(attempt = %proof.attempt, %error, "dependencies are not there for the proof");
        }
    }
}

/// Starts the command of a proof.
pub(crate) fn launch(
    context: &RunContext,
    command: &str,
    facts: &AttemptFacts,
    process: &ProcessId,
) -> Result<(), String> {
    let (profile, _) = context.agent_of(&facts.attempt);
    let launch = launch::command(CommandKind::Proof, command, profile, facts, &context.ours);
    let launch = launch.map_err(|error| error.to_string())?;
    let limits = Limits {
        hard: Span(context.setup.proof_limit_ms),
        ..profile.limits
    };
    context.executor.start(process, &launch, &limits)
}

/// What the processes of a proof in a fresh workspace are started with; what version control adds to their environment lies with
/// the files of `process`.
pub(crate) fn fresh_facts(
    context: &RunContext,
    process: &ProcessId,
    workspace: &Workspace,
) -> Result<AttemptFacts, String> {
    let files = context
        .run_dir
        .attempt(&process.attempt)
        .process(process.role);
    fs_err::create_dir_all(files.path()).map_err(|error| error.to_string())?;
    facts(context, &process.attempt, workspace, files.path())
}

fn facts(
    context: &RunContext,
    attempt: &AttemptId,
    workspace: &Workspace,
    folder: &Path,
) -> Result<AttemptFacts, String> {
    let prompt = context.run_dir.attempt(attempt).prompt();
    start::facts(context, attempt, workspace, folder, prompt).map_err(text_of)
}

pub(crate) fn text_of(cause: StartFailure) -> String {
    match cause {
        StartFailure::Failed(failure) => failure.detail,
        StartFailure::Taken { holder } => holder,
    }
}

/// The workspace of one commit and nothing else, for a proof.
fn fresh_workspace(context: &RunContext, proof: &Proof) -> Result<NewWorkspace, VcsError> {
    let (task, number) = (proof.attempt.task.as_str(), proof.attempt.number);
    let folder = format!(
        "{}+proof+{}",
        name::workspace_folder(task, number),
        context.run
    );
    Ok(NewWorkspace {
        name: format!("{}+proof", name::workspace_name(&context.run, task, number)),
        path: context.vcs.workspaces_root().join(folder),
        parents: vec![CommitId::new(proof.commit.0.clone())?],
        message: format!("{}: proof\n\nmesh: {}", proof.attempt.task, context.run),
    })
}

fn add_fresh_workspace(context: &RunContext, proof: &Proof) -> Result<Workspace, VcsError> {
    let new = fresh_workspace(context, proof)?;
    context.vcs_gate.pass(|| add_anew(context, &new))
}

/// Makes a workspace for a proof; one that a coordinator before this one left is removed first.
pub(crate) fn add_anew(context: &RunContext, new: &NewWorkspace) -> Result<Workspace, VcsError> {
    discard_if_there(context, new)?;
    context.vcs.add_workspace(new)
}

/// Removes a workspace that a proof was run in, and what is left of one.
pub(crate) fn discard_if_there(context: &RunContext, new: &NewWorkspace) -> Result<(), VcsError> {
    match context.vcs.workspace(&new.name)? {
        Some(workspace) => context.vcs.discard(&workspace),
        None if new.path.symlink_metadata().is_ok() => context.vcs.remove(&Workspace {
            name: new.name.clone(),
            path: new.path.clone(),
            parents: new.parents.clone(),
            conflicted: Vec::new(),
        }),
        None => Ok(()),
    }
}

fn remove_fresh_workspace(context: &RunContext, proof: &Proof) {
    let removed = fresh_workspace(context, proof)
        .and_then(|new| context.vcs_gate.pass(|| discard_if_there(context, &new)));
    if let Err(error) = removed {
        tracing::warn!(attempt = %proof.attempt, %error, "the fresh workspace of a proof was not removed");
    }
}

/// The proof's process has ended: from a worker tells how, or goes on in a fresh workspace.
pub(crate) fn tell_end(context: &Arc<RunContext>, proof: Proof, tree: Tree) {
    let attempt = proof.attempt.clone();
    let id = attempt.clone();
    workers::tell_end(
        context,
        &attempt,
        &Role::ALL,
        move |context| ended(context, &proof, tree),
        |cause| Event::Proved {
            attempt: id,
            proof: ProofEnd::of(Ending::CouldNotStart(cause)),
        },
    );
}

fn ended(context: &RunContext, proof: &Proof, tree: Tree) {
    let process = proof.attempt.process(Role::Proof(tree));
    let ending = context.executor.ending(&process);
    let tail = output::of_command(context, &process, &ending);
    if tree == Tree::Workspace {
        let recorded = lock(&context.recorded_files).remove(&proof.attempt);
        let recorded = recorded.filter(|recorded| is_unchanged(context, proof, recorded));
        // Before anything is set back: what the agent left is there yet.
        let may_need_more = ending == Ending::Exited(0)
            && may_need_unrecorded_files(context, proof, recorded.as_ref());
        if recorded.is_none() {
            discard_changes(context, proof);
        }
        if may_need_more {
            return start_in(context, proof, Tree::Recorded);
        }
    }
    report(context, proof, tree, ending, tail);
}

/// Whether all is in the workspace as it was when it was recorded, so that version control need not be asked.
fn is_unchanged(context: &RunContext, proof: &Proof, recorded: &RecordedFiles) -> bool {
    let folder = context.run_dir.attempt(&proof.attempt).path().to_path_buf();
    let now = folder::load(&folder)
        .ok()
        .flatten()
        .and_then(|workspace| Manifest::of(&workspace.path));
    now.is_some() && now == recorded.manifest
}

/// Whether there is a file in the workspace and not in the recorded commit that the agent wrote or the command names. `recorded` is
/// what was seen of the files, if they are unchanged since.
fn may_need_unrecorded_files(
    context: &RunContext,
    proof: &Proof,
    recorded: Option<&RecordedFiles>,
) -> bool {
    let is_between = |c: char| c.is_whitespace() || "\"'`;|&()<>=$".contains(c);
    let is_tools = |word: &str| {
        word.trim_start_matches("./")
            .split('/')
            .any(|part| leftout::TOOL_FOLDERS.contains(&part))
    };
    let folder = context.run_dir.attempt(&proof.attempt).path().to_path_buf();
    let (Ok(Some(workspace)), Ok(commit)) =
        (folder::load(&folder), CommitId::new(proof.commit.0.clone()))
    else {
        return false;
    };
    let leftovers = match recorded {
        Some(recorded) => recorded.leftovers,
        None => Ran::of(context, &proof.attempt).is_some_and(|ran| {
            !leftout::files(context, &workspace, &commit, &BTreeSet::new(), ran).is_empty()
        }),
    };
    if leftovers {
        return true;
    }
    let mut words: Vec<String> = proof
        .command
        .split(is_between)
        .filter(|word| !word.is_empty() && !is_tools(word))
        .map(str::to_owned)
        .collect();
    let targets: Vec<String> = words
        .iter()
        .filter_map(|word| link_target(&workspace.path, word))
        .collect();
    words.extend(targets);
    if let Some(recorded) = recorded {
        words.retain(|word| !recorded.held.contains(Path::new(word)));
    }
    match context
        .vcs_gate
        .pass(|| context.vcs.not_in_commit(&workspace, &commit, &words))
    {
        Ok(unrecorded) => !unrecorded.is_empty(),
        Err(error) => {
            // In doubt the proof is repeated where only recorded files are.
            tracing::warn!(attempt = %proof.attempt, %error, "whether the proof needs unrecorded files cannot be told");
            true
        }
    }
}

/// What the link that `word` names leads to, relative to the workspace.
fn link_target(workspace: &Path, word: &str) -> Option<String> {
    let link = workspace.join(word);
    let whole = link.parent()?.join(fs_err::read_link(&link).ok()?);
    Some(whole.strip_prefix(workspace).ok()?.display().to_string())
}

/// A proof shows what is there; what it writes into tracked files is not part of the result.
fn discard_changes(context: &RunContext, proof: &Proof) {
    let attempt = &proof.attempt;
    let folder = context.run_dir.attempt(attempt).path().to_path_buf();
    let (Ok(Some(workspace)), Ok(commit)) =
        (folder::load(&folder), CommitId::new(proof.commit.0.clone()))
    else {
        return;
    };
    match context
        .vcs_gate
        .pass(|| context.vcs.discard_changes_since(&workspace, &commit))
    {
        Ok(paths) if paths.is_empty() => {}
        Ok(paths) => {
            tracing::info!(%attempt, paths = start::shown(&paths), "the proof changed tracked files; discarded")
        }
        Err(error) => {
            tracing::warn!(%attempt, %error, "what the proof changed could not be discarded; the recorded result is as it was")
        }
    }
}
