//! The call log of a run: every call of an outside program, for people. A run never stops for it.

use std::sync::Arc;

use mesh_journal::call_log::{Call, CallLog, CallOutcome};
use mesh_journal::layout::RunDir;
use mesh_proc::run::{Command, Direct, Observed, Output, RunError, Runner};

use crate::clock::unix_ms;
use crate::error::EngineError;

/// Most bytes of the call log; a run of a night makes some ten thousand calls.
const CALL_LOG_BYTES: u64 = 64 << 20;

/// Runs commands and writes each into `log`.
pub(super) fn logged(log: &Arc<CallLog>) -> Arc<dyn Runner> {
    let log = Arc::clone(log);
    Arc::new(Observed {
        runner: Direct,
        observe: move |command: &Command, result: &Result<Output, RunError>| {
            log_call(&log, command, result);
        },
    })
}

fn log_call(log: &CallLog, command: &Command, result: &Result<Output, RunError>) {
    let (elapsed, outcome) = match result {
        Ok(output) if output.status.is_success() => (output.elapsed, CallOutcome::Ok),
        Ok(output) => (
            output.elapsed,
            CallOutcome::Failed {
                problem: output.status.to_string(),
            },
        ),
        Err(error) => (
            error.elapsed(),
            CallOutcome::Failed {
                problem: error.to_string(),
            },
        ),
    };
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let argv = std::iter::once(command.program.display().to_string())
        .chain(
            command
                .args
                .iter()
                .map(|arg| arg.to_string_lossy().into_owned()),
        )
        .collect();
    let call = Call {
        argv,
        cwd: command.cwd.as_ref().map(|cwd| cwd.display().to_string()),
        started_unix_ms: unix_ms().saturating_sub(elapsed_ms),
        elapsed_ms,
        outcome,
    };
    // The log is for people; a run does not stop for it.
    if let Err(error) = log.record(&call) {
        tracing::debug!(%error, "a call is not in the call log");
    }
}

pub(super) fn open_call_log(run_dir: &RunDir) -> Result<Arc<CallLog>, EngineError> {
    Ok(Arc::new(
        CallLog::open(&run_dir.call_log(), CALL_LOG_BYTES).map_err(EngineError::folder)?,
    ))
}
