//! git: how it is called, its least version, and the questions that only read. What is done with it is in the modules below.
//!
//! * Every attempt gets a detached worktree, and in it a repository of its own: `quarantine`. `worktree add` is racy (measured: 14 of 640 failed at 8 to 16 at once, 2.47 on ext4),
//!   so it is serialised, and tried once more.
//! * No setting of the user changes what our calls do: `settings` has the table.
//! * Parents are joined, and results put onto a target, without any working copy: `merge-tree --write-tree`, which is there since
//!   2.38, and `commit-tree`. A branch moves by `update-ref` with the old value, which is a compare-and-swap.

pub(crate) mod guard;
mod known;
mod land;
mod merge;
pub(crate) mod parse;
mod quarantine;
mod record;
pub(crate) mod settings;
mod shared;
mod snapshot;
mod worktree;

use crate::agent_env;
use crate::backend::{Repository, RepositorySetup};
use crate::call::{Answer, Program, Span, args};
use crate::content;
use crate::error::VcsError;
use crate::kept::{self, Fate, KeptResult};
use crate::model::{
    AgentAccess, Candidate, CommitId, FoundIn, Integration, Kind, Landing, Listed, NewWorkspace,
    Publication, Snapshot, Version, Workspace,
};
use crate::shared::SharedState;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The oldest git that will do.
const LEAST: (u32, u32, u32) = (2, 38, 0);
const LEAST_TEXT: &str = "2.38";

/// A git repository with a working copy.
pub(crate) struct Git {
    program: Program,
    version: Version,
    /// The worktree in which the user stands; its `HEAD` is the user's.
    start_root: PathBuf,
    main_root: PathBuf,
    workspaces_root: PathBuf,
    /// The common git folder of all worktrees.
    store: PathBuf,
    has_identity: bool,
    /// What the file system is found to be like, as options.
    file_system: Vec<OsString>,
    adding: Mutex<()>,
    /// The store as it was when the run began, once it has.
    guard: OnceLock<Arc<guard::StoreGuard>>,
    /// Branches that landings moved, and where to.
    moved: Mutex<Vec<(String, CommitId)>>,
    known: Mutex<known::Known>,
    /// The settings that say of what form the store is.
    format: OnceLock<String>,
    /// What git last said of the refs, and their files then.
    refs: Mutex<Option<(shared::RefFiles, String)>>,
}

/// How long a worktree may stay half-made before that is what is wrong, and the pause between two looks.
const RACE_PATIENCE: Duration = Duration::from_secs(5);
const RACE_PAUSE: Duration = Duration::from_millis(20);

/// Whether git met a worktree that was being made or removed (seen on 2.39: `failed to read …/commondir: Success`).
fn is_worktree_race(error: &VcsError) -> bool {
    matches!(error, VcsError::Failed { stderr, .. }
        if stderr.contains("failed to read") && stderr.contains("commondir"))
}

impl Git {
    /// Opens the repository whose worktree is at `folder` (it has `.git`).
    pub(crate) fn open(folder: &Path, setup: &RepositorySetup) -> Result<Git, VcsError> {
        let path = setup
            .tools
            .git
            .as_deref()
            .ok_or_else(|| VcsError::ToolMissing {
                tool: "git",
                repository: folder.to_path_buf(),
                least: LEAST_TEXT,
            })?;
        let program = setup.program(path);
        let answer = program.run(folder, &["--version".into()], Span::Short, &[])?;
        let version = answer.parse(|bytes| crate::model::parse_version(bytes, "git version "))?;
        if version.numbers < LEAST {
            return Err(VcsError::TooOld {
                tool: "git",
                found: version.text,
                least: LEAST_TEXT,
                reason: "it has no `merge-tree --write-tree`, which joins prerequisites without a working copy",
            });
        }
        let mut git = Git {
            program,
            version,
            start_root: folder.to_path_buf(),
            main_root: PathBuf::new(),
            workspaces_root: PathBuf::new(),
            store: PathBuf::new(),
            has_identity: false,
            file_system: Vec::new(),
            adding: Mutex::new(()),
            guard: OnceLock::new(),
            moved: Mutex::new(Vec::new()),
            known: Mutex::default(),
            format: OnceLock::new(),
            refs: Mutex::default(),
        };
        git.store = git.folder_of(folder, "--git-common-dir")?;
        if let Some(store) = worktree::store_behind(&git.store) {
            git.store = store;
        }
        git.file_system = file_system(&git.store);
        git.main_root = worktree::main_root(&git, folder)?;
        let outside = git.outermost()?;
        git.workspaces_root =
            crate::folder::root_of(&git.main_root, &outside, setup.workspaces_root.as_deref());
        let identity = args![
            "-c",
            "user.useConfigOnly=true",
            "var",
            "GIT_COMMITTER_IDENT"
        ];
        git.has_identity = git
            .ask_at(folder, identity, Span::Short, &[])?
            .output
            .status
            .is_success();
        Ok(git)
    }

    fn known(&self) -> MutexGuard<'_, known::Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A folder of the repository that `rev-parse` knows.
    fn folder_of(&self, at: &Path, which: &str) -> Result<PathBuf, VcsError> {
        let asked = self.run_at(at, args!["rev-parse", "--path-format=absolute", which])?;
        Ok(fs_err::canonicalize(asked.parse(parse::one_path)?)?)
    }

    /// The folder that workspaces stay out of: the outermost superproject of a submodule, a store that the working copy lies in,
    /// else the working copy.
    fn outermost(&self) -> Result<PathBuf, VcsError> {
        let mut outermost = self.main_root.clone();
        if outermost.starts_with(&self.store) {
            outermost.clone_from(&self.store);
        }
        // Of a submodule alone, whose link to its store is a file.
        while outermost.join(".git").is_file() {
            let command = args!["rev-parse", "--show-superproject-working-tree"];
            let answer = self.run_at(&outermost, command)?;
            if answer.stdout().is_empty() {
                break;
            }
            outermost = fs_err::canonicalize(answer.parse(parse::one_path)?)?;
        }
        Ok(outermost)
    }

    fn ask_at(
        &self,
        at: &Path,
        command: Vec<OsString>,
        span: Span,
        extra: &[(&str, &OsStr)],
    ) -> Result<Answer, VcsError> {
        let mut whole = self.file_system.clone();
        whole.extend(command);
        settings::ask(&self.program, at, whole, span, extra, &[])
    }

    fn run_at(&self, at: &Path, command: Vec<OsString>) -> Result<Answer, VcsError> {
        succeeded(self.ask_at(at, command, Span::Short, &[])?)
    }

    /// On the store alone, from the main worktree, whose files are not looked at.
    fn run(&self, command: Vec<OsString>) -> Result<Answer, VcsError> {
        self.run_at(&self.main_root, command)
    }

    fn ask_in_store(&self, command: Vec<OsString>) -> Result<Answer, VcsError> {
        self.ask_at(&self.main_root, command, Span::Long, &[])
    }

    /// As [`Git::run_at`] for a call that goes through all files of a worktree.
    fn run_on_files(&self, at: &Path, command: Vec<OsString>) -> Result<Answer, VcsError> {
        succeeded(self.ask_at(at, command, Span::Long, &[])?)
    }

    /// All worktrees. While another git makes or removes one, its files come and go one by one, and git gives up on what it meets
    /// half: that is over in a moment, and asked again. What one that was killed left stays half, and then nobody can list worktrees
    /// any more; if it was ours, it goes.
    fn worktrees_at(&self, at: &Path) -> Result<Vec<parse::Worktree>, VcsError> {
        let deadline = Instant::now() + RACE_PATIENCE;
        loop {
            match self.run_at(at, args!["worktree", "list", "--porcelain", "-z"]) {
                Err(error) if is_worktree_race(&error) && Instant::now() < deadline => {
                    std::thread::sleep(RACE_PAUSE);
                }
                Err(error) if is_worktree_race(&error) && worktree::drop_torn(self)? => {}
                answer => return answer?.parse(parse::worktrees),
            }
        }
    }

    /// The commit that `revision` means in the worktree `at`.
    fn resolve(&self, at: &Path, revision: &str) -> Result<CommitId, VcsError> {
        let wanted = format!("{revision}^{{commit}}");
        let answer = self.ask_at(
            at,
            args!["rev-parse", "--verify", "--end-of-options", wanted],
            Span::Short,
            &[],
        )?;
        if answer.output.status.is_success() {
            return answer.parse(parse::one_commit);
        }
        let stderr = answer.stderr();
        if stderr.contains("is ambiguous") && stderr.contains("short object ID") {
            // git lists the candidates as hints, two at least.
            return Err(VcsError::Ambiguous {
                revision: revision.to_owned(),
                count: stderr.matches(" commit ").count().max(2),
            });
        }
        if answer.code() == Some(128) {
            return Err(VcsError::UnknownRevision {
                revision: revision.to_owned(),
            });
        }
        Err(answer.failure())
    }

    fn is_ancestor(&self, commit: &CommitId, of: &CommitId) -> Result<bool, VcsError> {
        if let Some(known) = self.known().ancestry.is_in(commit, of) {
            return Ok(known);
        }
        let command = args!["merge-base", "--is-ancestor", commit.as_str(), of.as_str()];
        let answer = self.ask_at(&self.main_root, command, Span::Short, &[])?;
        match answer.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(answer.failure()),
        }
    }

    fn is_in_any(&self, commit: &CommitId, of: &[CommitId]) -> Result<bool, VcsError> {
        for head in of {
            if head == commit || self.is_ancestor(commit, head)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn tree_of(&self, commit: &CommitId) -> Result<CommitId, VcsError> {
        if let Some(known) = self.known().tree(commit) {
            return Ok(known);
        }
        let tree = self
            .run(args!["rev-parse", "--verify", format!("{commit}^{{tree}}")])?
            .parse(parse::one_commit)?;
        self.known().set_tree(commit, &tree);
        Ok(tree)
    }
}

pub(crate) fn succeeded(answer: Answer) -> Result<Answer, VcsError> {
    if answer.output.status.is_success() {
        Ok(answer)
    } else {
        Err(answer.failure())
    }
}

/// Paths that differ, for [`parse::changes`].
pub(crate) fn changes_between(from: &CommitId, to: &CommitId) -> Vec<OsString> {
    args![
        "diff-tree",
        "-r",
        "-z",
        "--no-renames",
        "--name-status",
        from.as_str(),
        to.as_str()
    ]
}

/// When `commit`, which has one parent, was made, and the paths in which it differs from that, for [`parse::second_and_changes`].
fn changes_and_second(commit: &CommitId) -> Vec<OsString> {
    args![
        "diff-tree",
        "-r",
        "-z",
        "--no-renames",
        "--name-status",
        "--format=%ct",
        commit.as_str()
    ]
}

/// Those of `paths` that `commit` has, for [`parse::paths`].
pub(crate) fn entries(commit: &CommitId, paths: &[PathBuf]) -> Vec<OsString> {
    let mut command = args![
        "ls-tree",
        "-z",
        "--full-tree",
        "--name-only",
        commit.as_str(),
        "--"
    ];
    command.extend(paths.iter().map(OsString::from));
    command
}

/// A patch that can be applied anywhere, whatever the user has configured for the eye.
pub(crate) fn patch_between(from: &CommitId, to: &CommitId) -> Vec<OsString> {
    args![
        "diff-tree",
        "-r",
        "--patch",
        "--binary",
        "--full-index",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        from.as_str(),
        to.as_str()
    ]
}

/// What git's own files show of the file system. A repository that came from another one may say otherwise; then a program that an
/// agent writes would be recorded without its bit, and a name that differs in case alone would not be recorded.
fn file_system(store: &Path) -> Vec<OsString> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut options = Vec::new();
    // Without modes all files show the bit, also one that never has it.
    let head = fs_err::metadata(store.join("HEAD"));
    if head.is_ok_and(|head| head.permissions().mode() & 0o111 == 0) {
        options.extend(args!["-c", "core.fileMode=true"]);
    }
    if !store.join("hEaD").exists() {
        options.extend(args!["-c", "core.ignoreCase=false"]);
    }
    options
}

impl Repository for Git {
    fn kind(&self) -> Kind {
        Kind::Git
    }

    fn main_root(&self) -> &Path {
        &self.main_root
    }

    fn workspaces_root(&self) -> &Path {
        &self.workspaces_root
    }

    fn store_path(&self) -> &Path {
        &self.store
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn base(&self, revision: Option<&str>) -> Result<Vec<CommitId>, VcsError> {
        match self.resolve(&self.start_root, revision.unwrap_or("HEAD")) {
            Err(VcsError::UnknownRevision { .. })
                if revision.is_none_or(|named| named == "HEAD") =>
            {
                Err(VcsError::NoCommits {
                    repository: self.start_root.clone(),
                    way_out: "make one (`git add`, `git commit`)",
                })
            }
            found => Ok(vec![found?]),
        }
    }

    fn working_copy_note(&self) -> Result<Option<String>, VcsError> {
        // Without optional locks: otherwise the question itself refreshes the user's index.
        let command = args![
            "--no-optional-locks",
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=normal"
        ];
        let entries = self
            .run_on_files(&self.start_root, command)?
            .parse(parse::status)?;
        Ok(if entries.iter().any(|entry| entry.unmerged) {
            Some("the working copy has conflicts; they are not in the base, and mesh does not touch them".to_owned())
        } else if entries.is_empty() {
            None
        } else {
            Some("the working copy has changes; they are not in the base, and mesh does not touch them".to_owned())
        })
    }

    fn open_hub(&self, _run: &str) -> Result<(), VcsError> {
        if self.program.guard.get().is_none() {
            let guard = Arc::new(guard::StoreGuard::new(&self.program, &self.store)?);
            let same = Arc::clone(self.guard.get_or_init(|| guard));
            self.program.guard.get_or_init(|| same);
        }
        // What stands in the way is said before anything has begun.
        crate::folder::make_root(&self.workspaces_root)
    }

    fn close_hub(&self, _run: &str) -> Result<(), VcsError> {
        Ok(())
    }

    fn heads(&self, commits: &[CommitId]) -> Result<Vec<CommitId>, VcsError> {
        let unique = crate::model::unique(commits);
        if unique.len() < 2 {
            return Ok(unique);
        }
        if let Some(heads) = self.known().ancestry.heads(&unique) {
            return Ok(heads);
        }
        let mut command = args!["merge-base", "--independent"];
        command.extend(unique.iter().map(|commit| OsString::from(commit.as_str())));
        let heads = self.run(command)?.parse(parse::commits)?;
        Ok(unique
            .into_iter()
            .filter(|commit| heads.contains(commit))
            .collect())
    }

    fn is_in(&self, commit: &CommitId, of: &[CommitId]) -> Result<bool, VcsError> {
        self.is_in_any(commit, of)
    }

    fn exists(&self, commit: &CommitId) -> Result<bool, VcsError> {
        match self.resolve(&self.main_root, commit.as_str()) {
            Ok(_) => Ok(true),
            Err(VcsError::UnknownRevision { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn workspace(&self, name: &str) -> Result<Option<Workspace>, VcsError> {
        worktree::find(self, name)
    }

    fn add_workspace(&self, new: &NewWorkspace) -> Result<Workspace, VcsError> {
        worktree::add(self, new)
    }

    fn move_workspace(
        &self,
        workspace: &Workspace,
        new: &NewWorkspace,
    ) -> Result<Workspace, VcsError> {
        worktree::move_to(self, workspace, new)
    }

    fn agent_environment(
        &self,
        workspace: &Workspace,
        _immutable: &[CommitId],
        folder: &Path,
    ) -> Result<AgentAccess, VcsError> {
        // Nothing can be rewritten under others here: a rewrite makes another commit, and all are named by their ids.
        let mut env = agent_env::of_git(&self.workspaces_root);
        if !self.has_identity {
            let program = &self.program;
            env.extend(agent_env::identity_of_git(
                program,
                &workspace.path,
                folder,
            )?);
        }
        let administrative = worktree::administrative_folder(self, &workspace.name)?;
        let write = administrative.map(|folder| quarantine::folder(&folder));
        Ok(AgentAccess {
            env,
            write: write.into_iter().collect(),
        })
    }

    fn snapshot(&self, workspace: &Workspace, claimed: &[String]) -> Result<Snapshot, VcsError> {
        snapshot::snapshot(self, workspace, claimed, None)
    }

    fn record(
        &self,
        workspace: &Workspace,
        claimed: &[String],
        run: &str,
        task: &str,
        attempt: u32,
    ) -> Result<Snapshot, VcsError> {
        let keep = crate::name::kept_ref(run, task, attempt);
        snapshot::snapshot(self, workspace, claimed, Some(&keep))
    }

    fn search_added(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
        find: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<FoundIn>, VcsError> {
        let ask = |command: Vec<OsString>, input: &[u8]| {
            let mut whole = self.file_system.clone();
            whole.extend(command);
            settings::ask(
                &self.program,
                &self.main_root,
                whole,
                Span::Long,
                &[],
                input,
            )
        };
        content::search(&ask, &workspace.parents, commit, find)
    }

    fn let_go(&self, workspace: &Workspace, _commit: &CommitId) -> Result<(), VcsError> {
        snapshot::let_go(self, workspace)
    }

    fn not_in_commit(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
        words: &[String],
    ) -> Result<Vec<String>, VcsError> {
        snapshot::not_in_commit(self, workspace, commit, words)
    }

    fn patch(&self, workspace: &Workspace, commit: &CommitId) -> Result<Vec<u8>, VcsError> {
        let start = merge::join(self, &workspace.parents)?;
        let answer = self.run_on_files(&self.main_root, patch_between(&start.commit, commit))?;
        Ok(answer.stdout().to_vec())
    }

    fn discard_changes_since(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
    ) -> Result<Vec<PathBuf>, VcsError> {
        snapshot::discard(self, workspace, commit)
    }

    fn keep(&self, commit: &CommitId, run: &str, task: &str, attempt: u32) -> Result<(), VcsError> {
        let name = crate::name::kept_ref(run, task, attempt);
        self.run(args!["update-ref", name, commit.as_str()])
            .map(|_| ())
    }

    fn copy_result(&self, result: &KeptResult, without: &[CommitId]) -> Result<(), VcsError> {
        kept::copy(&|command| self.ask_in_store(command), result, without)
    }

    fn put_back(&self, results: &[KeptResult]) -> Result<Vec<Fate>, VcsError> {
        kept::put_back(&|command| self.ask_in_store(command), &self.store, results)
    }

    fn forget(&self, name: &str) -> Result<(), VcsError> {
        worktree::forget(self, name)
    }

    fn list_workspaces(&self) -> Result<Vec<Listed>, VcsError> {
        worktree::list(self)
    }

    fn shared_state(&self, except: &[PathBuf]) -> Result<SharedState, VcsError> {
        shared::snapshot(self, except)
    }

    fn target(&self, target: &str) -> Result<CommitId, VcsError> {
        land::target(self, target)
    }

    fn checked_out_at(&self, target: &str) -> Result<Option<PathBuf>, VcsError> {
        land::checked_out_at(self, &land::branch(self, target)?)
    }

    fn integrate(&self, landing: &Landing) -> Result<Integration, VcsError> {
        land::integrate(self, landing)
    }

    fn publish(&self, target: &str, candidate: &Candidate) -> Result<Publication, VcsError> {
        land::publish(self, target, candidate)
    }

    fn withdraw(&self, candidate: &Candidate) -> Result<(), VcsError> {
        land::withdraw(self, candidate)
    }

    fn describe(&self, _run: &str, new: &NewWorkspace) -> Vec<Vec<String>> {
        worktree::describe(self, new)
    }
}
