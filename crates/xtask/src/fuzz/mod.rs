//! `cargo xtask fuzz NAME`: strange input for what reads input of others. The same seed makes the same cases.

mod mutate;
mod parsers;
mod ro;
mod roles;
mod targets;

use std::process::ExitCode;
use std::time::Duration;

use crate::Outcome;
use crate::args::{Args, UsageError};
use crate::release::again_with_optimisation;

/// Help of the command.
pub const HELP: &str = "\
fuzz NAME [--cases N] [--seconds N] [--seed N]
    Strange input, made from the fixtures, for a parser: `list`, `yaml`, `st`, `csv`, `units`, `config`, `agents`, `journal`, `bd`,
    `strategies`, or `parsers` for all of them, as many side by side as there are processors. Ends with 1 when one panics, takes too long or
    too much memory, with the input in a file. Without --cases and --seconds: ten seconds each.
    `fuzz ro`: every flag of every command of every bd in every spelling, then N hostile calls (1,000,000), against what mesh-bd-ro lets
    through, judged from the contract. Ends with 1 when something gets through that must not, with the smallest call.";

/// Runs the command.
///
/// # Errors
/// When the arguments are wrong, or an optimised build fails.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let cases = number(&mut args, "--cases")?;
    let seconds = number(&mut args, "--seconds")?;
    let seed = number(&mut args, "--seed")?.unwrap_or(1);
    let name = args.word().unwrap_or_default();
    args.finish()?;
    if name == "ro" {
        if seconds.is_some() {
            return Err(UsageError("`fuzz ro` goes by --cases".to_owned()).into());
        }
        let cases = cases.unwrap_or(1_000_000);
        // Without optimisation a million calls take a minute.
        if cfg!(debug_assertions) {
            let (cases, seed) = (cases.to_string(), seed.to_string());
            return again_with_optimisation(&["fuzz", "ro", "--cases", &cases, "--seed", &seed]);
        }
        return Ok(ro::run(cases, seed));
    }
    let time = match (cases, seconds) {
        (None, None) => Some(Duration::from_secs(10)),
        (_, seconds) => seconds.map(Duration::from_secs),
    };
    parsers::run(&name, parsers::Until { cases, time }, seed)
}

fn number(args: &mut Args, name: &str) -> Result<Option<u64>, UsageError> {
    let text = args.option(name)?;
    let number = text.map(|text| {
        text.parse()
            .map_err(|_| UsageError(format!("{name} needs a number, not {text}")))
    });
    number.transpose()
}
