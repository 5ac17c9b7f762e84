//! `cargo xtask bench epic`: real epics on real bd and real jj, judged by the agents' own log and by the best of many schedules
//! without any overhead.
//!
//! Nothing that mesh says of itself is believed here except the makespan, which it is measured by.

mod calls;
mod judge;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use judge::Entry;
use mesh_core::id::TaskId;
use mesh_core::policy::Rank;
use mesh_core::task::Task;
use mesh_sim::generate::even_epic;
use mesh_testkit::tools;
use mesh_testkit::tracker::{Bd, NewEpic, NewTask, TrackerRepo};
use serde_json::Value;

use crate::Outcome;
use crate::args::{Args, UsageError};
use crate::process::capture;
use crate::release::built;

/// Schedules that the ideal_makespan is the best of.
const SCHEDULES: u32 = 200;
/// Times the ideal_makespan that a real run may take.
const BAR: f64 = 1.10;
/// Agents at once.
const CONCURRENCY: u16 = 6;
/// Tasks of an epic.
const TASKS: usize = 24;
/// The epics: their levels, and the seed that they are drawn from. With four levels no slot may ever be free, so an epic that
/// loses a moment at the wrong place loses a round.
const EPICS: [(usize, u64); 3] = [(4, 1), (3, 2), (6, 3)];

/// Options of the bench.
struct Options {
    /// The version of bd.
    bd: String,
    seconds: u64,
    rank: String,
    kill: Kill,
    /// Where the journals are copied to.
    journals: Option<PathBuf>,
    epics: &'static [(usize, u64)],
}

/// What is killed in the middle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kill {
    Nothing,
    Coordinator,
    Shim,
}

/// Runs the bench.
pub fn run(args: Args) -> Outcome<ExitCode> {
    let options = read_options(args)?;
    let mut all_is_well = true;
    for &(levels, seed) in options.epics {
        all_is_well &= work_epic(&options, levels, seed)?;
    }
    Ok(if all_is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Works one epic; whether all was as it must be.
fn work_epic(options: &Options, levels: usize, seed: u64) -> Outcome<bool> {
    let stage = Stage::build(options, even_epic(seed, levels, TASKS, CONCURRENCY))?;
    println!(
        "epic of {TASKS} tasks in {levels} levels, {} s each, rank {}, cap {CONCURRENCY}, on bd {} and jj {}",
        options.seconds,
        options.rank,
        stage.tracker.tool().version,
        tools::JJ_VERSION
    );
    // One of the orders that the epic was accepted for needs no more rounds than this.
    let rounds = TASKS.div_ceil(CONCURRENCY.into()).max(levels) as u64;
    let shortest = (rounds * options.seconds) as f64;
    let best = stage.best_schedule(options.seconds)?.min(shortest);
    let before = stage.user_files()?;
    let report = match options.kill {
        Kill::Nothing => stage.run_epic()?,
        Kill::Coordinator => stage.run_with_killed_coordinator(options.seconds)?,
        Kill::Shim => stage.run_with_killed_shim(options.seconds)?,
    };
    let ended_at = unix_ms();
    if let Some(folder) = &options.journals {
        stage.copy_journal(&folder.join(format!("{levels}-levels.jsonl")))?;
    }
    let mut problems = stage.judge(&report, options.kill)?;
    if stage.user_files()? != before {
        problems.push("the user's working copy was touched".to_owned());
    }
    let makespan = report["makespan_seconds"].as_f64().unwrap_or(f64::INFINITY);
    let ratio = makespan / best;
    println!(
        "makespan {makespan:.1} s; best of {SCHEDULES} schedules without overhead {best:.1} s; ratio {ratio:.3} (bar {BAR})"
    );
    println!(
        "tracker calls: {}, failed: {}",
        report["tracker"]["calls"], report["tracker"]["failures"]
    );
    for line in calls::table(&calls::log_of_run(&stage.tracker.root())?, TASKS) {
        println!("{line}");
    }
    if let (Some(last), Kill::Nothing) = (stage.last_end()?, options.kill) {
        let after = ended_at.saturating_sub(last) as f64 / 1000.0;
        println!("from the last agent's end to the end of the command: {after:.1} s");
    }
    if options.kill == Kill::Nothing && ratio > BAR {
        problems.push(format!("the ratio {ratio:.3} is above the bar {BAR}"));
    }
    for problem in &problems {
        println!("FAILED: {problem}");
    }
    if problems.is_empty() {
        println!(
            "all {TASKS} beads closed, no lock held twice, every dependent saw its needs' files, nothing left behind"
        );
    }
    Ok(problems.is_empty())
}

fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn read_options(mut args: Args) -> Outcome<Options> {
    let number = |text: String| {
        text.parse()
            .map_err(|_| UsageError(format!("--seconds needs a number, not {text}")))
    };
    let smoke = args.switch("--smoke");
    let seconds = args
        .option("--seconds")?
        .map(number)
        .transpose()?
        .unwrap_or(if smoke { 2 } else { 20 });
    let kill = match args.option("--kill")?.as_deref() {
        None => Kill::Nothing,
        Some("coordinator") => Kill::Coordinator,
        Some("shim") => Kill::Shim,
        Some(other) => {
            return Err(
                UsageError(format!("--kill takes `coordinator` or `shim`, not {other}")).into(),
            );
        }
    };
    let journals = args.option("--journals")?.map(PathBuf::from);
    let bd = args.option("--bd")?;
    let rank = args
        .option("--rank")?
        .unwrap_or_else(|| Rank::Makespan.as_str().to_owned());
    args.finish()?;
    let only_one = smoke || kill != Kill::Nothing;
    Ok(Options {
        bd: bd.unwrap_or_else(|| "1.3.0".to_owned()),
        seconds,
        rank,
        kill,
        journals,
        epics: if only_one { &EPICS[..1] } else { &EPICS },
    })
}

/// The agent: takes its time, looks which files of its needs are there, writes its own, and logs it all.
const AGENT: &str = r#"#!/bin/sh
now() { date +%s%3N; }
key=$(sed -n 's/.*key=\([a-z0-9]*\).*/\1/p' "$MESH_PROMPT_FILE" | head -n 1)
log() { printf '%s %s %s %s %s %s\n' "$(now)" "$1" "$MESH_TASK" "$MESH_ATTEMPT" "$$" "$2" >> "$BENCH_LOG"; }
log start "$(ls out 2>/dev/null | tr '\n' ',')"
sleep "$BENCH_SECONDS"
mkdir -p out
printf 'made by %s\n' "$MESH_ATTEMPT" > "out/$key"
log end "$key"
printf 'PR: none\nVerify: test -s out/%s\nChanged: out/%s\nBlockers: none\n' "$key" "$key"
"#;

/// A repository with a tracker, an epic and an agent.
struct Stage {
    tracker: TrackerRepo,
    epic: NewEpic,
    mesh: PathBuf,
    log: PathBuf,
    agent: PathBuf,
    seconds: u64,
    rank: String,
    tasks: Vec<Task>,
}

impl Stage {
    fn build(options: &Options, tasks: Vec<Task>) -> Outcome<Stage> {
        let bd = Bd::real(&options.bd).ok_or_else(|| {
            format!(
                "bd {} is not in the cache: run `cargo xtask tools`",
                options.bd
            )
        })?;
        let mesh = built("mesh", "mesh")?;
        let tracker = TrackerRepo::new(&bd);
        let place = tracker
            .root()
            .parent()
            .ok_or("the repository has no parent")?
            .to_path_buf();
        let jj = tools::path_in_cache("jj", tools::JJ_VERSION);
        let mut init = Command::new(&jj);
        init.args(["git", "init", "--colocate", "--quiet"])
            .current_dir(tracker.root())
            .env("HOME", tracker.home());
        capture(&mut init, Duration::from_secs(60))?.checked("jj git init")?;
        let beads: Vec<NewTask> = tasks.iter().map(new_task).collect();
        let epic = tracker.epic_with("A real epic", &beads);
        let agent = place.join("agent.sh");
        fs_err::write(&agent, AGENT)?;
        make_executable(&agent)?;
        // Agents work in a sandbox as those of a user do; only their log is let through.
        let log = place.join("agents.log");
        fs_err::write(&log, "")?;
        fs_err::create_dir_all(tracker.root().join(".mesh"))?;
        fs_err::write(
            tracker.root().join(".mesh/config.toml"),
            format!("[sandbox]\nwrite = [{log:?}]\n"),
        )?;
        Ok(Stage {
            epic,
            mesh,
            log,
            agent,
            seconds: options.seconds,
            rank: options.rank.clone(),
            tasks,
            tracker,
        })
    }

    fn mesh(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.mesh);
        command
            .args(args)
            .current_dir(self.tracker.root())
            .env_clear();
        for (name, value) in self.tracker.env().iter() {
            command.env(name, value);
        }
        let bd = tools::path_in_cache("bd", &self.tracker.tool().version);
        let jj = tools::path_in_cache("jj", tools::JJ_VERSION);
        let folders = [bd.parent(), jj.parent()]
            .into_iter()
            .flatten()
            .map(|folder| folder.display().to_string());
        let ours = std::env::var("PATH").unwrap_or_default();
        let path = folders.chain([ours]).collect::<Vec<_>>().join(":");
        command.env("PATH", path).stdin(Stdio::null());
        command
    }

    fn run_args(&self) -> Vec<String> {
        let agent = format!(
            "env BENCH_LOG={} BENCH_SECONDS={} {}",
            self.log.display(),
            self.seconds,
            self.agent.display()
        );
        let cap = CONCURRENCY.to_string();
        [
            "run",
            &self.epic.id,
            "--concurrency",
            &cap,
            "--rank",
            &self.rank,
            "--yes",
            "--json",
            "--agent-command",
            &agent,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn start_run(&self) -> Command {
        let args = self.run_args();
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        self.mesh(&words)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.seconds * 24 + 300)
    }

    fn run_epic(&self) -> Outcome<Value> {
        let answer = capture(&mut self.start_run(), self.limit())?;
        Ok(serde_json::from_str(&answer.checked("mesh run")?)?)
    }

    /// The ideal_makespan: the plan as mesh shows it, with the agents' duration, in the best of many random orders.
    fn best_schedule(&self, seconds: u64) -> Outcome<f64> {
        let answer = capture(
            &mut self.mesh(&["plan", &self.epic.id, "--json", "-n", "6"]),
            Duration::from_secs(120),
        )?;
        let plan: Value = serde_json::from_str(&answer.checked("mesh plan")?)?;
        let best = super::ideal_makespan::best(&plan, CONCURRENCY, SCHEDULES, seconds * 1000)?;
        Ok(best as f64 / 1000.0)
    }

    /// Kills the coordinator when about half of the agents have started, then resumes.
    fn run_with_killed_coordinator(&self, seconds: u64) -> Outcome<Value> {
        let mut child = self
            .start_run()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.wait_for_starts(&mut child, 10, seconds)?;
        child.kill()?;
        child.wait()?;
        println!(
            "killed the coordinator with {} agents started",
            self.starts()?
        );
        let answer = capture(&mut self.mesh(&["resume", "--json"]), self.limit())?;
        print!(
            "{}",
            answer
                .stderr
                .lines()
                .filter(|line| line.contains("adopted"))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        );
        Ok(serde_json::from_str(&answer.checked("mesh resume")?)?)
    }

    /// Kills one shim in the middle; the coordinator has to find its tree and to end it.
    fn run_with_killed_shim(&self, seconds: u64) -> Outcome<Value> {
        let mut child = self
            .start_run()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        self.wait_for_starts(&mut child, 8, seconds)?;
        let shim = self.living_shim()?.ok_or("no shim lives")?;
        capture(
            Command::new("kill").args(["-KILL", &shim.to_string()]),
            Duration::from_secs(10),
        )?
        .checked("kill")?;
        println!("killed the shim {shim}");
        let output = child.wait_with_output()?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn copy_journal(&self, to: &Path) -> Outcome<()> {
        for journal in find_files(&self.tracker.root().join(".mesh/runs"), "journal.jsonl")? {
            fs_err::copy(journal, to)?;
        }
        Ok(())
    }

    fn wait_for_starts(&self, child: &mut Child, count: usize, seconds: u64) -> Outcome<()> {
        let deadline = Instant::now() + Duration::from_secs(seconds * 10 + 120);
        while self.starts()? < count {
            if let Some(status) = child.try_wait()? {
                return Err(format!("mesh ended early with {status}").into());
            }
            if Instant::now() > deadline {
                return Err("the agents did not start in time".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// When the last agent ended, in Unix milliseconds.
    fn last_end(&self) -> Outcome<Option<u64>> {
        let entries = self.entries()?;
        let ends = entries.iter().filter(|entry| entry.what == "end");
        Ok(ends.map(|entry| entry.at).max())
    }

    fn starts(&self) -> Outcome<usize> {
        Ok(self
            .entries()?
            .iter()
            .filter(|entry| entry.what == "start")
            .count())
    }

    fn living_shim(&self) -> Outcome<Option<u64>> {
        for record in find_files(&self.tracker.root().join(".mesh/runs"), "shim.json")? {
            let value: Value = serde_json::from_slice(&fs_err::read(&record)?)?;
            let ended = record.with_file_name("exit.json").exists();
            if let (false, Some(pid)) = (ended, value["identity"]["pid"].as_u64()) {
                return Ok(Some(pid));
            }
        }
        Ok(None)
    }

    fn entries(&self) -> Outcome<Vec<Entry>> {
        let text = fs_err::read_to_string(&self.log)?;
        Ok(text.lines().filter_map(Entry::parse).collect())
    }

    /// Everything of the user's in the repository, by content.
    fn user_files(&self) -> Outcome<BTreeMap<PathBuf, Vec<u8>>> {
        let root = self.tracker.root();
        let mut files = BTreeMap::new();
        for path in find_files(&root, "")? {
            let inside = path.strip_prefix(&root)?.to_path_buf();
            let ours = [".beads", ".mesh", ".git", ".jj", ".beads.gate.lock"]
                .iter()
                .any(|name| inside.starts_with(name));
            if !ours {
                files.insert(inside, fs_err::read(&path)?);
            }
        }
        Ok(files)
    }
}

fn new_task(task: &Task) -> NewTask {
    let key = task.id.as_str();
    let needs: Vec<&str> = task.needs.iter().map(TaskId::as_str).collect();
    let bead = NewTask::new(key, &needs).description(&format!(
        "Write the file out/{key} (key={key}).\n\nVerify: test -s out/{key}"
    ));
    let locks = task.locks.texts();
    locks.fold(bead, |bead, lock| bead.label(&format!("mesh-lock:{lock}")))
}

fn make_executable(path: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Files below `root` with this name, or all when the name is empty. Links are not followed.
fn find_files(root: &Path, name: &str) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && (name.is_empty() || entry.file_name() == name) {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}
