//! The choices of a run, from arguments and configuration: the agent first of all.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mesh_agent::profile::{COMMAND_PROFILE, Profile, ProfileConfig};
use mesh_engine::{AgentSetup, AuditLevel, Programs, RunSetup, SandboxSetup};
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

/// The agents that are used while the account of the first may not be, in this order.
pub(crate) fn more_agents(
    args: &ScopeArgs,
    config: &Config,
) -> Result<Vec<(AgentSetup, Profile)>, CommandError> {
    let list = args.agent.as_ref().or(config.agent.as_ref());
    let list = list.filter(|_| args.agent_command.is_none());
    let names = list.into_iter().flat_map(|list| names(list)).skip(1);
    names
        .map(|name| {
            let setup = named_agent(name, config)?;
            let profile = checked(&setup)?;
            Ok((setup, profile))
        })
        .collect()
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
    let setup = match (
        &args.agent_command,
        args.agent.as_ref().or(config.agent.as_ref()),
    ) {
        (Some(template), _) => AgentSetup {
            name: COMMAND_PROFILE.to_owned(),
            config: ProfileConfig {
                command: template.clone(),
                ..ProfileConfig::default()
            },
            folder: Some(folder.to_path_buf()),
        },
        (None, Some(list)) => named_agent(names(list).next().unwrap_or(list), config)?,
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
