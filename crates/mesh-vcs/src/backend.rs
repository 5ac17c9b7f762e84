//! The one door to version control: which program a repository belongs to, and what can be asked of it.
//!
//! Every method may be called from several threads. None of them touches the user's own working copy, bookmarks or branches,
//! but [`Repository::publish`], which moves exactly the one that is named.

use crate::call::{CallLimits, Program, call_env};
use crate::error::VcsError;
use crate::git::Git;
use crate::jj::Jj;
use crate::kept::{Fate, KeptResult};
use crate::model::{
    AgentAccess, Candidate, CommitId, FoundIn, Integration, Kind, Landing, Listed, NewWorkspace,
    Publication, Snapshot, Tools, Version, Workspace,
};
use crate::shared::{SharedState, Traced};
use mesh_proc::env::Env;
use mesh_proc::run::{Direct, Runner};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All that a backend needs to know of the world.
#[derive(Clone)]
pub struct RepositorySetup {
    /// The programs that were found.
    pub tools: Tools,
    /// The environment to choose from. Only a keep list of it gets through, `MESH_*` (the markers of a run) among it.
    pub env: Env,
    /// Limits of each call.
    pub limits: CallLimits,
    /// What starts the programs; a caller that keeps a call log passes its own.
    pub runner: Arc<dyn Runner>,
    /// Folder in which the workspaces of each repository get a folder of the repository's name, relative to the main working copy;
    /// `../workspaces` when absent.
    pub workspaces_root: Option<PathBuf>,
}

impl RepositorySetup {
    /// With the usual limits, without a call log, with the usual folder.
    #[must_use]
    pub fn new(tools: Tools, env: Env) -> RepositorySetup {
        RepositorySetup {
            tools,
            env,
            limits: CallLimits::default(),
            runner: Arc::new(Direct),
            workspaces_root: None,
        }
    }

    pub(crate) fn program(&self, path: &Path) -> Program {
        Program {
            guard: Arc::default(),
            path: path.to_path_buf(),
            env: call_env(&self.env),
            limits: self.limits,
            runner: Arc::clone(&self.runner),
        }
    }
}

/// A repository with the program that works it.
pub struct Backend(Box<dyn Repository>);

impl Backend {
    /// Any repository, such as one in memory.
    #[must_use]
    pub fn new(repository: Box<dyn Repository>) -> Backend {
        Backend(repository)
    }

    /// Finds the repository that `start` lies in. The nearest folder with `.jj` or `.git` decides, and `.jj` wins where both are.
    ///
    /// # Errors
    /// No repository, its program missing or too old (jj 0.41, git 2.38), a bare repository.
    pub fn detect(start: &Path, setup: &RepositorySetup) -> Result<Backend, VcsError> {
        let start = fs_err::canonicalize(start)?;
        for folder in start.ancestors() {
            if folder.join(".jj").is_dir() {
                return Ok(Backend(Box::new(Jj::open(folder, setup)?)));
            }
            if folder.join(".git").exists() {
                return Ok(Backend(Box::new(Git::open(folder, setup)?)));
            }
            if is_bare_store(folder) {
                let store = folder.to_path_buf();
                return Err(VcsError::Bare { store });
            }
        }
        Err(VcsError::NoRepository { start })
    }
}

/// Whether `folder` is a git folder itself, and not one inside a working copy.
fn is_bare_store(folder: &Path) -> bool {
    folder.file_name().is_none_or(|name| name != ".git")
        && folder.join("HEAD").is_file()
        && folder.join("objects").is_dir()
        && folder.join("refs").is_dir()
}

impl Deref for Backend {
    type Target = dyn Repository;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// What can be asked of a repository, whichever program works it.
pub trait Repository: Send + Sync {
    /// Which program it is.
    #[must_use]
    fn kind(&self) -> Kind;

    /// The main working copy, the same from every other one: jj: the workspace that owns `.jj/repo`; git: the main worktree. Where
    /// git does not know a main worktree (a bare repository, or a store elsewhere whose main working copy is not this one): the
    /// worktree that has runs already, else the one in which the user stands. Never a folder inside the store.
    #[must_use]
    fn main_root(&self) -> &Path;

    /// Folder of all workspaces of this repository. Nothing outside it is ever deleted.
    #[must_use]
    fn workspaces_root(&self) -> &Path;

    /// Canonical path of the store: one coordinator at a time may work on it.
    #[must_use]
    fn store_path(&self) -> &Path;

    /// The program's version.
    #[must_use]
    fn version(&self) -> &Version;

    /// What a run starts from: the parents of the user's `@` (git: `HEAD`), or the one commit that `revision` means.
    ///
    /// # Errors
    /// The revision is unknown or means several commits; the repository has no commit yet (git).
    fn base(&self, revision: Option<&str>) -> Result<Vec<CommitId>, VcsError>;

    /// A sentence when the user's working copy has changes that are not in the base, or conflicts. It is only looked at.
    ///
    /// # Errors
    /// The program failed.
    fn working_copy_note(&self) -> Result<Option<String>, VcsError>;

    /// Makes or reuses the run's hub, the empty workspace from which jj is worked (git has none). Called again by a resume.
    ///
    /// # Errors
    /// It cannot be made.
    fn open_hub(&self, run: &str) -> Result<(), VcsError>;

    /// Forgets the run's hub and deletes its folder. Nothing happens when there is none.
    ///
    /// # Errors
    /// The program failed.
    fn close_hub(&self, run: &str) -> Result<(), VcsError>;

    /// Those of `commits` that are no ancestors of others of them, each once, in their order.
    ///
    /// # Errors
    /// One of them is unknown.
    fn heads(&self, commits: &[CommitId]) -> Result<Vec<CommitId>, VcsError>;

    /// Whether `commit` is one of `of` or an ancestor of one.
    ///
    /// # Errors
    /// One of them is unknown.
    fn is_in(&self, commit: &CommitId, of: &[CommitId]) -> Result<bool, VcsError>;

    /// Whether the store has `commit`.
    ///
    /// # Errors
    /// The program failed.
    fn exists(&self, commit: &CommitId) -> Result<bool, VcsError>;

    /// The workspace `name`, if [`Repository::add_workspace`] completed it. A half-made one does not count: adding it again cleans up.
    ///
    /// # Errors
    /// The program failed.
    fn workspace(&self, name: &str) -> Result<Option<Workspace>, VcsError>;

    /// Makes a workspace on its parents. Conflicts between these are in the result, not an error. What an interrupted call of the
    /// same name left is removed first; after a failure nothing is left behind.
    ///
    /// # Errors
    /// The name is in use by a complete workspace, the folder is outside the root or taken by something else, a parent is unknown,
    /// the hub is not open (jj), the program failed.
    fn add_workspace(&self, new: &NewWorkspace) -> Result<Workspace, VcsError>;

    /// Makes of a workspace in which nobody has worked, and that was made without a message, what `new` says, at the same place: on
    /// other parents, with a message.
    ///
    /// # Errors
    /// As [`Repository::add_workspace`]. The workspace is of no use then, and to be discarded.
    fn move_workspace(
        &self,
        workspace: &Workspace,
        new: &NewWorkspace,
    ) -> Result<Workspace, VcsError>;

    /// What every process of an attempt in `workspace` gets: variables, so that it cannot rewrite `immutable` (base and needs) nor
    /// wander into the main repository, has an identity where the user has none, signs nothing and is asked nothing; and what it has
    /// to write outside the workspace. `folder` is the attempt's own, outside the workspace; configuration files are written there.
    ///
    /// # Errors
    /// The file cannot be written, the program failed.
    fn agent_environment(
        &self,
        workspace: &Workspace,
        immutable: &[CommitId],
        folder: &Path,
    ) -> Result<AgentAccess, VcsError>;

    /// Records what an attempt left. To be called when its whole process tree is dead; calling it again gives the same. `claimed`
    /// are the paths that the agent says it changed, in any form an agent may write; what of them is there and cannot be recorded
    /// is named in [`Snapshot::unrecorded`]. Text that names nothing in the workspace is passed over.
    ///
    /// # Errors
    /// The workspace is gone or broken, the program failed.
    fn snapshot(&self, workspace: &Workspace, claimed: &[String]) -> Result<Snapshot, VcsError>;

    /// [`Repository::snapshot`], and [`Repository::keep`] of what it recorded.
    ///
    /// # Errors
    /// Those of both.
    fn record(
        &self,
        workspace: &Workspace,
        claimed: &[String],
        run: &str,
        task: &str,
        attempt: u32,
    ) -> Result<Snapshot, VcsError> {
        let snapshot = self.snapshot(workspace, claimed)?;
        self.keep(&snapshot.commit, run, task, attempt)?;
        Ok(snapshot)
    }

    /// Where `find` finds something in what `commit` and the commits between it and the workspace's parents have added: messages,
    /// paths, contents of files. `find` says what it found. A file that had it before is passed over, and so is one of more than
    /// 32 MiB.
    ///
    /// # Errors
    /// A commit is unknown, the program failed.
    fn search_added(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
        find: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<FoundIn>, VcsError>;

    /// Takes the commits of an attempt out of what the workspace holds: it stands on what it was started from, and its files stay.
    /// What an agent named otherwise (a branch, a bookmark) holds them still, and so do jj's own records of its operations until
    /// `jj util gc`.
    ///
    /// # Errors
    /// The workspace is gone, the program failed.
    fn let_go(&self, workspace: &Workspace, commit: &CommitId) -> Result<(), VcsError>;

    /// Those of `words` that name something which is in the workspace and not in `commit`: what a proof that names them reads from
    /// an ignored file, and nobody else has.
    ///
    /// # Errors
    /// The commit is unknown, the program failed.
    fn not_in_commit(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
        words: &[String],
    ) -> Result<Vec<String>, VcsError>;

    /// What `commit`, recorded in `workspace`, changed in what the workspace stood on, as git writes a patch. Binary files are in
    /// it with their content; over jj only where git can read jj's store.
    ///
    /// # Errors
    /// The commit is unknown, the patch is over the limit of output, the program failed.
    fn patch(&self, workspace: &Workspace, commit: &CommitId) -> Result<Vec<u8>, VcsError>;

    /// Sets the workspace back to the recorded `commit` and says which paths had changed since (what a proof did). Ignored files stay.
    ///
    /// # Errors
    /// The workspace is gone or broken, the program failed.
    fn discard_changes_since(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
    ) -> Result<Vec<PathBuf>, VcsError>;

    /// Keeps `commit` from being collected, as `refs/mesh/<run>/<task>/<attempt>` of the git repository, which is jj's store too. It
    /// can be used as a need and landed from then on, whether jj shows it or not. To be called before [`Repository::forget`].
    ///
    /// # Errors
    /// The commit is unknown; hidden, where jj has no git repository or git is not there.
    fn keep(&self, commit: &CommitId, run: &str, task: &str, attempt: u32) -> Result<(), VcsError>;

    /// Copies a result that is kept into its file, as far as it goes beyond `without`, which the file's reader needs to have.
    /// Nothing happens over jj where git is not there.
    ///
    /// # Errors
    /// The ref or a commit is not there, the file cannot be written, the program failed.
    fn copy_result(&self, result: &KeptResult, without: &[CommitId]) -> Result<(), VcsError>;

    /// Looks that the refs of the results are where they were put, and puts back what is not: what a result stands on comes before
    /// it. Says what it found of each.
    ///
    /// # Errors
    /// The program failed.
    fn put_back(&self, results: &[KeptResult]) -> Result<Vec<Fate>, VcsError>;

    /// Unregisters the workspace `name`; its folder stays. Nothing happens when there is none. Kept commits stay.
    ///
    /// # Errors
    /// The program failed.
    fn forget(&self, name: &str) -> Result<(), VcsError>;

    /// Deletes the folder of a workspace that was forgotten, and folders above it that are empty then.
    ///
    /// # Errors
    /// The folder is not strictly inside the workspaces root, or cannot be deleted.
    fn remove(&self, workspace: &Workspace) -> Result<(), VcsError> {
        crate::folder::remove(self.workspaces_root(), &workspace.path)
    }

    /// Takes back a workspace in which nobody has worked: name, folder, and the empty commit it stood on, so that nothing of it
    /// can be taken for work of the next one. A name that is not there is no error.
    ///
    /// # Errors
    /// As [`Repository::forget`] and [`Repository::remove`].
    fn discard(&self, workspace: &Workspace) -> Result<(), VcsError> {
        self.forget(&workspace.name)?;
        self.remove(workspace)
    }

    /// All workspaces of mesh in this repository, hubs and half-made ones too, whatever run they belong to.
    ///
    /// # Errors
    /// The program failed.
    fn list_workspaces(&self) -> Result<Vec<Listed>, VcsError>;

    /// A snapshot of what all working copies share (branches, tags, stash, configuration, hooks, worktrees), and of what is not as
    /// recorded in the one in which the user stands, without the paths below `except`. What landings of ours moved is not in it.
    /// To be compared with [`SharedState::changes_since`].
    ///
    /// # Errors
    /// The program failed.
    fn shared_state(&self, except: &[PathBuf]) -> Result<SharedState, VcsError>;

    /// Says what is in `now` not as it was in `before`, and what of it processes in `workspaces` did, by their names, as far as that
    /// is written down (jj's operation log; of git nothing is). A bookmark that nobody but they moved, and that is where they put it,
    /// is put back, also in `now`.
    ///
    /// # Errors
    /// The program failed.
    fn trace(
        &self,
        before: &SharedState,
        now: &mut SharedState,
        _workspaces: &[String],
    ) -> Result<Traced, VcsError> {
        Ok(Traced {
            others: now.changes_since(before),
            ..Traced::default()
        })
    }

    /// Where the bookmark or branch `target` points.
    ///
    /// # Errors
    /// The name is not allowed, nothing is there, or it is split.
    fn target(&self, target: &str) -> Result<CommitId, VcsError>;

    /// The working copy that has `target` checked out: while it does, nothing is landed there. Bookmarks of jj may be moved under a
    /// working copy.
    ///
    /// # Errors
    /// The name is not allowed, or the program failed.
    fn checked_out_at(&self, _target: &str) -> Result<Option<PathBuf>, VcsError> {
        Ok(None)
    }

    /// Joins one result with a target, where neither the target nor a working copy shows it. One landing at a time.
    ///
    /// # Errors
    /// The target does not exist or is split, the program failed. Refusals that are somebody's to solve are in [`Integration`].
    fn integrate(&self, landing: &Landing) -> Result<Integration, VcsError>;

    /// Moves `target` to the candidate, if it is still where it was when the candidate was made. Asked again for a candidate that is
    /// there, it says that it moved.
    ///
    /// # Errors
    /// As [`Repository::integrate`].
    fn publish(&self, target: &str, candidate: &Candidate) -> Result<Publication, VcsError>;

    /// Drops what was made for a candidate that does not land. Nothing may stand on it.
    ///
    /// # Errors
    /// The program failed.
    fn withdraw(&self, candidate: &Candidate) -> Result<(), VcsError>;

    /// The commands that making `new` in `run` would execute, in order, each with its program, for a person to read.
    #[must_use]
    fn describe(&self, run: &str, new: &NewWorkspace) -> Vec<Vec<String>>;
}
