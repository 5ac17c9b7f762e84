//! How each tool is built, in a scratch folder that is thrown away.
//!
//! Both come from their language's own package source with its own lock or checksum file. The number of jobs follows the
//! machine, with a ceiling: the linkers of both programs take more than a gigabyte each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Recipe, Tool, go, npm};
use crate::{Outcome, process};

/// Longest a build may take; measured 5 to 10 minutes on two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(45 * 60);
/// More jobs than this cost memory and gain little.
const MOST_JOBS: usize = 4;

/// Builds `tool` inside `scratch`; the folder that comes back holds `bin/<name>` and what that needs.
///
/// # Errors
/// When a compiler is missing (the message says what to install) or the build fails.
pub fn build(tool: &Tool, scratch: &Path) -> Outcome<PathBuf> {
    let finished = scratch.join("finished");
    let bin = finished.join("bin");
    fs_err::create_dir_all(&bin)?;
    match tool.recipe {
        Recipe::Beads => build_beads(tool, scratch, &bin.join(tool.name))?,
        Recipe::Jujutsu => build_jujutsu(tool, scratch, &bin.join(tool.name))?,
        Recipe::Npm { package } => npm::install(tool, package, &finished)?,
    }
    Ok(finished)
}

fn build_beads(tool: &Tool, scratch: &Path, output: &Path) -> Outcome<()> {
    let go = go::find(scratch)?;
    require_c_compiler()?;
    let module = scratch.join("module");
    fs_err::create_dir_all(&module)?;
    fs_err::write(module.join("go.mod"), beads_module(tool.version))?;
    let mut command = go.command(&module);
    command
        .args(["build", "-p", &jobs().to_string(), "-o"])
        .arg(output)
        .arg("github.com/steveyegge/beads/cmd/bd");
    // `gms_pure_go` leaves out the regular-expression library that would have to be installed; `mod` lets Go fill in go.sum,
    // checked against the checksum database.
    command
        .env("CGO_ENABLED", "1")
        .env("GOFLAGS", "-tags=gms_pure_go -mod=mod -buildvcs=false");
    process::stream(&mut command, BUILD_LIMIT)
}

/// A module whose only purpose is to have `bd` as its dependency: `go install` refuses modules with replacements.
fn beads_module(version: &str) -> String {
    format!("module throwaway\n\ngo 1.24\n\nrequire github.com/steveyegge/beads v{version}\n")
}

fn build_jujutsu(tool: &Tool, scratch: &Path, output: &Path) -> Outcome<()> {
    require_c_compiler()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let installed = scratch.join("installed");
    let mut command = Command::new(cargo);
    // From the scratch folder, so that no `.cargo/config.toml` of this repository has a say.
    command.current_dir(scratch).args([
        "install",
        "--locked",
        "jj-cli",
        "--bin",
        "jj",
        "--version",
        tool.version,
    ]);
    command
        .args(["--jobs", &jobs().to_string(), "--no-track"])
        .arg("--root")
        .arg(&installed);
    command.arg("--target-dir").arg(scratch.join("target"));
    // Flags of the caller's own build (coverage, sanitizers) are not meant for this one.
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    process::stream(&mut command, BUILD_LIMIT)?;
    fs_err::rename(installed.join("bin").join("jj"), output)?;
    Ok(())
}

fn require_c_compiler() -> Outcome<()> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut ask = Command::new(&compiler);
    ask.arg("--version");
    match process::capture(&mut ask, Duration::from_secs(60)) {
        Ok(answer) if answer.status.success() => Ok(()),
        _ => Err(format!(
            "building bd and jj needs a C compiler, and `{}` does not run: install one (Debian, Ubuntu: `apt-get install gcc libc6-dev`)",
            compiler.to_string_lossy()
        )
        .into()),
    }
}

fn jobs() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_JOBS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_asks_for_exactly_one_version() {
        let module = beads_module("1.0.5");
        assert!(
            module
                .lines()
                .any(|line| line == "require github.com/steveyegge/beads v1.0.5"),
            "{module}"
        );
        assert!(module.lines().any(|line| line == "go 1.24"), "{module}");
    }

    #[test]
    fn jobs_stay_within_the_ceiling() {
        assert!((1..=MOST_JOBS).contains(&jobs()));
    }
}
