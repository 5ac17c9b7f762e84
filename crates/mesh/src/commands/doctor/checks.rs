//! What there is: programs, the system, the repository, locks, configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_journal::layout::MeshDir;
use mesh_journal::locks;
use mesh_proc::env::Env;
use mesh_proc::run;
use mesh_proc::tree::{Identity, open_same};
use mesh_vcs::{Backend, RepositorySetup, Tools};

use super::{
    FileFacts, Findings, LockFacts, ProgramFacts, RepositoryFacts, SystemFacts, ValueFacts,
    leftovers, tracker,
};
use crate::agents;
use crate::commands::run_lookup::variable;
use crate::config::{self, ToolPaths};
use crate::error::{CommandError, Kind};
use crate::run_setup;
use crate::sandbox;
use crate::scope::ScopeArgs;
use crate::tools::{self, Search, SearchedPrograms};

/// What a person may wait for a program to say its version.
const VERSION_PATIENCE: Duration = Duration::from_secs(20);

/// Looks at everything, whatever is wrong with any of it.
pub(super) fn at_everything(folder: &Path, findings: &mut Findings) {
    let ours: Env = std::env::vars_os().collect();
    // The configuration may name the programs, and the repository has a part of it: its programs are looked for twice.
    let first = tools::search(&ToolPaths::default(), &variable);
    let root = detect(folder, &first, None, &ours)
        .ok()
        .map(|vcs| vcs.main_root().to_path_buf());
    let loaded = match config::load(root.as_deref(), &variable) {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            findings.error(error);
            None
        }
    };
    config_facts(root.as_deref(), loaded.as_ref(), findings);
    let paths = loaded.as_ref().map(|loaded| loaded.config.tools.clone());
    let workspaces_root = loaded
        .as_ref()
        .and_then(|loaded| loaded.config.workspace.root.clone());
    let searched = tools::search(&paths.unwrap_or_default(), &variable);
    programs(&searched, &ours, findings);
    system(findings);
    let vcs = match detect(folder, &searched, workspaces_root, &ours) {
        Ok(vcs) => vcs,
        Err(error) => return findings.error(error.into()),
    };
    repository(&vcs, findings);
    if vcs.kind() == mesh_vcs::Kind::Jj && searched.jj_rail.is_err() {
        findings.error(mesh_engine::EngineError::NO_JJ_RAIL.into());
    }
    let allow_untested = loaded
        .as_ref()
        .is_some_and(|loaded| loaded.config.tracker.allow_untested);
    let tracker = tracker::look(vcs.main_root(), &searched, &ours, allow_untested, findings);
    locks_and_runs(&vcs, findings);
    let is_worked_on = findings.locks.iter().any(|lock| lock.held);
    if !is_worked_on && findings.unfinished_run.is_none() {
        if let Some(tracker) = &tracker {
            leftovers::in_tracker(&**tracker, &MeshDir::of(vcs.main_root()), findings);
        }
        leftovers::in_repository(&vcs, findings);
    }
    if let Some(loaded) = &loaded {
        agent(&loaded.config, vcs.main_root(), &ours, findings);
        sandbox_of_runs(&loaded.config, vcs.main_root(), &ours, findings);
    }
}

fn detect(
    folder: &Path,
    searched: &SearchedPrograms,
    workspaces_root: Option<PathBuf>,
    ours: &Env,
) -> Result<Backend, mesh_vcs::VcsError> {
    let tools = Tools {
        jj: searched.jj.as_ref().ok().cloned(),
        git: searched.git.as_ref().ok().cloned(),
    };
    let mut setup = RepositorySetup::new(tools, ours.clone());
    setup.workspaces_root = workspaces_root;
    Backend::detect(folder, &setup)
}

fn config_facts(
    root: Option<&Path>,
    loaded: Option<&config::SourceSnapshot>,
    findings: &mut Findings,
) {
    findings.config_files = config::files(root, &variable)
        .into_iter()
        .map(|path| FileFacts {
            exists: path.exists(),
            path,
        })
        .collect();
    let origins = loaded
        .map(|loaded| loaded.origins.as_slice())
        .unwrap_or_default();
    findings.config = origins
        .iter()
        .map(|origin| ValueFacts {
            key: origin.key.clone(),
            // Fixed variables of an agent may hold a token, and what a doctor says gets pasted.
            value: if origin.key.starts_with("agents.") && origin.key.ends_with(".env_set") {
                "(not shown)".to_owned()
            } else {
                origin.value.clone()
            },
            from: origin.from.to_string(),
        })
        .collect();
}

fn programs(searched: &SearchedPrograms, ours: &Env, findings: &mut Findings) {
    let all: [(&'static str, &Search, Option<&str>); 5] = [
        ("jj", &searched.jj, Some("--version")),
        ("git", &searched.git, Some("--version")),
        ("bd", &searched.bd, Some("version")),
        ("mesh-bd-ro", &searched.bd_ro, None),
        ("mesh-jj", &searched.jj_rail, None),
    ];
    for (name, search, question) in all {
        let path = search.as_ref().ok().cloned();
        let version = match (&path, question) {
            (Some(path), Some(question)) => first_line(path, question, ours),
            // The wrappers are built with us and say nothing of their own; beside us they are of our version.
            _ => None,
        };
        findings.programs.push(ProgramFacts {
            name,
            path,
            version,
            problem: search.as_ref().err().map(ToString::to_string),
        });
    }
}

/// What a program says about itself, for people; nothing is read out of it.
fn first_line(program: &Path, question: &str, ours: &Env) -> Option<String> {
    let command = run::Command::new(program)
        .arg(question)
        .cwd("/")
        // Some versions of bd start a server for any call that does not say otherwise.
        .env(ours.clone().set("BEADS_NO_DAEMON", "1"))
        .timeout(VERSION_PATIENCE);
    let output = run::run(&command).ok()?;
    let text = output.stdout_text();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(120).collect())
}

fn system(findings: &mut Findings) {
    let kernel = fs_err::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let pidfd = Identity::own().and_then(open_same).is_some();
    if !pidfd {
        findings.error(
            CommandError::new(
                Kind::Environment,
                "the system gives no process descriptors, or /proc is not readable",
            )
            .hint("Linux 5.4 or newer with /proc mounted is needed"),
        );
    }
    findings.system = Some(SystemFacts {
        kernel: kernel.trim().to_owned(),
        pidfd,
    });
}

fn repository(vcs: &Backend, findings: &mut Findings) {
    let note = match vcs.working_copy_note() {
        Ok(note) => note,
        Err(error) => Some(format!("it could not be looked at: {error}")),
    };
    findings.repository = Some(RepositoryFacts {
        kind: vcs.kind().as_str(),
        root: vcs.main_root().to_path_buf(),
        store: vcs.store_path().to_path_buf(),
        workspaces_root: vcs.workspaces_root().to_path_buf(),
        note,
    });
    if let Err(error) = vcs.base(None) {
        findings.error(error.into());
    }
    for folder in [MeshDir::of(vcs.main_root()).path(), vcs.workspaces_root()] {
        if let Some(problem) = not_writable(folder) {
            findings.error(
                CommandError::new(Kind::Environment, problem)
                    .hint("a run keeps its records and workspaces there; `workspace.root` names another folder for workspaces"),
            );
        }
    }
}

/// Why nothing could be made in `folder`, or in the nearest folder above it that is there.
fn not_writable(folder: &Path) -> Option<String> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    if !there.is_dir() {
        return Some(format!("{} is not a folder", there.display()));
    }
    match rustix::fs::access(there, rustix::fs::Access::WRITE_OK) {
        Ok(()) => None,
        Err(error) => Some(format!("{} cannot be written: {error}", there.display())),
    }
}

fn locks_and_runs(vcs: &Backend, findings: &mut Findings) {
    let tracker = findings
        .tracker
        .as_ref()
        .and_then(|tracker| tracker.path.clone());
    let keys: Vec<PathBuf> = std::iter::once(vcs.store_path().to_path_buf())
        .chain(tracker)
        .collect();
    for key in keys {
        match locks::is_held(&key) {
            Ok(held) => {
                let by = locks::holder_of(&key).filter(|_| held);
                if held {
                    findings.error(
                        CommandError::new(
                            Kind::Held,
                            format!("{} is worked on by another mesh", key.display()),
                        )
                        .hint("wait for it, or `mesh stop`"),
                    );
                }
                findings.locks.push(LockFacts { key, held, by });
            }
            Err(error) => findings.error(error.into()),
        }
    }
    match mesh_engine::unfinished(&MeshDir::of(vcs.main_root())) {
        Ok(None) => {}
        Ok(Some(run)) => {
            findings.unfinished_run = Some(run.to_string());
            // One that is being worked on has been reported as that, and cannot be resumed.
            if findings.locks.iter().all(|lock| !lock.held) {
                findings.error(
                    CommandError::new(Kind::Held, format!("run {run} has not ended"))
                        .hint("`mesh resume` goes on with it, `mesh stop` ends it"),
                );
            }
        }
        Err(error) => findings.error(error.into()),
    }
}

fn sandbox_of_runs(config: &config::Config, root: &Path, ours: &Env, findings: &mut Findings) {
    let profile = run_setup::agent(&ScopeArgs::default(), config, root)
        .ok()
        .map(|(_, profile)| profile);
    let setup = sandbox::setup(config, None, profile.as_ref(), ours);
    match sandbox::look(&setup, profile.as_ref(), Some(root), ours) {
        Ok(facts) => findings.sandbox = Some(facts),
        Err(error) => findings.error(error),
    }
}

fn agent(config: &config::Config, root: &Path, ours: &Env, findings: &mut Findings) {
    if config.agent.is_none() {
        return findings
            .note("no agent is configured: `mesh run` needs --agent or --agent-command");
    }
    let found =
        run_setup::agent(&ScopeArgs::default(), config, root).and_then(|(agent, profile)| {
            let program = run_setup::locate_agent(&agent, &profile, root, ours)?;
            Ok(agents::look(&profile, &agent.config, Ok(program), ours)
                .warnings(&agent.name, &agent.config))
        });
    match found {
        Ok(warnings) => warnings
            .into_iter()
            .for_each(|warning| findings.note(warning)),
        Err(error) => findings.error(error),
    }
}
