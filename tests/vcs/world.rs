//! A throw-away repository with its own home, and hands for the user and for agents in it.

use mesh_proc::env::Env;
use mesh_testkit::tools;
use mesh_vcs::name::{workspace_folder, workspace_name};
use mesh_vcs::{
    Backend, Candidate, CommitId, Integration, Landing, NewWorkspace, Publication, RepositorySetup,
    Snapshot, Tools, VcsError, Workspace,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const RUN: &str = "r1";

pub struct World {
    _temp: tempfile::TempDir,
    pub dir: PathBuf,
    pub repo: PathBuf,
    pub tools: Tools,
    pub env: Env,
    pub backend: Backend,
    pub is_jj: bool,
}

fn git_path() -> PathBuf {
    let path = std::env::var_os("PATH").expect("PATH is set");
    std::env::split_paths(&path)
        .map(|dir| dir.join("git"))
        .find(|git| git.is_file())
        .expect("git is on PATH")
}

impl World {
    pub fn git() -> World {
        Self::new(
            Tools {
                jj: None,
                git: Some(git_path()),
            },
            true,
        )
    }

    pub fn real_jj() -> Option<World> {
        let jj = tools::real("jj", tools::JJ_VERSION)?;
        Some(Self::new(
            Tools {
                jj: Some(jj),
                git: Some(git_path()),
            },
            true,
        ))
    }

    pub fn git_without_identity() -> World {
        Self::new(
            Tools {
                jj: None,
                git: Some(git_path()),
            },
            false,
        )
    }

    pub fn real_jj_without_identity() -> Option<World> {
        let jj = tools::real("jj", tools::JJ_VERSION)?;
        Some(Self::new(
            Tools {
                jj: Some(jj),
                git: Some(git_path()),
            },
            false,
        ))
    }

    fn new(tools: Tools, identity: bool) -> World {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let dir = temp.path().canonicalize().expect("it exists");
        let (home, repo) = (dir.join("home"), dir.join("repo"));
        fs_err::create_dir_all(home.join(".config/jj")).unwrap();
        fs_err::create_dir_all(&repo).unwrap();
        if identity {
            fs_err::write(
                home.join(".gitconfig"),
                "[user]\nname = User\nemail = user@example.org\n",
            )
            .unwrap();
            fs_err::write(
                home.join(".config/jj/config.toml"),
                "user.name = \"User\"\nuser.email = \"user@example.org\"\n",
            )
            .unwrap();
        }
        let mut path = std::env::var_os("PATH").unwrap();
        if let Some(folder) = tools.jj.as_ref().and_then(|jj| jj.parent()) {
            path = std::env::join_paths(
                std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path)),
            )
            .unwrap();
        }
        let env = Env::empty()
            .set("HOME", &home)
            .set("PATH", path)
            .set("MESH_RUN", RUN)
            .set("GIT_CONFIG_NOSYSTEM", "1");
        let is_jj = tools.jj.is_some();
        let files = [
            ("a.txt", "one\n"),
            ("shared.txt", "first\n"),
            ("gone.txt", "soon\n"),
            (".gitignore", "ignored/\n"),
        ];
        for (name, text) in files {
            fs_err::write(repo.join(name), text).unwrap();
        }
        let name = ["-c", "user.name=User", "-c", "user.email=user@example.org"];
        if is_jj {
            sh(
                &repo,
                &env,
                "jj git init --colocate && jj commit -m start && jj bookmark create main trunk -r @-",
            );
        } else {
            let git = format!("git {}", name.join(" "));
            sh(
                &repo,
                &env,
                &format!(
                    "git init -q -b main && git add -A && {git} commit -q -m start && git branch trunk"
                ),
            );
        }
        let backend = Backend::detect(&repo, &RepositorySetup::new(tools.clone(), env.clone()))
            .expect("a repository");
        backend.open_hub(RUN).expect("a hub");
        World {
            _temp: temp,
            dir,
            repo,
            tools,
            env,
            backend,
            is_jj,
        }
    }

    pub fn setup(&self) -> RepositorySetup {
        RepositorySetup::new(self.tools.clone(), self.env.clone())
    }

    /// Another backend over the same repository, as a later process would have it.
    pub fn later_process(&self) -> Backend {
        let backend = Backend::detect(&self.repo, &self.setup()).unwrap();
        backend.open_hub(RUN).unwrap();
        backend
    }

    pub fn base(&self) -> Vec<CommitId> {
        self.backend.base(None).unwrap()
    }

    pub fn new_workspace(&self, task: &str, attempt: u32, parents: &[CommitId]) -> NewWorkspace {
        NewWorkspace {
            name: workspace_name(RUN, task, attempt),
            path: self
                .backend
                .workspaces_root()
                .join(workspace_folder(task, attempt)),
            parents: parents.to_vec(),
            message: format!("{task}: work"),
        }
    }

    pub fn add(&self, task: &str, parents: &[CommitId]) -> Workspace {
        self.backend
            .add_workspace(&self.new_workspace(task, 1, parents))
            .unwrap()
    }

    pub fn variables(
        &self,
        workspace: &Workspace,
        immutable: &[CommitId],
    ) -> Vec<(&'static str, std::ffi::OsString)> {
        let folder = self.dir.join("attempts").join(&workspace.name);
        self.backend
            .agent_environment(workspace, immutable, &folder)
            .unwrap()
            .env
    }

    /// An agent's shell in its workspace; whether it succeeded, and what it said.
    pub fn agent(&self, workspace: &Workspace, script: &str) -> (bool, String) {
        let mut env = self.env.clone();
        for (name, value) in self.variables(workspace, &workspace.parents) {
            env.insert(name, value);
        }
        let output = shell(&workspace.path, &env, script);
        (
            output.status.success(),
            format!("{}{}", text(&output.stdout), text(&output.stderr)),
        )
    }

    /// As [`World::agent`], and it must succeed.
    pub fn agent_ok(&self, workspace: &Workspace, script: &str) {
        let (ok, said) = self.agent(workspace, script);
        assert!(ok, "{script}: {said}");
    }

    /// The command by which an agent commits all it has, in whichever program it is.
    pub fn commit_command(&self) -> &'static str {
        if self.is_jj {
            "jj commit -m 'by the agent'"
        } else {
            "git add -A && git commit -q -m 'by the agent'"
        }
    }

    /// A finished task that wrote `files`: its commit, kept, its workspace gone.
    pub fn finished(&self, task: &str, parents: &[CommitId], files: &[(&str, &str)]) -> CommitId {
        let workspace = self.add(task, parents);
        for (name, text) in files {
            fs_err::write(workspace.path.join(name), text).unwrap();
        }
        let snapshot = self.backend.snapshot(&workspace, &[]).unwrap();
        self.end(&workspace, &snapshot, task);
        snapshot.commit
    }

    pub fn end(&self, workspace: &Workspace, snapshot: &Snapshot, task: &str) {
        self.backend.keep(&snapshot.commit, RUN, task, 1).unwrap();
        self.backend.forget(&workspace.name).unwrap();
        self.backend.remove(workspace).unwrap();
    }

    /// A file as a commit has it.
    pub fn file_at(&self, commit: &CommitId, name: &str) -> Option<String> {
        let git = self.repo.join(".git");
        let command = format!("git --git-dir '{}' show '{commit}:{name}'", git.display());
        let output = shell(&self.repo, &self.env, &command);
        output.status.success().then(|| text(&output.stdout))
    }

    pub fn user(&self, script: &str) -> String {
        sh(&self.repo, &self.env, script)
    }

    /// The visible heads, but for working-copy commits (jj). git shows none but those of branches.
    pub fn heads_of_people(&self) -> BTreeSet<String> {
        if !self.is_jj {
            return BTreeSet::new();
        }
        let heads = self.user(
            "jj --ignore-working-copy log --no-graph -r 'visible_heads() ~ working_copies()' -T 'commit_id ++ \"\\n\"'",
        );
        heads.lines().map(str::to_owned).collect()
    }

    /// Where a bookmark or branch points, as its program tells.
    pub fn target(&self, name: &str) -> String {
        if self.is_jj {
            let log = format!(
                "jj --ignore-working-copy log --no-graph -r 'bookmarks(exact:\"{name}\")' -T 'commit_id'"
            );
            self.user(&log)
        } else {
            self.user(&format!("git rev-parse refs/heads/{name}"))
                .trim()
                .to_owned()
        }
    }

    pub fn landing(&self, tip: &CommitId, without: &[CommitId]) -> Landing {
        Landing {
            target: "trunk".to_owned(),
            tip: tip.clone(),
            without: without.to_vec(),
        }
    }

    /// The steps of a landing, with `prove` between them.
    pub fn land(
        &self,
        landing: &Landing,
        prove: &mut dyn FnMut(&Candidate) -> bool,
    ) -> Result<Landed, VcsError> {
        let candidate = match self.backend.integrate(landing)? {
            Integration::Candidate(candidate) => candidate,
            Integration::AlreadyThere { at } => return Ok(Landed::AlreadyThere { at }),
            Integration::Conflict { paths } => return Ok(Landed::Conflict { paths }),
            Integration::CheckedOut { at } => return Ok(Landed::CheckedOut { at }),
        };
        let ended = if prove(&candidate) {
            match self.backend.publish(&landing.target, &candidate)? {
                Publication::Moved => return Ok(Landed::Moved(candidate)),
                Publication::TargetMoved { found } => Landed::TargetMoved { found },
                Publication::CheckedOut { at } => Landed::CheckedOut { at },
            }
        } else {
            Landed::ProofFailed
        };
        self.backend.withdraw(&candidate)?;
        Ok(ended)
    }

    /// Every file below the repository's working copy with its bytes, without the program's own folders.
    pub fn users_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut todo = vec![self.repo.clone()];
        while let Some(folder) = todo.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.ends_with(".git") || path.ends_with(".jj") {
                    continue;
                }
                if path.is_dir() {
                    todo.push(path);
                } else {
                    files.insert(path.clone(), fs_err::read(&path).unwrap());
                }
            }
        }
        files
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shell(at: &Path, env: &Env, script: &str) -> std::process::Output {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).current_dir(at).env_clear();
    command.envs(env.iter());
    command.output().expect("a shell")
}

/// A script that must succeed; its stdout.
pub fn sh(at: &Path, env: &Env, script: &str) -> String {
    let output = shell(at, env, script);
    assert!(
        output.status.success(),
        "{script}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

pub fn no_such_commit() -> CommitId {
    CommitId::new("12ab".repeat(10)).unwrap()
}

/// How a landing ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Landed {
    Moved(Candidate),
    AlreadyThere { at: CommitId },
    Conflict { paths: Vec<PathBuf> },
    ProofFailed,
    TargetMoved { found: Option<CommitId> },
    CheckedOut { at: PathBuf },
}
