//! Agents that read the tracker in a loop, writers that write to it all the time, and a look whether what was read makes sense.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use mesh_bd::view::{self, MESH_VIEW, Views};
use mesh_proc::env::Env;
use mesh_proc::run::{Command, Output, RunError, run};
use mesh_proc::shim::NICENESS;
use serde_json::Value;

use crate::tracker::{Bd, TrackerRepo};

/// Longer than any read takes, even beside many others.
const READ_LIMIT: Duration = Duration::from_secs(120);
/// How long a snapshot may wait for the tracker to be still.
const PICTURE_LIMIT: Duration = Duration::from_secs(30);
/// Longer than any loop should need.
const LOOP_LIMIT: Duration = Duration::from_secs(300);
/// Words in a description: more than a database page of text, so that a torn copy shows in it.
const WORDS: usize = 400;

/// What a reader reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// The tracker itself.
    Live(PathBuf),
    /// A view.
    View(PathBuf),
}

/// One call of the wrapper at `wrapper` in front of the real `bd`, with an agent's priority.
///
/// # Errors
/// When it cannot be started, hangs or floods.
pub fn read(
    wrapper: &Path,
    bd: &Path,
    reads: &Reads,
    home: &Path,
    args: &[&str],
) -> Result<Output, RunError> {
    let mut env = Env::keep(&["PATH", "LANG", "TMPDIR"])
        .set("HOME", home)
        .set("MESH_BD", bd);
    match reads {
        Reads::Live(beads) => env.insert("BEADS_DIR", beads),
        Reads::View(view) => env.insert(MESH_VIEW, view),
    }
    let command = Command::new("nice")
        .arg("-n")
        .arg(NICENESS.to_string())
        .arg(wrapper)
        .args(args.iter().copied())
        .cwd(home)
        .env(env);
    run(&command.timeout(READ_LIMIT))
}

/// Views of `repo` that are as fresh as they can be: a snapshot for every question after a write, not on any queue.
///
/// # Panics
/// When they cannot be set up.
pub fn eager_views(repo: &TrackerRepo) -> Views {
    let options = view::Options {
        pause: Duration::ZERO,
        pause_factor: 0,
        ..view::Options::new(repo.beads_dir(), repo.home().join("view"), u64::MAX)
    };
    let live = repo.beads_dir();
    let take = move |to: &Path| (view::take(&live, to, PICTURE_LIMIT), Duration::ZERO);
    Views::start(options, Box::new(take)).expect("views")
}

#[derive(Default)]
struct Tally {
    stop: bool,
    rounds: usize,
    problems: Vec<String>,
}

/// Threads that do something again and again until they are told to stop.
pub struct Loop {
    tally: Arc<(Mutex<Tally>, Condvar)>,
    threads: Vec<JoinHandle<()>>,
}

impl Loop {
    /// One thread for each of `works`; a round that fails gives a sentence.
    pub fn start<W>(works: impl IntoIterator<Item = W>) -> Loop
    where
        W: FnMut() -> Result<(), String> + Send + 'static,
    {
        let tally = Arc::new((Mutex::new(Tally::default()), Condvar::new()));
        let threads = works.into_iter().map(|mut work| {
            let tally = Arc::clone(&tally);
            std::thread::spawn(move || {
                while !lock(&tally.0).stop {
                    let problem = work().err();
                    let mut there = lock(&tally.0);
                    there.rounds += 1;
                    there.problems.extend(problem);
                    tally.1.notify_all();
                }
            })
        });
        let threads = threads.collect();
        Loop { tally, threads }
    }

    /// Waits until all threads together have made `rounds`.
    ///
    /// # Panics
    /// When that takes longer than anything should.
    pub fn wait_for(&self, rounds: usize) {
        let waits = |tally: &mut Tally| tally.rounds < rounds;
        let waited = self
            .tally
            .1
            .wait_timeout_while(lock(&self.tally.0), LOOP_LIMIT, waits);
        let (tally, ended) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(
            !ended.timed_out(),
            "{} rounds of {rounds}; {:?}",
            tally.rounds,
            tally.problems
        );
    }

    /// Ends it after the rounds that are under way; gives their number and what went wrong in them.
    ///
    /// # Panics
    /// When a thread has.
    pub fn end(self) -> (usize, Vec<String>) {
        lock(&self.tally.0).stop = true;
        for thread in self.threads {
            thread.join().expect("a round does not panic");
        }
        let mut tally = lock(&self.tally.0);
        (tally.rounds, std::mem::take(&mut tally.problems))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What reading under constant writing came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TornReads {
    /// Reads that were made.
    pub reads: usize,
    /// Different snapshots among them.
    pub snapshots: usize,
    /// Writes that were made meanwhile.
    pub writes: usize,
    /// Reads that failed or did not make sense, with what came.
    pub torn: Vec<String>,
}

/// Reads `reads` times through views while two writers create issues without a pause, on the real `bd`.
///
/// Every read asks for a fresh snapshot, and writers do not wait for it: they are not on the coordinator's queue.
///
/// # Panics
/// When the tracker or the views cannot be set up, or no issue can be written.
pub fn torn_reads(bd: &Bd, wrapper: &Path, reads: usize) -> TornReads {
    let repo = TrackerRepo::new(bd);
    write_issue(&repo, "first", 1).expect("the first issue");
    let views = eager_views(&repo);
    let folder = Reads::View(views.open("reader.1").expect("a view"));
    let repo = Arc::new(repo);
    let writers = Loop::start(["left", "right"].map(|name| {
        let repo = Arc::clone(&repo);
        let mut number = 0;
        move || {
            write_issue(&repo, name, number + 1)?;
            number += 1;
            Ok(())
        }
    }));
    let mut told = TornReads::default();
    let mut seen = BTreeMap::new();
    let mut before = 0;
    for _ in 0..reads {
        told.reads += 1;
        let args = ["list", "--json", "--all", "--limit", "0"];
        let answer = read(wrapper, &bd.program, &folder, &repo.home(), &args)
            .map_err(|error| error.to_string())
            .and_then(|output| count_issues(&output, &mut seen));
        match answer {
            Ok(count) => {
                told.snapshots += usize::from(count != before);
                before = count;
            }
            Err(problem) => told.torn.push(problem),
        }
    }
    let (rounds, refused) = writers.end();
    // A writer that finds the database locked by the other one tries again; that is theirs, not the reader's.
    told.writes = rounds - refused.len();
    views.end();
    told
}

fn write_issue(repo: &TrackerRepo, writer: &str, number: usize) -> Result<(), String> {
    let title = format!("{writer} {number}");
    let text = description(&title);
    let output = repo.bd(&["create", &title, "--description", &text, "--json"]);
    if output.status.is_success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A long text that only this title has.
fn description(title: &str) -> String {
    vec![title.replace(' ', "-"); WORDS].join(" ")
}

/// The number of issues, if the answer is whole: each writer's issues without a gap, each with the text that its title asks for.
fn count_issues(output: &Output, seen: &mut BTreeMap<String, usize>) -> Result<usize, String> {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned();
    if !output.status.is_success() {
        return Err(format!(
            "{}: {} {}",
            output.status,
            shown(&output.stdout),
            shown(&output.stderr)
        ));
    }
    let issues: Vec<Value> = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", shown(&output.stdout)))?;
    let mut numbers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for issue in &issues {
        let title = issue["title"].as_str().unwrap_or_default();
        let (writer, number) = title
            .split_once(' ')
            .ok_or_else(|| format!("an issue without title: {issue}"))?;
        if issue["description"].as_str() != Some(&description(title)) {
            return Err(format!("{title} has another description"));
        }
        let number = number.parse().map_err(|_| format!("title {title:?}"))?;
        numbers.entry(writer.to_owned()).or_default().push(number);
    }
    for (writer, mut there) in numbers {
        there.sort_unstable();
        there.dedup();
        let wanted: Vec<usize> = (1..=there.len()).collect();
        // A create that failed after it was written is made again under the same title.
        if there != wanted {
            return Err(format!("of {writer} there are only {there:?}"));
        }
        let most = seen.entry(writer.clone()).or_default();
        if there.len() < *most {
            return Err(format!("{writer} went back from {most} to {}", there.len()));
        }
        *most = there.len();
    }
    Ok(issues.len())
}
