//! Every way in which a short command gives no answer.

#[cfg(doc)]
use super::Output;
use super::Stream;
use crate::find::FindError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// Why there is no [`Output`].
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no such program.
    #[error(transparent)]
    NotFound {
        /// Which, and where it was looked for.
        #[from]
        problem: FindError,
    },
    /// The working directory is missing. The system reports this in the same words as a missing program, so it is asked first.
    #[error("the folder {} does not exist, so `{command}` was not started", .folder.display())]
    NoFolder {
        /// The working directory that was asked for.
        folder: PathBuf,
        /// The command line.
        command: String,
    },
    /// The time limit came first; the command and all below it were ended.
    #[error("`{command}` took longer than {} s and was ended{}", .elapsed.as_secs(), last_words(.stderr))]
    TimedOut {
        /// The command line.
        command: String,
        /// From the start until it was known dead.
        elapsed: Duration,
        /// What it had written to stdout, up to the limit.
        stdout: Vec<u8>,
        /// What it had written to stderr, up to the limit.
        stderr: Vec<u8>,
    },
    /// It wrote more than its limit; if it still ran it was ended.
    #[error("`{command}` wrote more than {limit_bytes} bytes to {stream}")]
    TooMuchOutput {
        /// The command line.
        command: String,
        /// Which stream was too much.
        stream: Stream,
        /// How much was allowed.
        limit_bytes: u64,
        /// From the start until it was known dead.
        elapsed: Duration,
        /// The first bytes of stdout, up to the limit.
        stdout: Vec<u8>,
        /// The first bytes of stderr, up to the limit.
        stderr: Vec<u8>,
    },
    /// The system refused something: starting it, or a temporary file.
    #[error("`{command}` could not be run: {source}")]
    Io {
        /// The command line.
        command: String,
        /// What the system said.
        source: io::Error,
    },
}

impl RunError {
    /// How long the command ran; zero when it never did.
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::TimedOut { elapsed, .. } | Self::TooMuchOutput { elapsed, .. } => *elapsed,
            Self::NotFound { .. } | Self::NoFolder { .. } | Self::Io { .. } => Duration::ZERO,
        }
    }
}

fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("; its last words: {}", line.trim()),
        None => String::new(),
    }
}
