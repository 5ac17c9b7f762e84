//! `calls.jsonl`: every call of an outside program, for people who ask what mesh did and how long it took.
//!
//! Nothing is decided by it and it survives no loss of power; it must never stop a run. Above a size it says so and ends.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use fs_err::{File, OpenOptions};
use serde::{Deserialize, Serialize};

use crate::append::RawLines;
use crate::wire::{from_line, to_line};

/// The size at which the log ends, unless told otherwise.
pub const DEFAULT_LIMIT_BYTES: u64 = 64 << 20;

/// Longest argument that is written in full; the rest of a longer one is counted.
const MAX_ARGUMENT_BYTES: usize = 2048;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Where it ran, if that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// When it started, in Unix milliseconds.
    pub started_unix_ms: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// How it ended.
    pub outcome: CallOutcome,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CallOutcome {
    /// With exit code 0 and an answer that says what it should.
    Ok,
    /// Any other way.
    Failed {
        /// What was wrong, in a few words.
        problem: String,
    },
}

#[derive(Serialize)]
struct CallWire<'a> {
    argv: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    started_unix_ms: u64,
    elapsed_ms: u64,
    outcome: &'a CallOutcome,
}

#[derive(Serialize)]
struct FullWire {
    full: bool,
}

/// How many calls of a program there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallCounts {
    /// All.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
}

/// An open log; threads share it.
#[derive(Debug)]
pub struct CallLog {
    inner: Mutex<Inner>,
    path: PathBuf,
}

#[derive(Debug)]
struct Inner {
    file: File,
    size: u64,
    limit: u64,
    full: bool,
}

impl CallLog {
    /// Opens the log at `path`, or begins it. It ends at `limit_bytes`.
    ///
    /// # Errors
    /// Whatever the file system says, with the file named.
    pub fn open(path: &Path, limit_bytes: u64) -> io::Result<CallLog> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let size = file.metadata()?.len();
        let last = last_line().len() as u64;
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(size.saturating_sub(last)))?;
        Read::by_ref(&mut file).take(last).read_to_end(&mut tail)?;
        let inner = Inner {
            file,
            size,
            limit: limit_bytes,
            full: tail == last_line().as_bytes(),
        };
        Ok(CallLog {
            inner: Mutex::new(inner),
            path: path.to_owned(),
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one call as one line.
    ///
    /// # Errors
    /// Whatever the file system says; the caller says so once and goes on.
    pub fn record(&self, call: &Call) -> io::Result<()> {
        let outcome = match &call.outcome {
            CallOutcome::Failed { problem } => CallOutcome::Failed {
                problem: shortened(problem),
            },
            CallOutcome::Ok => CallOutcome::Ok,
        };
        let mut line = to_line(&CallWire {
            argv: call
                .argv
                .iter()
                .map(|argument| shortened(argument))
                .collect(),
            cwd: call.cwd.as_deref(),
            started_unix_ms: call.started_unix_ms,
            elapsed_ms: call.elapsed_ms,
            outcome: &outcome,
        });
        line.push('\n');
        // A thread that panicked while it wrote a line cannot have left the counters wrong in a way that matters here.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.full {
            return Ok(());
        }
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if inner.size.saturating_add(length) > inner.limit {
            inner.full = true;
            line = last_line();
        }
        inner.size = inner.size.saturating_add(length);
        inner.file.write_all(line.as_bytes())
    }
}

/// What a full log ends with.
fn last_line() -> String {
    to_line(&FullWire { full: true }) + "\n"
}

fn shortened(argument: &str) -> String {
    if argument.len() <= MAX_ARGUMENT_BYTES {
        return argument.to_owned();
    }
    let boundary = |at: &usize| argument.is_char_boundary(*at);
    let cut = (0..=MAX_ARGUMENT_BYTES).rev().find(boundary).unwrap_or(0);
    format!("{}… {} bytes more", &argument[..cut], argument.len() - cut)
}

/// Counts the calls of `program` (by the name of its file) in the log at `path`; none when there is no log. Lines that cannot be
/// read are passed over.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn count(path: &Path, program: &str) -> io::Result<CallCounts> {
    let mut counts = CallCounts::default();
    let mut lines = match RawLines::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(counts),
        lines => lines?,
    };
    while let Some(line) = lines.next_line()? {
        let Ok(call) = from_line::<Call>(&line.bytes) else {
            continue;
        };
        let name = call.argv.first().map(Path::new).and_then(Path::file_name);
        if name.is_some_and(|name| name == program) {
            counts.calls += 1;
            counts.failures += u64::from(call.outcome != CallOutcome::Ok);
        }
    }
    Ok(counts)
}

#[cfg(test)]
#[path = "call_log_test.rs"]
mod tests;
