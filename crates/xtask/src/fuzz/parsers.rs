//! Every parser of files that others write: none panics, takes long or takes much memory, whatever the file holds.
//!
//! The parsers run without optimisation, so that a sum that overflows is seen.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::mutate::Mutator;
use super::targets::{TARGETS, Target};
use crate::Outcome;
use crate::args::UsageError;

/// The longest that one input may take. Far above what the largest takes on a busy machine.
const CASE_LIMIT: Duration = Duration::from_secs(30);

/// How often an input that takes long is looked at for time and memory.
const LOOK: Duration = Duration::from_millis(100);

/// The most memory that the whole may have taken, in KiB.
const MOST_KIB: u64 = 2 << 20;

/// How long inputs are tried.
#[derive(Clone, Copy)]
pub(super) struct Until {
    pub cases: Option<u64>,
    pub time: Option<Duration>,
}

/// Tries the parsers of this name.
pub(super) fn run(name: &str, until: Until, seed: u64) -> Outcome<ExitCode> {
    let is_meant = |target: &&Target| name == "parsers" || name == target.name;
    let targets: Vec<&Target> = TARGETS.iter().filter(is_meant).collect();
    if targets.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        return Err(UsageError(format!(
            "fuzz needs a name: ro, parsers, {}",
            names.join(", ")
        ))
        .into());
    }
    // As many side by side as there are processors.
    let width = std::thread::available_parallelism().map_or(1, NonZero::get);
    let queue = Mutex::new(targets.into_iter());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut sound = true;
        while let Some(target) = take() {
            match try_all(target, until, seed) {
                Ok(cases) => println!("{}: {cases} inputs, seed {seed}", target.name),
                Err(failure) => {
                    println!("FAILED: {}: {failure}", target.name);
                    sound = false;
                }
            }
        }
        sound
    };
    let sound = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..width).map(|_| scope.spawn(work)).collect();
        let mut ends = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(false));
        ends.all(|sound| sound)
    });
    println!("memory: {} MiB at most", peak_kib().unwrap_or(0) >> 10);
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How many inputs were tried.
///
/// # Errors
/// One that was bad, as a sentence.
fn try_all(target: &'static Target, until: Until, seed: u64) -> Result<u64, String> {
    let corpus = target.corpus().map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let place = folder.path().to_path_buf();
    let current = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&current);
    let (done, each) = sync_channel(0);
    let began = Instant::now();
    let worker = std::thread::spawn(move || -> std::io::Result<()> {
        let mut mutator = Mutator::new(seed, corpus.clone());
        // First the corpus itself.
        let mut inputs = corpus.into_iter();
        loop {
            let input = inputs.next().unwrap_or_else(|| mutator.next_input());
            input.clone_into(&mut shown.lock().unwrap_or_else(PoisonError::into_inner));
            (target.read)(&place, &input)?;
            if done.send(()).is_err() {
                return Ok(());
            }
        }
    });
    let mut cases = 0;
    let mut case_began = began;
    let problem = loop {
        let has_ended = match each.recv_timeout(LOOK) {
            Ok(()) => {
                cases += 1;
                case_began = Instant::now();
                true
            }
            Err(RecvTimeoutError::Timeout) if case_began.elapsed() >= CASE_LIMIT => {
                break Some("it takes too long".to_owned());
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                break match worker.join() {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("it panics".to_owned()),
                };
            }
        };
        if peak_kib()? > MOST_KIB {
            break Some(format!(
                "more than {} MiB of memory were taken, by it or by a parser beside it",
                MOST_KIB >> 10
            ));
        }
        let enough = until.cases.is_some_and(|most| cases >= most)
            || until.time.is_some_and(|time| began.elapsed() >= time);
        // An input that is still being read may be the one that takes too long.
        if enough && has_ended {
            break None;
        }
    };
    let Some(problem) = problem else {
        return Ok(cases);
    };
    let input = current
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let path = keep(&input).map_err(|error| error.to_string())?;
    Err(format!("{problem}; the input is in {}", path.display()))
}

fn keep(input: &[u8]) -> Outcome<PathBuf> {
    let mut kept = tempfile::Builder::new();
    let (_, path) = kept.prefix("fuzz-").tempfile()?.keep()?;
    fs_err::write(&path, input)?;
    Ok(path)
}

/// The most memory that this process has had.
fn peak_kib() -> Result<u64, String> {
    let status = fs_err::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| "/proc/self/status does not say VmHWM".to_owned())
}
