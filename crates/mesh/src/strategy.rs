//! The strategy of a run: how each task is worked, by which agents, and how many of them at once. What comes of it is an agent like any
//! other, whose program is mesh's own driver.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mesh_agent::profile::{Limits, Profile, ProfileConfig, ProtocolConfig};
use mesh_engine::{AgentSetup, StrategySetup};
use mesh_strategy::strategy::{Consensus, Settings, Strategy};
use serde::Serialize;

use crate::commands::strategy::{Choices, shown};
use crate::config::StrategyConfig;
use crate::error::{CommandError, Kind};
use crate::run_setup;
use crate::scope::{Scope, ScopeArgs};

/// The word for one agent a task.
pub(crate) const DIRECT: &str = "direct";
/// All words for strategies.
pub(crate) const WORDS: [&str; 4] = [DIRECT, "patch-first", "pipeline", "consensus"];

/// The attempt ends by itself long before; this only bounds a driver that does not.
const MOST_TURNS_IN_A_ROW: u64 = 40;
/// Between the request to end and the kill, beyond what the roles get.
const GRACE_MS: u64 = 5_000;

/// A strategy with all that a run needs of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compound {
    /// The driver, as the run's agent.
    pub driver: AgentSetup,
    /// What the driver is told.
    pub setup: StrategySetup,
    /// The agents of the roles, each once.
    pub agents: Vec<(AgentSetup, Profile)>,
}

/// A strategy as `plan` and `run` show it.
#[derive(Debug, Serialize)]
pub(crate) struct StrategyFacts {
    /// Its name.
    pub name: String,
    /// The agent of each role.
    pub roles: BTreeMap<String, String>,
    /// How many agents an attempt runs at once, at most.
    pub agents_at_once: u16,
    /// How many tasks are worked at once.
    pub tasks_at_once: u16,
    /// One line.
    #[serde(skip)]
    pub line: String,
}

/// The strategy that `args` and configuration name; nothing for one agent a task. `usual` is the run's agent, which has each role that
/// nobody else has.
pub(crate) fn choose(
    args: &ScopeArgs,
    scope: &Scope,
    usual: &AgentSetup,
    folder: &Path,
) -> Result<Option<Compound>, CommandError> {
    let config = &scope.config;
    let name = args.strategy.as_ref().unwrap_or(&config.strategy);
    if name == DIRECT {
        return Ok(None);
    }
    let invalid = |text: String| CommandError::new(Kind::ConfigInvalid, text);
    let strategy: Strategy = name
        .parse()
        .map_err(|error: mesh_strategy::strategy::UnknownStrategy| invalid(error.to_string()))?;
    if !run_setup::more_agents(args, config, &scope.plan)?.is_empty() {
        return Err(CommandError::usage(format!(
            "with the strategy {name} a run has one agent, and --agent names several"
        ))
        .hint(format!(
            "name one; roles may have others: [strategies.{name}.roles]"
        )));
    }
    if scope.tools.git.is_none() {
        return Err(CommandError::new(
            Kind::ToolMissing,
            format!("git was not found, and the strategy {name} applies patches with it"),
        ));
    }
    let own = config.strategies.get(name).cloned().unwrap_or_default();
    let settings = settings(&own, scope.policy.concurrency)?;
    let mut roles = BTreeMap::new();
    let mut agents: Vec<(AgentSetup, Profile)> = Vec::new();
    for role in strategy.roles() {
        let agent = match own.roles.get(role.as_str()) {
            Some(name) => run_setup::named_agent(name, config)?,
            None => usual.clone(),
        };
        if !agents.iter().any(|(known, _)| *known == agent) {
            agents.push((agent.clone(), run_setup::checked(&agent)?));
        }
        roles.insert(role.as_str().to_owned(), agent);
    }
    let choices = Choices {
        settings,
        soft_limit_ms: own.soft_limit_ms,
        hard_limit_ms: own.hard_limit_ms,
        allow_no_validation: args.allow_no_validation || config.allow_no_validation,
    };
    let at_once = strategy.agents_at_once(&choices.settings);
    let settings = serde_json::to_value(&choices)
        .map_err(|error| CommandError::new(Kind::Internal, error.to_string()))?;
    let setup = StrategySetup {
        name: name.clone(),
        roles,
        settings,
        agents_at_once: u16::try_from(at_once).unwrap_or(u16::MAX),
    };
    Ok(Some(Compound {
        driver: AgentSetup {
            name: name.clone(),
            config: driver(name, usual, &agents)?,
            folder: Some(folder.to_path_buf()),
        },
        setup,
        agents,
    }))
}

fn settings(own: &StrategyConfig, concurrency: u16) -> Result<Settings, CommandError> {
    let consensus = Consensus::from_layers(&[own.consensus], usize::from(concurrency));
    let consensus = consensus.map_err(|problems| {
        let error = CommandError::new(
            Kind::ConfigInvalid,
            "the settings of [strategies.consensus] do not fit together",
        );
        problems.into_iter().fold(error, CommandError::hint)
    })?;
    let usual = Settings::default();
    Ok(Settings {
        race: own.race.unwrap_or(usual.race),
        delivery: own.delivery.unwrap_or(usual.delivery),
        consensus,
    })
}

/// The driver as an agent: it gets what any of its roles gets, and hands each only its own.
fn driver(
    name: &str,
    usual: &AgentSetup,
    agents: &[(AgentSetup, Profile)],
) -> Result<ProfileConfig, CommandError> {
    let exe = std::env::current_exe()?;
    let exe = exe.to_string_lossy();
    let command = shlex::try_join([&*exe, "__strategy", name])
        .map_err(|error| CommandError::new(Kind::Environment, error.to_string()))?;
    let profiles = || agents.iter().map(|(_, profile)| profile);
    let most = |of: fn(&Limits) -> u64| profiles().map(|profile| of(&profile.limits)).max();
    let hard = most(|limits| limits.hard.0).unwrap_or_default();
    let hard = format!("{}ms", hard.saturating_mul(MOST_TURNS_IN_A_ROW));
    let grace = most(|limits| limits.grace.0).unwrap_or_default();
    let texts = |of: fn(&Profile) -> &[String]| -> Vec<String> {
        let all: BTreeSet<&String> = profiles().flat_map(of).collect();
        all.into_iter().cloned().collect()
    };
    let set = profiles().flat_map(|profile| profile.env_set.clone());
    Ok(ProfileConfig {
        command,
        protocol: ProtocolConfig::Strategy,
        own_tmpdir: true,
        // It is silent while its roles are at work, and ends those that are silent for too long itself.
        silence_limit: Some(hard.clone()),
        hard_limit: Some(hard),
        grace: Some(format!("{}ms", grace.saturating_add(GRACE_MS))),
        env_keep: texts(|profile| &profile.env_keep),
        env_set: set.collect(),
        sandbox: usual.config.sandbox,
        write: texts(|profile| &profile.write),
        account: Some(
            usual
                .config
                .account
                .clone()
                .unwrap_or_else(|| usual.name.clone()),
        ),
        model: Some(format!("strategy:{name}")),
        ..ProfileConfig::default()
    })
}

impl Compound {
    /// The driver's profile.
    pub fn profile(&self) -> Result<Profile, CommandError> {
        run_setup::checked(&self.driver)
    }

    /// For people, with `concurrency` agents at once.
    pub fn facts(&self, concurrency: u16) -> StrategyFacts {
        let StrategySetup {
            name,
            roles,
            agents_at_once,
            ..
        } = &self.setup;
        let roles: BTreeMap<String, String> = roles
            .iter()
            .map(|(role, agent)| (role.clone(), shown(agent)))
            .collect();
        let tasks = tasks_at_once(concurrency, *agents_at_once);
        let each: Vec<String> = roles
            .iter()
            .map(|(role, agent)| format!("{role} {agent}"))
            .collect();
        let plural = |count: u16, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        StrategyFacts {
            line: format!(
                "strategy {name}: {}: {} x {} at once ({})",
                plural(concurrency, "agent"),
                plural(tasks, "task"),
                plural(*agents_at_once, "role"),
                each.join(", ")
            ),
            name: name.clone(),
            agents_at_once: *agents_at_once,
            tasks_at_once: tasks,
            roles,
        }
    }
}

/// How many tasks are worked at once, at least one.
pub(crate) fn tasks_at_once(concurrency: u16, agents_at_once: u16) -> u16 {
    (concurrency / agents_at_once.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_strategies() {
        let known = Strategy::ALL.map(Strategy::as_str);
        assert_eq!(WORDS[0], DIRECT);
        assert_eq!(WORDS[1..], known);
    }

    #[test]
    fn at_least_one_task_is_worked() {
        let tasks = [(12, 5), (5, 5), (3, 5), (7, 2), (4, 1)];
        let tasks = tasks.map(|(agents, each)| tasks_at_once(agents, each));
        assert_eq!(tasks, [2, 1, 1, 3, 4]);
    }
}
