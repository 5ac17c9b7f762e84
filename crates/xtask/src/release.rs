//! Starts this program once more, built with optimisation: for commands whose figures, or whose patience, depend on it.

use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::{Outcome, process, repository};

/// A cold optimised build takes some minutes on two cores.
const AGAIN_LIMIT: Duration = Duration::from_secs(1800);

/// Runs `cargo xtask <words>` from an optimised build and gives back how it ended.
///
/// # Errors
/// When it cannot be built or runs over its limit.
pub fn again_with_optimisation(words: &[&str]) -> Outcome<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--release", "--package", "xtask", "--"])
        .args(words);
    let answer = process::capture(command.current_dir(repository()), AGAIN_LIMIT)?;
    print!("{}", answer.stdout);
    eprint!("{}", answer.stderr);
    Ok(if answer.status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
