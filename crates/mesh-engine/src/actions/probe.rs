//! When an attempt last showed a sign of life.

use std::path::Path;
use std::sync::Arc;

use mesh_agent::activity;
use mesh_core::event::Event;
use mesh_core::id::AttemptId;
use mesh_core::time::Millis;
use mesh_proc::shim;
use mesh_proc::tree;

use crate::actions::folder;
use crate::clock::unix_ms;
use crate::context::{RunContext, lock};

/// An agent whose processes use less than one part in so many of the time waits; a program that only waits wakes up now and then.
const IDLE_SHARE: u64 = 100;

/// Where a first sign of life is waited for, what a program does in this time after its start, and so much processor time, is its
/// start, and no sign that it works.
const START_MS: u64 = 2_000;
const START_CPU_MS: u64 = 500;

/// What an attempt's processes had used when it was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    at_unix_ms: u64,
    cpu_ms: u64,
}

/// Looks at both logs and at the work of the processes and, if all that is old, at the workspace.
pub(crate) fn probe(context: &Arc<RunContext>, attempt: &AttemptId) {
    let last_sign = last_sign(context, attempt).unwrap_or(Millis(0));
    context.report(Event::Probed {
        attempt: attempt.clone(),
        last_sign,
    });
}

fn last_sign(context: &RunContext, attempt: &AttemptId) -> Option<Millis> {
    let folder = folder::of(context, attempt).ok()?;
    let workspace = folder::load(&folder).ok()??;
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    let fresh_after = unix_ms().saturating_sub(context.profile.limits.silence.0);
    let processes = work_of_processes(context, attempt, &folder);
    let logs = [stdout.as_path(), &stderr];
    let activity = activity::last_sign(&logs, processes, &workspace.path, fresh_after)?;
    Some(context.clock.at_unix_ms(activity.unix_ms))
}

/// When the attempt's processes last did something: now, if they have used processor time since the last look (since the start, at
/// the first one), else when the newest of them was born.
fn work_of_processes(context: &RunContext, attempt: &AttemptId, folder: &Path) -> Option<u64> {
    let record = shim::read_record(&folder.join("shim.json")).ok()??;
    let usage = tree::usage(record.identity)?;
    let now = Sample {
        at_unix_ms: unix_ms(),
        cpu_ms: usage.cpu_ms,
    };
    let shim = tree::stat(record.identity.pid)?;
    let started = tree::started_at_unix_ms(&shim)?;
    let (start_ms, start_cpu_ms) = match context.profile.limits.start {
        Some(_) => (START_MS, START_CPU_MS),
        None => (0, 0),
    };
    let before = lock(&context.samples)
        .insert(attempt.clone(), now)
        .unwrap_or(Sample {
            at_unix_ms: started,
            cpu_ms: start_cpu_ms,
        });
    if are_busy(before, now) {
        Some(now.at_unix_ms)
    } else {
        usage
            .newest_start_unix_ms
            .filter(|&newest| newest >= started.saturating_add(start_ms))
    }
}

fn are_busy(before: Sample, now: Sample) -> bool {
    let used = now.cpu_ms.saturating_sub(before.cpu_ms);
    let passed = now.at_unix_ms.saturating_sub(before.at_unix_ms);
    used > passed / IDLE_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_only_wakes_up_now_and_then_is_not_busy() {
        let sample = |at_unix_ms, cpu_ms| Sample { at_unix_ms, cpu_ms };
        let before = sample(1_000_000, 5_000);
        assert!(!are_busy(before, sample(1_900_000, 5_000)));
        assert!(!are_busy(before, sample(1_900_000, 14_000)));
        assert!(are_busy(before, sample(1_900_000, 14_010)));
        // What ended unseen took its time with it.
        assert!(!are_busy(before, sample(1_900_000, 0)));
    }
}
