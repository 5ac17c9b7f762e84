//! `cargo xtask fuzz-ro`: hostile calls against what `mesh-bd-ro` makes of a call, judged by a checker that knows the contract
//! and not the wrapper's table.
//!
//! Nothing is started: the two pure functions of the wrapper are asked, a million times in seconds. A call that gets through and
//! should not is made smaller before it is shown. The same seed makes the same calls.

use std::process::ExitCode;
use std::time::Instant;

use mesh_testkit::ro::CONTRACT;
use mesh_testkit::ro::commands::VERSIONS;
use mesh_testkit::ro::fuzz::{Fuzz, ask};
use mesh_testkit::ro::hostile::{Hostile, sweep};

use crate::Outcome;
use crate::args::{Args, UsageError};
use crate::release::again_with_optimisation;

/// Help of the command.
pub const HELP: &str = "\
fuzz-ro [--cases N] [--seed N]
    Every flag of every command of every bd in every spelling, then N hostile calls (1,000,000; seed 1), against what mesh-bd-ro
    lets through, judged from the contract. Ends with 1 when something gets through that must not, with the smallest call.";

/// With fewer cases, chance may leave a command out.
const ENOUGH_CASES: u64 = 10_000;

/// Runs the command. Without optimisation a million calls take a minute, so then it is built and started anew with it.
///
/// # Errors
/// When the arguments are wrong, or the optimised build fails.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let cases = number(&mut args, "--cases", 1_000_000)?;
    let seed = number(&mut args, "--seed", 1)?;
    args.finish()?;
    if cfg!(debug_assertions) {
        let (cases, seed) = (cases.to_string(), seed.to_string());
        return again_with_optimisation(&["fuzz-ro", "--cases", &cases, "--seed", &seed]);
    }
    let began = Instant::now();
    let mut fuzz = Fuzz::new(ask);
    let swept = fuzz.try_all(sweep());
    println!(
        "sweep: every flag of every command of bd {} in every spelling",
        VERSIONS.join(", ")
    );
    println!("{swept}");
    let mut hostile = Hostile::new(seed);
    let tried = fuzz.try_all((0..cases).map(|_| hostile.next_call()));
    println!("cases: {cases} hostile calls, seed {seed}");
    println!("{tried}");
    println!("seconds: {:.1}", began.elapsed().as_secs_f64());
    for offender in &fuzz.offenders {
        println!("FAILED: {offender}");
    }
    let mut sound = fuzz.offenders.is_empty();
    for (tally, calls) in [(&swept, u64::MAX), (&tried, cases)] {
        if calls >= ENOUGH_CASES && tally.commands.len() != CONTRACT.len() {
            println!(
                "FAILED: {} commands were accepted, not {}",
                tally.commands.len(),
                CONTRACT.len()
            );
            sound = false;
        }
    }
    Ok(if sound {
        println!("nothing outside the contract got through");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn number(args: &mut Args, name: &str, otherwise: u64) -> Result<u64, UsageError> {
    let Some(text) = args.option(name)? else {
        return Ok(otherwise);
    };
    text.parse()
        .map_err(|_| UsageError(format!("{name} needs a number, not {text}")))
}
