//! What one outside call was, for the call log. It carries facts and keeps none.

use std::sync::Arc;

/// One finished call of `bd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The program and every argument, in full.
    pub argv: Vec<String>,
    /// When it started: milliseconds since 1970.
    pub started_unix_ms: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// How it ended.
    pub outcome: CallOutcome,
}

/// How a call ended. An exit code of 0 does not mean that bd did what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// It ended by itself.
    Exited {
        /// The exit code.
        code: i32,
        /// Bytes on stdout.
        stdout_bytes: u64,
        /// Bytes on stderr.
        stderr_bytes: u64,
    },
    /// A signal ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It was killed at its time limit.
    TimedOut,
    /// It was killed at its output limit.
    TooMuchOutput,
    /// It never ran.
    CouldNotStart {
        /// The system's reason.
        cause: String,
    },
}

/// Hears of every call after it ended, on the thread that made it.
pub type Observer = Arc<dyn Fn(&CallRecord) + Send + Sync>;

/// An observer that ignores what it hears.
#[must_use]
pub fn unobserved() -> Observer {
    Arc::new(|_| {})
}
