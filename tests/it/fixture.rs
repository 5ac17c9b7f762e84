//! What a story runs on: a tracker, a version control, a hermetic environment, and what can be asked of them afterwards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mesh_core::id::TaskId;
use mesh_plan::st::{self, ItemStatus, StDep, StItem};
use mesh_testkit::env::{Said, TestEnv, redact};
use mesh_testkit::tools;
use mesh_testkit::tracker::{Bd, NewTask, TrackerRepo};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::left::Left;
use crate::log::AgentLog;
pub use crate::work::{Job, Work, job, task};

/// The program under test.
pub const MESH: &str = env!("CARGO_BIN_EXE_mesh-dup");
/// The scripted agent.
pub const AGENT: &str = env!("CARGO_BIN_EXE_fake-agent");
const FAKE_BD: &str = env!("CARGO_BIN_EXE_fake-bd");

/// Where tasks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    FakeBd(&'static str),
    RealBd(&'static str),
    St,
}

/// What keeps the versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vcs {
    Git,
    Jj,
}

/// What a story runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backends {
    pub source: Source,
    pub vcs: Vcs,
}

pub const FAKE_BD_GIT: Backends = Backends {
    source: Source::FakeBd("1.3.0"),
    vcs: Vcs::Git,
};
pub const BD_1_3_0_JJ: Backends = Backends {
    source: Source::RealBd("1.3.0"),
    vcs: Vcs::Jj,
};
pub const BD_1_0_5_JJ: Backends = Backends {
    source: Source::RealBd("1.0.5"),
    vcs: Vcs::Jj,
};
pub const BD_1_3_0_GIT: Backends = Backends {
    source: Source::RealBd("1.3.0"),
    vcs: Vcs::Git,
};
pub const FAKE_BD_0_47_1_GIT: Backends = Backends {
    source: Source::FakeBd("0.47.1"),
    vcs: Vcs::Git,
};
pub const BD_0_47_1_JJ: Backends = Backends {
    source: Source::RealBd("0.47.1"),
    vcs: Vcs::Jj,
};
pub const BD_0_47_1_GIT: Backends = Backends {
    source: Source::RealBd("0.47.1"),
    vcs: Vcs::Git,
};
pub const ST_GIT: Backends = Backends {
    source: Source::St,
    vcs: Vcs::Git,
};
pub const ST_JJ: Backends = Backends {
    source: Source::St,
    vcs: Vcs::Jj,
};

/// Makes each story a test on each pair of backends.
macro_rules! on_each_backend {
    ($($story:ident),* $(,)?) => {
        mod fake_bd_1_3_0_git { $(#[test] fn $story() { super::$story(crate::fixture::FAKE_BD_GIT); })* }
        mod real_bd_1_3_0_jj_0_45_1 { $(#[test] fn $story() { super::$story(crate::fixture::BD_1_3_0_JJ); })* }
        mod real_bd_1_0_5_jj_0_45_1 { $(#[test] fn $story() { super::$story(crate::fixture::BD_1_0_5_JJ); })* }
        mod fake_bd_0_47_1_git { $(#[test] fn $story() { super::$story(crate::fixture::FAKE_BD_0_47_1_GIT); })* }
        mod real_bd_0_47_1_jj_0_45_1 { $(#[test] fn $story() { super::$story(crate::fixture::BD_0_47_1_JJ); })* }
        mod st_git { $(#[test] fn $story() { super::$story(crate::fixture::ST_GIT); })* }
    };
}
pub(crate) use on_each_backend;

/// As [`on_each_backend`], without bd 1.0.5 and the real 0.47.1: for stories in which they do nothing of their own.
macro_rules! on_main_backends {
    ($($story:ident),* $(,)?) => {
        mod fake_bd_0_47_1_git { $(#[test] fn $story() { super::$story(crate::fixture::FAKE_BD_0_47_1_GIT); })* }
        mod fake_bd_1_3_0_git { $(#[test] fn $story() { super::$story(crate::fixture::FAKE_BD_GIT); })* }
        mod real_bd_1_3_0_jj_0_45_1 { $(#[test] fn $story() { super::$story(crate::fixture::BD_1_3_0_JJ); })* }
        mod st_git { $(#[test] fn $story() { super::$story(crate::fixture::ST_GIT); })* }
    };
}
pub(crate) use on_main_backends;

/// Makes each story a test on a plan file, over git and over the real jj.
macro_rules! on_each_vcs {
    ($($story:ident),* $(,)?) => {
        mod st_over_git { $(#[test] fn $story() { super::$story(crate::fixture::ST_GIT); })* }
        mod st_over_jj_0_45_1 { $(#[test] fn $story() { super::$story(crate::fixture::ST_JJ); })* }
    };
}
pub(crate) use on_each_vcs;

/// Backends that have been set up, with a repository and an environment of their own.
pub struct Fixture {
    pub backends: Backends,
    pub env: TestEnv,
    pub repo: PathBuf,
    pub tracker: Option<TrackerRepo>,
    pub log: AgentLog,
    /// What a run is known to have left, because the story kept it from tidying up.
    pub left: Mutex<&'static [Left]>,
}

impl Backends {
    /// Sets it up, or gives nothing after saying which program is missing.
    pub fn open(self) -> Option<Fixture> {
        let env = TestEnv::new();
        let tracker = match self.source {
            Source::St => None,
            Source::FakeBd(version) => Some(TrackerRepo::new(&Bd::fake(FAKE_BD, version))),
            Source::RealBd(version) => Some(TrackerRepo::new(&Bd::real(version)?)),
        };
        if let Some(tracker) = &tracker {
            env.add_program("bd", &tracker.tool().program);
        }
        let repo = match &tracker {
            Some(tracker) => fs_err::canonicalize(tracker.root()).expect("it is there"),
            None => plain_repository(&env),
        };
        if self.vcs == Vcs::Jj {
            env.add_program("jj", &tools::real("jj", tools::JJ_VERSION)?);
            env.must("jj", &["git", "init", "--colocate"], &repo);
        }
        let marks = env.dir().join("marks");
        fs_err::create_dir(&marks).expect("a folder");
        let log = AgentLog(marks.join("agents.log"));
        let users = env.home().join(".config/mesh");
        fs_err::create_dir_all(&users).expect("a folder");
        let config = format!("[sandbox]\nwrite = [{:?}]\n", marks);
        fs_err::write(users.join("config.toml"), config).expect("the user's configuration");
        Some(Fixture {
            backends: self,
            env,
            repo,
            tracker,
            log,
            left: Mutex::new(&[]),
        })
    }
}

fn plain_repository(env: &TestEnv) -> PathBuf {
    let repo = env.dir().join("repo");
    fs_err::create_dir_all(&repo).expect("a folder");
    fs_err::write(repo.join("README.md"), "A repository for tests.\n").expect("a file");
    env.must(
        "git",
        &["init", "--quiet", "--initial-branch", "main"],
        &repo,
    );
    env.must("git", &["add", "README.md"], &repo);
    env.must("git", &["commit", "--quiet", "--message", "First"], &repo);
    repo
}

impl Fixture {
    pub fn workspaces(&self) -> PathBuf {
        self.repo
            .parent()
            .expect("it has one")
            .join("workspaces/repo")
    }

    /// Where agents and proofs leave marks: what they may write to in their sandbox beside their own.
    pub fn marks(&self) -> PathBuf {
        self.env.dir().join("marks")
    }

    pub fn gate(&self) -> PathBuf {
        self.env.dir().join("gate")
    }

    pub fn open_gate(&self) {
        fs_err::write(self.gate(), "").expect("the gate");
    }

    /// Folders of all runs, oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        let entries = fs_err::read_dir(self.repo.join(".mesh/runs"));
        let entries = entries.into_iter().flatten();
        let mut runs: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        runs.sort();
        runs
    }

    /// The folder of the only run.
    #[track_caller]
    pub fn only_run(&self) -> PathBuf {
        let mut runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// Where the agent of an attempt leaves its process id.
    pub fn pid_file(&self, attempt: &str) -> PathBuf {
        self.marks().join("pids").join(attempt)
    }

    /// The process id that the agent of an attempt left.
    #[track_caller]
    pub fn pid(&self, attempt: &str) -> Pid {
        let text =
            fs_err::read_to_string(self.pid_file(attempt)).expect("the agent wrote its number");
        Pid::from_raw(text.parse().expect("a number")).expect("not 0")
    }

    /// Puts something of the user's into the working copy, committed and not.
    pub fn make_dirty(&self) {
        fs_err::write(self.repo.join("README.md"), "Half a sentence of\n").expect("a file");
        fs_err::write(self.repo.join("untracked.txt"), "the user's own\n").expect("a file");
    }

    /// The configuration of the repository.
    pub fn configure(&self, text: &str) {
        fs_err::create_dir_all(self.repo.join(".mesh")).expect("a folder");
        fs_err::write(self.repo.join(".mesh/config.toml"), text).expect("the configuration");
    }

    /// Makes the tasks in the source. A name in `outside` is an id that is there already, which the job of that key needs.
    pub fn plan(&self, title: &str, jobs: &[Job]) -> Work {
        match &self.tracker {
            Some(tracker) => self.plan_epic(tracker, title, jobs),
            None => self.plan_file("plan.jsonl", jobs),
        }
    }

    fn plan_epic(&self, tracker: &TrackerRepo, title: &str, jobs: &[Job]) -> Work {
        let task = |job: &Job| {
            let needs: Vec<&str> = job.needs.iter().map(String::as_str).collect();
            let verify = job
                .proof
                .iter()
                .map(|proof| format!("\n\nVerify: {proof}\n"));
            let text = format!("Write {}.txt.{}", job.key, verify.collect::<String>());
            let task = NewTask::new(&job.key, &needs).description(&text);
            match &job.lock {
                Some(lock) => task.label(&format!("mesh-lock:{lock}")),
                None => task,
            }
        };
        let tasks: Vec<NewTask> = jobs.iter().map(task).collect();
        let epic = tracker.epic_with(title, &tasks);
        Work {
            source: epic.id,
            jobs: jobs.to_vec(),
            ids: epic.tasks,
        }
    }

    /// Writes a plan file beside the repository.
    pub fn plan_file(&self, name: &str, jobs: &[Job]) -> Work {
        let id = |key: &str| TaskId::new(key).expect("an id");
        let item = |job: &Job| {
            let mut item = StItem::pending(id(&job.key), format!("Write {}.txt", job.key));
            item.deps = job
                .needs
                .iter()
                .map(|need| StDep::blocks(id(need)))
                .collect();
            let lines = [
                job.proof
                    .as_ref()
                    .map(|proof| format!("validation:\n  - {}", json!(proof))),
                job.lock.as_ref().map(|lock| format!("locks: [{lock}]")),
                job.agent.as_ref().map(|names| format!("agent: [{names}]")),
            ];
            let lines: Vec<String> = lines.into_iter().flatten().collect();
            if !lines.is_empty() {
                item.notes = format!("```mesh\n{}\n```", lines.join("\n"));
            }
            item
        };
        let items: Vec<StItem> = jobs.iter().map(item).collect();
        let path = self.env.dir().join(name);
        fs_err::write(&path, st::new_plan("2026-01-01T00:00:00Z", &items)).expect("the plan");
        Work {
            source: path.display().to_string(),
            jobs: jobs.to_vec(),
            ids: jobs
                .iter()
                .map(|job| (job.key.clone(), job.key.clone()))
                .collect(),
        }
    }

    /// Writes the agents' script: for each job what `steps` gives, by attempt when that is an object.
    pub fn script(&self, work: &Work, steps: impl Fn(&Job) -> Value) {
        let mut tasks = self.script_so_far();
        for job in &work.jobs {
            let steps = match steps(job) {
                Value::Array(list) => json!({ "*": list }),
                by_attempt => by_attempt,
            };
            tasks.insert(work.id(&job.key).to_owned(), steps);
        }
        fs_err::write(self.script_file(), json!({ "tasks": tasks }).to_string())
            .expect("the script");
    }

    fn script_so_far(&self) -> serde_json::Map<String, Value> {
        let text = fs_err::read_to_string(self.script_file()).unwrap_or_else(|_| "{}".to_owned());
        let script: Value = serde_json::from_str(&text).expect("our own script");
        script["tasks"].as_object().cloned().unwrap_or_default()
    }

    fn script_file(&self) -> PathBuf {
        self.env.dir().join("agent.json")
    }

    /// The agent as a command template.
    pub fn agent_command(&self) -> String {
        format!("{AGENT} --script {}", self.script_file().display())
    }

    /// `mesh run` over the work, with nothing left to ask.
    pub fn run_args(&self, work: &Work, concurrency: u16, more: &[&str]) -> Vec<String> {
        let concurrency = concurrency.to_string();
        let agent = self.agent_command();
        let mut args = vec![
            "run",
            &work.source,
            "--concurrency",
            &concurrency,
            "--yes",
            "--json",
        ];
        if !more.contains(&"--agent") {
            args.extend(["--agent-command", &agent]);
        }
        args.extend(more);
        args.into_iter().map(str::to_owned).collect()
    }

    /// Runs the work to its end.
    #[track_caller]
    pub fn run(&self, work: &Work, concurrency: u16, more: &[&str]) -> Said {
        self.start(work, concurrency, more).wait()
    }

    /// Starts the run in the background.
    pub fn start(&self, work: &Work, concurrency: u16, more: &[&str]) -> Coordinator {
        Coordinator::start(self, &self.run_args(work, concurrency, more))
    }

    /// The same with a file as its standard input.
    pub fn start_reading(
        &self,
        work: &Work,
        concurrency: u16,
        more: &[&str],
        input: &Path,
    ) -> Coordinator {
        Coordinator::start_reading(self, &self.run_args(work, concurrency, more), input)
    }

    /// Any command of mesh, to its end.
    #[track_caller]
    pub fn mesh(&self, args: &[&str]) -> Said {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Coordinator::start(self, &args).wait()
    }

    /// A name for a file that nobody else has.
    pub fn fresh_name(&self) -> usize {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        COUNT.fetch_add(1, Ordering::Relaxed)
    }

    /// All tasks by id, as the source says: status, and who has it.
    pub fn tasks(&self, work: &Work) -> BTreeMap<String, (String, Option<String>)> {
        match &self.tracker {
            Some(tracker) => {
                let list = tracker.bd_json(&["list", "--all", "--json", "--limit", "0"]);
                let rows = list.as_array().cloned().unwrap_or_default();
                let row = |row: &Value| {
                    let text = |name: &str| row[name].as_str().map(str::to_owned);
                    let holder = text("assignee").filter(|name| !name.is_empty());
                    (
                        text("id").expect("an id"),
                        (text("status").expect("a status"), holder),
                    )
                };
                rows.iter()
                    .map(row)
                    .filter(|(id, _)| work.ids.values().any(|known| known == id))
                    .collect()
            }
            None => {
                let (plan, _) = st::read(&fs_err::read(&work.source).expect("the plan"));
                let word = |status| {
                    if status == ItemStatus::Completed {
                        "closed"
                    } else {
                        ItemStatus::as_str(status)
                    }
                };
                plan.items()
                    .map(|item| (item.id.to_string(), (word(item.status).to_owned(), None)))
                    .collect()
            }
        }
    }

    /// The source as it is, as text to compare.
    pub fn tracker_state(&self) -> String {
        match &self.tracker {
            Some(tracker) => tracker
                .bd_json(&["list", "--all", "--json", "--limit", "0"])
                .to_string(),
            None => fs_err::read_to_string(self.env.dir().join("plan.jsonl")).unwrap_or_default(),
        }
    }

    /// Comments on a task.
    pub fn comments(&self, work: &Work, key: &str) -> Vec<String> {
        let id = work.id(key);
        match &self.tracker {
            Some(tracker) => {
                let list = tracker.bd_json(&["comments", id, "--json"]);
                let text = |comment: &Value| comment["text"].as_str().expect("a text").to_owned();
                list.as_array()
                    .map(|list| list.iter().map(text).collect())
                    .unwrap_or_default()
            }
            None => {
                let (plan, _) = st::read(&fs_err::read(&work.source).expect("the plan"));
                let item = plan
                    .items()
                    .find(|item| item.id.as_str() == id)
                    .expect("the item");
                item.comments
                    .iter()
                    .map(|comment| comment.text.clone())
                    .collect()
            }
        }
    }

    /// The lines of the tracker's audit.
    pub fn interactions(&self) -> Vec<Value> {
        let text =
            fs_err::read_to_string(self.repo.join(".beads/interactions.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line of the audit"))
            .collect()
    }

    /// A text without what differs from run to run.
    pub fn redacted(&self, text: &str) -> String {
        let parent = self.repo.parent().expect("it has one").to_path_buf();
        let (home, programs) = (
            self.env.dir(),
            Path::new(AGENT).parent().expect("it has one"),
        );
        redact(
            text,
            &[
                (&self.repo, "[repo]"),
                (&parent, "[around]"),
                (&home, "[env]"),
                (programs, "[programs]"),
            ],
        )
    }
}

impl Drop for Fixture {
    /// A story that went well has left nothing in its tracker, and one that failed leaves nothing running. Only processes that carry this
    /// fixture's own folder are ended, each by its number.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_tracker_clean();
        }
        for (pid, _) in self.processes() {
            if let Some(pid) = Pid::from_raw(pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
