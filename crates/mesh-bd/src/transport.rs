//! One call of `bd`: process, environment, limits, exit code and error text, JSON envelope, errors that pass, call log.
//!
//! It knows no command and judges no answer: both belong to the dialects in [`crate::tracker`]. It must never repeat a write.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mesh_core::id::TaskId;
use mesh_proc::env::Env;
use mesh_proc::run::{self, Runner};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::audit::MAX_INLINE_BYTES;
use crate::error::{BdError, excerpt};

/// Between SIGTERM, on which bd finishes what it has begun to commit, and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// Texts by which bd and its database say that somebody else is at it (1213 and 1205 are Dolt's serialization errors).
const BUSY: [&str; 6] = [
    "database is locked",
    "exclusive lock",
    "serialization failure",
    "Error 1213",
    "Error 1205",
    "try restarting transaction",
];

/// Limits of a single call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A read is killed after this long.
    pub read: Duration,
    /// A write is killed after this long; longer, because looking whether it happened costs more than waiting.
    pub write: Duration,
    /// A call that writes more is killed. 2,000 issues are about 2 MB.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// A call takes up to 1.2 s on a tracker of 2,000 issues and up to 30 s beside eight readers (measured on bd 1.3.0), and
    /// bd waits for the database without a limit of its own.
    fn default() -> Limits {
        Limits {
            read: Duration::from_secs(60),
            write: Duration::from_secs(90),
            output_bytes: 64 * 1024 * 1024,
        }
    }
}

/// A call that is about to be made, argument by argument.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The command and its issue, without the texts: what a message may name.
    name: String,
    argv: Vec<String>,
    stdin: Option<String>,
    variables: Vec<(&'static str, OsString)>,
    writes: bool,
    /// Why it cannot be made.
    problem: Option<String>,
}

impl Call {
    /// A read, named by `command`.
    pub fn read(command: &[&str]) -> Call {
        let call = Call {
            name: command.join(" "),
            argv: Vec::new(),
            stdin: None,
            variables: Vec::new(),
            writes: false,
            problem: None,
        };
        call.words(command)
    }

    /// A write in the name of `actor`.
    pub fn write(actor: &str, command: &[&str]) -> Call {
        let mut call = Call::read(command);
        call.writes = true;
        call.argv
            .splice(0..0, ["--actor".to_owned(), actor.to_owned()]);
        call
    }

    /// Adds an issue. Ids go on the command line as they are, so one that looks like a flag makes the call impossible.
    pub fn id(mut self, id: &TaskId) -> Call {
        self.name = format!("{} {id}", self.name);
        self.ids(std::slice::from_ref(id))
    }

    /// Adds issues, which messages do not name.
    pub fn ids(mut self, ids: &[TaskId]) -> Call {
        for id in ids {
            if id.as_str().starts_with('-') {
                self.problem = Some(format!("{id} is no issue id"));
            }
            self.argv.push(id.to_string());
        }
        self
    }

    /// Adds arguments.
    pub fn words(mut self, words: &[&str]) -> Call {
        self.argv
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Adds the wish for JSON.
    pub fn json(self) -> Call {
        self.words(&["--json"])
    }

    /// Gives it `text` to read.
    pub fn stdin(mut self, text: String) -> Call {
        self.stdin = Some(text);
        self
    }

    /// Sets a variable of its environment.
    pub fn variable(mut self, name: &'static str, value: &OsStr) -> Call {
        self.variables.push((name, value.to_owned()));
        self
    }

    /// As it is, unless `problem` makes it impossible.
    pub fn unless(mut self, problem: Option<String>) -> Call {
        self.problem = self.problem.or(problem);
        self
    }

    /// Linux takes no zero byte and no single argument of 128 KiB or more.
    fn check(&self) -> Result<(), BdError> {
        let bad = |argument: &String| match argument.len() {
            _ if argument.contains('\0') => {
                Some("a text with a zero byte cannot be handed to a program".to_owned())
            }
            bytes if bytes > MAX_INLINE_BYTES => Some(format!(
                "a text of {bytes} bytes is too long for a command line"
            )),
            _ => None,
        };
        match self
            .problem
            .clone()
            .or_else(|| self.argv.iter().find_map(bad))
        {
            Some(what) => Err(BdError::BadArgument {
                command: self.name.clone(),
                what,
            }),
            None => Ok(()),
        }
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
    /// stdout as a `T`. An exit code other than 0, or an object that names an error, is a failure.
    pub fn json<T: DeserializeOwned>(&self, looked_for: &str) -> Result<T, BdError> {
        if self.code != 0 || self.error().is_some() {
            return Err(self.failed());
        }
        self.json_of_any_end(looked_for)
    }

    /// As [`CallOutput::json`], whatever the exit code.
    pub fn json_of_any_end<T: DeserializeOwned>(&self, looked_for: &str) -> Result<T, BdError> {
        let value = self.value().ok_or_else(|| self.unreadable(looked_for))?;
        serde_json::from_value(value)
            .map_err(|why| self.unreadable(&format!("{looked_for} ({why})")))
    }

    /// stdout as one JSON value. `schema_version` appears and goes between versions, and an answer may be wrapped as
    /// `{"schema_version":…,"data":…}`.
    fn value(&self) -> Option<Value> {
        Some(match serde_json::from_slice(&self.stdout).ok()? {
            Value::Object(mut map)
                if map.contains_key("data") && map.contains_key("schema_version") =>
            {
                map.remove("data").unwrap_or(Value::Null)
            }
            other => other,
        })
    }

    /// The text of `{"error": …}`, if stdout is that.
    pub fn error(&self) -> Option<String> {
        let value = self.value()?;
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        match (field("error")?, field("message")) {
            (error, Some(message)) => Some(format!("{error}: {message}")),
            (error, None) => Some(error),
        }
    }

    /// Whether nothing came on stdout though something was said: how classic refuses, with exit code 0.
    pub fn has_only_stderr(&self) -> bool {
        let is_blank = |stream: &[u8]| stream.iter().all(u8::is_ascii_whitespace);
        is_blank(&self.stdout) && !is_blank(&self.stderr)
    }

    /// What bd said about its failure: the error object on stdout, else the first line on stderr that is no warning (1.3.0 and
    /// 1.0.5 warn on each call when `.beads` may be read by others, as in every clone), else stdout.
    pub fn error_text(&self) -> String {
        let is_reason =
            |line: &&[u8]| !line.is_empty() && !line.to_ascii_lowercase().starts_with(b"warning:");
        let mut lines = self.stderr.split(|byte| *byte == b'\n').filter(is_reason);
        self.error()
            .map(|text| excerpt(text.as_bytes()))
            .or_else(|| lines.next().map(excerpt))
            .unwrap_or_else(|| excerpt(&self.stdout))
    }

    /// The first line that has `words`, shortened.
    pub fn line_with(&self, words: &str) -> Option<String> {
        self.all_text()
            .lines()
            .find(|line| line.contains(words))
            .map(|line| excerpt(line.as_bytes()))
    }

    /// Everything it said, for a search.
    pub fn all_text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.stdout).into_owned();
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&self.stderr));
        text
    }

    /// `looked_for` is not in the answer.
    pub fn unreadable(&self, looked_for: &str) -> BdError {
        let is_silent = self.stdout.iter().all(u8::is_ascii_whitespace);
        BdError::Unreadable {
            command: self.command.clone(),
            looked_for: looked_for.to_owned(),
            got: excerpt(if is_silent {
                &self.stderr
            } else {
                &self.stdout
            }),
        }
    }

    /// bd failed, in its own words.
    pub fn failed(&self) -> BdError {
        BdError::Failed {
            command: self.command.clone(),
            code: self.code,
            text: self.error_text(),
        }
    }
}

/// A `bd` with the folder and the environment in which it is called.
pub(crate) struct Transport {
    pub program: PathBuf,
    /// The repository's root, because bd filters lists by folder if it is told so in its config.
    pub folder: PathBuf,
    pub env: Env,
    /// Flags that stand before every command.
    pub global: &'static [&'static str],
    pub limits: Limits,
    /// Keeps the call log, if there is one.
    pub runner: Arc<dyn Runner>,
}

impl Transport {
    /// Starts nothing: `runner` answers.
    #[cfg(test)]
    pub fn answered_by(runner: impl Runner + 'static) -> Transport {
        Transport {
            program: "bd".into(),
            folder: "/".into(),
            env: Env::empty(),
            global: &[],
            limits: Limits::default(),
            runner: Arc::new(runner),
        }
    }

    /// The command line of `call`, program first.
    pub fn command_line(&self, call: &Call) -> Vec<String> {
        let mut line = vec![self.program.to_string_lossy().into_owned()];
        line.extend(self.arguments(call).map(str::to_owned));
        line
    }

    fn arguments<'a>(&self, call: &'a Call) -> impl Iterator<Item = &'a str> + use<'a> {
        let global = self.global.iter().copied();
        global.chain(call.argv.iter().map(String::as_str))
    }

    /// Makes a read and reads its answer; once more if the first try ended in a way that passes.
    pub fn read<T>(
        &self,
        call: &Call,
        read: impl Fn(&CallOutput) -> Result<T, BdError>,
    ) -> Result<T, BdError> {
        let once = || self.once(call).and_then(|output| read(&output));
        match once() {
            Err(failure) if failure.is_transient() => once(),
            other => other,
        }
    }

    /// Makes the call. Ends that say nothing about the request (busy, killed, flooded) are errors here.
    pub fn once(&self, call: &Call) -> Result<CallOutput, BdError> {
        call.check()?;
        let output = self.start(call)?;
        if output.code == 0 {
            return Ok(output);
        }
        let text = output.all_text();
        match BUSY.iter().any(|busy| text.contains(busy)) {
            true => Err(BdError::Busy {
                command: output.command.clone(),
                text: output.error_text(),
            }),
            false => Ok(output),
        }
    }

    fn start(&self, call: &Call) -> Result<CallOutput, BdError> {
        let limit = if call.writes {
            self.limits.write
        } else {
            self.limits.read
        };
        let mut env = self.env.clone();
        for (name, value) in &call.variables {
            env.insert(*name, value);
        }
        let mut process = run::Command::new(&self.program);
        if let Some(text) = &call.stdin {
            process = process.stdin_bytes(text.as_bytes());
        }
        let process = process
            .args(self.arguments(call))
            .cwd(&self.folder)
            .env(env)
            .limits(run::Limits {
                timeout: limit,
                grace: GRACE,
                stdout_bytes: self.limits.output_bytes,
                stderr_bytes: self.limits.output_bytes,
            });
        let command = call.name.clone();
        let result = self.runner.run(&process);
        let elapsed = match &result {
            Ok(output) => output.elapsed,
            Err(error) => error.elapsed(),
        };
        tracing::debug!(command, ?elapsed, answered = result.is_ok(), "bd");
        let cause = match result {
            Ok(output) => {
                return match output.status {
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
                };
            }
            Err(run::RunError::TimedOut { .. }) => {
                return Err(BdError::TimedOut {
                    command,
                    limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                });
            }
            Err(run::RunError::TooMuchOutput { limit_bytes, .. }) => {
                return Err(BdError::TooMuchOutput {
                    command,
                    limit_bytes,
                });
            }
            Err(run::RunError::NotFound { problem }) => problem.to_string(),
            Err(run::RunError::NoFolder { folder, .. }) => {
                format!("the folder {} does not exist", folder.display())
            }
            Err(run::RunError::Io { source, .. }) => source.to_string(),
        };
        Err(BdError::CouldNotStart {
            program: self.program.clone(),
            cause,
        })
    }
}
