//! The end of what a process wrote, for failures, comments and prompts: bounded, without terminal sequences, secrets masked.

use std::path::Path;

use mesh_agent::protocol::{Sources, plain};
use mesh_core::evidence::{Ending, quoting};
use mesh_core::id::AttemptId;
use mesh_core::metered::Metered;
use mesh_core::process::{ProcessId, Role};

use crate::actions::refused;
use crate::context::RunContext;

/// How much is quoted.
struct Bounds {
    lines: usize,
    bytes: usize,
}

/// Of an agent: enough for an error and where it comes from.
const AGENT: Bounds = Bounds {
    lines: 10,
    bytes: 2 * 1024,
};

/// Of a setup or proof command: enough for what a test runner says at the end.
const COMMAND: Bounds = Bounds {
    lines: 40,
    bytes: 8 * 1024,
};

/// What an agent with a stream of events says of its end, or the last lines of its standard error or, when it is empty, of its
/// standard output.
pub(crate) fn of_agent(context: &RunContext, attempt: &AttemptId) -> String {
    let files = context.run_dir.attempt(attempt).process(Role::Agent);
    let (profile, _) = context.agent_of(attempt);
    let explanation = profile.protocol.explanation(&files.stdout());
    let said = match explanation {
        Ok(Some(explanation)) => bounded(context, &explanation, &AGENT),
        _ => match end_of(context, &files.stderr(), &AGENT) {
            stderr if stderr.is_empty() => end_of(context, &files.stdout(), &AGENT),
            stderr => stderr,
        },
    };
    with_refusal(context, &attempt.process(Role::Agent), said)
}

/// What the attempt's agent says that it used and may use; nothing when it says nothing.
pub(crate) fn metered(context: &RunContext, attempt: &AttemptId) -> Option<Metered> {
    let (profile, _) = context.agent_of(attempt);
    let files = context.run_dir.attempt(attempt);
    let home = profile.session_home(files.path(), &context.ours);
    let files = files.process(Role::Agent);
    let sources = Sources {
        stdout: &files.stdout(),
        stderr: &files.stderr(),
        home: home.as_deref(),
        limit_patterns: &profile.limit_patterns,
        now_unix_ms: context.clock.unix_ms(),
        moment: &|unix_ms| context.clock.at_unix_ms(unix_ms),
    };
    let mut metered = profile.protocol.metered(&sources).ok()?;
    if let Some(refusal) = &mut metered.refusal {
        refusal.said = context.secrets.mask(&refusal.said);
    }
    (metered != Metered::default()).then_some(metered)
}

/// The last lines of both streams of a setup or proof command that ended so.
pub(crate) fn of_command(context: &RunContext, process: &ProcessId, ending: &Ending) -> String {
    let said = said_by_command(context, process);
    match ending {
        Ending::Exited(0) => said,
        _ => with_refusal(context, process, said),
    }
}

/// What a process that failed wrote, and that its sandbox refused something, if that is why.
fn with_refusal(context: &RunContext, process: &ProcessId, said: String) -> String {
    match refused::sentence(context, process) {
        Some(sentence) => quoting(said, &context.secrets.mask(&sentence)),
        None => said,
    }
}

fn said_by_command(context: &RunContext, process: &ProcessId) -> String {
    let files = context
        .run_dir
        .attempt(&process.attempt)
        .process(process.role);
    let stdout = end_of(context, &files.stdout(), &COMMAND);
    let stderr = end_of(context, &files.stderr(), &COMMAND);
    match (stdout.is_empty(), stderr.is_empty()) {
        (_, true) => stdout,
        (true, false) => stderr,
        (false, false) => format!("{stdout}\n{stderr}"),
    }
}

fn end_of(context: &RunContext, file: &Path, bounds: &Bounds) -> String {
    // More is read than shown: a secret that the cut would halve could not be found.
    let window = 4 * bounds.bytes as u64;
    let text = plain::tail(file, bounds.lines, window).unwrap_or_default();
    bounded(context, &text, bounds)
}

/// Without secrets, and no more than is quoted.
fn bounded(context: &RunContext, text: &str, bounds: &Bounds) -> String {
    let text = context
        .secrets
        .mask(text.trim_start_matches('\n').trim_end());
    let start = text.len().saturating_sub(bounds.bytes);
    let start = (start..text.len()).find(|&at| text.is_char_boundary(at));
    start.map_or_else(String::new, |at| text[at..].to_owned())
}
