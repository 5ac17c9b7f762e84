//! Version control in memory: commits with their parents, workspaces, a target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mesh_core::id::AttemptId;
use mesh_vcs::{
    AgentAccess, Candidate, ChangeKind, Changed, CommitId, Fate, FoundIn, Integration, KeptResult,
    Kind, Landing, Listed, NewWorkspace, Place, Publication, Repository, SharedState, Snapshot,
    Unrecorded, VcsError, Version, Workspace,
};

use super::source::names_proof;
use super::world::{Hand, World, is_living};
use crate::script::{Leaves, Worker};

/// What a repository holds.
pub(super) struct Store {
    /// The folder of all workspaces.
    pub root: PathBuf,
    parents: BTreeMap<String, Vec<String>>,
    workspaces: BTreeMap<String, Workspace>,
    /// Who worked last in a workspace, by its folder.
    occupants: BTreeMap<PathBuf, AttemptId>,
    /// What was recorded of each attempt.
    pub results: BTreeMap<AttemptId, CommitId>,
    pub kept: BTreeSet<String>,
    pub has_hub: bool,
    pub target: String,
    /// Everything that the target has been.
    pub history: Vec<String>,
    /// Candidates on which the proof passed.
    pub proved: BTreeSet<String>,
    once: BTreeSet<(AttemptId, &'static str)>,
}

impl Store {
    pub fn new(root: PathBuf) -> Store {
        let first = name(0);
        Store {
            root,
            parents: BTreeMap::from([(first.clone(), Vec::new())]),
            workspaces: BTreeMap::new(),
            occupants: BTreeMap::new(),
            results: BTreeMap::new(),
            kept: BTreeSet::new(),
            has_hub: false,
            target: first.clone(),
            history: vec![first],
            proved: BTreeSet::new(),
            once: BTreeSet::new(),
        }
    }

    /// The commit that everything begins from.
    pub fn base() -> String {
        name(0)
    }

    fn commit(&mut self, parents: Vec<String>) -> String {
        let name = name(self.parents.len());
        self.parents.insert(name.clone(), parents);
        name
    }

    /// Whether `below` is `above` or an ancestor of it.
    pub fn is_ancestor(&self, below: &str, above: &str) -> bool {
        let mut todo = vec![above];
        let mut seen = BTreeSet::new();
        while let Some(at) = todo.pop() {
            if at == below {
                return true;
            }
            if seen.insert(at) {
                todo.extend(
                    self.parents
                        .get(at)
                        .into_iter()
                        .flatten()
                        .map(String::as_str),
                );
            }
        }
        false
    }

    /// What the workspace at `path` stands on.
    pub fn parents_at(&self, path: &Path) -> Vec<String> {
        let found = self.workspaces.values().find(|one| one.path == path);
        let parents = found.map(|one| one.parents.iter().map(|at| at.as_str().to_owned()));
        parents.into_iter().flatten().collect()
    }

    pub fn occupied(&mut self, path: &Path, by: &AttemptId) {
        self.occupants.insert(path.to_path_buf(), by.clone());
    }

    /// Whether this is the first time.
    pub fn once(&mut self, attempt: &AttemptId, what: &'static str) -> bool {
        self.once.insert((attempt.clone(), what))
    }

    /// The workspaces in which somebody has worked, with who did last.
    pub fn workspaces(&self) -> impl Iterator<Item = (&Workspace, Option<&AttemptId>)> {
        self.workspaces
            .values()
            .map(|one| (one, self.occupants.get(&one.path)))
    }
}

fn name(number: usize) -> String {
    format!("{number:040x}")
}

fn id(name: &str) -> CommitId {
    CommitId::new(name).unwrap_or_else(|_| unreachable!("forty digits"))
}

fn failed(problem: &str) -> VcsError {
    VcsError::Io(std::io::Error::other(problem.to_owned()))
}

/// A repository in memory, for one coordinator.
pub(super) struct MemoryRepository {
    pub hand: Hand,
    pub main_root: PathBuf,
    pub root: PathBuf,
    pub version: Version,
}

impl MemoryRepository {
    fn call(&self) -> Result<std::sync::MutexGuard<'_, World>, VcsError> {
        let world = self.hand.call();
        world.ok_or_else(|| failed("the coordinator is dead"))
    }
}

fn must_be_quiet(world: &mut World, path: &Path, what: &str) {
    let lives = world
        .processes
        .iter()
        .find(|(_, one)| one.cwd == path && is_living(one));
    if let Some((process, _)) = lives {
        let sentence = format!("P2: the workspace of the {process} is {what} while it lives");
        world.breaks(sentence);
    }
}

impl Repository for MemoryRepository {
    fn kind(&self) -> Kind {
        Kind::Git
    }

    fn main_root(&self) -> &Path {
        &self.main_root
    }

    fn workspaces_root(&self) -> &Path {
        &self.root
    }

    fn store_path(&self) -> &Path {
        &self.main_root
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn base(&self, _: Option<&str>) -> Result<Vec<CommitId>, VcsError> {
        Ok(vec![id(&Store::base())])
    }

    fn working_copy_note(&self) -> Result<Option<String>, VcsError> {
        Ok(None)
    }

    fn open_hub(&self, _: &str) -> Result<(), VcsError> {
        self.call()?.store.has_hub = true;
        Ok(())
    }

    fn close_hub(&self, _: &str) -> Result<(), VcsError> {
        self.call()?.store.has_hub = false;
        Ok(())
    }

    fn heads(&self, commits: &[CommitId]) -> Result<Vec<CommitId>, VcsError> {
        let world = self.call()?;
        let is_below = |one: &CommitId| {
            commits
                .iter()
                .any(|other| other != one && world.store.is_ancestor(one.as_str(), other.as_str()))
        };
        let mut heads: Vec<CommitId> = Vec::new();
        for commit in commits {
            if !heads.contains(commit) && !is_below(commit) {
                heads.push(commit.clone());
            }
        }
        Ok(heads)
    }

    fn is_in(&self, commit: &CommitId, of: &[CommitId]) -> Result<bool, VcsError> {
        let world = self.call()?;
        let is_below = |one: &CommitId| world.store.is_ancestor(commit.as_str(), one.as_str());
        Ok(of.iter().any(is_below))
    }

    fn exists(&self, commit: &CommitId) -> Result<bool, VcsError> {
        Ok(self.call()?.store.parents.contains_key(commit.as_str()))
    }

    fn workspace(&self, name: &str) -> Result<Option<Workspace>, VcsError> {
        Ok(self.call()?.store.workspaces.get(name).cloned())
    }

    fn add_workspace(&self, new: &NewWorkspace) -> Result<Workspace, VcsError> {
        let mut world = self.call()?;
        if world.store.workspaces.contains_key(&new.name) {
            return Err(failed("the name is in use"));
        }
        let unknown = |one: &&CommitId| !world.store.parents.contains_key(one.as_str());
        if let Some(unknown) = new.parents.iter().find(unknown) {
            let sentence = format!("a workspace is made on {unknown}, which is no commit");
            world.breaks(sentence);
        }
        fs_err::create_dir_all(&new.path)?;
        fs_err::write(new.path.join(".git"), "")?;
        let workspace = Workspace {
            name: new.name.clone(),
            path: new.path.clone(),
            parents: new.parents.clone(),
            conflicted: Vec::new(),
        };
        let workspaces = &mut world.store.workspaces;
        workspaces.insert(new.name.clone(), workspace.clone());
        Ok(workspace)
    }

    fn move_workspace(
        &self,
        workspace: &Workspace,
        new: &NewWorkspace,
    ) -> Result<Workspace, VcsError> {
        let mut world = self.call()?;
        must_be_quiet(&mut world, &workspace.path, "moved");
        let known = world.store.workspaces.get_mut(&workspace.name);
        let known = known.ok_or_else(|| failed("there is no such workspace"))?;
        known.parents.clone_from(&new.parents);
        Ok(known.clone())
    }

    fn agent_environment(
        &self,
        _: &Workspace,
        _: &[CommitId],
        _: &Path,
    ) -> Result<AgentAccess, VcsError> {
        Ok(AgentAccess::default())
    }

    fn snapshot(&self, workspace: &Workspace, _: &[String]) -> Result<Snapshot, VcsError> {
        let mut world = self.call()?;
        must_be_quiet(&mut world, &workspace.path, "recorded");
        let attempt = world.store.occupants.get(&workspace.path).cloned();
        let known = world.store.workspaces.contains_key(&workspace.name);
        let Some(attempt) = attempt.filter(|_| known) else {
            return Err(VcsError::WorkspaceGone {
                name: workspace.name.clone(),
                reason: "nobody worked in it".to_owned(),
            });
        };
        let script = world.script(&attempt);
        let is_over = world.finalized.contains_key(&attempt);
        if !is_over
            && script.worker_hangs == Some(Worker::Recording)
            && world.store.once(&attempt, "recording")
        {
            drop(world);
            panic!("{}", super::ON_PURPOSE);
        }
        let failures = world.recording_failures.entry(attempt.clone()).or_default();
        if *failures < script.recording_failures {
            *failures += 1;
            return Err(failed("the disk is full"));
        }
        let parents = |workspace: &Workspace| -> Vec<String> {
            let parents = workspace.parents.iter();
            parents.map(|at| at.as_str().to_owned()).collect()
        };
        let no_change = matches!(script.leaves, Leaves::NoChange | Leaves::GoodWaived);
        let commit = match world.store.results.get(&attempt) {
            Some(commit) => commit.clone(),
            None if no_change && workspace.parents.len() == 1 => workspace.parents[0].clone(),
            None => id(&world.store.commit(parents(workspace))),
        };
        world.store.results.insert(attempt, commit.clone());
        let file = |path: &str| Changed {
            path: path.into(),
            kind: ChangeKind::Modified,
        };
        Ok(Snapshot {
            commit,
            changed: match script.leaves {
                _ if no_change => Vec::new(),
                Leaves::Breach => vec![file("other/b.rs"), file("src/a.rs")],
                _ => vec![file("src/a.rs")],
            },
            conflicted: match script.leaves {
                Leaves::Conflict => vec!["src/a.rs".into()],
                _ => Vec::new(),
            },
            no_change,
            strays: match script.leaves {
                Leaves::Stray => vec![id(&"f".repeat(40))],
                _ => Vec::new(),
            },
            missing_needs: Vec::new(),
            unrecorded: match script.leaves {
                Leaves::Unrecorded => vec![Unrecorded {
                    path: "app".into(),
                    why: "is a repository of its own".to_owned(),
                }],
                _ => Vec::new(),
            },
            remains: Vec::new(),
        })
    }

    fn search_added(
        &self,
        workspace: &Workspace,
        _: &CommitId,
        _: &dyn Fn(&[u8]) -> Option<String>,
    ) -> Result<Vec<FoundIn>, VcsError> {
        let world = self.call()?;
        let attempt = world.store.occupants.get(&workspace.path).cloned();
        let has_secret =
            attempt.is_some_and(|attempt| world.script(&attempt).leaves == Leaves::Secret);
        let found = has_secret.then(|| FoundIn {
            place: Place::File("src/a.rs".into()),
            what: "SIMULATED_TOKEN".to_owned(),
        });
        Ok(found.into_iter().collect())
    }

    fn let_go(&self, _: &Workspace, _: &CommitId) -> Result<(), VcsError> {
        self.call().map(|_| ())
    }

    fn not_in_commit(
        &self,
        _: &Workspace,
        _: &CommitId,
        _: &[String],
    ) -> Result<Vec<String>, VcsError> {
        Ok(Vec::new())
    }

    fn patch(&self, _: &Workspace, _: &CommitId) -> Result<Vec<u8>, VcsError> {
        Ok(b"a patch\n".to_vec())
    }

    fn discard_changes_since(&self, _: &Workspace, _: &CommitId) -> Result<Vec<PathBuf>, VcsError> {
        Ok(Vec::new())
    }

    fn keep(&self, commit: &CommitId, _: &str, _: &str, _: u32) -> Result<(), VcsError> {
        self.call()?.store.kept.insert(commit.as_str().to_owned());
        Ok(())
    }

    fn copy_result(&self, _: &KeptResult, _: &[CommitId]) -> Result<(), VcsError> {
        Ok(())
    }

    fn put_back(&self, results: &[KeptResult]) -> Result<Vec<Fate>, VcsError> {
        Ok(vec![Fate::Held; results.len()])
    }

    fn forget(&self, name: &str) -> Result<(), VcsError> {
        let mut world = self.call()?;
        if let Some(workspace) = world.store.workspaces.remove(name) {
            must_be_quiet(&mut world, &workspace.path, "forgotten");
        }
        Ok(())
    }

    fn list_workspaces(&self) -> Result<Vec<Listed>, VcsError> {
        let world = self.call()?;
        let listed = world.store.workspaces.values().map(|one| Listed {
            name: one.name.clone(),
            path: Some(one.path.clone()),
            commit: None,
        });
        Ok(listed.collect())
    }

    fn shared_state(&self, _: &[PathBuf]) -> Result<SharedState, VcsError> {
        Ok(SharedState::default())
    }

    fn target(&self, _: &str) -> Result<CommitId, VcsError> {
        Ok(id(&self.call()?.store.target))
    }

    fn integrate(&self, landing: &Landing) -> Result<Integration, VcsError> {
        let mut world = self.call()?;
        let (target, tip) = (world.store.target.clone(), landing.tip.as_str().to_owned());
        if world.store.is_ancestor(&tip, &target) {
            return Ok(Integration::AlreadyThere { at: id(&target) });
        }
        let trouble = world.faults.landing;
        if world.rng.percent(trouble) {
            return Ok(match world.rng.below(3) {
                0 => Integration::CheckedOut {
                    at: "/home/ada".into(),
                },
                _ => Integration::Conflict {
                    paths: vec!["src/a.rs".into()],
                },
            });
        }
        let to = world.store.commit(vec![target.clone(), tip]);
        Ok(Integration::Candidate(Candidate {
            from: id(&target),
            to: id(&to),
            copies: Vec::new(),
        }))
    }

    fn publish(&self, _: &str, candidate: &Candidate) -> Result<Publication, VcsError> {
        let mut world = self.call()?;
        let (from, to) = (candidate.from.as_str(), candidate.to.as_str());
        if world.store.is_ancestor(to, &world.store.target.clone()) {
            return Ok(Publication::Moved);
        }
        let trouble = world.faults.landing;
        if world.rng.percent(trouble) {
            // A person was faster.
            let target = world.store.target.clone();
            let theirs = world.store.commit(vec![target]);
            world.store.target = theirs.clone();
            world.store.history.push(theirs);
        }
        if world.store.target != from {
            let found = Some(id(&world.store.target));
            return Ok(Publication::TargetMoved { found });
        }
        must_be_proved(&mut world, to);
        world.store.target = to.to_owned();
        world.store.history.push(to.to_owned());
        Ok(Publication::Moved)
    }

    fn withdraw(&self, _: &Candidate) -> Result<(), VcsError> {
        self.call().map(|_| ())
    }

    fn describe(&self, _: &str, _: &NewWorkspace) -> Vec<Vec<String>> {
        Vec::new()
    }
}

/// A target moves only to what the proof passed on, where there is one.
fn must_be_proved(world: &mut World, to: &str) {
    let store = &world.store;
    let tip = store.parents.get(to).and_then(|parents| parents.last());
    let landed = store
        .results
        .iter()
        .find(|(_, result)| Some(result.as_str()) == tip.map(String::as_str));
    let needs_none = landed.is_some_and(|(attempt, _)| {
        world.policy.allow_no_validation
            && !names_proof(&attempt.task)
            && world.script(attempt).leaves == Leaves::GoodWithoutProof
    });
    if !needs_none && !world.store.proved.contains(to) {
        world.breaks(format!(
            "the target moves to {to}, on which no proof passed"
        ));
    }
}
