//! What can go wrong between us and jj or git. A conflict, a failed proof or a moved target is a result, not an error.

use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why a call of this crate did not do what it says.
#[derive(Debug, Error)]
pub enum VcsError {
    /// Neither `.jj` nor `.git` in the folder or above it.
    #[error("no repository in {} or above it: run `jj git init` or `git init`, or name another folder", .start.display())]
    NoRepository {
        /// Where the search began.
        start: PathBuf,
    },
    /// A repository without a working copy.
    #[error("the repository {} has no working copy: run mesh in a worktree of it (`git worktree add`) or in a clone", .store.display())]
    Bare {
        /// The store.
        store: PathBuf,
    },
    /// Nothing to start from.
    #[error("there is no commit yet in {} to start from: {way_out}, or name a revision with --base", .repository.display())]
    NoCommits {
        /// The working copy in which the user stands.
        repository: PathBuf,
        /// How one is made.
        way_out: &'static str,
    },
    /// Commits were made or chosen by git which jj has not taken in: the run would start from what was there before.
    #[error("git's HEAD in {} is {head}, and jj does not know it yet: run `jj st` there, which takes it in, or name a revision with --base", .repository.display())]
    HeadNotImported {
        /// The working copy in which the user stands.
        repository: PathBuf,
        /// Where git stands.
        head: crate::model::CommitId,
    },
    /// The folder of all workspaces cannot be made.
    #[error("workspaces would lie in {}, which cannot be made ({source}): make it, or name another folder as `workspace.root` in the configuration", .root.display())]
    NoRoom {
        /// The folder.
        root: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The program that the repository needs is not there.
    #[error("{} is a {tool} repository, and `{tool}` was not found: install {tool} {least} or newer", .repository.display())]
    ToolMissing {
        /// `jj` or `git`.
        tool: &'static str,
        /// The repository's main working copy, or the folder that was looked at.
        repository: PathBuf,
        /// The oldest version that will do.
        least: &'static str,
    },
    /// The program is too old for what is asked of it.
    #[error("{tool} {found} is too old: {reason}; install {tool} {least} or newer")]
    TooOld {
        /// `jj` or `git`.
        tool: &'static str,
        /// The version found.
        found: String,
        /// The oldest version that will do.
        least: &'static str,
        /// What the older one cannot do.
        reason: &'static str,
    },
    /// It was not done within its time; its process group was ended.
    #[error("`{command}` was not done after {} s and was ended", .after.as_secs())]
    TimedOut {
        /// The command as a shell would take it.
        command: String,
        /// The time limit.
        after: Duration,
    },
    /// It wrote more than it may.
    #[error("`{command}` wrote more than the allowed output and was not read")]
    Flooded {
        /// The command as a shell would take it.
        command: String,
    },
    /// It did not start, or could not be watched.
    #[error("`{command}` could not be run: {reason}")]
    NotRun {
        /// The command as a shell would take it.
        command: String,
        /// Why, in one line.
        reason: String,
    },
    /// It ended with another exit code than 0, or by a signal.
    #[error("`{command}` failed ({status}): {stderr}")]
    Failed {
        /// The command as a shell would take it.
        command: String,
        /// Exit code or signal, in words.
        status: String,
        /// The exit code, if it exited.
        code: Option<i32>,
        /// What it wrote on stderr, trimmed and shortened.
        stderr: String,
    },
    /// It ended well, and what it wrote cannot be understood.
    #[error("`{command}` gave an answer that cannot be understood: {reason}")]
    Unreadable {
        /// The command as a shell would take it, or what was parsed.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No such revision.
    #[error("there is no revision `{revision}`: name a commit, bookmark or branch that exists")]
    UnknownRevision {
        /// What was asked for.
        revision: String,
    },
    /// A name that means several commits.
    #[error("`{revision}` means {count} commits: name one commit by its id")]
    Ambiguous {
        /// What was asked for.
        revision: String,
        /// How many commits it means.
        count: usize,
    },
    /// A text that is no commit id.
    #[error("`{text}` is not a commit id")]
    NotACommitId {
        /// The text.
        text: String,
    },
    /// A text that is no name of a workspace of mesh.
    #[error("`{name}` is not a workspace name of mesh")]
    BadName {
        /// The text.
        name: String,
    },
    /// A workspace of that name is complete and registered.
    #[error("there is a workspace `{name}` already: use it, or forget it first")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Something that is not a workspace's leftover lies where a workspace should go.
    #[error("{} is in the way: move it or delete it", .path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// A folder that is not strictly inside the workspaces root is never deleted and never made.
    #[error("{} is not inside the workspaces folder {}", .path.display(), .root.display())]
    OutsideRoot {
        /// The path.
        path: PathBuf,
        /// The workspaces root.
        root: PathBuf,
    },
    /// A workspace is not registered, or its folder is gone.
    #[error("the workspace `{name}` is gone: {reason}")]
    WorkspaceGone {
        /// The name.
        name: String,
        /// What is missing.
        reason: String,
    },
    /// What an agent left in its own repository is not taken into the user's.
    #[error("what was committed in the workspace `{name}` is not taken over: {reason}")]
    NotTakenOver {
        /// The workspace.
        name: String,
        /// What is wrong with it, in git's words or ours.
        reason: String,
    },
    /// Something that decides what our calls do is not what it was when the run began.
    #[error(
        "{} changed while the run was on ({what}), and mesh runs nothing with it: look at it, undo it or leave it, then `mesh resume`",
        .file.display()
    )]
    StoreChanged {
        /// The file.
        file: PathBuf,
        /// What is different in it.
        what: String,
    },
    /// The hub is not open.
    #[error("the coordinator's hub is not open")]
    NoHub,
    /// The bookmark or branch to land on does not exist, or points at several commits.
    #[error("the target `{target}` {problem}")]
    BadTarget {
        /// Its name.
        target: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// A commit that nothing keeps.
    #[error("the commit {commit} is not reachable from anything that is kept")]
    Unreachable {
        /// Its id.
        commit: String,
    },
    /// A file operation.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
