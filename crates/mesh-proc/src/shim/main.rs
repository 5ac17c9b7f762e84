//! The shim itself, from its first line to its exit report.

use super::logs::LogWatch;
use super::report::{self, Cause, ChildEnd, ChildRecord, ExitReport, ShimRecord, unix_ms};
use super::spec::{SCHEMA, ShimSpec};
use super::supervise::{Stops, Supervision};
use crate::cgroup::Group;
use crate::env::{MESH_ATTEMPT, MESH_RUN};
use crate::find;
use crate::sandbox;
use crate::tree::{self, Identity};
use fs_err::OpenOptions;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The exit report was written.
const REPORTED: i32 = 0;
/// Something of the shim's own failed; stderr says what, and there may be no report.
const FAILED: i32 = 1;

/// Runs as a shim: call this, and exit with its result, when the first argument is [`super::ARGUMENT`]; `spec` is the second.
///
/// 0 means that the exit report is written, whatever it says; 1 that it could not be, and why is on stderr. It never panics on
/// what it is given, and nothing of its child is left when it returns.
pub fn main(spec: &Path) -> i32 {
    match supervise(spec) {
        Ok(()) => REPORTED,
        Err(error) => {
            say(&format!("{}: {error}", spec.display()));
            FAILED
        }
    }
}

/// Messages go to stderr, which is the shim's log. That it may be full or closed must not end us.
pub(super) fn say(message: &str) {
    let _ = writeln!(io::stderr(), "{message}");
}

fn supervise(spec_path: &Path) -> io::Result<()> {
    let started_at_unix_ms = unix_ms();
    // First of all: from here on a request to stop is noticed, not deadly.
    let stops = Stops::install()?;
    let spec = report::read::<ShimSpec>(spec_path).map_err(io::Error::other)?;
    let spec =
        spec.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such spec"))?;
    let group = Group::of_own_tree().ok();
    let started = prepare(&spec, group.as_ref()).and_then(|record| start_child(&spec, record));
    let (mut supervision, child_started_at_unix_ms) = match started {
        Ok((pid, logs, child_started_at_unix_ms)) => (
            Supervision::new(&spec, stops, pid, logs),
            child_started_at_unix_ms,
        ),
        Err(reason) => {
            let ending = ChildEnd::CouldNotStart { reason };
            group.iter().for_each(Group::remove);
            return write_report(&spec, &empty_report(started_at_unix_ms, ending));
        }
    };
    if let Some(group) = &group
        && let Err(error) = group.take_in(|| tree::below(std::process::id()))
    {
        say(&format!(
            "the tree is in no control group of its own: {error}"
        ));
        group.remove();
    }
    let cause = supervision.run();
    let (killed, killed_more) = supervision.sweep();
    group.iter().for_each(Group::remove);
    let (stdout_bytes, stderr_bytes) = supervision.written();
    let flooded = stdout_bytes.saturating_add(stderr_bytes) > spec.log_limit_bytes;
    write_report(
        &spec,
        &ExitReport {
            child_started_at_unix_ms: Some(child_started_at_unix_ms),
            // The limit is a limit also for a child that ended before anybody looked.
            cause: if cause == Cause::Ended && flooded {
                Cause::Flood
            } else {
                cause
            },
            killed,
            killed_more,
            stdout_bytes,
            stderr_bytes,
            ..empty_report(started_at_unix_ms, supervision.ending())
        },
    )
}

fn empty_report(started_at_unix_ms: u64, ending: ChildEnd) -> ExitReport {
    ExitReport {
        schema: SCHEMA,
        started_at_unix_ms,
        child_started_at_unix_ms: None,
        ended_at_unix_ms: unix_ms(),
        ending,
        cause: Cause::Ended,
        killed: Vec::new(),
        killed_more: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
    }
}

fn write_report(spec: &ShimSpec, exit: &ExitReport) -> io::Result<()> {
    // Not synced: after a loss of power a report that was lost means the attempt is tried again, and the files that its agent wrote
    // are synced by nobody either. Its dependents would wait for the disk (12 ms on ext4, twice for each task).
    report::write(&spec.report, exit).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("the exit report could not be written: {error}"),
        )
    })
}

/// How far agents and proofs step back behind the coordinator, in nice values. They fill every processor for hours, and it has to
/// answer all of them: beside reading agents a claim took 1.4 times as long without this, 1.1 times with it (2 cores, bd 1.3.0).
/// On an idle machine it changes nothing.
pub const NICENESS: i32 = 10;

/// Makes this process what a shim has to be before it may have a child, and says who it is.
fn prepare(spec: &ShimSpec, group: Option<&Group>) -> Result<ShimRecord, String> {
    if let Some(path) = spec.relative_path() {
        return Err(format!("{} is not an absolute path", path.display()));
    }
    // Refused only when we lead a session already, which is what we want.
    let _ = rustix::process::setsid();
    step_back();
    // Any number but none switches it on for the calling process.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("cannot become the reaper of the tree: {error}"))?;
    let identity = Identity::own().ok_or("/proc is not readable")?;
    let boot_id = tree::boot_id().ok_or("/proc/sys/kernel/random/boot_id is not readable")?;
    let record = ShimRecord {
        schema: SCHEMA,
        identity,
        boot_id,
        group: group.map(|group| group.path().to_path_buf()),
        child: None,
        sandbox: None,
    };
    report::write(&spec.record, &record).map_err(|error| error.to_string())?;
    Ok(record)
}

/// Lowers the priority of this process, and with it of the whole tree to come. Where it cannot be, the tree runs as it is.
fn step_back() {
    let _ = rustix::process::nice(NICENESS);
    // Kernels that group processes by session compare nice values within a session only; the group has a value of its own.
    let _ = fs_err::write("/proc/self/autogroup", NICENESS.to_string());
}

fn start_child(spec: &ShimSpec, record: ShimRecord) -> Result<(u32, LogWatch, u64), String> {
    let text = |error: io::Error| error.to_string();
    let program = find::find(spec.program.as_os_str(), spec.env.get("PATH"))
        .map_err(|error| error.to_string())?;
    if !spec.cwd.is_dir() {
        return Err(format!("the folder {} does not exist", spec.cwd.display()));
    }
    let append = |path: &Path| {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(text)?;
        Ok::<_, String>(file.into_parts().0)
    };
    let (stdout, stderr) = (append(&spec.stdout)?, append(&spec.stderr)?);
    let logs = LogWatch::new(spec, &stdout, &stderr).map_err(text)?;
    let stdin = match &spec.stdin {
        None => Stdio::null(),
        Some(path) => Stdio::from(fs_err::File::open(path).map_err(text)?.into_parts().0),
    };
    let mut command = Command::new(&program);
    command
        .args(&spec.args)
        .current_dir(&spec.cwd)
        .process_group(0);
    command
        .env_clear()
        .envs(spec.env.iter())
        .env(MESH_RUN, &spec.run)
        .env(MESH_ATTEMPT, &spec.attempt);
    command.stdin(stdin).stdout(stdout).stderr(stderr);
    let mut spawn = || crate::run::retry_while_busy(|| command.spawn());
    let (sandbox, child) = match &spec.sandbox {
        None => (None, spawn()),
        Some(sandbox) => {
            // A script that writes to /dev/stderr opens the file behind it once more.
            let mut sandbox = sandbox.clone();
            let streams = [&spec.stdout, &spec.stderr].map(Clone::clone);
            sandbox.write.extend(streams);
            let (enforced, child) = sandbox::within(&sandbox, spawn)
                .map_err(|error| format!("there is no sandbox for it: {error}"))?;
            (Some(enforced), child)
        }
    };
    let child = child.map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let started_at_unix_ms = unix_ms();
    // From here on there is a child, and no failure may lead past the sweep.
    let pid = child.id();
    let child = Identity::of(pid).map(|identity| ChildRecord {
        identity,
        started_at_unix_ms,
    });
    let record = ShimRecord {
        child,
        sandbox,
        ..record
    };
    if let Err(error) = report::write(&spec.record, &record) {
        // The record without the child still says who we are, and that is what adopting needs.
        say(&format!("the child could not be recorded: {error}"));
    }
    Ok((pid, logs, started_at_unix_ms))
}

/// The time limits of a spec, counted from now.
pub(super) fn hard_deadline(spec: &ShimSpec) -> Option<Instant> {
    Instant::now().checked_add(std::time::Duration::from_millis(spec.hard_limit_ms?))
}
