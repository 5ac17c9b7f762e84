//! Runs an outside program with a time limit and an output limit.
//!
//! Only for this package: the shipped programs have their own, stricter runner. Here a program that runs over is killed alone,
//! its children (compilers) end by themselves when their parent is gone.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// No answer that is read here comes near this many bytes; more is a program gone wrong.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// What a captured program answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its stdout; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Its stderr; bytes that are no UTF-8 are replaced.
    pub stderr: String,
}

impl Answer {
    /// The stdout of a program that ended with 0.
    ///
    /// # Errors
    /// When it did not; the message has the end of its stderr.
    pub fn checked(self, what: &str) -> Outcome<String> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        let tail: Vec<&str> = self.stderr.trim_end().lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Err(format!("{what} ended with {}: {}", self.status, tail.join(" / ")).into())
    }
}

/// Runs `command` without stdin and keeps what it prints.
///
/// # Errors
/// When it cannot be started, runs longer than `limit`, or prints more than the output limit.
pub fn capture(command: &mut Command, limit: Duration) -> Outcome<Answer> {
    let mut stdout = tempfile::tempfile()?;
    let mut stderr = tempfile::tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    let child = start(command)?;
    let status = wait(child, command, limit, &[&stdout, &stderr])?;
    Ok(Answer {
        status,
        stdout: read_back(&mut stdout)?,
        stderr: read_back(&mut stderr)?,
    })
}

/// Runs `command` without stdin; what it prints goes to our stderr, so that our stdout stays an answer.
///
/// # Errors
/// When it cannot be started, runs longer than `limit`, or ends with anything but 0.
pub fn stream(command: &mut Command, limit: Duration) -> Outcome<()> {
    command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .stderr(std::io::stderr());
    let child = start(command)?;
    let status = wait(child, command, limit, &[])?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{} ended with {status}", show(command)).into())
}

fn start(command: &mut Command) -> Outcome<Child> {
    command
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", show(command)).into())
}

fn wait(
    mut child: Child,
    command: &Command,
    limit: Duration,
    outputs: &[&File],
) -> Outcome<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let mut written = 0;
        for output in outputs {
            written += output.metadata()?.len();
        }
        let fault = if written > OUTPUT_LIMIT {
            Some(format!("printed more than {OUTPUT_LIMIT} bytes"))
        } else if Instant::now() >= end {
            Some(format!("did not end within {} s", limit.as_secs()))
        } else {
            None
        };
        if let Some(fault) = fault {
            // It may have ended in this instant: then there is nothing left to kill.
            let _ = child.kill();
            child.wait()?;
            return Err(format!("{} {fault} and was killed", show(command)).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read_back(file: &mut File) -> Outcome<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(OUTPUT_LIMIT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn show(command: &Command) -> String {
    let mut text = format!("`{}", command.get_program().to_string_lossy());
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text.push('`');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }

    #[test]
    fn both_streams_and_the_status_come_back() {
        let answer = capture(&mut shell("echo out; echo err >&2; exit 3"), LONG).unwrap();
        assert_eq!(
            (
                answer.stdout.as_str(),
                answer.stderr.as_str(),
                answer.status.code()
            ),
            ("out\n", "err\n", Some(3))
        );
        let error = answer.checked("the shell").unwrap_err().to_string();
        assert!(
            error.contains("the shell") && error.contains("err"),
            "{error}"
        );
    }

    #[test]
    fn one_that_hangs_is_killed() {
        let error = capture(&mut shell("exec sleep 600"), Duration::from_millis(50))
            .unwrap_err()
            .to_string();
        assert!(error.contains("did not end"), "{error}");
    }

    #[test]
    fn one_that_floods_is_killed() {
        let error = capture(&mut shell("exec yes"), LONG)
            .unwrap_err()
            .to_string();
        assert!(error.contains("printed more"), "{error}");
    }

    #[test]
    fn one_that_dies_or_is_missing_is_an_error() {
        assert!(stream(&mut shell("kill -9 $$"), LONG).is_err());
        let error = capture(&mut Command::new("no-such-program-here"), LONG)
            .unwrap_err()
            .to_string();
        assert!(error.contains("no-such-program-here"), "{error}");
    }
}
