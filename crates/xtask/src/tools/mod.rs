//! `cargo xtask tools`: the real `bd` and `jj` that the adapter suites run on, built once into a cache outside the repository.
//! `cargo xtask agents`: real agent programs, into the same cache.
//!
//! Where a tool lies is decided by `mesh_testkit::tools` alone, so that what is built here is what the tests find. A tool that is
//! there is asked for its version and nothing else happens. Never installs anything outside the cache and never touches the
//! repository, `--record` excepted.

mod build;
mod cache;
mod go;
mod npm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use mesh_testkit::ro::commands::VERSIONS as READ_ONLY_BD_VERSIONS;
use mesh_testkit::tools::{AGENTS, BD_VERSIONS, JJ_VERSION, cache_dir};
use serde::Serialize;

use crate::args::{Args, UsageError};
use crate::{Outcome, process, repository};

/// Help of the command.
pub const HELP: &str = "\
tools [--json] [--all | --only NAME-VERSION,…] [--check | --record]
    Builds the real bd and jj into the tool cache (MESH_TOOLS_DIR, else ~/.cache/mesh/tools) and prints where each lies.
    That is all that some test needs, about 25 minutes cold on two cores, seconds when cached; --all says so aloud, --only
    takes some. --check builds nothing and ends with 1 when one is missing. --record writes what the real jj answers to
    fixtures/jj/, for the fake.";

/// Help of the command for agents.
pub const AGENTS_HELP: &str = "\
agents [--json] [--check]
    Installs the real claude and codex that some test needs into the tool cache, from their packages for npm (400 MB each), and
    prints where each lies. --check installs nothing and ends with 1 when one is missing.";

/// How a tool is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recipe {
    /// A Go program with C parts.
    Beads,
    /// A Rust program.
    Jujutsu,
    /// A program in a package for npm.
    Npm {
        /// The package.
        package: &'static str,
    },
}

/// One program at one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tool {
    name: &'static str,
    version: &'static str,
    recipe: Recipe,
}

impl Tool {
    /// Name of its folder in the cache, and its name in `--only`.
    fn id(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Where it lies in the cache at `cache`.
    fn path(&self, cache: &Path) -> PathBuf {
        cache.join(self.id()).join("bin").join(self.name)
    }
}

/// What is known of one tool at the end.
#[derive(Debug, Serialize)]
struct Entry {
    name: &'static str,
    version: &'static str,
    path: PathBuf,
    built: bool,
}

/// The answer of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    tools: Vec<Entry>,
}

/// What the suites need: each `bd` that the coordinator works with, those that only the read-only wrapper knows as well, `jj`.
fn all_tools() -> Vec<Tool> {
    let only_read = READ_ONLY_BD_VERSIONS
        .iter()
        .filter(|version| !BD_VERSIONS.contains(version));
    let mut tools: Vec<Tool> = BD_VERSIONS
        .iter()
        .chain(only_read)
        .map(|version| Tool {
            name: "bd",
            version,
            recipe: Recipe::Beads,
        })
        .collect();
    tools.push(Tool {
        name: "jj",
        version: JJ_VERSION,
        recipe: Recipe::Jujutsu,
    });
    tools
}

/// The agents that the suites run.
fn agents_of_the_suites() -> Vec<Tool> {
    let tool = |&(name, version)| Tool {
        name,
        version,
        recipe: Recipe::Npm {
            package: match name {
                "codex" => "@openai/codex",
                _ => "@anthropic-ai/claude-code",
            },
        },
    };
    AGENTS.iter().map(tool).collect()
}

fn select(all: bool, only: Option<&str>) -> Result<Vec<Tool>, UsageError> {
    let known = all_tools();
    let Some(only) = only else {
        return Ok(known);
    };
    if all {
        return Err(UsageError("--all and --only exclude each other".to_owned()));
    }
    let mut chosen = Vec::new();
    for name in only
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let Some(tool) = known.iter().find(|tool| tool.id() == name) else {
            let names: Vec<String> = known.iter().map(Tool::id).collect();
            return Err(UsageError(format!(
                "unknown tool `{name}`; there are {}",
                names.join(", ")
            )));
        };
        if !chosen.contains(tool) {
            chosen.push(*tool);
        }
    }
    if chosen.is_empty() {
        return Err(UsageError("--only names no tool".to_owned()));
    }
    Ok(chosen)
}

/// Runs the command.
///
/// # Errors
/// When a tool cannot be built or is not the version it should be.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let json = args.switch("--json");
    let all = args.switch("--all");
    let check = args.switch("--check");
    let record = args.switch("--record");
    let only = args.option("--only")?;
    args.finish()?;
    let wanted = select(all, only.as_deref())?;
    if record && (check || !wanted.iter().any(is_jj)) {
        let what = "--record needs jj: not with --check, nor with --only that leaves jj out";
        return Err(UsageError(what.to_owned()).into());
    }
    let code = provide(wanted, check, json, "cargo xtask tools")?;
    if record {
        record_jj(&std::path::absolute(cache_dir())?)?;
    }
    Ok(code)
}

/// Runs the command for agents.
///
/// # Errors
/// When a program cannot be installed or is not the version it should be.
pub fn agents(mut args: Args) -> Outcome<ExitCode> {
    let json = args.switch("--json");
    let check = args.switch("--check");
    args.finish()?;
    provide(agents_of_the_suites(), check, json, "cargo xtask agents")
}

/// Sees to it that all of `wanted` are in the cache, and says where.
fn provide(wanted: Vec<Tool>, check: bool, json: bool, way: &str) -> Outcome<ExitCode> {
    let cache = std::path::absolute(cache_dir())?;
    let mut report = Report { tools: Vec::new() };
    let mut missing = false;
    for tool in wanted {
        let path = tool.path(&cache);
        let started = Instant::now();
        let mut built = false;
        if path.is_file() {
            verify_cached(&tool, &path)?;
        } else if check {
            missing = true;
            eprintln!(
                "{} is not at {}: `{way}` puts it there",
                tool.id(),
                path.display()
            );
            continue;
        } else {
            built = cache::with_lock(&cache, |scratch| {
                // Somebody else may have built it while we waited for the lock.
                if path.is_file() {
                    return Ok(false);
                }
                eprintln!(
                    "building {} (once; it stays in {})",
                    tool.id(),
                    cache.display()
                );
                let finished = build::build(&tool, scratch)?;
                verify(&tool, &finished.join("bin").join(tool.name))?;
                cache::publish(&finished, &cache.join(tool.id()))?;
                Ok(true)
            })?;
        }
        if !json {
            let how = if built {
                format!("built in {} s", started.elapsed().as_secs())
            } else {
                "cached".to_owned()
            };
            println!("{:<10} {}  ({how})", tool.id(), path.display());
        }
        report.tools.push(Entry {
            name: tool.name,
            version: tool.version,
            path,
            built,
        });
    }
    if json {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(if missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn is_jj(tool: &Tool) -> bool {
    tool.recipe == Recipe::Jujutsu
}

/// Writes what each jj answers to a walk through everything that the adapter asks of it.
fn record_jj(cache: &Path) -> Outcome<()> {
    for tool in all_tools().iter().filter(|tool| is_jj(tool)) {
        let out = repository()
            .join("fixtures")
            .join("jj")
            .join(format!("{}.jsonl", tool.id()));
        mesh_testkit::record_jj::record(&tool.path(cache), &out)?;
        eprintln!("recorded {}", out.display());
    }
    Ok(())
}

fn verify_cached(tool: &Tool, path: &Path) -> Outcome<()> {
    verify(tool, path).map_err(|error| {
        let folder = path.ancestors().nth(2).unwrap_or(path);
        format!(
            "{error}; remove {} and run `cargo xtask tools` again",
            folder.display()
        )
        .into()
    })
}

/// Asks the program at `path` for its version, in an environment where it finds nothing of the user's.
fn verify(tool: &Tool, path: &Path) -> Outcome<()> {
    let home = tempfile::tempdir()?;
    let mut command = Command::new(path);
    command.arg(match tool.recipe {
        Recipe::Beads => "version",
        Recipe::Jujutsu | Recipe::Npm { .. } => "--version",
    });
    command
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("BEADS_NO_DAEMON", "1")
        .env("BD_DISABLE_METRICS", "1");
    let answer = process::capture(&mut command, Duration::from_secs(60))?.checked(&tool.id())?;
    if names_version(&answer, tool.version) {
        return Ok(());
    }
    Err(format!(
        "{} says it is `{}`, not {}",
        path.display(),
        answer.trim(),
        tool.version
    )
    .into())
}

/// Whether a version text names exactly `version`; jj adds a commit after a dash when it is built from a checkout.
fn names_version(text: &str, version: &str) -> bool {
    text.split_whitespace().any(|word| {
        word == version
            || word
                .strip_prefix(version)
                .is_some_and(|rest| rest.starts_with('-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(all: bool, only: Option<&str>) -> Vec<String> {
        select(all, only).unwrap().iter().map(Tool::id).collect()
    }

    #[test]
    fn what_is_built_without_being_asked_is_what_the_suites_need() {
        for all in [false, true] {
            assert_eq!(
                ids(all, None),
                ["bd-1.3.0", "bd-1.0.5", "bd-0.47.1", "jj-0.45.1"]
            );
        }
    }

    #[test]
    fn only_takes_names_in_their_order_and_refuses_unknown_ones() {
        assert_eq!(
            ids(false, Some("jj-0.45.1, bd-0.47.1,jj-0.45.1")),
            ["jj-0.45.1", "bd-0.47.1"]
        );
        assert!(
            select(false, Some("bd-1.0.4"))
                .unwrap_err()
                .to_string()
                .contains("bd-1.3.0")
        );
        assert!(select(false, Some(",")).is_err());
        assert!(select(true, Some("jj-0.45.1")).is_err());
    }

    #[test]
    fn a_tool_lies_where_the_tests_look_for_it() {
        for tool in all_tools() {
            assert_eq!(
                tool.path(&cache_dir()),
                mesh_testkit::tools::path_in_cache(tool.name, tool.version)
            );
        }
    }

    #[test]
    fn a_version_is_matched_whole() {
        assert!(names_version("bd version 1.3.0 (dev)\n", "1.3.0"));
        assert!(names_version("jj 0.45.1-3f2a", "0.45.1"));
        assert!(!names_version("jj 0.45.10", "0.45.1"));
        assert!(!names_version("bd version 11.3.0", "1.3.0"));
        assert!(!names_version("", "1.3.0"));
    }

    #[test]
    fn a_program_that_lies_about_its_version_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bd");
        fs_err::write(&path, "#!/bin/sh\necho bd version 1.0.4\n").unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tool = Tool {
            name: "bd",
            version: "1.3.0",
            recipe: Recipe::Beads,
        };
        let error = verify(&tool, &path).unwrap_err().to_string();
        assert!(
            error.contains("1.0.4") && error.contains("not 1.3.0"),
            "{error}"
        );
    }
}
