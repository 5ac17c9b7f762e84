//! Programs of the workspace built with optimisation: this one, started once more, and those that are measured.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::{Outcome, process, repository};

/// A cold optimised build takes some minutes on two cores.
const LIMIT: Duration = Duration::from_secs(1800);

/// Runs `cargo xtask <words>` from an optimised build and gives back how it ended.
///
/// # Errors
/// When it cannot be built or runs over its limit.
pub fn again_with_optimisation(words: &[&str]) -> Outcome<ExitCode> {
    let mut command = cargo();
    command
        .args(["run", "--quiet", "--release", "--package", "xtask"])
        .args(["--bin", "xtask", "--"])
        .args(words);
    let answer = process::capture(&mut command, LIMIT)?;
    print!("{}", answer.stdout);
    eprint!("{}", answer.stderr);
    Ok(if answer.status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds all programs of `package` and says where `program` lies: some of them need the others beside them.
///
/// # Errors
/// When it cannot be built.
pub fn built(package: &str, program: &str) -> Outcome<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--release", "--package", package]);
    process::capture(&mut command, LIMIT)?.checked("cargo build")?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| repository().join("target"), PathBuf::from);
    Ok(target.join("release").join(program))
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository());
    command
}
