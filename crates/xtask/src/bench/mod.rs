//! `cargo xtask bench <what>`: measures, beside what a user would have otherwise. Never part of a test.

mod decisions;
mod dispatch;
mod epic;
mod ideal_makespan;
mod sandbox;
mod schedule;
mod view;
mod wrapper;

use std::process::ExitCode;

use crate::Outcome;
use crate::args::{Args, UsageError};

/// Help of the command.
pub const HELP: &str = "\
  bench epic [--rank RANK] [--smoke | --seconds N] [--bd VERSION] [--kill coordinator|shim] [--journals DIR]
      Works three generated epics of 24 tasks of 20 s on bd 1.3.0 and jj, by rank `makespan` unless another is named, and compares
      each makespan with the best of 200 schedules without overhead. Ends with 1 when one is over its bar. --smoke: one epic, agents
      take 2 s. --bd: on another version of bd. The calls of the tracker are shown by kind. --kill: kills that in the middle of one epic, and the run must end all the same. --journals: copies the journals there.
  bench decisions [--smoke]
      One decision with 10,000 tasks, 100 lock groups and 100 agents. Ends with 1 when it is over its bar.
  bench dispatch [--seconds 0,1,5] [--vcs git,jj] [--smoke]
      24 tasks of a plan file, 6 at once, agents of so many seconds: how long each phase of a task takes and what version control
      is called for. Ends with 1 when a bar is missed; --smoke: agents of 0 s, without judgement.
  bench sandbox [--mesh PROGRAM] [--smoke]
      What a sandbox adds to the start of a process under its shim. Ends with 1 when it is over its bar. --mesh: the shim of this
      build; --smoke: a few rounds, without judgement.
  bench schedule [--instances FILE] [--smoke]
      The makespan of both ranks on 58 classical job-shop instances, beside the optimum, and how long planning takes. Ends with
      1 when rank `makespan` is over its bars. --instances: others, in the same form; --smoke: a few, without judgement.
  bench wrapper [--smoke]
      A read through mesh-bd-ro, live and on a view, beside a program that does nothing. Ends with 1 when it costs more than
      its bar; --smoke: a few rounds without judgement.
  bench view [--smoke]
      The coordinator's claims on bd 1.3.0 beside 8 agents that read in loops, on views and on the live tracker; and 500 reads
      of bd 0.47.1 and 1.3.0 under constant writing. Ends with 1 when claims are over their bar or a read is torn.";

/// Runs the bench that the first word names.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    match args.word().as_deref() {
        Some("epic") => epic::run(args),
        Some("decisions") => decisions::run(args),
        Some("dispatch") => dispatch::run(args),
        Some("sandbox") => sandbox::run(args),
        Some("schedule") => schedule::run(args),
        Some("view") => view::run(args),
        Some("wrapper") => wrapper::run(args),
        Some(other) => Err(UsageError(format!("there is no bench `{other}`")).into()),
        None => Err(UsageError(
            "bench needs to know what: `epic`, `decisions`, `dispatch`, `sandbox`, `schedule`, `view` or `wrapper`"
                .to_owned(),
        )
        .into()),
    }
}
