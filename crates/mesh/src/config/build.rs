//! From single values, each of the right kind, to the configuration; and what only shows when several are looked at together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mesh_agent::nearest::nearest;
use mesh_agent::ownership::{GroupMap, GroupProblem};
use mesh_agent::profile::{Profile, ProfileConfig, ProfileProblem, builtin};
use mesh_core::id::LockGroup;
use mesh_core::policy::{Allowance, Budget, Cap, Dispatch, Rank, RetryMode, Unlabelled};
use mesh_core::time::Span;
use mesh_engine::{LearningsSetup, TrackerLimits, TrackerView};
use mesh_plan::details::ConsensusLayer;
use mesh_strategy::strategy::Strategy;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::layers::{Layers, Problem, Source};
use super::{Config, Locks, SandboxConfig, StrategyConfig, ToolPaths, TrackerConfig, Workspace};
use crate::budget;
use crate::error::{CommandError, Kind};

/// The configuration. Problems are added to those that are there already; with any of them the result is not to be used.
///
/// # Errors
/// When the compiled-in defaults lack a value, which is a bug.
pub(super) fn config(layers: &mut Layers) -> Result<Config, CommandError> {
    let agents = agents(layers);
    let groups = groups(layers);
    let capacity = capacity(layers);
    let agent = text(layers, &["agent"]);
    check_agent(layers, &["agent"], agent.as_deref());
    let strategies = strategies(layers);
    check_sandbox(layers);
    Ok(Config {
        concurrency: layers.get(&["concurrency"]).and_then(|entry| {
            entry
                .value
                .as_integer()
                .and_then(|number| u16::try_from(number).ok())
        }),
        rank: need(
            text(layers, &["rank"]).as_deref().and_then(Rank::from_word),
            "rank",
        )?,
        dispatch: need(
            text(layers, &["dispatch"])
                .as_deref()
                .and_then(Dispatch::from_word),
            "dispatch",
        )?,
        agent,
        agents,
        strategy: need(text(layers, &["strategy"]), "strategy")?,
        strategies,
        verify: text(layers, &["verify"]),
        proof_limit_ms: span(layers, &["proof_limit"])?.0,
        proof_where: word(layers, &["proof", "where"])?,
        allow_no_validation: flag(layers, &["allow_no_validation"])?,
        base_conflict: word(layers, &["base_conflict"])?,
        land: text(layers, &["land"]),
        audit_level: word(layers, &["audit_level"])?,
        log: need(text(layers, &["log"]), "log")?,
        retries: count(layers, &["retries"])?,
        retry_mode: need(
            text(layers, &["retry", "mode"])
                .as_deref()
                .and_then(RetryMode::from_word),
            "retry.mode",
        )?,
        start_retries: count(layers, &["start_retries"])?,
        start_pause: span(layers, &["start_pause"])?,
        budget: Budget {
            run: cap(layers, ["max_cost", "max_tokens", "max_time"]),
            task: cap(
                layers,
                ["task_max_cost", "task_max_tokens", "task_max_time"],
            ),
            allowance: Allowance::default(),
        },
        locks: Locks {
            unknown: match text(layers, &["locks", "unknown"]).as_deref() {
                Some("alone") => Unlabelled::Alone,
                _ => Unlabelled::Free,
            },
            patience: count(layers, &["locks", "patience"])?,
            groups,
            capacity,
        },
        workspace: Workspace {
            root: text(layers, &["workspace", "root"]).map(PathBuf::from),
            setup: text(layers, &["workspace", "setup"]),
            setup_limit_ms: span(layers, &["workspace", "setup_limit"])?.0,
            keep: word(layers, &["workspace", "keep"])?,
        },
        tracker: TrackerConfig {
            close: word(layers, &["tracker", "close"])?,
            close_epic: flag(layers, &["tracker", "close_epic"])?,
            trust_agent_verify: flag(layers, &["tracker", "trust_agent_verify"])?,
            allow_untested: flag(layers, &["tracker", "allow_untested"])?,
            molecule: flag(layers, &["tracker", "molecule"])?,
            arms: flag(layers, &["tracker", "arms"])?,
            view: match text(layers, &["tracker", "view"]).as_deref() {
                Some("live") => TrackerView::Live,
                _ => TrackerView::Copy {
                    limit_bytes: bytes(layers, &["tracker", "view_limit"])?,
                },
            },
            limits: TrackerLimits {
                read_ms: span(layers, &["tracker", "read_limit"])?.0,
                write_ms: span(layers, &["tracker", "write_limit"])?.0,
            },
        },
        sandbox: SandboxConfig {
            mode: word(layers, &["sandbox", "mode"])?,
            write: texts(layers, &["sandbox", "write"]),
        },
        learnings: LearningsSetup {
            write: flag(layers, &["learnings", "write"])?,
            prompt: flag(layers, &["learnings", "prompt"])?,
        },
        tools: tools(layers),
    })
}

/// Bounds, by their keys; each has been checked.
fn cap(layers: &Layers, [cost, tokens, time]: [&str; 3]) -> Cap {
    let value = |key| text(layers, &["budget", key]);
    Cap {
        cost_micro_usd: value(cost).and_then(|text| budget::micro_usd(&text).ok()),
        tokens: value(tokens).and_then(|text| budget::tokens(&text).ok()),
        time: span(layers, &["budget", time]).ok(),
    }
}

fn tools(layers: &Layers) -> ToolPaths {
    let path = |name| text(layers, &["tools", name]).map(PathBuf::from);
    ToolPaths {
        bd: path("bd"),
        jj: path("jj"),
        git: path("git"),
        bd_ro: path("bd_ro"),
        jj_rail: path("jj_rail"),
    }
}

fn need<T>(value: Option<T>, key: &str) -> Result<T, CommandError> {
    value.ok_or_else(|| {
        CommandError::new(
            Kind::Internal,
            format!("the compiled-in defaults have no usable `{key}`"),
        )
    })
}

fn text(layers: &Layers, path: &[&str]) -> Option<String> {
    Some(layers.get(path)?.value.as_str()?.to_owned())
}

fn texts(layers: &Layers, path: &[&str]) -> Vec<String> {
    let list = layers.get(path).and_then(|entry| entry.value.as_array());
    let texts = list.into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

fn span(layers: &Layers, path: &[&str]) -> Result<Span, CommandError> {
    let read = text(layers, path).and_then(|text| mesh_core::duration::parse_span(&text).ok());
    need(read, &path.join("."))
}

fn bytes(layers: &Layers, path: &[&str]) -> Result<u64, CommandError> {
    let read = text(layers, path).and_then(|text| mesh_core::duration::parse_bytes(&text).ok());
    need(read, &path.join("."))
}

fn flag(layers: &Layers, path: &[&str]) -> Result<bool, CommandError> {
    let read = layers.get(path).and_then(|entry| entry.value.as_bool());
    need(read, &path.join("."))
}

fn count(layers: &Layers, path: &[&str]) -> Result<u32, CommandError> {
    let read = layers.get(path).and_then(|entry| entry.value.as_integer());
    need(
        read.and_then(|number| u32::try_from(number).ok()),
        &path.join("."),
    )
}

/// A word that names a variant.
fn word<T: DeserializeOwned>(layers: &Layers, path: &[&str]) -> Result<T, CommandError> {
    let read = layers
        .get(path)
        .and_then(|entry| T::deserialize(entry.value.clone()).ok());
    need(read, &path.join("."))
}

fn groups(layers: &mut Layers) -> BTreeMap<String, Vec<String>> {
    let groups: BTreeMap<String, Vec<String>> = layers
        .table(&["locks", "groups"])
        .map(|(name, entry)| {
            let patterns = entry.value.as_array().into_iter().flatten();
            let patterns = patterns.filter_map(|pattern| pattern.as_str().map(str::to_owned));
            (name.to_owned(), patterns.collect())
        })
        .collect();
    if let Err(problems) = GroupMap::compile(&groups) {
        for problem in problems {
            let (GroupProblem::Name { name: group, .. }
            | GroupProblem::Pattern { group, .. }
            | GroupProblem::NoPattern { group }) = &problem;
            let from = place(layers, &["locks", "groups", group]);
            let text = problem.to_string();
            layers.problems.push(Problem { from, text });
        }
    }
    groups
}

fn capacity(layers: &mut Layers) -> BTreeMap<LockGroup, u32> {
    let mut capacity = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, entry) in layers.table(&["locks", "capacity"]) {
        match LockGroup::new(name) {
            Ok(group) => {
                let units = entry.value.as_integer().unwrap_or(1);
                capacity.insert(group, u32::try_from(units).unwrap_or(1));
            }
            Err(problem) => problems.push(Problem {
                from: entry.from.clone(),
                text: format!("locks.capacity: {name:?} is no name of a lock group: {problem}"),
            }),
        }
    }
    layers.problems.extend(problems);
    capacity
}

fn place(layers: &Layers, path: &[&str]) -> Source {
    layers
        .get(path)
        .map_or(Source::Default, |entry| entry.from.clone())
}

fn agents(layers: &mut Layers) -> BTreeMap<String, ProfileConfig> {
    let mut agents = BTreeMap::new();
    for (name, seen) in layers.agents.clone() {
        let own: toml::Table = layers
            .table(&["agents", &name])
            .map(|(key, entry)| (key.to_owned(), entry.value.clone()))
            .collect();
        let table = match extended(&name, own) {
            Ok(table) => table,
            Err(text) => {
                let from = place(layers, &["agents", &name, "extends"]);
                layers.problems.push(Problem { from, text });
                continue;
            }
        };
        if !table.contains_key("command") {
            // A command of the wrong type has been reported as what it is.
            let prefix = format!("{}.command:", super::schema::dotted(["agents", &name]));
            if !layers
                .problems
                .iter()
                .any(|problem| problem.text.starts_with(&prefix))
            {
                let text = format!("agent `{name}` has no `command`");
                layers.problems.push(Problem { from: seen, text });
            }
            continue;
        }
        match ProfileConfig::deserialize(table) {
            Ok(config) => {
                check_profile(layers, &name, &config, &seen);
                agents.insert(name, config);
            }
            Err(error) => {
                let text = format!("agent `{name}`: {}", error.message().trim());
                layers.problems.push(Problem { from: seen, text });
            }
        }
    }
    agents
}

/// What `own` comes to over the table of the known program that it extends, or whose name it has.
fn extended(name: &str, mut own: toml::Table) -> Result<toml::Table, String> {
    let base = match own.remove("extends") {
        Some(extended) => {
            let extended = extended.as_str().unwrap_or_default().to_owned();
            Some(built_in(&extended).ok_or_else(|| {
                let known: Vec<&str> = builtin::ALL.iter().map(|(name, _)| *name).collect();
                format!(
                    "agent `{name}` extends `{extended}`, which is none of {}",
                    known.join(", ")
                )
            })?)
        }
        None => built_in(name),
    };
    let Some(mut table) = base else {
        return Ok(own);
    };
    if own.contains_key("command") {
        // They are options of the command that is replaced.
        for key in ["sandboxed_args", "unsandboxed_args"] {
            table.remove(key);
        }
    }
    for (key, value) in own {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Array(there)), toml::Value::Array(more))
                if builtin::ADDED.contains(&key.as_str()) =>
            {
                there.extend(more);
            }
            (Some(toml::Value::Table(there)), toml::Value::Table(more))
                if builtin::ADDED.contains(&key.as_str()) =>
            {
                there.extend(more);
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
    Ok(table)
}

fn built_in(name: &str) -> Option<toml::Table> {
    builtin::table(name)?.parse().ok()
}

/// The known program that is called `name`.
pub(super) fn built_in_agent(name: &str) -> Option<ProfileConfig> {
    ProfileConfig::deserialize(built_in(name)?).ok()
}

fn check_profile(layers: &mut Layers, name: &str, config: &ProfileConfig, seen: &Source) {
    let Err(error) = Profile::from_config(name, config) else {
        return;
    };
    for problem in error.problems {
        let key = match &problem {
            ProfileProblem::Template(_) | ProfileProblem::PromptNotNamed(_) => Some("command"),
            ProfileProblem::Limit { key, .. }
            | ProfileProblem::Arguments { key, .. }
            | ProfileProblem::VariableName { key, .. }
            | ProfileProblem::ReservedVariable { key, .. } => Some(*key),
            ProfileProblem::LimitPattern { .. } => Some("limit_patterns"),
            ProfileProblem::VariableValue { .. } => Some("env_set"),
            ProfileProblem::ReservedName => None,
        };
        let from = key
            .and_then(|key| layers.get(&["agents", name, key]))
            .map_or_else(|| seen.clone(), |entry| entry.from.clone());
        let text = format!("agent `{name}`: {problem}");
        layers.problems.push(Problem { from, text });
    }
}

fn strategies(layers: &mut Layers) -> BTreeMap<String, StrategyConfig> {
    let named = |strategy: &Strategy| {
        let name = strategy.as_str();
        let at = |key: &'static str| ["strategies", name, key];
        let ms = |key| Some(span(layers, &at(key)).ok()?.0);
        let number = |key| count(layers, &at(key)).ok();
        let roles = strategy.roles().iter().filter_map(|role| {
            let agent = text(layers, &["strategies", name, "roles", role.as_str()])?;
            Some((role.as_str().to_owned(), agent))
        });
        let config = StrategyConfig {
            roles: roles.collect(),
            soft_limit_ms: ms("soft_limit"),
            hard_limit_ms: ms("hard_limit"),
            race: flag(layers, &at("race")).ok(),
            delivery: word(layers, &at("delivery")).ok(),
            consensus: ConsensusLayer {
                roles: number("members"),
                consensus_threshold: number("threshold"),
                consensus_retries: number("retries"),
            },
        };
        (name.to_owned(), config)
    };
    let strategies: BTreeMap<String, StrategyConfig> = Strategy::ALL.iter().map(named).collect();
    for (name, config) in &strategies {
        for (role, agent) in &config.roles {
            check_agent(layers, &["strategies", name, "roles", role], Some(agent));
        }
    }
    strategies
}

/// A relative path would mean another folder to each reader.
fn check_sandbox(layers: &mut Layers) {
    let is_placed = |path: &String| path.starts_with(['/', '~', '$']);
    let paths = texts(layers, &["sandbox", "write"]);
    let Some(path) = paths.iter().find(|path| !is_placed(path)) else {
        return;
    };
    let text = format!("sandbox.write: {path:?} must be absolute, or begin with ~ or $NAME");
    let from = place(layers, &["sandbox", "write"]);
    layers.problems.push(Problem { from, text });
}

/// The agent that is named must be there, be it with problems of its own.
fn check_agent(layers: &mut Layers, path: &[&str], agent: Option<&str>) {
    let is_known = |agent: &str| {
        let (name, _) = agent.split_once(':').unwrap_or((agent, ""));
        let is_own = |name| layers.agents.contains_key(name);
        is_own(agent) || is_own(name) || builtin::table(name).is_some()
    };
    let names = agent.into_iter().flat_map(|list| list.split(','));
    let Some(agent) = names.map(str::trim).find(|agent| !is_known(agent)) else {
        return;
    };
    let own = layers.agents.keys().map(String::as_str);
    let hint = match nearest(agent, own.chain(builtin::ALL.iter().map(|(name, _)| *name))) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("write [agents.{agent}] with a command"),
    };
    let key = super::schema::dotted(path.iter().copied());
    let text = format!("{key}: there is no agent `{agent}` ({hint})");
    let from = place(layers, path);
    layers.problems.push(Problem { from, text });
}
