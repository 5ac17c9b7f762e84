//! Configuration: commented defaults, then the user's file, the repository's, variables, flags. Each value knows where it came
//! from; an unknown key is an error with the nearest name.
//!
//! Variables and the keys they set are one column of the table of keys: MESH_CONCURRENCY, MESH_RANK, MESH_AGENT, MESH_STRATEGY, MESH_VERIFY,
//! MESH_AUDIT_LEVEL, MESH_LAND, MESH_LOG, MESH_SANDBOX, MESH_BD, MESH_JJ, MESH_GIT, MESH_BD_RO, MESH_JJ_RAIL. Flags are laid over by the commands
//! that have them.
//! Nothing here looks at what a value means for a run; a file that is there is never changed.

mod build;
mod layers;
mod schema;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mesh_agent::profile::{ProfileConfig, SandboxMode, builtin};
use mesh_core::id::LockGroup;
use mesh_core::policy::{Budget, Dispatch, Rank, RetryMode, Unlabelled};
use mesh_core::time::Span;
use mesh_engine::{
    AuditLevel, BaseConflict, ClosePolicy, KeepWorkspaces, LearningsSetup, ProofWhere,
    TrackerLimits, TrackerView,
};
use mesh_journal::layout::MeshDir;

pub use layers::Source;

use crate::error::{CommandError, Kind};
use layers::{Layers, Problem};

/// The defaults with their explanations: the documentation of every key.
pub(crate) const DEFAULTS: &str = include_str!("defaults.toml");

/// All that can be configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How many agents may run at once; nobody has said it when absent.
    pub concurrency: Option<u16>,
    /// How ready tasks are ordered.
    pub rank: Rank,
    /// When tasks start.
    pub dispatch: Dispatch,
    /// The agent's name among `agents`; of several, with commas between them, each is used while those before it may not be.
    pub agent: Option<String>,
    /// Agents by name, each checked.
    pub agents: BTreeMap<String, ProfileConfig>,
    /// How each task is worked.
    pub strategy: String,
    /// What is configured for each strategy, by its name.
    pub strategies: BTreeMap<String, StrategyConfig>,
    /// Proof for tasks that name none.
    pub verify: Option<String>,
    /// Milliseconds that a proof may take.
    pub proof_limit_ms: u64,
    /// Where a proof runs.
    pub proof_where: ProofWhere,
    /// Whether a result without any proof is accepted.
    pub allow_no_validation: bool,
    /// What to do when the needs of a task conflict with one another.
    pub base_conflict: BaseConflict,
    /// Bookmark or branch that verified results are landed on.
    pub land: Option<String>,
    /// What goes into the tracker's audit.
    pub audit_level: AuditLevel,
    /// What is written into a run's log.
    pub log: String,
    /// Retries per task.
    pub retries: u32,
    /// What a retry begins with.
    pub retry_mode: RetryMode,
    /// Retries per task of starts that did not come to an agent.
    pub start_retries: u32,
    /// Pause before a start is tried again.
    pub start_pause: Span,
    /// What a run may use.
    pub budget: Budget,
    /// Locks.
    pub locks: Locks,
    /// Workspaces.
    pub workspace: Workspace,
    /// The tracker.
    pub tracker: TrackerConfig,
    /// The sandbox.
    pub sandbox: SandboxConfig,
    /// What is done with learnings.
    pub learnings: LearningsSetup,
    /// Programs.
    pub tools: ToolPaths,
}

impl Config {
    /// The agent that `name` means, with its name: a table of the configuration, else a program that is known by name. `NAME:MODEL`
    /// chooses its model.
    #[must_use]
    pub fn agent(&self, name: &str) -> Option<(String, ProfileConfig)> {
        let find = |name: &str| {
            let own = self.agents.get(name).cloned();
            own.or_else(|| build::built_in_agent(name))
        };
        if let Some(table) = find(name) {
            return Some((name.to_owned(), table));
        }
        let (name, model) = name.split_once(':')?;
        let table = ProfileConfig {
            model: Some(model.to_owned()),
            ..find(name)?
        };
        Some((name.to_owned(), table))
    }

    /// The names of all agents, those of the configuration first.
    #[must_use]
    pub fn agent_names(&self) -> Vec<&str> {
        let own = self.agents.keys().map(String::as_str);
        let built_in = builtin::ALL.iter().map(|(name, _)| *name);
        let built_in = built_in.filter(|name| !self.agents.contains_key(*name));
        own.chain(built_in).collect()
    }
}

/// `[strategies.NAME]`; nothing is what the strategy does by itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategyConfig {
    /// The agent of a role, where it is not the run's.
    pub roles: BTreeMap<String, String>,
    /// After these milliseconds a task without a usable answer is pressed for one.
    pub soft_limit_ms: Option<u64>,
    /// After these milliseconds no turn is started or waited for.
    pub hard_limit_ms: Option<u64>,
    /// `patch-first`: whether a second agent joins at the soft limit.
    pub race: Option<bool>,
    /// `pipeline`: what the accepted patch becomes.
    pub delivery: Option<mesh_strategy::strategy::Delivery>,
    /// `consensus`: how it is found.
    pub consensus: mesh_plan::details::ConsensusLayer,
}

/// `[locks]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locks {
    /// What a task without lock groups may overlap with.
    pub unknown: Unlabelled,
    /// How often a ready task may be passed over for its locks.
    pub patience: u32,
    /// The paths of each group, checked.
    pub groups: BTreeMap<String, Vec<String>>,
    /// How many units of a group may be held at once, where that is not one.
    pub capacity: BTreeMap<LockGroup, u32>,
}

/// `[workspace]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Folder in which each repository's workspaces get a folder of its name, as it was written.
    pub root: Option<PathBuf>,
    /// Command that makes a workspace usable.
    pub setup: Option<String>,
    /// Milliseconds that it may take.
    pub setup_limit_ms: u64,
    /// Which workspaces of attempts that came to nothing are kept.
    pub keep: KeepWorkspaces,
}

/// `[tracker]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerConfig {
    /// When a bead is closed.
    pub close: ClosePolicy,
    /// Whether the epic is closed when all its children are.
    pub close_epic: bool,
    /// Whether a result that only its agent proved may close a bead.
    pub trust_agent_verify: bool,
    /// Whether versions of bd that nobody has tried are accepted.
    pub allow_untested: bool,
    /// Whether a run has a molecule in the tracker.
    pub molecule: bool,
    /// Whether each attempt has one in it.
    pub arms: bool,
    /// What agents read.
    pub view: TrackerView,
    /// How long its calls may take.
    pub limits: TrackerLimits,
}

/// `[sandbox]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxConfig {
    /// Whether there is one.
    pub mode: SandboxMode,
    /// What may be written in it, as it was written.
    pub write: Vec<String>,
}

/// `[tools]`: names on `PATH` or absolute paths, as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolPaths {
    /// The tracker.
    pub bd: Option<PathBuf>,
    /// Version control.
    pub jj: Option<PathBuf>,
    /// Version control.
    pub git: Option<PathBuf>,
    /// What agents find as `bd`.
    pub bd_ro: Option<PathBuf>,
    /// What agents find as `jj`.
    pub jj_rail: Option<PathBuf>,
}

/// A configuration, and where each value of it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSnapshot {
    /// The values.
    pub config: Config,
    /// Each value that is set, by key.
    pub origins: Vec<Origin>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The key with the tables it lies in.
    pub key: String,
    /// The value as a file would have it.
    pub value: String,
    /// Where it stands.
    pub from: Source,
}

/// Reads all layers. Without a repository there is no layer of one.
///
/// # Errors
/// All problems of all layers at once, each with its place.
pub(crate) fn load(
    repository_root: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<SourceSnapshot, CommandError> {
    let mut layers = Layers::default();
    layers.add_text(DEFAULTS, None);
    for path in files(repository_root, variable) {
        layers.add_file(&path);
    }
    layers.add_variables(variable);
    finish(layers)
}

/// Whether `text` alone makes a configuration, over the defaults.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let mut layers = Layers::default();
    layers.add_text(DEFAULTS, None);
    layers.add_text(text, Some(Path::new("config.toml")));
    finish(layers).is_ok()
}

/// The files that are read, whether they are there or not, weakest first.
pub(crate) fn files(
    repository_root: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<PathBuf> {
    let absolute = |name: &str| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let home = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let users = home.map(|home| home.join("mesh").join("config.toml"));
    let repository = repository_root.map(|root| MeshDir::of(root).config());
    users.into_iter().chain(repository).collect()
}

fn finish(mut layers: Layers) -> Result<SourceSnapshot, CommandError> {
    let config = build::config(&mut layers)?;
    if !layers.problems.is_empty() {
        layers
            .problems
            .sort_by(|one, other| one.from.cmp(&other.from));
        return Err(invalid(&layers.problems));
    }
    let origins = layers
        .entries
        .iter()
        .map(|(path, entry)| Origin {
            key: layers::shown(path),
            value: entry.value.to_string(),
            from: entry.from.clone(),
        })
        .collect();
    Ok(SourceSnapshot { config, origins })
}

fn invalid(problems: &[Problem]) -> CommandError {
    let message = match problems.len() {
        1 => "the configuration cannot be used".to_owned(),
        count => format!("the configuration cannot be used: {count} problems"),
    };
    let mut error = CommandError::new(Kind::ConfigInvalid, message);
    error.hints = problems.iter().map(ToString::to_string).collect();
    error
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
