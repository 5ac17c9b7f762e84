//! What is said of the sandbox before anything runs in it: whether there is one, what may be written, and what of that is odd.

use std::path::{Path, PathBuf};

use mesh_agent::launch;
use mesh_agent::profile::{Profile, SandboxMode};
use mesh_engine::{SandboxFound, SandboxSetup};
use mesh_proc::env::Env;
use mesh_proc::sandbox::Enforced;
use serde::Serialize;

use crate::config::Config;
use crate::error::CommandError;

/// The sandbox of a run, as it would be.
#[derive(Debug, Serialize)]
pub(crate) struct SandboxFacts {
    /// `on`, `require` or `off`.
    pub mode: SandboxMode,
    /// What the kernel enforces; nothing runs in a sandbox when absent.
    pub enforced: Option<Enforced>,
    /// What agents may write beside what is their own.
    pub write: Vec<PathBuf>,
    /// What there is to say of it, a line each.
    #[serde(skip)]
    pub lines: Vec<String>,
}

/// The choices of configuration, agent and flag, the last first.
pub(crate) fn setup(
    config: &Config,
    flag: Option<&str>,
    profile: Option<&Profile>,
    ours: &Env,
) -> SandboxSetup {
    let flag = flag.and_then(SandboxMode::from_word);
    let of_agent = profile.and_then(|profile| profile.sandbox);
    SandboxSetup {
        mode: flag.or(of_agent).unwrap_or(config.sandbox.mode),
        write: expanded(&config.sandbox.write, ours),
    }
}

fn expanded(paths: &[String], ours: &Env) -> Vec<PathBuf> {
    let paths = paths.iter();
    paths
        .filter_map(|path| launch::expanded(path, ours))
        .collect()
}

/// What `setup` comes to here, for agents of `profile` that work the repository at `root`.
///
/// # Errors
/// There is none, and there has to be one.
pub(crate) fn look(
    setup: &SandboxSetup,
    profile: Option<&Profile>,
    root: Option<&Path>,
    ours: &Env,
) -> Result<SandboxFacts, CommandError> {
    let found = setup.find()?;
    let mut lines = vec![found.to_string()];
    let mut write = setup.write.clone();
    write.extend(profile.map_or_else(Vec::new, |profile| profile.writable(ours)));
    let (there, missing): (Vec<PathBuf>, Vec<PathBuf>) =
        write.iter().cloned().partition(|path| path.exists());
    let enforced = match found {
        SandboxFound::Ready(enforced) => Some(enforced),
        SandboxFound::Off | SandboxFound::Unavailable(_) => None,
    };
    if enforced.is_some() {
        if !there.is_empty() {
            let paths = shown(&there);
            lines.push(format!("in the sandbox agents may also write: {paths}"));
        }
        let of_config = setup.write.iter();
        let missing: Vec<PathBuf> = of_config
            .filter(|path| missing.contains(path))
            .cloned()
            .collect();
        if !missing.is_empty() {
            let paths = shown(&missing);
            lines.push(format!(
                "sandbox.write names what is not there, and what is not there cannot be written: {paths}"
            ));
        }
        let holds = |path: &&PathBuf| root.is_some_and(|root| root.starts_with(path));
        if let Some(path) = there.iter().find(holds) {
            lines.push(format!(
                "sandbox.write names {}, and the repository is below it: agents may write to all of it",
                path.display()
            ));
        }
    }
    Ok(SandboxFacts {
        mode: setup.mode,
        enforced,
        write,
        lines,
    })
}

fn shown(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
