//! Every parser of files that others write: none panics, takes long or takes much memory, whatever the file holds.
//!
//! The parsers run without optimisation, so that a sum that overflows is seen.

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mesh_agent::profile::Protocol;
use mesh_core::time::Millis;
use mesh_plan::csv;
use mesh_plan::list::{self, Choice, Format};
use mesh_plan::st;

use super::mutate::Mutator;
use crate::args::UsageError;
use crate::{Outcome, repository};

/// The longest that one input may take. Far above what the largest takes on a busy machine.
const CASE_LIMIT: Duration = Duration::from_secs(60);

/// The most memory that the whole may have taken, in KiB.
const MOST_KIB: u64 = 2 << 20;

/// How long inputs are tried.
#[derive(Clone, Copy)]
pub(super) struct Until {
    pub cases: Option<u64>,
    pub time: Option<Duration>,
}

/// A parser, and where plain inputs for it lie: folders of the fixtures and ends of names.
struct Target {
    name: &'static str,
    corpus: &'static [(&'static str, &'static str)],
    /// Reads the bytes; those that are read from files are put into the folder first.
    read: fn(&Path, &[u8]) -> std::io::Result<()>,
}

const TARGETS: [Target; 7] = [
    Target {
        name: "list",
        corpus: &[("lists", "md"), ("lists", "yaml"), ("invalid/list", "md")],
        read: read_list,
    },
    Target {
        name: "yaml",
        corpus: &[("lists", "yaml"), ("invalid/list", "yaml")],
        read: read_yaml,
    },
    Target {
        name: "st",
        corpus: &[("plans/valid", "jsonl"), ("invalid/st", "jsonl")],
        read: read_st,
    },
    Target {
        name: "csv",
        corpus: &[("invalid/csv", "csv")],
        read: read_csv,
    },
    Target {
        name: "config",
        corpus: &[("configs/valid", "toml"), ("configs/invalid", "toml")],
        read: read_config,
    },
    Target {
        name: "agents",
        corpus: &[("agents", "jsonl")],
        read: read_agents,
    },
    Target {
        name: "journal",
        corpus: &[("journals/v1", "jsonl"), ("journals/v2", "jsonl")],
        read: read_journal,
    },
];

fn read_list(_: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let document = list::read("tasks.md", bytes, Format::Markdown);
    if let Ok(list) = list::choose(document, Choice::default()) {
        // What it makes of the document is a document that says the same.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let _ = list.with_statuses(text, &Default::default());
        let _ = list.snapshot.plan(&Default::default());
    }
    let _ = list::draft(&String::from_utf8_lossy(bytes));
    Ok(())
}

fn read_yaml(_: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let _ = list::is_yaml(bytes);
    let document = list::read("tasks.yaml", bytes, Format::Yaml);
    if let Ok(list) = list::choose(document, Choice::default()) {
        let _ = list.snapshot.plan(&Default::default());
    }
    Ok(())
}

fn read_st(_: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let _ = st::load("plan.jsonl", bytes).plan(&Default::default());
    Ok(())
}

fn read_csv(_: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    // The table of dependencies and the instruction are of the same person's hand.
    let input = csv::Input {
        name: "wave.csv",
        bytes,
        instruction: Some(&text),
        dependencies: Some(("deps.csv", bytes)),
    };
    let _ = csv::load(input).snapshot.plan(&Default::default());
    Ok(())
}

fn read_config(_: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let _ = mesh::config::is_valid(&String::from_utf8_lossy(bytes));
    Ok(())
}

fn read_agents(folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    fs_err::write(&stdout, bytes)?;
    fs_err::write(&stderr, bytes)?;
    let patterns = ["limit".to_owned()];
    let sources = mesh_agent::protocol::Sources {
        stdout: &stdout,
        stderr: &stderr,
        home: None,
        limit_patterns: &patterns,
        now_unix_ms: 0,
        moment: &Millis,
    };
    for protocol in [Protocol::Plain, Protocol::Codex, Protocol::Claude] {
        let _ = protocol.read_block(&stdout);
        let _ = protocol.explanation(&stdout);
        let _ = protocol.metered(&sources);
        let _ = protocol.session(&stdout);
        let _ = protocol.last_message(&stdout, 1000);
    }
    Ok(())
}

fn read_journal(folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let path = folder.join("journal.jsonl");
    fs_err::write(&path, bytes)?;
    let _ = mesh_journal::read_header(&path);
    let _ = mesh_journal::read(&path);
    Ok(())
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
    let mut sound = true;
    for target in targets {
        match try_all(target, until, seed) {
            Ok(cases) => println!("{}: {cases} inputs, seed {seed}", target.name),
            Err(failure) => {
                println!("FAILED: {}: {failure}", target.name);
                sound = false;
            }
        }
    }
    let kib = peak_kib()?;
    println!("memory: {} MiB at most", kib >> 10);
    if kib > MOST_KIB {
        println!("FAILED: that is more than {} MiB", MOST_KIB >> 10);
        sound = false;
    }
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
fn try_all(target: &'static Target, until: Until, seed: u64) -> Outcome<u64> {
    let corpus = corpus(target)?;
    let folder = tempfile::tempdir()?;
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
    let problem = loop {
        match each.recv_timeout(CASE_LIMIT) {
            Ok(()) => cases += 1,
            Err(RecvTimeoutError::Timeout) => break Some("it takes too long".to_owned()),
            Err(RecvTimeoutError::Disconnected) => {
                break match worker.join() {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("it panics".to_owned()),
                };
            }
        }
        let enough = until.cases.is_some_and(|most| cases >= most)
            || until.time.is_some_and(|time| began.elapsed() >= time);
        if enough {
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
    let mut kept = tempfile::Builder::new();
    let (_, path) = kept.prefix("fuzz-").tempfile()?.keep()?;
    fs_err::write(&path, input)?;
    Err(format!("{problem}; the input is in {}", path.display()).into())
}

fn corpus(target: &Target) -> Outcome<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for (folder, end) in target.corpus {
        let folder = repository().join("fixtures").join(folder);
        for entry in fs_err::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == *end) {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut corpus = Vec::new();
    for file in files {
        corpus.push(fs_err::read(file)?);
    }
    Ok(corpus)
}

/// The most memory that this process has had.
fn peak_kib() -> Outcome<u64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| "/proc/self/status does not say VmHWM".into())
}
