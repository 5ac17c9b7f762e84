//! What the driver of a strategy is told of its task beside the prompt: a file in the attempt's folder. The engine knows nothing else of
//! strategies; what a driver does in its attempt is that of any agent.

use std::io::Read as _;
use std::path::Path;

use mesh_core::decision::{NeedCommit, StartOrder};
use mesh_core::id::AttemptId;
use mesh_journal::layout::AttemptDir;
use mesh_plan::details::ConsensusLayer;
use mesh_vcs::Workspace;
use serde::{Deserialize, Serialize};

use crate::context::RunContext;

/// In the attempt's folder: what its roles were told and said. The driver may write there, and nobody else in the attempt.
pub const ROLES_FOLDER: &str = "roles";

/// The `mesh` block that was made for a task, in the folder of roles, without fences.
pub const METADATA_FILE: &str = "mesh-block.yaml";

/// What is read of it at most, in bytes.
const METADATA_BYTES: u64 = 64 << 10;

/// The `mesh` block that was made for the task of `attempt`, by this attempt or one before it whose rounds it took over.
pub(crate) fn metadata(context: &RunContext, attempt: &AttemptId) -> Option<String> {
    let numbers = (1..=attempt.number).rev();
    let mut blocks = numbers.filter_map(|number| {
        let one = AttemptId {
            number,
            ..attempt.clone()
        };
        let folder = context.run_dir.attempt(&one).path().join(ROLES_FOLDER);
        let file = fs_err::File::open(folder.join(METADATA_FILE)).ok()?;
        let mut text = String::new();
        file.take(METADATA_BYTES).read_to_string(&mut text).ok()?;
        Some(context.secrets.mask(&text))
    });
    blocks.next()
}

/// What a driver says before the final block of how it came to its end: a line of what became of the task, then one a note.
pub(crate) fn notes(said: &str) -> Vec<String> {
    let lines = said.lines().skip(1);
    let notes = lines.map_while(|line| line.strip_prefix("- "));
    notes.map(str::to_owned).collect()
}

/// In the attempt's folder: [`CompoundTask`].
const TASK_FILE: &str = "task.json";

/// A task, as the driver of a strategy is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompoundTask {
    /// One line.
    pub title: String,
    /// What is to be done.
    pub description: String,
    /// How one sees that it is done.
    pub acceptance: String,
    /// How it is to be built, if the source has it.
    pub design: String,
    /// Free notes.
    pub notes: String,
    /// Paths or globs that it is meant to change.
    pub scope: Vec<String>,
    /// Its own proof commands, in order; else that of the configuration.
    pub validation: Vec<String>,
    /// A result without any proof is accepted.
    pub allow_no_validation: bool,
    /// Its own time after which an agent is late, in milliseconds.
    #[serde(default)]
    pub soft_limit_ms: Option<u64>,
    /// What it says about the strategy `consensus`.
    #[serde(default)]
    pub consensus: ConsensusLayer,
    /// Finished work that the workspace stands on.
    pub needs: Vec<NeedCommit>,
    /// Files that the workspace starts with in conflict.
    pub conflicts: Vec<String>,
    /// The attempt in whose workspace this one goes on.
    pub continues: Option<u32>,
    /// Why the attempt before failed.
    pub previous: Option<Retried>,
    /// The question that the attempt before ended with, and its answer.
    pub question: Option<(String, Option<String>)>,
    /// Its processes are in a sandbox.
    pub sandboxed: bool,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// The word for the class of its failure.
    pub class: String,
    /// What was seen, first in one line.
    pub detail: String,
}

impl CompoundTask {
    /// That of an attempt; nothing when it has none.
    ///
    /// # Errors
    /// It cannot be read, with the file named.
    pub fn read(attempt: &AttemptDir) -> std::io::Result<Option<CompoundTask>> {
        match fs_err::read(attempt.path().join(TASK_FILE)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether what roles said of `earlier` still holds: it is the same work on the same ground.
    #[must_use]
    pub fn is_same_work(&self, earlier: &CompoundTask) -> bool {
        let work = |task: &CompoundTask| CompoundTask {
            continues: None,
            previous: None,
            question: None,
            sandboxed: false,
            ..task.clone()
        };
        work(self) == work(earlier)
    }
}

/// Writes it, and makes the folder for what the roles say.
pub(crate) fn write(
    context: &RunContext,
    order: &StartOrder,
    folder: &Path,
    workspace: &Workspace,
    is_continued: bool,
) -> std::io::Result<()> {
    let details = context.details(&order.attempt.task);
    let details = details.ok_or_else(|| {
        let task = &order.attempt.task;
        std::io::Error::other(format!("there is no text for {task}"))
    })?;
    let before = order.continues.as_ref();
    let conflicts = workspace.conflicted.iter();
    let validation = match details.proof.as_slice() {
        [] => context.setup.verify.iter().cloned().collect(),
        own => own.to_vec(),
    };
    let task = CompoundTask {
        title: details.title,
        description: details.description,
        acceptance: details.acceptance,
        design: details.design,
        notes: details.notes,
        scope: details.scope,
        validation,
        allow_no_validation: details.allow_no_validation,
        soft_limit_ms: order.limits.soft.map(|limit| limit.0),
        consensus: details.consensus,
        needs: order.needs.clone(),
        conflicts: conflicts.map(|path| path.display().to_string()).collect(),
        continues: before.filter(|_| is_continued).map(|before| before.attempt),
        previous: order.previous.as_ref().map(|failure| Retried {
            class: failure.class.as_str().to_owned(),
            detail: failure.detail.clone(),
        }),
        question: before
            .and_then(|before| before.question.clone())
            .map(|asked| (asked.text, asked.answer)),
        sandboxed: context.sandboxed,
    };
    fs_err::create_dir_all(folder.join(ROLES_FOLDER))?;
    let text = serde_json::to_vec_pretty(&task)?;
    fs_err::write(folder.join(TASK_FILE), text)
}
