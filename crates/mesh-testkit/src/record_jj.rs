//! A scripted walk through everything the jj adapter does, and its recording.
//!
//! [`walk`] calls the adapter and says what came back. On the real jj, through [`Recorder`], every call of the program is noted
//! and made repeatable (time, host and random seed are given), so the same jj gives the same recording byte by byte. On the fake,
//! which answers from the recording, the walk must say the same.

use mesh_proc::env::Env;
use mesh_proc::run::{Command, Direct, Output, RunError, Runner, Status};
use mesh_vcs::{
    Backend, CallLimits, CommitId, Integration, Landing, NewWorkspace, RepositorySetup, Tools,
    Workspace, name,
};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// One call of jj. The temporary folder is `$WORK` everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Which step of the walk made it.
    pub step: String,
    /// Arguments without the program.
    pub argv: Vec<String>,
    /// Exit code; 128 and the signal when a signal ended it.
    pub rc: i32,
    /// Milliseconds it took.
    pub ms: u64,
    /// What it wrote.
    pub stdout: String,
    /// What it wrote.
    pub stderr: String,
}

#[derive(Default)]
struct Notes {
    step: String,
    calls: Vec<Call>,
}

/// Runs jj with everything that changes from run to run given, and notes each call.
pub struct Recorder {
    work: PathBuf,
    notes: Mutex<Notes>,
}

impl Recorder {
    /// For a walk in the folder `work`.
    #[must_use]
    pub fn new(work: &Path) -> Arc<Recorder> {
        Arc::new(Recorder {
            work: work.to_path_buf(),
            notes: Mutex::new(Notes::default()),
        })
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hidden(&self, text: &str) -> String {
        text.replace(
            self.work
                .to_str()
                .expect("temporary folders have plain names"),
            "$WORK",
        )
    }

    /// What was noted.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.notes().calls.clone()
    }
}

impl Runner for Recorder {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let number = self.notes().calls.len() + 1;
        let time = format!("2001-02-03T04:{:02}:{:02}+00:00", number / 60, number % 60);
        let mut command = command.clone();
        for (name, value) in [
            ("JJ_TIMESTAMP", time.as_str()),
            ("JJ_OP_TIMESTAMP", time.as_str()),
            ("JJ_OP_HOSTNAME", "host"),
            ("JJ_OP_USERNAME", "user"),
            // The same seed twice would make the same change twice.
            ("JJ_RANDOMNESS_SEED", number.to_string().as_str()),
        ] {
            command.env.insert(name, value);
        }
        let result = Direct.run(&command);
        if let Ok(output) = &result {
            let call = Call {
                step: self.notes().step.clone(),
                argv: command
                    .args
                    .iter()
                    .map(|arg| self.hidden(&arg.to_string_lossy()))
                    .collect(),
                rc: match output.status {
                    Status::Exited(code) => code,
                    Status::Signaled(signal) => 128 + signal,
                },
                ms: u64::try_from(output.elapsed.as_millis()).unwrap_or(u64::MAX),
                stdout: self.hidden(&output.stdout_text()),
                stderr: self.hidden(&output.stderr_text()),
            };
            self.notes().calls.push(call);
        }
        result
    }
}

/// One walk: where, with which program, seen by whom.
pub struct Walk<'a> {
    /// The temporary folder; empty before.
    pub work: &'a Path,
    /// The jj, real or fake.
    pub jj: &'a Path,
    /// Sees the calls.
    pub runner: Arc<dyn Runner>,
    /// Is told the step before it is taken.
    pub on_step: &'a dyn Fn(&str),
    /// Limits of each call.
    pub limits: CallLimits,
    /// After which step to stop; the whole walk when absent.
    pub until: Option<&'a str>,
}

struct Said<'a> {
    walk: &'a Walk<'a>,
    lines: Vec<String>,
    done: bool,
}

impl Said<'_> {
    fn step(&self, name: &str) {
        (self.walk.on_step)(name);
    }

    /// Notes the result of a step; errors are results here.
    fn note<T: Debug, E: Debug>(&mut self, step: &str, result: Result<T, E>) -> Option<T> {
        let text = format!("{step}: {result:?}");
        let text = text.replace(
            self.walk
                .work
                .to_str()
                .expect("temporary folders have plain names"),
            "$WORK",
        );
        self.lines
            .push(text.replace(&self.walk.jj.display().to_string(), "jj"));
        self.done |= self.walk.until == Some(step);
        result.ok()
    }
}

const RUN: &str = "rec";

/// Takes all steps and says what each gave, one line a step. No step's failure stops the others, but a missing repository does.
pub fn walk(walk: &Walk<'_>) -> Vec<String> {
    let mut said = Said {
        walk,
        lines: Vec::new(),
        done: false,
    };
    let home = walk.work.join("home");
    let config = home.join(".config/jj");
    fs_err::create_dir_all(&config).expect("a home");
    fs_err::write(
        config.join("config.toml"),
        "user.name = \"User\"\nuser.email = \"user@example.org\"\n",
    )
    .expect("a config");
    let env = Env::empty().set("HOME", &home).set("PATH", "/usr/bin:/bin");
    let repo = walk.work.join("repo");
    make_repository(walk, &env, &repo);
    let setup = RepositorySetup {
        limits: walk.limits,
        runner: Arc::clone(&walk.runner),
        ..RepositorySetup::new(
            Tools {
                jj: Some(walk.jj.to_path_buf()),
                git: None,
            },
            env,
        )
    };
    said.step("detect");
    let found = Backend::detect(&repo, &setup);
    match found {
        Ok(backend) => {
            said.note(
                "detect",
                Ok::<_, ()>((backend.kind(), backend.version().clone())),
            );
            steps(&mut said, &backend);
        }
        Err(error) => {
            said.note("detect", Err::<(), _>(error));
        }
    }
    said.lines
}

fn make_repository(walk: &Walk<'_>, env: &Env, repo: &Path) {
    (walk.on_step)("repository");
    fs_err::create_dir_all(repo).expect("a folder");
    let run = |args: &[&str]| {
        let command = Command::new(walk.jj)
            .args(args.iter().copied())
            .cwd(repo)
            .env(env.clone());
        // What it answers is the walk's to see: a fake may be told to fail here too.
        drop(walk.runner.run(&command));
    };
    run(&[
        "--no-pager",
        "--color",
        "never",
        "git",
        "init",
        "--no-colocate",
        ".",
    ]);
    fs_err::write(repo.join("a.txt"), "one\n").expect("a file");
    fs_err::write(repo.join("shared.txt"), "first\n").expect("a file");
    run(&["--no-pager", "--color", "never", "commit", "-m", "start"]);
    run(&[
        "--no-pager",
        "--color",
        "never",
        "bookmark",
        "create",
        "main",
        "trunk",
        "-r",
        "@-",
    ]);
}

fn add(
    said: &mut Said<'_>,
    backend: &Backend,
    task: &str,
    parents: &[CommitId],
) -> Option<Workspace> {
    if said.done {
        return None;
    }
    let step = format!("add {task}");
    said.step(&step);
    let new = NewWorkspace {
        name: name::workspace_name(RUN, task, 1),
        path: backend
            .workspaces_root()
            .join(name::workspace_folder(task, 1)),
        parents: parents.to_vec(),
        message: format!("{task}: work"),
    };
    let added = match parents {
        // As one that is prepared before its needs are recorded.
        [first, _, ..] => {
            let draft = NewWorkspace {
                parents: vec![first.clone()],
                message: String::new(),
                ..new.clone()
            };
            let draft = backend.add_workspace(&draft);
            draft.and_then(|draft| backend.move_workspace(&draft, &new))
        }
        _ => backend.add_workspace(&new),
    };
    said.note(&step, added)
}

fn work(
    said: &mut Said<'_>,
    backend: &Backend,
    task: &str,
    parents: &[CommitId],
    file: (&str, &str),
) -> Option<CommitId> {
    let workspace = add(said, backend, task, parents)?;
    let environment = backend.agent_environment(
        &workspace,
        parents,
        &said.walk.work.join("attempts").join(task),
    );
    let environment = environment.map(|access| access.env);
    said.note(&format!("environment {task}"), environment);
    fs_err::write(workspace.path.join(file.0), file.1).expect("a file");
    let step = format!("snapshot {task}");
    said.step(&step);
    let snapshot = backend.snapshot(&workspace, &[]);
    let snapshot = said.note(&step, snapshot)?;
    said.step(&format!("proof {task}"));
    fs_err::write(workspace.path.join("a.txt"), "changed by the proof\n").expect("a file");
    let discarded = backend.discard_changes_since(&workspace, &snapshot.commit);
    said.note(&format!("proof {task}"), discarded);
    said.step(&format!("end {task}"));
    said.note("keep", backend.keep(&snapshot.commit, RUN, task, 1));
    said.note("forget", backend.forget(&workspace.name));
    said.note("remove", backend.remove(&workspace));
    Some(snapshot.commit)
}

fn land(
    said: &mut Said<'_>,
    backend: &Backend,
    task: &str,
    tip: &CommitId,
    without: &[CommitId],
    lands: bool,
) {
    if said.done {
        return;
    }
    let step = format!("land {task}");
    said.step(&step);
    let landing = Landing {
        target: "trunk".to_owned(),
        tip: tip.clone(),
        without: without.to_vec(),
    };
    let integrated = said.note(&step, backend.integrate(&landing));
    if let Some(Integration::Candidate(candidate)) = integrated {
        if lands {
            said.note("publish", backend.publish("trunk", &candidate));
        } else {
            said.note("withdraw", backend.withdraw(&candidate));
        }
    }
}

fn steps(said: &mut Said<'_>, backend: &Backend) {
    said.step("hub");
    said.note("hub", backend.open_hub(RUN));
    said.note("hub again", backend.open_hub(RUN));
    said.step("base");
    said.note("base of a name", backend.base(Some("nosuch")));
    said.note("note", backend.working_copy_note());
    let base = backend.base(None);
    let Some(base) = said.note("base", base) else {
        return;
    };
    let one = work(said, backend, "one", &base, ("one.txt", "1\n"));
    let two = work(said, backend, "two", &base, ("two.txt", "2\n"));
    let left = work(
        said,
        backend,
        "left",
        &base,
        ("shared.txt", "first\nleft\n"),
    );
    let right = work(
        said,
        backend,
        "right",
        &base,
        ("shared.txt", "first\nright\n"),
    );
    let unknown = CommitId::new("12ab".repeat(10)).expect("forty digits");
    add(said, backend, "unknown", std::slice::from_ref(&unknown));
    if let (Some(one), Some(two), Some(left), Some(right)) = (one, two, left, right) {
        said.step("ask");
        said.note(
            "heads",
            backend.heads(&[base[0].clone(), one.clone(), two.clone()]),
        );
        said.note("is in", backend.is_in(&base[0], std::slice::from_ref(&one)));
        said.note("exists", backend.exists(&unknown));
        let both = work(
            said,
            backend,
            "both",
            &[one.clone(), two.clone()],
            ("both.txt", "3\n"),
        );
        work(
            said,
            backend,
            "clash",
            &[left.clone(), right.clone()],
            ("other.txt", "4\n"),
        );
        land(said, backend, "one", &one, &base, true);
        land(said, backend, "two unproved", &two, &base, false);
        land(said, backend, "two", &two, &base, true);
        land(said, backend, "left", &left, &base, true);
        land(said, backend, "right", &right, &base, true);
        land(said, backend, "left again", &left, &base, true);
        if let Some(both) = both {
            land(
                said,
                backend,
                "both",
                &both,
                &[base[0].clone(), one, two],
                true,
            );
        }
    }
    said.step("close");
    let listed = backend.list_workspaces();
    said.note("list", listed);
    said.note("close", backend.close_hub(RUN));
}

/// Takes the walk on the real jj at `jj` and gives every call of it.
///
/// # Panics
/// When a temporary folder cannot be had.
#[must_use]
pub fn calls(jj: &Path) -> (Vec<Call>, Vec<String>) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let work = temp.path().canonicalize().expect("it exists");
    let recorder = Recorder::new(&work);
    let seen = Arc::clone(&recorder);
    let said = walk(&Walk {
        work: &work,
        jj,
        runner: recorder.clone(),
        on_step: &move |step| seen.notes().step = step.to_owned(),
        limits: CallLimits::default(),
        until: None,
    });
    (recorder.calls(), said)
}

/// Records the walk on the real jj at `jj` into the file `out`, one [`Call`] a line, with what the walk said in a file beside it.
///
/// # Errors
/// A file cannot be written.
///
/// # Panics
/// When a temporary folder cannot be had.
pub fn record(jj: &Path, out: &Path) -> std::io::Result<()> {
    let (calls, said) = calls(jj);
    // Two steps ask for what is not there; any other failure would be recorded as if it were jj's way.
    if let Some(failed) = said
        .iter()
        .find(|line| line.contains(": Err(") && !line.contains("UnknownRevision"))
    {
        return Err(std::io::Error::other(format!(
            "the walk failed at {failed}"
        )));
    }
    if let Some(folder) = out.parent() {
        fs_err::create_dir_all(folder)?;
    }
    let mut file = fs_err::File::create(out)?;
    for call in calls {
        writeln!(file, "{}", serde_json::to_string(&call)?)?;
    }
    fs_err::write(out.with_extension("said"), said.join("\n") + "\n")
}
