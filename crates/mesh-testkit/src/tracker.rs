//! A repository with a tracker, on the fake `bd` or a real one, and the few commands that set it up.
//!
//! Initialising a real tracker takes seconds, so it is done once for each version: the result is kept beside the tool and copied.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_proc::env::Env;
use mesh_proc::run::{Command, Output, Status, run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tools;

/// When imported issues were made.
const MADE_AT: &str = "2026-01-01T00:00:00Z";

/// Counts up when what is in a template changes, so that an old one is not used.
const TEMPLATE: &str = "template-1";

/// A `bd` to test with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bd {
    /// The program.
    pub program: PathBuf,
    /// The version it is, or speaks as.
    pub version: String,
    /// Whether it is the real one.
    pub is_real: bool,
}

impl Bd {
    /// The fake at `program` (`env!("CARGO_BIN_EXE_fake-bd")`), speaking as `version`.
    pub fn fake(program: impl Into<PathBuf>, version: &str) -> Bd {
        Bd {
            program: program.into(),
            version: version.to_owned(),
            is_real: false,
        }
    }

    /// The real one, or `None` after saying that it is missing.
    ///
    /// # Panics
    /// When it is missing and `MESH_REQUIRE_REAL=1`.
    pub fn real(version: &str) -> Option<Bd> {
        let program = tools::real("bd", version)?;
        Some(Bd {
            program,
            version: version.to_owned(),
            is_real: true,
        })
    }

    /// The fake as each version, and each real one that is there.
    pub fn all(fake: &str) -> Vec<Bd> {
        let fakes = tools::BD_VERSIONS
            .iter()
            .map(|version| Bd::fake(fake, version));
        fakes
            .chain(
                tools::BD_VERSIONS
                    .iter()
                    .filter_map(|version| Bd::real(version)),
            )
            .collect()
    }

    /// What a test prints: `fake bd 1.3.0`, `real bd 1.3.0`.
    pub fn name(&self) -> String {
        format!(
            "{} bd {}",
            if self.is_real { "real" } else { "fake" },
            self.version
        )
    }

    /// Whether it is of the older dialect, which has no graphs, no metadata and no leases, but beads for agents.
    pub fn is_classic(&self) -> bool {
        self.version.starts_with("0.")
    }

    /// Whether claims are leases (from 1.3 on).
    pub fn has_leases(&self) -> bool {
        !self.is_classic() && !self.version.starts_with("1.0.")
    }
}

/// A task to be made by [`TrackerRepo::epic_with`].
#[derive(Debug, Clone, Default)]
pub struct NewTask {
    /// Name by which other tasks of the same call need it.
    pub key: String,
    /// Title; the key if empty.
    pub title: String,
    /// What is to be done; put a `Verify:` line here.
    pub description: String,
    /// Keys of the tasks that it needs.
    pub needs: Vec<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// 0 to 4.
    pub priority: i64,
    /// Metadata.
    pub metadata: Vec<(String, String)>,
}

impl NewTask {
    /// A task that needs those of `needs`.
    pub fn new(key: &str, needs: &[&str]) -> NewTask {
        NewTask {
            key: key.to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            priority: 2,
            ..NewTask::default()
        }
    }

    /// With a label.
    #[must_use]
    pub fn label(mut self, label: &str) -> NewTask {
        self.labels.push(label.to_owned());
        self
    }

    /// With a description.
    #[must_use]
    pub fn description(mut self, text: &str) -> NewTask {
        text.clone_into(&mut self.description);
        self
    }

    /// With a priority.
    #[must_use]
    pub fn priority(mut self, priority: i64) -> NewTask {
        self.priority = priority;
        self
    }

    /// With a metadata value.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: &str) -> NewTask {
        self.metadata.push((key.to_owned(), value.to_owned()));
        self
    }
}

/// An epic that was made, with the ids of its tasks by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEpic {
    /// The epic's id.
    pub id: String,
    /// The tasks' ids.
    pub tasks: BTreeMap<String, String>,
}

impl NewEpic {
    /// The id of the task `key`.
    ///
    /// # Panics
    /// When there is none.
    pub fn task(&self, key: &str) -> &str {
        self.tasks
            .get(key)
            .unwrap_or_else(|| panic!("no task {key} in {self:?}"))
    }
}

/// A git repository (branch `main`, one commit) with a tracker of prefix `t`, in a temporary folder of its own.
pub struct TrackerRepo {
    dir: TempDir,
    bd: Bd,
}

impl TrackerRepo {
    /// Makes the repository and the tracker.
    ///
    /// # Panics
    /// When git or bd fail.
    pub fn new(bd: &Bd) -> TrackerRepo {
        let dir = TempDir::new().expect("a temporary folder");
        let repo = TrackerRepo {
            dir,
            bd: bd.clone(),
        };
        fs_err::create_dir_all(repo.home()).expect("a home");
        if bd.is_real {
            copy_tree(&template(bd), &repo.root());
        } else {
            initialise(bd, &repo.root(), &repo.env());
        }
        // As a clone has it, so that bd warns on every call and the warning is not taken for an answer.
        fs_err::set_permissions(repo.beads_dir(), Permissions::from_mode(0o755))
            .expect("the folder's mode");
        repo
    }

    /// The repository.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// The private home folder.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The tracker's folder.
    pub fn beads_dir(&self) -> PathBuf {
        self.root().join(".beads")
    }

    /// The bd in use.
    pub fn tool(&self) -> &Bd {
        &self.bd
    }

    /// A hermetic environment, complete enough for git, jj and bd.
    pub fn env(&self) -> Env {
        environment(&self.home(), &self.bd)
    }

    /// Runs bd in the repository and gives back what came.
    ///
    /// # Panics
    /// When it cannot be started, hangs or floods.
    pub fn bd(&self, args: &[&str]) -> Output {
        run_in(&self.bd.program, args, &self.root(), &self.env())
    }

    /// Runs bd and reads its JSON.
    ///
    /// # Panics
    /// When it fails or says something else.
    pub fn bd_json(&self, args: &[&str]) -> Value {
        let output = self.bd(args);
        assert_eq!(
            output.status,
            Status::Exited(0),
            "{} {args:?}: {output:?}",
            self.bd.name()
        );
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|cause| panic!("{args:?}: {cause}: {output:?}"))
    }

    /// Creates one issue and gives back its id; `more` are further flags (`--parent`, `--labels`).
    ///
    /// # Panics
    /// When bd refuses.
    pub fn create(&self, kind: &str, title: &str, more: &[&str]) -> String {
        // Classic inherits none, and knows no flag for it.
        let own_labels: &[&str] = match self.bd.is_classic() {
            true => &[],
            false => &["--no-inherit-labels"],
        };
        let create = ["create", "--json", "--type", kind, "--title", title];
        let args = [&create, own_labels, more].concat();
        let made = self.bd_json(&args);
        made["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id in {made}"))
            .to_owned()
    }

    /// Makes `from` depend on `to`; `kind` is `blocks`, `parent-child`, …
    ///
    /// # Panics
    /// When bd refuses.
    pub fn depend(&self, from: &str, to: &str, kind: &str) {
        self.bd_json(&["dep", "add", from, to, "--type", kind, "--json"]);
    }

    /// Creates an epic with all its tasks, labels and edges in one call.
    ///
    /// # Panics
    /// When bd refuses.
    pub fn epic_with(&self, title: &str, tasks: &[NewTask]) -> NewEpic {
        match self.bd.is_classic() {
            true => self.epic_by_import(title, tasks),
            false => self.epic_by_graph(title, tasks),
        }
    }

    /// Classic makes many issues in one call only by importing them. It keeps no metadata.
    fn epic_by_import(&self, title: &str, tasks: &[NewTask]) -> NewEpic {
        let listed = self.bd_json(&["list", "--all", "--json", "--limit", "0"]);
        let epic = format!("t-e{}", listed.as_array().map_or(0, Vec::len));
        let id = |key: &str| {
            let at = tasks.iter().position(|task| task.key == key);
            let at = at.unwrap_or_else(|| panic!("no task {key} in {tasks:?}"));
            format!("{epic}.{}", at + 1)
        };
        let edge = |from: &str, to: &str, kind: &str| json!({ "issue_id": from, "depends_on_id": to, "type": kind, "created_at": MADE_AT, "created_by": "probe" });
        let mut lines = vec![
            json!({
                "id": epic, "title": title, "issue_type": "epic", "status": "open", "priority": 1,
                "created_at": MADE_AT, "updated_at": MADE_AT,
            })
            .to_string(),
        ];
        for task in tasks {
            let own = id(&task.key);
            let needs = task
                .needs
                .iter()
                .map(|need| edge(&own, &id(need), "blocks"));
            let edges: Vec<Value> = [edge(&own, &epic, "parent-child")]
                .into_iter()
                .chain(needs)
                .collect();
            let title = if task.title.is_empty() {
                &task.key
            } else {
                &task.title
            };
            let line = json!({
                "id": own, "title": title, "issue_type": "task", "status": "open", "priority": task.priority,
                "description": task.description, "labels": task.labels, "dependencies": edges,
                "created_at": MADE_AT, "updated_at": MADE_AT,
            });
            lines.push(line.to_string());
        }
        let file = self.dir.path().join("import.jsonl");
        fs_err::write(&file, lines.join("\n") + "\n").expect("the file to import");
        let output = self.bd(&["import", "-i", &file.display().to_string()]);
        assert!(output.status.is_success(), "{}: {output:?}", self.bd.name());
        NewEpic {
            tasks: tasks
                .iter()
                .map(|task| (task.key.clone(), id(&task.key)))
                .collect(),
            id: epic,
        }
    }

    fn epic_by_graph(&self, title: &str, tasks: &[NewTask]) -> NewEpic {
        let mut nodes =
            vec![json!({ "key": "the epic", "title": title, "type": "epic", "priority": 1 })];
        let mut edges = Vec::new();
        for task in tasks {
            let title = if task.title.is_empty() {
                &task.key
            } else {
                &task.title
            };
            let metadata: serde_json::Map<String, Value> = task
                .metadata
                .iter()
                .map(|(k, v)| (k.clone(), v.clone().into()))
                .collect();
            nodes.push(json!({
                "key": task.key, "title": title, "type": "task", "parent_key": "the epic", "priority": task.priority,
                "description": task.description, "labels": task.labels, "metadata": metadata,
            }));
            edges.extend(
                task.needs
                    .iter()
                    .map(|need| json!({ "from_key": task.key, "to_key": need, "type": "blocks" })),
            );
        }
        let file = self.dir.path().join("graph.json");
        fs_err::write(&file, json!({ "nodes": nodes, "edges": edges }).to_string())
            .expect("the graph file");
        let made = self.bd_json(&["create", "--graph", &file.display().to_string(), "--json"]);
        let id = |key: &str| {
            made["ids"][key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key} in {made}"))
                .to_owned()
        };
        NewEpic {
            id: id("the epic"),
            tasks: tasks
                .iter()
                .map(|task| (task.key.clone(), id(&task.key)))
                .collect(),
        }
    }

    /// Tells the fake what goes wrong next; `faults` is an array, see the fake's `faults.rs`.
    ///
    /// # Panics
    /// On a real bd.
    pub fn script(&self, faults: &Value) {
        assert!(!self.bd.is_real, "only the fake follows a script");
        fs_err::write(
            self.beads_dir().join("fake-bd/script.json"),
            faults.to_string(),
        )
        .expect("the script");
    }

    /// The fake's log of its calls, oldest first.
    ///
    /// # Panics
    /// On a real bd.
    pub fn calls(&self) -> Vec<Value> {
        assert!(!self.bd.is_real, "only the fake logs its calls");
        let log =
            fs_err::read_to_string(self.beads_dir().join("fake-bd/calls.jsonl")).expect("the log");
        log.lines()
            .map(|line| serde_json::from_str(line).expect("a line of the log"))
            .collect()
    }
}

fn environment(home: &Path, bd: &Bd) -> Env {
    let mut env = Env::keep(&["PATH", "LANG", "TMPDIR"])
        .set("HOME", home)
        .set("USER", "probe")
        .set("GIT_CONFIG_NOSYSTEM", "1")
        .set("BD_DISABLE_METRICS", "1")
        .set("DO_NOT_TRACK", "1")
        .set("BD_NON_INTERACTIVE", "1")
        .set("BD_AUDIT_ENABLED", "1")
        .set("BEADS_NO_DAEMON", "1")
        .set("NO_COLOR", "1");
    if !bd.is_real {
        env.insert("FAKE_BD_VERSION", &bd.version);
    }
    env
}

/// An epic of 200 beads takes bd 0.47.1 a minute and more to make beside other work.
const CALL_LIMIT: Duration = Duration::from_secs(600);

fn run_in(program: &Path, args: &[&str], folder: &Path, env: &Env) -> Output {
    let command = Command::new(program)
        .args(args.iter().copied())
        .cwd(folder)
        .env(env.clone());
    let command = command.timeout(CALL_LIMIT);
    run(&command).unwrap_or_else(|failure| panic!("{failure}"))
}

fn must(program: &str, args: &[&str], folder: &Path, env: &Env) {
    let output = run_in(Path::new(program), args, folder, env);
    assert!(output.status.is_success(), "{program} {args:?}: {output:?}");
}

/// A git repository with one commit and a fresh tracker.
fn initialise(bd: &Bd, root: &Path, env: &Env) {
    fs_err::create_dir_all(root).expect("the repository's folder");
    let git = |args: &[&str]| must("git", args, root, env);
    git(&[
        "-c",
        "init.templateDir=",
        "init",
        "--quiet",
        "--initial-branch",
        "main",
    ]);
    git(&["config", "user.name", "probe"]);
    git(&["config", "user.email", "probe@example.invalid"]);
    git(&["config", "beads.role", "maintainer"]);
    git(&["config", "commit.gpgsign", "false"]);
    fs_err::write(root.join("README.md"), "A repository for tests.\n").expect("a file");
    git(&["add", "README.md"]);
    git(&["commit", "--quiet", "--message", "First"]);
    let program = bd.program.display().to_string();
    let mut init = vec!["init", "--prefix", "t", "--quiet"];
    if !bd.is_classic() {
        init.extend(["--skip-agents", "--skip-hooks"]);
    }
    must(&program, &init, root, env);
    if bd.is_real && bd.is_classic() {
        // Its own files are committed, as a team does.
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "bd init"]);
    }
    if !bd.is_real {
        // The real one commits its own files.
        fs_err::write(
            root.join(".gitignore"),
            ".beads/fake-bd/\n.beads/interactions.jsonl\n",
        )
        .expect("a file");
        git(&["add", ".gitignore", ".beads"]);
        git(&["commit", "--quiet", "--message", "bd init"]);
    }
}

/// An initialised repository of this version, made at the first need and kept beside the tool.
fn template(bd: &Bd) -> PathBuf {
    let tool = tools::cache_dir().join(format!("bd-{}", bd.version));
    let kept = tool.join(TEMPLATE);
    if kept.is_dir() {
        return kept;
    }
    // Made aside and moved in one step: other test programs may be doing the same.
    let aside = tempfile::Builder::new()
        .prefix("new-template-")
        .tempdir_in(&tool)
        .expect("a folder beside the tool");
    let home = aside.path().join("home");
    fs_err::create_dir_all(&home).expect("a home");
    let root = aside.path().join("repo");
    initialise(bd, &root, &environment(&home, bd));
    if let Err(cause) = fs_err::rename(&root, &kept) {
        assert!(kept.is_dir(), "{cause}");
    }
    kept
}

/// Copies files and folders; symbolic links are not expected.
fn copy_tree(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("a folder");
    for entry in fs_err::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs_err::copy(entry.path(), &target).expect("a copied file");
            // Classic compares the times of its files.
            let time = entry
                .metadata()
                .and_then(|meta| meta.modified())
                .expect("a time");
            let file = fs_err::File::options()
                .write(true)
                .open(&target)
                .expect("the copy");
            file.file().set_modified(time).expect("the copy's time");
        }
    }
}
