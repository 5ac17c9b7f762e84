//! The one place where a `bd` process is started. It gives back what came; it does not judge it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mesh_proc::run;

use crate::audit::MAX_INLINE_BYTES;
use crate::client::Client;
use crate::commands::short_name;
use crate::error::{BdError, excerpt};
use crate::record::{CallOutcome, CallRecord};
use crate::wire::{self, ParseError};

/// Between SIGTERM, on which bd finishes what it has begun to commit, and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// A call that is about to be made.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub argv: Vec<String>,
    pub writes: bool,
}

impl Call {
    pub(crate) fn read(argv: Vec<String>) -> Call {
        Call {
            argv,
            writes: false,
        }
    }

    pub(crate) fn write(argv: Vec<String>) -> Call {
        Call { argv, writes: true }
    }
}

/// What a call that ended by itself left.
#[derive(Debug, Clone)]
pub(crate) struct CallOutput {
    pub command: String,
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl CallOutput {
    /// What bd said about its failure: the error object on stdout, else the first line on stderr that is no warning (1.3.0 and
    /// 1.0.5 warn on each call when `.beads` may be read by others, as in every clone), else stdout.
    pub(crate) fn error_text(&self) -> String {
        let is_reason =
            |line: &&[u8]| !line.is_empty() && !line.to_ascii_lowercase().starts_with(b"warning:");
        let mut lines = self.stderr.split(|byte| *byte == b'\n').filter(is_reason);
        wire::error_text(&self.stdout)
            .map(|text| excerpt(text.as_bytes()))
            .or_else(|| lines.next().map(excerpt))
            .unwrap_or_else(|| excerpt(&self.stdout))
    }

    /// The first line that has `words`, shortened.
    pub(crate) fn line_with(&self, words: &str) -> Option<String> {
        self.all_text()
            .lines()
            .find(|line| line.contains(words))
            .map(|line| excerpt(line.as_bytes()))
    }

    /// Everything it said, for a search.
    pub(crate) fn all_text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.stdout).into_owned();
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&self.stderr));
        text
    }

    pub(crate) fn unreadable(&self, parse_error: ParseError) -> BdError {
        let got = if self.stdout.iter().all(u8::is_ascii_whitespace) {
            excerpt(&self.stderr)
        } else {
            parse_error.got
        };
        BdError::Unreadable {
            command: self.command.clone(),
            looked_for: parse_error.looked_for,
            got,
        }
    }

    pub(crate) fn failed(&self) -> BdError {
        BdError::Failed {
            command: self.command.clone(),
            code: self.code,
            text: self.error_text(),
        }
    }
}

/// Texts by which bd and its database say that somebody else is at it (1213 and 1205 are Dolt's serialization errors).
const BUSY: [&str; 6] = [
    "database is locked",
    "exclusive lock",
    "serialization failure",
    "Error 1213",
    "Error 1205",
    "try restarting transaction",
];

impl Client {
    /// Makes the call and tells the observer. Ends that say nothing about the request (busy, killed, flooded) are errors here.
    pub(crate) fn call_once(&self, call: &Call) -> Result<CallOutput, BdError> {
        let command = short_name(&call.argv);
        check_arguments(&call.argv, &command)?;
        let limit = if call.writes {
            self.limits.write
        } else {
            self.limits.read
        };
        let output = self.start(call, command, limit)?;
        let text = if output.code == 0 {
            String::new()
        } else {
            output.all_text()
        };
        match BUSY.iter().any(|busy| text.contains(busy)) {
            true => Err(BdError::Busy {
                command: output.command.clone(),
                text: output.error_text(),
            }),
            false => Ok(output),
        }
    }

    fn start(&self, call: &Call, command: String, limit: Duration) -> Result<CallOutput, BdError> {
        let limits = run::Limits {
            timeout: limit,
            grace: GRACE,
            stdout_bytes: self.limits.output_bytes,
            stderr_bytes: self.limits.output_bytes,
        };
        let process = run::Command::new(&self.program)
            .args(&call.argv)
            .cwd(&self.repo_root)
            .env(self.env.clone())
            .limits(limits);
        let started = SystemTime::now();
        let began = Instant::now();
        let result = run::run(&process);
        self.tell(call, started, began.elapsed(), outcome(&result));
        match result {
            Ok(output) => match output.status {
                run::Status::Exited(code) => Ok(CallOutput {
                    command,
                    code,
                    stdout: output.stdout,
                    stderr: output.stderr,
                }),
                run::Status::Signaled(signal) => Err(BdError::Died {
                    command,
                    how: format!("signal {signal}"),
                }),
            },
            Err(run::RunError::TimedOut { .. }) => Err(BdError::TimedOut {
                command,
                limit_ms: millis(limit),
            }),
            Err(run::RunError::TooMuchOutput { limit_bytes, .. }) => Err(BdError::TooMuchOutput {
                command,
                limit_bytes,
            }),
            Err(run::RunError::NotFound { problem }) => {
                Err(self.could_not_start(problem.to_string()))
            }
            Err(run::RunError::NoFolder { folder, .. }) => {
                Err(self.could_not_start(format!("the folder {} does not exist", folder.display())))
            }
            Err(run::RunError::Io { source, .. }) => Err(self.could_not_start(source.to_string())),
        }
    }

    fn could_not_start(&self, cause: String) -> BdError {
        BdError::CouldNotStart {
            program: self.program.clone(),
            cause,
        }
    }

    fn tell(&self, call: &Call, started: SystemTime, elapsed: Duration, outcome: CallOutcome) {
        let mut argv = vec![self.program.to_string_lossy().into_owned()];
        argv.extend(call.argv.iter().cloned());
        let since_1970 = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = CallRecord {
            argv,
            started_unix_ms: millis(since_1970),
            elapsed_ms: millis(elapsed),
            outcome,
        };
        tracing::debug!(command = short_name(&call.argv), elapsed_ms = record.elapsed_ms, outcome = ?record.outcome, "bd");
        (self.observer)(&record);
    }
}

fn outcome(result: &Result<run::Output, run::RunError>) -> CallOutcome {
    match result {
        Ok(output) => match output.status {
            run::Status::Exited(code) => CallOutcome::Exited {
                code,
                stdout_bytes: output.stdout.len() as u64,
                stderr_bytes: output.stderr.len() as u64,
            },
            run::Status::Signaled(signal) => CallOutcome::Signalled { signal },
        },
        Err(run::RunError::TimedOut { .. }) => CallOutcome::TimedOut,
        Err(run::RunError::TooMuchOutput { .. }) => CallOutcome::TooMuchOutput,
        Err(failure) => CallOutcome::CouldNotStart {
            cause: failure.to_string(),
        },
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Linux takes no zero byte and no single argument of 128 KiB or more.
fn check_arguments(argv: &[String], command: &str) -> Result<(), BdError> {
    let refuse = |what: String| {
        Err(BdError::BadArgument {
            command: command.to_owned(),
            what,
        })
    };
    for argument in argv {
        if argument.contains('\0') {
            return refuse("a text with a zero byte cannot be handed to a program".to_owned());
        }
        if argument.len() > MAX_INLINE_BYTES + 1024 {
            return refuse(format!(
                "a text of {} bytes is too long for a command line",
                argument.len()
            ));
        }
    }
    Ok(())
}
