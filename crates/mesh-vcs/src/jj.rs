//! jj: how it is called, its least version, and the questions that only read. What is done with it is in the modules below.
//!
//! * The coordinator works from the *hub*, an extra workspace whose checkout is empty: snapshotting it costs nothing at any size,
//!   it never takes the lock that blocks colocated workspaces, and the user's `@` stays out of it. Every call there has
//!   `--ignore-working-copy`, but `workspace add`, which refuses that option and then leaves a half-made workspace behind.
//! * Only stdout of a template is parsed; human text changes from version to version. The one exception is the operation id of
//!   `--no-integrate-operation`, which jj writes on stderr alone.
//! * Exit code 0 does not mean success: conflicts, a forgotten name and a refused file all exit 0. What came back is looked at.
//!
//! All facts here were measured on jj 0.45.1.

mod argv;
mod config;
mod git_store;
mod guard;
mod land;
mod parse;
mod reattach;
mod settings;
mod shared;
mod snapshot;
mod trace;
mod unrecorded;
mod workspace;

use crate::ancestry::Ancestry;
use crate::backend::{Repository, RepositorySetup};
use crate::call::{Answer, Program, Span};
use crate::error::VcsError;
use crate::kept::{Fate, KeptResult};
use crate::model::{
    AgentAccess, Candidate, CommitId, FoundIn, Integration, Kind, Landing, Listed, NewWorkspace,
    Place, Publication, Snapshot, Version, Workspace,
};
use crate::shared::{SharedState, Traced};
use parse::CommitState;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// The oldest jj that will do: `--no-integrate-operation` and `op integrate` together are there since 0.41.
const LEAST: (u32, u32, u32) = (0, 41, 0);
const LEAST_TEXT: &str = "0.41";

/// A jj repository.
pub(crate) struct Jj {
    program: Program,
    /// git, for what jj does not tell of submodules and of what is ignored.
    git: Option<Program>,
    version: Version,
    /// The workspace in which the user stands; its `@` is the user's.
    start_root: PathBuf,
    main_root: PathBuf,
    workspaces_root: PathBuf,
    store: PathBuf,
    /// `--config` options for what of an identity the user has not configured: commits without one cannot be pushed.
    identity: Vec<OsString>,
    hub: RwLock<Option<PathBuf>>,
    /// Names that are being made at this moment: two adds of one name can both succeed and share one `@`.
    adding: Mutex<BTreeSet<String>>,
    /// The configuration as it was when the run began, once it has.
    guard: OnceLock<Arc<guard::JjGuard>>,
    /// What is known of commits that were recorded here, so that jj need not be asked.
    known: Mutex<Known>,
    /// Bookmarks that landings moved, and where to.
    moved: Mutex<Vec<(String, CommitId)>>,
    /// Workspaces that lost their place in the operation log since that was last said.
    displaced: Mutex<BTreeSet<String>>,
    user_config: OnceLock<config::UserConfig>,
}

/// What this coordinator has seen of commits that were recorded.
#[derive(Default)]
struct Known {
    ancestry: Ancestry,
    /// Where bookmarks were when they were last looked at, if they were.
    bookmarks: Option<BTreeSet<shared::Bookmark>>,
    /// [`argv::BOOKMARKED`], and where bookmarks were then.
    bookmarked: Option<(BTreeSet<shared::Bookmark>, Vec<CommitId>)>,
    /// Workspaces whose `@` is a fresh commit without a description, which jj drops by itself, with what it was put on where that
    /// is to go too.
    moved_on: BTreeMap<String, Option<CommitState>>,
    /// The first commit of each workspace: its tree joins those of what the workspace stands on.
    starts: BTreeMap<String, CommitId>,
    /// Configuration files of attempts, with the commits that they protect and what is in them.
    configs: BTreeMap<PathBuf, (Vec<CommitId>, String)>,
}

impl Jj {
    /// Opens the repository whose workspace is at `folder` (it has `.jj`).
    pub(crate) fn open(folder: &Path, setup: &RepositorySetup) -> Result<Jj, VcsError> {
        let repo = find_repo(folder)?;
        let main_root = match repo.parent().and_then(Path::parent) {
            Some(root) => root.to_path_buf(),
            None => {
                return Err(VcsError::NoRepository {
                    start: folder.to_path_buf(),
                });
            }
        };
        let path = setup
            .tools
            .jj
            .as_deref()
            .ok_or_else(|| VcsError::ToolMissing {
                tool: "jj",
                repository: main_root.clone(),
                least: LEAST_TEXT,
            })?;
        let program = setup.program(path);
        let answer = program.run(folder, &argv::version(), Span::Short, &[])?;
        let version = answer.parse(|bytes| crate::model::parse_version(bytes, "jj "))?;
        if version.numbers < LEAST {
            return Err(VcsError::TooOld {
                tool: "jj",
                found: version.text,
                least: LEAST_TEXT,
                reason: "it has no `--no-integrate-operation`, which a landing that nobody sees before it is proved needs",
            });
        }
        let workspaces_root =
            crate::folder::root_of(&main_root, &main_root, setup.workspaces_root.as_deref());
        let identity = config::missing_identity(&program, folder)?;
        let git = setup.tools.git.as_deref().map(|git| setup.program(git));
        Ok(Jj {
            program,
            git,
            version,
            start_root: folder.to_path_buf(),
            main_root,
            workspaces_root,
            store: repo,
            identity,
            hub: RwLock::new(None),
            adding: Mutex::new(BTreeSet::new()),
            guard: OnceLock::new(),
            known: Mutex::new(Known::default()),
            moved: Mutex::new(Vec::new()),
            displaced: Mutex::default(),
            user_config: OnceLock::new(),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`argv::BOOKMARKED`]; asked again when bookmarks were seen to be elsewhere.
    fn bookmarked(&self) -> Result<Vec<CommitId>, VcsError> {
        let now = self.known().bookmarks.clone();
        match (&self.known().bookmarked, &now) {
            (_, Some(now)) if now.is_empty() => return Ok(Vec::new()),
            (Some((then, commits)), Some(now)) if then == now => return Ok(commits.clone()),
            _ => {}
        }
        let commits = self.commits(argv::BOOKMARKED)?;
        if let Some(now) = now {
            self.known().bookmarked = Some((now, commits.clone()));
        }
        Ok(commits)
    }

    fn hub(&self) -> Result<PathBuf, VcsError> {
        self.hub
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(VcsError::NoHub)
    }

    /// From where the store is read: the hub, else the main working copy, both without looking at files.
    fn reader(&self) -> PathBuf {
        self.hub().unwrap_or_else(|_| self.main_root.clone())
    }

    /// A call that neither reads nor writes any working copy.
    fn store_args(&self, at: &Path, command: Vec<OsString>) -> Vec<OsString> {
        let mut args = argv::at(at, argv::Files::Ignored);
        args.extend(self.identity.iter().cloned());
        args.extend(command);
        args
    }

    /// A call that brings the working copy `at` and its commit together. Never the user's.
    fn files_args(&self, at: &Path, command: Vec<OsString>) -> Vec<OsString> {
        let mut args = argv::at(at, argv::Files::Snapshotted);
        args.extend(self.identity.iter().cloned());
        args.extend(command);
        args
    }

    /// A call in the hub that makes a workspace; it refuses to run without looking at files.
    fn hub_args(&self, hub: &Path, command: Vec<OsString>) -> Vec<OsString> {
        let mut args = argv::at(hub, argv::Files::Hub);
        args.extend(self.identity.iter().cloned());
        args.extend(command);
        args
    }

    fn on_store(&self, command: Vec<OsString>) -> Result<Answer, VcsError> {
        let at = self.reader();
        self.program
            .run(&at, &self.store_args(&at, command), Span::Short, &[])
    }

    fn on_files(&self, at: &Path, command: Vec<OsString>) -> Result<Answer, VcsError> {
        self.program
            .run(at, &self.files_args(at, command), Span::Long, &[])
    }

    /// The commits of a revset, newest first; an unknown revision is [`VcsError::UnknownRevision`] under the name `shown`.
    fn commits_at(&self, at: &Path, revset: &str, shown: &str) -> Result<Vec<CommitId>, VcsError> {
        let args = self.store_args(at, argv::log(revset, argv::COMMIT_IDS));
        let answer = self.program.ask(at, &args, Span::Short, &[])?;
        if answer.output.status.is_success() {
            return answer.parse(parse::commit_ids);
        }
        Err(unknown_revision(&answer, shown))
    }

    fn commits(&self, revset: &str) -> Result<Vec<CommitId>, VcsError> {
        self.commits_at(&self.reader(), revset, revset)
    }

    /// State of the commits of a revset.
    fn states(&self, revset: &str) -> Result<Vec<CommitState>, VcsError> {
        let at = self.reader();
        let args = self.store_args(&at, argv::log(revset, argv::STATES));
        let answer = self.program.ask(&at, &args, Span::Short, &[])?;
        if answer.output.status.is_success() {
            return answer.parse(parse::states);
        }
        Err(unknown_revision(&answer, revset))
    }

    /// State of a workspace's `@`; `None` when no such workspace is registered.
    fn working_copy_state(&self, name: &str) -> Result<Option<CommitState>, VcsError> {
        match self.states(&format!("{}@", argv::quoted(name))) {
            Ok(states) => Ok(states.into_iter().next()),
            Err(VcsError::UnknownRevision { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// jj says "Revision `x` doesn't exist" and, for a workspace, "Workspace `x` doesn't have a working-copy commit".
fn unknown_revision(answer: &Answer, shown: &str) -> VcsError {
    let stderr = answer.stderr();
    let unknown =
        stderr.contains("doesn't exist") || stderr.contains("doesn't have a working-copy commit");
    if answer.code() == Some(1) && unknown {
        VcsError::UnknownRevision {
            revision: shown.to_owned(),
        }
    } else {
        answer.failure()
    }
}

/// The canonical `.jj/repo` of the workspace at `folder`: a folder in the main one, else a file that names it, relative to `.jj`.
fn find_repo(folder: &Path) -> Result<PathBuf, VcsError> {
    let dot_jj = folder.join(".jj");
    let repo = dot_jj.join("repo");
    if repo.is_dir() {
        return Ok(fs_err::canonicalize(&repo)?);
    }
    let bytes = fs_err::read(&repo)?;
    let target = parse::repo_link(&bytes).map_err(|reason| VcsError::Unreadable {
        command: repo.display().to_string(),
        reason,
    })?;
    Ok(fs_err::canonicalize(dot_jj.join(target))?)
}

impl Repository for Jj {
    fn kind(&self) -> Kind {
        Kind::Jj
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
        let Some(revision) = revision else {
            let below = self.commits_at(&self.start_root, "@-", "@-")?;
            // The commit that every jj repository begins with is empty, and nobody made it.
            if below.iter().all(git_store::is_root) {
                return Err(VcsError::NoCommits {
                    repository: self.start_root.clone(),
                    way_out: "make one of what you have (`jj commit`)",
                });
            }
            match git_store::head(self)? {
                Some(head) if !below.contains(&head) => {
                    return Err(VcsError::HeadNotImported {
                        repository: self.start_root.clone(),
                        head,
                    });
                }
                _ => return Ok(below),
            }
        };
        let commits = self.commits_at(&self.start_root, revision, revision)?;
        match commits.len() {
            0 => Err(VcsError::UnknownRevision {
                revision: revision.to_owned(),
            }),
            1 => Ok(commits),
            count => Err(VcsError::Ambiguous {
                revision: revision.to_owned(),
                count,
            }),
        }
    }

    fn working_copy_note(&self) -> Result<Option<String>, VcsError> {
        let at = &self.start_root;
        let args = self.store_args(at, argv::log("@", argv::STATES));
        let answer = self.program.run(at, &args, Span::Short, &[])?;
        let states = answer.parse(parse::states)?;
        Ok(states.first().and_then(|state| {
            if state.conflict {
                Some("the working copy has conflicts; they are not in the base, and mesh does not touch them".to_owned())
            } else if state.empty {
                None
            } else {
                Some("the working copy has changes; they are not in the base, and mesh does not touch them".to_owned())
            }
        }))
    }

    fn open_hub(&self, run: &str) -> Result<(), VcsError> {
        if self.program.guard.get().is_none() {
            let guard = Arc::new(guard::JjGuard::new(self)?);
            let same = Arc::clone(self.guard.get_or_init(|| guard));
            self.program.guard.get_or_init(|| same);
        }
        let path = workspace::open_hub(self, run)?;
        *self.hub.write().unwrap_or_else(PoisonError::into_inner) = Some(path);
        Ok(())
    }

    fn close_hub(&self, run: &str) -> Result<(), VcsError> {
        *self.hub.write().unwrap_or_else(PoisonError::into_inner) = None;
        workspace::close_hub(self, run)
    }

    fn heads(&self, commits: &[CommitId]) -> Result<Vec<CommitId>, VcsError> {
        let unique: Vec<CommitId> = crate::model::unique(commits);
        if let Some(heads) = self.known().ancestry.heads(&unique) {
            return Ok(heads);
        }
        let unique = self.known().ancestry.without_seen_ancestors(&unique);
        if unique.len() < 2 {
            return Ok(unique);
        }
        let heads: BTreeSet<CommitId> = self
            .commits(&format!("heads({})", argv::any_of(&unique)))?
            .into_iter()
            .collect();
        Ok(unique
            .into_iter()
            .filter(|commit| heads.contains(commit))
            .collect())
    }

    fn is_in(&self, commit: &CommitId, of: &[CommitId]) -> Result<bool, VcsError> {
        if of.contains(commit) {
            return Ok(true);
        }
        Ok(!of.is_empty()
            && !self
                .commits(&format!("{commit} & ::({})", argv::any_of(of)))?
                .is_empty())
    }

    fn exists(&self, commit: &CommitId) -> Result<bool, VcsError> {
        match self.commits(commit.as_str()) {
            Ok(found) => Ok(found.contains(commit)),
            Err(VcsError::UnknownRevision { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn workspace(&self, name: &str) -> Result<Option<Workspace>, VcsError> {
        workspace::find(self, name)
    }

    fn add_workspace(&self, new: &NewWorkspace) -> Result<Workspace, VcsError> {
        workspace::add(self, new)
    }

    fn move_workspace(
        &self,
        workspace: &Workspace,
        new: &NewWorkspace,
    ) -> Result<Workspace, VcsError> {
        workspace::move_to(self, workspace, new)
    }

    fn agent_environment(
        &self,
        workspace: &Workspace,
        immutable: &[CommitId],
        folder: &Path,
    ) -> Result<AgentAccess, VcsError> {
        Ok(AgentAccess {
            env: config::agent_environment(self, workspace, immutable, folder)?,
            write: git_store::written_by_jj(self)?,
        })
    }

    fn snapshot(&self, workspace: &Workspace, claimed: &[String]) -> Result<Snapshot, VcsError> {
        snapshot::snapshot(self, workspace, claimed)
    }

    fn search_added(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
        find: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<FoundIn>, VcsError> {
        match git_store::search_added(self, &workspace.parents, commit, find)? {
            Some(found) => Ok(found),
            // Without git the change set can be looked at, and not what lies between.
            None => Ok(find(&snapshot::patch(self, workspace, commit)?)
                .map(|what| FoundIn {
                    place: Place::Message(commit.clone()),
                    what,
                })
                .into_iter()
                .collect()),
        }
    }

    fn let_go(&self, workspace: &Workspace, commit: &CommitId) -> Result<(), VcsError> {
        workspace::let_go(self, workspace, commit)
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
        if let [parent] = workspace.parents.as_slice()
            && let Some(patch) = git_store::patch(self, parent, commit)?
        {
            return Ok(patch);
        }
        snapshot::patch(self, workspace, commit)
    }

    fn discard_changes_since(
        &self,
        workspace: &Workspace,
        commit: &CommitId,
    ) -> Result<Vec<PathBuf>, VcsError> {
        snapshot::discard(self, workspace, commit)
    }

    fn keep(&self, commit: &CommitId, run: &str, task: &str, attempt: u32) -> Result<(), VcsError> {
        let unreachable = || VcsError::Unreachable {
            commit: commit.to_string(),
        };
        // A ref of our own, which no `op restore` of anybody takes away. git refuses one for a commit that is not there.
        match git_store::keep(self, commit, &crate::name::kept_ref(run, task, attempt)) {
            Ok(true) => return Ok(()),
            kept => {
                if !self.exists(commit)? {
                    return Err(unreachable());
                }
                kept?;
            }
        }
        // Without git jj's own refs keep what is visible, and forgetting a workspace does not hide a commit below its `@`.
        let visible = self.commits(&format!("{commit} & ::visible_heads()"))?;
        visible.first().map(|_| ()).ok_or_else(unreachable)
    }

    fn copy_result(&self, result: &KeptResult, without: &[CommitId]) -> Result<(), VcsError> {
        git_store::copy_result(self, result, without)
    }

    fn put_back(&self, results: &[KeptResult]) -> Result<Vec<Fate>, VcsError> {
        git_store::put_back(self, results)
    }

    fn discard(&self, workspace: &Workspace) -> Result<(), VcsError> {
        workspace::discard(self, workspace)
    }

    fn forget(&self, name: &str) -> Result<(), VcsError> {
        workspace::forget(self, name)
    }

    fn list_workspaces(&self) -> Result<Vec<Listed>, VcsError> {
        workspace::list(self)
    }

    fn shared_state(&self, _except: &[PathBuf]) -> Result<SharedState, VcsError> {
        shared::snapshot(self)
    }

    fn trace(
        &self,
        before: &SharedState,
        now: &mut SharedState,
        workspaces: &[String],
    ) -> Result<Traced, VcsError> {
        trace::trace(self, before, now, workspaces)
    }

    fn target(&self, target: &str) -> Result<CommitId, VcsError> {
        land::target(self, target)
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

    fn describe(&self, run: &str, new: &NewWorkspace) -> Vec<Vec<String>> {
        workspace::describe(self, run, new)
    }
}
