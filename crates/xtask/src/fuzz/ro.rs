//! Hostile calls against what `mesh-bd-ro` makes of a call, judged by a checker that knows the contract
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

/// With fewer cases, chance may leave a command out.
const ENOUGH_CASES: u64 = 10_000;

/// Tries `cases` calls.
pub(super) fn run(cases: u64, seed: u64) -> ExitCode {
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
    if sound {
        println!("nothing outside the contract got through");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
