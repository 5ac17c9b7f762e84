//! The one door to version control: which program a repository belongs to, and what can be asked of it.
//!
//! Every method may be called from several threads. None of them touches the user's own working copy, bookmarks or branches,
//! but [`Backend::land`] and [`Backend::create_target`], which move or make exactly the one that is named.

use crate::call::{CallLimits, Program, call_env};
use crate::error::VcsError;
use crate::git::Git;
use crate::jj::Jj;
use crate::model::{
    CommitId, Kind, Landed, Landing, Listed, NewWorkspace, Prove, Snapshot, Tools, Version,
    Workspace,
};
use mesh_proc::env::Env;
use mesh_proc::run::{Direct, Runner};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All that a backend needs to know of the world.
#[derive(Clone)]
pub struct Setup {
    /// The programs that were found.
    pub tools: Tools,
    /// The environment to choose from. Only a keep list of it gets through, `MESH_*` (the markers of a run) among it.
    pub env: Env,
    /// Limits of each call.
    pub limits: CallLimits,
    /// What starts the programs; a caller that keeps a call log passes its own.
    pub runner: Arc<dyn Runner>,
    /// Folder of all workspaces of the repository; `../workspaces/<repository>` beside the main working copy when absent.
    pub workspaces_root: Option<PathBuf>,
}

impl Setup {
    /// With the usual limits, without a call log, with the usual folder.
    #[must_use]
    pub fn new(tools: Tools, env: Env) -> Setup {
        Setup {
            tools,
            env,
            limits: CallLimits::default(),
            runner: Arc::new(Direct),
            workspaces_root: None,
        }
    }

    pub(crate) fn program(&self, path: &Path) -> Program {
        Program {
            path: path.to_path_buf(),
            env: call_env(&self.env),
            limits: self.limits,
            runner: Arc::clone(&self.runner),
        }
    }
}

/// What jj and git both can do here; the meaning of each is with the method of the same name of [`Backend`].
pub(crate) trait Works: Send + Sync {
    fn main_root(&self) -> &Path;
    fn workspaces_root(&self) -> &Path;
    fn store_path(&self) -> &Path;
    fn version(&self) -> &Version;
    fn base(&self, revision: Option<&str>) -> Result<Vec<CommitId>, VcsError>;
    fn working_copy_note(&self) -> Result<Option<String>, VcsError>;
    fn open_hub(&self, run: &str) -> Result<(), VcsError>;
    fn close_hub(&self, run: &str) -> Result<(), VcsError>;
    fn heads(&self, commits: &[CommitId]) -> Result<Vec<CommitId>, VcsError>;
    fn is_in(&self, commit: &CommitId, of: &[CommitId]) -> Result<bool, VcsError>;
    fn exists(&self, commit: &CommitId) -> Result<bool, VcsError>;
    fn workspace(&self, name: &str) -> Result<Option<Workspace>, VcsError>;
    fn add_workspace(&self, new: &NewWorkspace) -> Result<Workspace, VcsError>;
    fn agent_environment(
        &self,
        workspace: &Workspace,
        immutable: &[CommitId],
        folder: &Path,
    ) -> Result<Vec<(String, String)>, VcsError>;
    fn snapshot(&self, workspace: &Workspace) -> Result<Snapshot, VcsError>;
    fn discard_changes_since(
        &self,
        workspace: &Workspace,
        snapshot: &Snapshot,
    ) -> Result<Vec<PathBuf>, VcsError>;
    fn keep(&self, commit: &CommitId, run: &str, task: &str, attempt: u32) -> Result<(), VcsError>;
    fn forget(&self, name: &str) -> Result<(), VcsError>;
    fn discard(&self, workspace: &Workspace) -> Result<(), VcsError>;
    fn list_workspaces(&self) -> Result<Vec<Listed>, VcsError>;
    fn create_target(&self, target: &str, at: &CommitId) -> Result<(), VcsError>;
    fn land(&self, landing: &Landing, prove: &mut Prove<'_>) -> Result<Landed, VcsError>;
    fn describe(&self, run: &str, new: &NewWorkspace) -> Vec<Vec<String>>;
}

/// The repository's program.
pub enum Backend {
    /// jujutsu.
    Jj(Jj),
    /// git.
    Git(Git),
}

impl Backend {
    /// Finds the repository that `start` lies in. The nearest folder with `.jj` or `.git` decides, and `.jj` wins where both are.
    ///
    /// # Errors
    /// No repository, its program missing or too old (jj 0.41, git 2.38), a bare repository.
    pub fn detect(start: &Path, setup: &Setup) -> Result<Backend, VcsError> {
        let start = fs_err::canonicalize(start)?;
        for folder in start.ancestors() {
            if folder.join(".jj").is_dir() {
                return Ok(Backend::Jj(Jj::open(folder, setup)?));
            }
            if folder.join(".git").exists() {
                return Ok(Backend::Git(Git::open(folder, setup)?));
            }
        }
        Err(VcsError::NoRepository { start })
    }

    fn works(&self) -> &dyn Works {
        match self {
            Backend::Jj(jj) => jj,
            Backend::Git(git) => git,
        }
    }

    /// Which program it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Backend::Jj(_) => Kind::Jj,
            Backend::Git(_) => Kind::Git,
        }
    }

    /// The main working copy: jj: the workspace that owns `.jj/repo`; git: the main worktree. The same from every other one.
    #[must_use]
    pub fn main_root(&self) -> &Path {
        self.works().main_root()
    }

    /// Folder of all workspaces of this repository. Nothing outside it is ever deleted.
    #[must_use]
    pub fn workspaces_root(&self) -> &Path {
        self.works().workspaces_root()
    }

    /// Canonical path of the store: one coordinator at a time may work on it.
    #[must_use]
    pub fn store_path(&self) -> &Path {
        self.works().store_path()
    }

    /// The program's version.
    #[must_use]
    pub fn version(&self) -> &Version {
        self.works().version()
    }

    /// What a run starts from: the parents of the user's `@` (git: `HEAD`), or the one commit that `revision` means.
    ///
    /// # Errors
    /// The revision is unknown or means several commits; the repository has no commit yet (git).
    pub fn base(&self, revision: Option<&str>) -> Result<Vec<CommitId>, VcsError> {
        self.works().base(revision)
    }

    /// A sentence when the user's working copy has changes that are not in the base, or conflicts. It is only looked at.
    ///
    /// # Errors
    /// The program failed.
    pub fn working_copy_note(&self) -> Result<Option<String>, VcsError> {
        self.works().working_copy_note()
    }

    /// Makes or reuses the run's hub, the empty workspace from which jj is worked (git has none). Called again by a resume.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open_hub(&self, run: &str) -> Result<(), VcsError> {
        self.works().open_hub(run)
    }

    /// Forgets the run's hub and deletes its folder. Nothing happens when there is none.
    ///
    /// # Errors
    /// The program failed.
    pub fn close_hub(&self, run: &str) -> Result<(), VcsError> {
        self.works().close_hub(run)
    }

    /// Those of `commits` that are no ancestors of others of them, each once, in their order.
    ///
    /// # Errors
    /// One of them is unknown.
    pub fn heads(&self, commits: &[CommitId]) -> Result<Vec<CommitId>, VcsError> {
        self.works().heads(commits)
    }

    /// Whether `commit` is one of `of` or an ancestor of one.
    ///
    /// # Errors
    /// One of them is unknown.
    pub fn is_in(&self, commit: &CommitId, of: &[CommitId]) -> Result<bool, VcsError> {
        self.works().is_in(commit, of)
    }

    /// Whether the store has `commit`.
    ///
    /// # Errors
    /// The program failed.
    pub fn exists(&self, commit: &CommitId) -> Result<bool, VcsError> {
        self.works().exists(commit)
    }

    /// The workspace `name`, if [`Backend::add_workspace`] completed it. A half-made one does not count: adding it again cleans up.
    ///
    /// # Errors
    /// The program failed.
    pub fn workspace(&self, name: &str) -> Result<Option<Workspace>, VcsError> {
        self.works().workspace(name)
    }

    /// Makes a workspace on its parents. Conflicts between these are in the result, not an error. What an interrupted call of the
    /// same name left is removed first; after a failure nothing is left behind.
    ///
    /// # Errors
    /// The name is in use by a complete workspace, the folder is outside the root or taken by something else, a parent is unknown,
    /// the hub is not open (jj), the program failed.
    pub fn add_workspace(&self, new: &NewWorkspace) -> Result<Workspace, VcsError> {
        self.works().add_workspace(new)
    }

    /// The variables that an agent in `workspace` gets, so that it cannot rewrite `immutable` (base and needs) nor wander into the
    /// main repository. `folder` is the attempt's own, outside the workspace; a jj config file is written there.
    ///
    /// # Errors
    /// The file cannot be written, the program failed.
    pub fn agent_environment(
        &self,
        workspace: &Workspace,
        immutable: &[CommitId],
        folder: &Path,
    ) -> Result<Vec<(String, String)>, VcsError> {
        self.works().agent_environment(workspace, immutable, folder)
    }

    /// Records what an attempt left. To be called when its whole process tree is dead; calling it again gives the same.
    ///
    /// # Errors
    /// The workspace is gone or broken, the program failed.
    pub fn snapshot(&self, workspace: &Workspace) -> Result<Snapshot, VcsError> {
        self.works().snapshot(workspace)
    }

    /// Sets the workspace back to `snapshot` and says which paths had changed since (what a proof did). Ignored files stay.
    ///
    /// # Errors
    /// The workspace is gone or broken, the program failed.
    pub fn discard_changes_since(
        &self,
        workspace: &Workspace,
        snapshot: &Snapshot,
    ) -> Result<Vec<PathBuf>, VcsError> {
        self.works().discard_changes_since(workspace, snapshot)
    }

    /// Keeps `commit` from being collected: git: as `refs/mesh/<run>/<task>/<attempt>`; jj keeps what is visible by itself, which
    /// is checked. To be called before [`Backend::forget`].
    ///
    /// # Errors
    /// The commit is unknown, or hidden (jj).
    pub fn keep(
        &self,
        commit: &CommitId,
        run: &str,
        task: &str,
        attempt: u32,
    ) -> Result<(), VcsError> {
        self.works().keep(commit, run, task, attempt)
    }

    /// Unregisters the workspace `name`; its folder stays. Nothing happens when there is none. Kept commits stay.
    ///
    /// # Errors
    /// The program failed.
    pub fn forget(&self, name: &str) -> Result<(), VcsError> {
        self.works().forget(name)
    }

    /// Deletes the folder of a workspace that was forgotten, and folders above it that are empty then.
    ///
    /// # Errors
    /// The folder is not strictly inside the workspaces root, or cannot be deleted.
    pub fn remove(&self, workspace: &Workspace) -> Result<(), VcsError> {
        crate::folder::remove(self.workspaces_root(), &workspace.path)
    }

    /// Takes back a workspace in which nobody has worked: name, folder, and the empty commit it stood on, so that nothing of it
    /// can be taken for work of the next one. A name that is not there is no error.
    ///
    /// # Errors
    /// As [`Backend::forget`] and [`Backend::remove`].
    pub fn discard(&self, workspace: &Workspace) -> Result<(), VcsError> {
        self.works().discard(workspace)
    }

    /// All workspaces of mesh in this repository, hubs and half-made ones too, whatever run they belong to.
    ///
    /// # Errors
    /// The program failed.
    pub fn list_workspaces(&self) -> Result<Vec<Listed>, VcsError> {
        self.works().list_workspaces()
    }

    /// Makes the bookmark or branch `target` at `at`; nothing happens when it is there already, wherever it points.
    ///
    /// # Errors
    /// The name is not allowed, the commit unknown.
    pub fn create_target(&self, target: &str, at: &CommitId) -> Result<(), VcsError> {
        self.works().create_target(target, at)
    }

    /// Puts one result onto a target. Nobody sees anything of it before `prove` accepted the integrated tree, and the target moves
    /// only if it is still where it was. One landing at a time.
    ///
    /// # Errors
    /// The target does not exist or is split, the program failed. Refusals that are somebody's to solve are in [`Landed`].
    pub fn land(&self, landing: &Landing, prove: &mut Prove<'_>) -> Result<Landed, VcsError> {
        self.works().land(landing, prove)
    }

    /// The commands that making `new` in `run` would execute, in order, each with its program, for a person to read.
    #[must_use]
    pub fn describe(&self, run: &str, new: &NewWorkspace) -> Vec<Vec<String>> {
        self.works().describe(run, new)
    }
}
