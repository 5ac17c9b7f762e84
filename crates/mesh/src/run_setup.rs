//! The choices of a run, from arguments and configuration: the agent first of all.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mesh_agent::nearest::nearest;
use mesh_agent::profile::{COMMAND_PROFILE, Profile, ProfileConfig};
use mesh_core::plan::Plan;
use mesh_core::task::{Eligibility, Task};
use mesh_engine::{AgentSetup, AuditLevel, Programs, RunSetup, SandboxSetup};
use mesh_plan::diagnostic::Diagnostic;
use mesh_plan::source_snapshot::SourceSnapshot;
use mesh_proc::env::Env;

use crate::config::Config;
use crate::error::{CommandError, Kind};
use crate::sandbox;
use crate::scope::{Scope, ScopeArgs};

/// The names in a list of agents: the first is used while its account may be.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// An agent beside the first one of a run.
pub(crate) struct MoreAgent {
    /// As it was asked for: `codex`, `codex:gpt-5-codex`.
    pub name: String,
    /// What it is.
    pub setup: AgentSetup,
    /// What comes of that.
    pub profile: Profile,
    /// Only tasks that name it get it.
    pub by_name_only: bool,
}

/// What the list of a run's agents says, unless its agent is a command.
fn list(args: &ScopeArgs, config: &Config) -> Option<String> {
    let given = Some(args.agent.join(",")).filter(|_| !args.agent.is_empty());
    let list = given.or_else(|| config.agent.clone());
    list.filter(|_| args.agent_command.is_none())
}

/// The name of the run's first agent, as it was asked for.
pub(crate) fn first_name(args: &ScopeArgs, config: &Config) -> String {
    let list = list(args, config).unwrap_or_default();
    names(&list).next().unwrap_or(COMMAND_PROFILE).to_owned()
}

/// The agents that are used while the account of the first may not be, in this order, and those that only tasks of `plan` name.
pub(crate) fn more_agents(
    args: &ScopeArgs,
    config: &Config,
    plan: &Plan,
) -> Result<Vec<MoreAgent>, CommandError> {
    let first = first_name(args, config);
    let list = list(args, config).unwrap_or_default();
    let usual: Vec<&str> = names(&list).skip(1).collect();
    let open = plan.tasks().iter().filter(|task| is_open(task));
    let of_tasks: BTreeSet<&str> = open
        .flat_map(|task| &task.agents)
        .map(String::as_str)
        .filter(|name| *name != first && !usual.contains(name))
        .collect();
    let all = usual.iter().map(|name| (*name, false));
    let all = all.chain(of_tasks.into_iter().map(|name| (name, true)));
    all.map(|(name, by_name_only)| {
        let setup = named_agent(name, config)?;
        Ok(MoreAgent {
            name: name.to_owned(),
            profile: checked(&setup)?,
            setup,
            by_name_only,
        })
    })
    .collect()
}

fn is_open(task: &Task) -> bool {
    task.eligibility == Eligibility::Open
}

/// The agents that tasks name and that cannot be had: an error for each task and name. With a strategy tasks have no agent of their own.
pub(crate) fn agent_problems(
    args: &ScopeArgs,
    config: &Config,
    source: &SourceSnapshot,
) -> Vec<Diagnostic> {
    let strategy = args.strategy.as_ref().unwrap_or(&config.strategy);
    let problem = |name: &str| {
        if strategy != crate::strategy::DIRECT {
            return Some(format!(
                "it names the agent {name}, and with the strategy {strategy} only roles have agents: [strategies.{strategy}.roles]"
            ));
        }
        if name == COMMAND_PROFILE && args.agent_command.is_some() {
            return None;
        }
        let setup = match named_agent(name, config) {
            Ok(setup) => setup,
            Err(_) => {
                let known = config.agent_names();
                let hint = match nearest(name, known.iter().copied()) {
                    Some(name) => format!("did you mean {name}?"),
                    None => format!("known: {}", known.join(", ")),
                };
                return Some(format!("there is no agent {name} ({hint})"));
            }
        };
        checked(&setup).err().map(|error| error.message)
    };
    let open = source.tasks.iter().filter(|task| is_open(task));
    let named = open.flat_map(|task| task.agents.iter().map(move |name| (task, name)));
    let problems = named.filter_map(|(task, name)| {
        let found = Diagnostic::error(problem(name)?).about(&task.id);
        Some(found.at(source.spans.get(&task.id).copied()))
    });
    problems.collect()
}

pub(crate) fn named_agent(name: &str, config: &Config) -> Result<AgentSetup, CommandError> {
    let Some((name, config)) = config.agent(name) else {
        let known = config.agent_names().join(", ");
        return Err(
            CommandError::usage(format!("there is no agent {name}")).hint(format!(
                "known: {known}; write [agents.{name}] command = \"…\", or pass --agent-command"
            )),
        );
    };
    Ok(AgentSetup {
        name,
        config,
        folder: None,
    })
}

pub(crate) fn checked(setup: &AgentSetup) -> Result<Profile, CommandError> {
    let profile = setup.profile();
    profile.map_err(|error| CommandError::new(Kind::ConfigInvalid, error.to_string()))
}

/// The agent that `args`, given in `folder`, and configuration name; the first of several.
pub(crate) fn agent(
    args: &ScopeArgs,
    config: &Config,
    folder: &Path,
) -> Result<(AgentSetup, Profile), CommandError> {
    let setup = match (&args.agent_command, list(args, config)) {
        (Some(template), _) => AgentSetup {
            name: COMMAND_PROFILE.to_owned(),
            config: ProfileConfig {
                command: template.clone(),
                ..ProfileConfig::default()
            },
            folder: Some(folder.to_path_buf()),
        },
        (None, Some(list)) => named_agent(names(&list).next().unwrap_or(&list), config)?,
        (None, None) => {
            return Err(CommandError::usage("no agent is named")
                .hint("pass --agent claude, --agent codex or another that `mesh agents` lists, or --agent-command 'program {prompt_file}'"));
        }
    };
    let profile = checked(&setup)?;
    Ok((setup, profile))
}

/// The agent's program, found now, so that a missing one changes nothing.
pub(crate) fn locate_agent(
    agent: &AgentSetup,
    profile: &Profile,
    root: &Path,
    ours: &Env,
) -> Result<PathBuf, CommandError> {
    let path: Option<OsString> = ours.get("PATH").map(ToOwned::to_owned);
    agent
        .locate(profile, root, path.as_deref())
        .map_err(|error| CommandError::new(Kind::ToolMissing, error.to_string()))
}

impl Scope {
    /// The sandbox of a run with this agent.
    pub fn sandbox(&self, args: &ScopeArgs, profile: Option<&Profile>) -> SandboxSetup {
        sandbox::setup(&self.config, args.sandbox.as_deref(), profile, &self.ours)
    }

    /// Everything a run is made with.
    pub fn setup(&self, args: &ScopeArgs, agent: AgentSetup, profile: &Profile) -> RunSetup {
        let config = &self.config;
        RunSetup {
            source: self.source.clone(),
            title: self.loaded.source.title.clone(),
            repository: self.root.clone(),
            vcs: self.vcs.kind().as_str().to_owned(),
            store: Some(self.vcs.store_path().to_path_buf()),
            base: self.base.clone(),
            sandbox: self.sandbox(args, Some(profile)),
            agent,
            more_agents: Vec::new(),
            strategy: None,
            programs: Programs {
                bd: self.tools.bd.clone(),
                bd_ro: self.tools.bd_ro.clone(),
                jj_rail: self.tools.jj_rail.clone(),
                jj: self.tools.jj.clone(),
                git: self.tools.git.clone(),
            },
            workspaces_root: config.workspace.root.clone(),
            workspace_setup: config.workspace.setup.clone(),
            setup_limit_ms: config.workspace.setup_limit_ms,
            keep: config.workspace.keep,
            verify: args.verify.clone().or_else(|| config.verify.clone()),
            proof_limit_ms: config.proof_limit_ms,
            proof_where: config.proof_where,
            groups: config.locks.groups.clone(),
            base_conflict: config.base_conflict,
            close: config.tracker.close,
            trust_agent_verify: config.tracker.trust_agent_verify,
            close_epic: config.tracker.close_epic,
            audit: match args.audit_level.as_deref() {
                Some("full") => AuditLevel::Full,
                Some("minimal") => AuditLevel::Minimal,
                Some(_) => AuditLevel::None,
                None => config.audit_level,
            },
            molecule: config.tracker.molecule,
            arms: config.tracker.arms,
            view: config.tracker.view,
            tracker_limits: config.tracker.limits,
            learnings: config.learnings,
        }
    }
}
