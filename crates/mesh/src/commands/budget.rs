//! `mesh budget`: how many agents may run at once with what is left of the budget.

use mesh_core::clamp::{Percent, Thresholds, clamp};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::CommandError;
use crate::exit_code;
use crate::helper::{Format, four_decimals, percent};
use crate::ui::shell::Shell;

/// Say how many agents may run at once with what is left of the budget: of the two windows the one counts of which less is left.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub remaining: Remaining,
    /// At this percentage or less one agent runs alone.
    #[arg(long, value_name = "PCT", default_value = "10", value_parser = percent, allow_negative_numbers = true)]
    single_agent_threshold: Percent,
    /// Above this percentage nothing is clamped; from here down the number falls in proportion.
    #[arg(long, value_name = "PCT", default_value = "33", value_parser = percent, allow_negative_numbers = true)]
    linear_start_threshold: Percent,
    /// Above this percentage more instances of an agent program may be started.
    #[arg(long, value_name = "PCT", default_value = "25", value_parser = percent, allow_negative_numbers = true)]
    scaleout_threshold: Percent,
    #[command(flatten)]
    pub format: Format,
}

/// What is left, and for how many.
#[derive(Debug, clap::Args)]
pub(crate) struct Remaining {
    /// How much of the five-hour window is left, in percent.
    #[arg(long, value_name = "PCT", value_parser = percent, allow_negative_numbers = true)]
    pub remaining_five_hour: Percent,
    /// How much of the weekly window is left, in percent.
    #[arg(long, value_name = "PCT", value_parser = percent, allow_negative_numbers = true)]
    pub remaining_weekly: Percent,
    /// How many agents may run at once at most; at least one.
    #[arg(long, value_name = "N", default_value = "12", value_parser = threads, allow_negative_numbers = true)]
    pub max_threads: u32,
}

impl Remaining {
    /// What is left of the window of which less is left.
    pub fn strict(&self) -> Percent {
        self.remaining_five_hour.min(self.remaining_weekly)
    }
}

fn threads(text: &str) -> Result<u32, String> {
    let number: i64 = text
        .trim()
        .parse()
        .map_err(|_| "it must be a whole number".to_owned())?;
    u32::try_from(number.max(1)).map_err(|_| "so many agents there never are".to_owned())
}

#[derive(Serialize)]
struct Answer {
    command: &'static str,
    remaining_five_hour: Box<RawValue>,
    remaining_weekly: Box<RawValue>,
    remaining_strict: Box<RawValue>,
    single_agent_threshold: Box<RawValue>,
    linear_start_threshold: Box<RawValue>,
    scaleout_threshold: Box<RawValue>,
    max_threads: u32,
    max_active_units: u32,
    mode: &'static str,
    cas_scaleout_allowed: bool,
}

pub(crate) fn run(args: &Args, shell: &mut Shell) -> Result<u8, CommandError> {
    let thresholds = Thresholds {
        single: args.single_agent_threshold,
        linear_start: args.linear_start_threshold,
        scale_out: args.scaleout_threshold,
    };
    let remaining = &args.remaining;
    let strict = remaining.strict();
    let clamped = clamp(strict, remaining.max_threads, thresholds);
    let answer = Answer {
        command: "budget",
        remaining_five_hour: four_decimals(remaining.remaining_five_hour),
        remaining_weekly: four_decimals(remaining.remaining_weekly),
        remaining_strict: four_decimals(strict),
        single_agent_threshold: four_decimals(thresholds.single),
        linear_start_threshold: four_decimals(thresholds.linear_start),
        scaleout_threshold: four_decimals(thresholds.scale_out),
        max_threads: remaining.max_threads,
        max_active_units: clamped.width,
        mode: clamped.mode.as_str(),
        cas_scaleout_allowed: clamped.may_scale_out,
    };
    let line = format!(
        "budget: {strict}% left, mode {}, max_active_units {} of {}, cas_scaleout_allowed {}",
        answer.mode, answer.max_active_units, answer.max_threads, answer.cas_scaleout_allowed
    );
    args.format.print(shell, &answer, &line)?;
    Ok(exit_code::OK)
}
