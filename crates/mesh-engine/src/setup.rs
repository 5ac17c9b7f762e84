//! What a run is made with and what a later coordinator needs to take it up again. Written into the journal's header.
//!
//! It names programs, paths and choices, never secrets.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_agent::profile::{COMMAND_PROFILE, Profile, ProfileConfig, ProfileError};
use mesh_plan::diagnostic::Diagnostic;
use mesh_plan::file::{FileFormat, Selection};
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};
use mesh_proc::find::FindError;
use serde::{Deserialize, Serialize};

use crate::sandbox::SandboxSetup;

/// All choices of a run that the core does not need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSetup {
    /// Where the tasks come from.
    pub source: SourceSetup,
    /// The source's one line, for people.
    pub title: String,
    /// Root of the main working copy.
    pub repository: PathBuf,
    /// `jj` or `git`.
    pub vcs: String,
    /// The folder of the version-control store; runs of the time before it was written down have it where `vcs` usually does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<PathBuf>,
    /// Commits the run starts from, resolved once.
    pub base: Vec<String>,
    /// The agent.
    pub agent: AgentSetup,
    /// The agents that are used while its account may not be, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_agents: Vec<AgentSetup>,
    /// How each task is worked, where that is not by one agent: then `agent` is the driver of this strategy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategySetup>,
    /// Programs as they were found; a run does not change them in mid-course.
    pub programs: Programs,
    /// Folder in which the repository's workspaces get a folder of its name; beside the repository when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspaces_root: Option<PathBuf>,
    /// Command that makes a workspace usable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_setup: Option<String>,
    /// Milliseconds that the setup command may take.
    pub setup_limit_ms: u64,
    /// Which workspaces of attempts that came to nothing are kept.
    #[serde(default)]
    pub keep: KeepWorkspaces,
    /// Proof for tasks that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// Milliseconds that a proof may take.
    pub proof_limit_ms: u64,
    /// Where a proof runs.
    #[serde(default)]
    pub proof_where: ProofWhere,
    /// Lock groups and the globs of their paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
    /// What to do when the needs of a task conflict with one another.
    pub base_conflict: BaseConflict,
    /// When a bead is closed.
    pub close: ClosePolicy,
    /// Whether a result that only its agent proved may close a bead.
    pub trust_agent_verify: bool,
    /// Whether the epic is closed when all its children are.
    pub close_epic: bool,
    /// What goes into the tracker's audit.
    pub audit: AuditLevel,
    /// Whether the run has a molecule in the tracker.
    #[serde(default)]
    pub molecule: bool,
    /// Whether each attempt has one in it.
    #[serde(default)]
    pub arms: bool,
    /// What agents read of the tracker.
    #[serde(default)]
    pub view: TrackerView,
    /// How long calls of the tracker may take.
    #[serde(default)]
    pub tracker_limits: TrackerLimits,
    /// The sandbox of agents, setup and proofs.
    #[serde(default)]
    pub sandbox: SandboxSetup,
    /// What is done with learnings; runs of earlier versions have none.
    #[serde(default)]
    pub learnings: LearningsSetup,
}

/// What is done with the learnings of the repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearningsSetup {
    /// What tasks and the run teach is added to it.
    pub write: bool,
    /// Prompts have those of the files that their tasks touch.
    pub prompt: bool,
}

impl RunSetup {
    /// The folder of the version-control store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        let usual = match self.vcs.as_str() {
            "jj" => ".jj/repo",
            _ => ".git",
        };
        let store = self.store.clone();
        store.unwrap_or_else(|| self.repository.join(usual))
    }
}

/// Which workspaces of attempts that came to nothing are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepWorkspaces {
    /// Those of tasks that are not verified: when a later attempt is, those before it go.
    #[default]
    Unverified,
    /// All.
    Failed,
}

/// Where the tasks come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SourceSetup {
    /// An epic of the tracker.
    Bd(BdSetup),
    /// A plan file.
    File(FileSetup),
}

/// An epic of the tracker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "bd")]
pub struct BdSetup {
    /// The epic, or the bead that was wrapped into one.
    pub epic: String,
    /// Only these beads and what they need; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The tracker's folder.
    pub beads_dir: PathBuf,
    /// The version of bd the run began with.
    pub version: String,
    /// Whether the version was let through untested.
    #[serde(default)]
    pub allow_untested: bool,
}

/// A plan file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSetup {
    /// Its format.
    #[serde(rename = "kind")]
    pub format: &'static dyn FileFormat,
    /// The file.
    pub path: PathBuf,
    /// Which of its tasks are meant.
    #[serde(flatten)]
    pub selection: Selection,
}

impl FileSetup {
    /// What messages call the file.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads the tasks that are meant.
    ///
    /// # Errors
    /// The file cannot be read, or it is not clear which tasks are meant.
    pub fn load(&self) -> Result<SourceSnapshot, Vec<Diagnostic>> {
        let bytes = fs_err::read(&self.path)
            .map_err(|problem| vec![Diagnostic::error(problem.to_string())])?;
        self.format.load(&self.name(), &bytes, &self.selection)
    }
}

impl SourceSetup {
    /// What it is read from and written to: the plan file, or the tracker's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            SourceSetup::File(file) => &file.path,
            SourceSetup::Bd(bd) => &bd.beads_dir,
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        match self {
            SourceSetup::File(file) => file.format.kind(),
            SourceSetup::Bd(_) => SourceKind::Bd,
        }
    }

    /// The source's name: the epic, or the file.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            SourceSetup::File(file) => file.name(),
            SourceSetup::Bd(bd) => bd.epic.clone(),
        }
    }
}

/// The agent, as it was configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentSetup {
    /// The profile's name; `command` for `--agent-command`.
    pub name: String,
    /// Its table.
    pub config: ProfileConfig,
    /// Where a program with a relative path is looked for: where the user stood, for `--agent-command`; the repository when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

impl AgentSetup {
    /// The program, for a run of `repository` with this `path` (the value of `PATH`).
    ///
    /// # Errors
    /// There is none, or it cannot be executed.
    pub fn locate(
        &self,
        profile: &Profile,
        repository: &Path,
        path: Option<&OsStr>,
    ) -> Result<PathBuf, FindError> {
        profile.locate(self.folder.as_deref().unwrap_or(repository), path)
    }

    /// The profile.
    ///
    /// # Errors
    /// All problems of the table at once.
    pub fn profile(&self) -> Result<Profile, ProfileError> {
        if self.name != COMMAND_PROFILE {
            return Profile::from_config(&self.name, &self.config);
        }
        let plain = Profile::command(&self.config.command)?;
        // The limits of the configuration hold for a plain command too; only the name is reserved.
        let configured = Profile::from_config("plain", &self.config)?;
        Ok(Profile {
            name: plain.name,
            model: plain.model,
            ..configured
        })
    }
}

/// A compound agent: a driver of mesh's own that runs as each attempt's agent and starts the agents of its roles. Only the driver reads
/// this; the engine starts it as any other agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrategySetup {
    /// The strategy's name.
    pub name: String,
    /// The agent of each role.
    pub roles: BTreeMap<String, AgentSetup>,
    /// The strategy's own choices.
    pub settings: serde_json::Value,
    /// How many agents an attempt runs at once, at most.
    pub agents_at_once: u16,
}

/// Absolute paths of the programs a run uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programs {
    /// The tracker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bd: Option<PathBuf>,
    /// The read-only door to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bd_ro: Option<PathBuf>,
    /// What agents find as `jj`; runs of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jj_rail: Option<PathBuf>,
    /// Version control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jj: Option<PathBuf>,
    /// Version control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<PathBuf>,
}

/// What to do when the needs of a task conflict with one another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseConflict {
    /// The agent gets the conflicted merge and is told so.
    #[default]
    Agent,
    /// The attempt fails.
    Fail,
}

/// Where a proof runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofWhere {
    /// In the attempt's workspace; a proof that names files which are not in the recorded commit runs in a fresh one too.
    #[default]
    Workspace,
    /// In a fresh workspace of the recorded commit, after the setup command.
    Clean,
}

/// When a bead is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClosePolicy {
    /// When its result is verified.
    #[default]
    Verified,
    /// When its result lies on the target.
    Landed,
    /// Never; a person does.
    Never,
}

/// What agents read of the tracker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TrackerView {
    /// Copies, one view for each attempt.
    Copy {
        /// Above this many bytes a fresh copy comes only with an attempt's start.
        limit_bytes: u64,
    },
    /// The tracker itself, as in runs of the time before there were copies.
    #[default]
    #[serde(alias = "shim-handle")]
    Live,
}

/// How long calls of the tracker may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackerLimits {
    /// A read.
    pub read_ms: u64,
    /// A write.
    pub write_ms: u64,
}

impl Default for TrackerLimits {
    /// Those of the adapter.
    fn default() -> TrackerLimits {
        let limits = mesh_bd::Limits::default();
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        TrackerLimits {
            read_ms: ms(limits.read),
            write_ms: ms(limits.write),
        }
    }
}

impl TrackerLimits {
    /// In the adapter's form.
    #[must_use]
    pub fn of_calls(self) -> mesh_bd::Limits {
        mesh_bd::Limits {
            read: Duration::from_millis(self.read_ms),
            write: Duration::from_millis(self.write_ms),
            ..mesh_bd::Limits::default()
        }
    }
}

/// What goes into the tracker's audit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditLevel {
    /// Prompt, response and one tool call of each attempt.
    #[default]
    Full,
    /// Only failed tool calls.
    Minimal,
    /// Nothing.
    None,
}
