//! `mesh replay`: in which waves ready units would run.

use mesh_core::clamp::{Thresholds, clamp};
use serde::Serialize;

use crate::commands::budget::Remaining;
use crate::error::CommandError;
use crate::exit_code;
use crate::helper::Format;
use crate::ui::shell::Shell;

/// Most units, so that the list of waves stays one that somebody can read.
const MOST_UNITS: i64 = 1_000_000;

/// Say in which waves ready units would run with what is left of the budget; nothing is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remaining: Remaining,
    /// How many units are ready.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=MOST_UNITS))]
    ready_units: u32,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Serialize)]
struct Answer {
    command: &'static str,
    mode: &'static str,
    max_active_units: u32,
    ready_units: u32,
    wave_count: usize,
    waves: Vec<u32>,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<u8, CommandError> {
    let remaining = &args.remaining;
    let clamped = clamp(remaining.strict(), remaining.max_threads, Thresholds::USUAL);
    let mut waves = Vec::new();
    let mut left = args.ready_units;
    while left > 0 {
        let wave = left.min(clamped.width);
        waves.push(wave);
        left -= wave;
    }
    let sizes: Vec<String> = waves.iter().map(u32::to_string).collect();
    let line = format!(
        "replay: mode {}, max_active_units {}, ready_units {}, wave_count {}, waves {}",
        clamped.mode.as_str(),
        clamped.width,
        args.ready_units,
        waves.len(),
        sizes.join(" ")
    );
    let answer = Answer {
        command: "replay",
        mode: clamped.mode.as_str(),
        max_active_units: clamped.width,
        ready_units: args.ready_units,
        wave_count: waves.len(),
        waves,
    };
    args.format.print(shell, &answer, &line)?;
    Ok(exit_code::OK)
}
