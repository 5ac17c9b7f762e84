//! Where the driver stands: the attempt whose agent it is, the run's choices, the task.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_agent::launch::{MESH_ROOT, MESH_TASK, MESH_WORKSPACE};
use mesh_agent::profile::Profile;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::text::shortened;
use mesh_engine::{AgentSetup, CompoundTask, ROLES_FOLDER, RunSetup, StrategySetup};
use mesh_journal::RunId;
use mesh_journal::layout::{AttemptDir, MeshDir, RunDir};
use mesh_proc::env::{Env, MESH_ATTEMPT, MESH_RUN};
use mesh_strategy::step::Role;
use mesh_strategy::strategy::{Settings, Strategy};
use mesh_strategy::task::{Asked, Task};
use serde::{Deserialize, Serialize};

use super::patch;
use crate::error::{CommandError, Kind};

/// Most characters of an earlier patch that roles are shown.
const MOST_PATCH_CHARS: usize = 32_000;

/// What a run with a strategy was told of it; kept with the run's choices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choices {
    /// Those of the strategies themselves.
    pub settings: Settings,
    /// After this a task without a usable answer is pressed for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit_ms: Option<u64>,
    /// After this no turn is started or waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_limit_ms: Option<u64>,
    /// Results without any proof are accepted.
    #[serde(default)]
    pub allow_no_validation: bool,
}

impl Choices {
    pub fn soft_limit(&self) -> Option<Duration> {
        self.soft_limit_ms.map(Duration::from_millis)
    }

    pub fn hard_limit(&self) -> Option<Duration> {
        self.hard_limit_ms.map(Duration::from_millis)
    }
}

/// All that the driver knows before it does anything.
pub(super) struct Place {
    pub strategy: Strategy,
    pub choices: Choices,
    pub setup: RunSetup,
    pub of_strategy: StrategySetup,
    /// When the run started, in milliseconds since 1970.
    pub run_started_unix_ms: u64,
    pub run: RunId,
    pub run_dir: RunDir,
    pub attempt: AttemptId,
    pub workspace: PathBuf,
    /// The folder of the turns in the attempt's folder.
    pub roles: PathBuf,
    pub told: CompoundTask,
    pub task: Task,
    pub ours: Env,
}

impl Place {
    /// That of the attempt which the environment names.
    pub fn of_this_process() -> Result<Place, CommandError> {
        let ours: Env = std::env::vars_os().collect();
        let variable = |name: &str| {
            let value = ours.get(name).map(OsString::from);
            value.ok_or_else(|| {
                CommandError::usage(format!("{name} is not set"))
                    .hint("mesh starts this program for the attempts of a run with --strategy, nobody else")
            })
        };
        let text = |name: &str| -> Result<String, CommandError> {
            Ok(variable(name)?.to_string_lossy().into_owned())
        };
        let odd = |what: String| CommandError::new(Kind::Usage, what);
        let run = RunId::parse(&text(MESH_RUN)?).map_err(|error| odd(error.to_string()))?;
        let task = TaskId::new(text(MESH_TASK)?).map_err(|error| odd(error.to_string()))?;
        let marker = text(MESH_ATTEMPT)?;
        let number = marker.rsplit_once('#').and_then(|(_, n)| n.parse().ok());
        let number = number.ok_or_else(|| odd(format!("{MESH_ATTEMPT}={marker} is no attempt")))?;
        let attempt = AttemptId { task, number };
        let root = PathBuf::from(variable(MESH_ROOT)?);
        let run_dir = MeshDir::of(&root).run(&run);
        let header = mesh_journal::read_header(&run_dir.journal())?;
        let setup = mesh_engine::read_setup(&header)?;
        let of_strategy = setup
            .strategy
            .clone()
            .ok_or_else(|| odd(format!("the run {run} works without a strategy")))?;
        let strategy: Strategy = of_strategy
            .name
            .parse()
            .map_err(|error: mesh_strategy::strategy::UnknownStrategy| odd(error.to_string()))?;
        let mut choices: Choices = serde_json::from_value(of_strategy.settings.clone())
            .map_err(|error| odd(format!("the choices of the strategy: {error}")))?;
        let dir = run_dir.attempt(&attempt);
        let told = CompoundTask::read(&dir)?
            .ok_or_else(|| odd(format!("{attempt} has no file with its task")))?;
        choices.soft_limit_ms = told.soft_limit_ms.or(choices.soft_limit_ms);
        choices.settings.consensus = choices.settings.consensus.of_task(&told.consensus);
        let mut task = task_of(&attempt, &told, &choices);
        if let (Some(number), Some(previous)) = (told.continues, &mut task.previous) {
            let before = AttemptId {
                number,
                ..attempt.clone()
            };
            if let Some(patch) = patch::left_by(&run_dir.attempt(&before))? {
                let patch = String::from_utf8_lossy(&patch);
                let shown = shortened(&patch, MOST_PATCH_CHARS);
                previous.push_str(&format!(
                    "\n\nIts patch, which the workspace does not hold any more:\n{shown}"
                ));
            }
        }
        Ok(Place {
            strategy,
            roles: dir.path().join(ROLES_FOLDER),
            task,
            workspace: PathBuf::from(variable(MESH_WORKSPACE)?),
            choices,
            setup,
            of_strategy,
            run_started_unix_ms: header.started_unix_ms,
            run,
            run_dir,
            attempt,
            told,
            ours,
        })
    }

    /// The folder of another attempt of the task.
    pub fn attempt_dir(&self, number: u32) -> AttemptDir {
        self.run_dir.attempt(&AttemptId {
            task: self.attempt.task.clone(),
            number,
        })
    }

    /// The agent of a role, for people: its name, and its model where one was chosen.
    pub fn agent_of(&self, role: Role) -> String {
        self.setup_of(role).map(shown).unwrap_or_default()
    }

    fn setup_of(&self, role: Role) -> Option<&AgentSetup> {
        self.of_strategy.roles.get(role.as_str())
    }

    /// The agent of a role, and its program.
    pub fn program_of(&self, role: Role) -> Result<(Profile, PathBuf), String> {
        let setup = self
            .setup_of(role)
            .ok_or_else(|| format!("the run names no agent for the role {role}"))?;
        let profile = setup.profile().map_err(|error| error.to_string())?;
        let root: &Path = &self.setup.repository;
        let program = setup
            .locate(&profile, root, self.ours.get("PATH"))
            .map_err(|error| error.to_string())?;
        Ok((profile, program))
    }
}

/// An agent for people.
pub(crate) fn shown(setup: &AgentSetup) -> String {
    match &setup.config.model {
        Some(model) => format!("{}:{model}", setup.name),
        None => setup.name.clone(),
    }
}

fn task_of(attempt: &AttemptId, told: &CompoundTask, choices: &Choices) -> Task {
    let notes = [&told.design, &told.notes].map(|text| text.trim());
    let notes = notes.iter().filter(|text| !text.is_empty());
    let mut notes: Vec<String> = notes.map(|text| (*text).to_owned()).collect();
    if !told.conflicts.is_empty() {
        notes.push(format!(
            "Pieces of finished work disagree in these files, and the workspace holds both sides with conflict markers: {}. \
             The patch must resolve them so that both intentions survive.",
            told.conflicts.join(", ")
        ));
    }
    Task {
        id: attempt.task.to_string(),
        title: told.title.clone(),
        status: "doing".to_owned(),
        depends_on: told
            .needs
            .iter()
            .map(|need| need.task.to_string())
            .collect(),
        description: told.description.clone(),
        notes: notes.join("\n\n"),
        scope: told.scope.clone(),
        acceptance: told.acceptance.clone(),
        validation: told.validation.clone(),
        allow_no_validation: told.allow_no_validation || choices.allow_no_validation,
        previous: told
            .previous
            .as_ref()
            .map(|failed| format!("{}: {}", failed.class, failed.detail)),
        question: told
            .question
            .clone()
            .map(|(question, answer)| Asked { question, answer }),
    }
}
