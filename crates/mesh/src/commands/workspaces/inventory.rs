//! Whose the workspaces of a repository are, read off their names and the journals of their runs, and which of them may go.
//!
//! Nothing is removed here. When in doubt a workspace is somebody's.

use std::collections::BTreeMap;

use mesh_core::event::Delivery;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::state::{Phase, RunEnd};
use mesh_journal::RunId;
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::locks::Guard;
use mesh_proc::shim;
use mesh_vcs::{Backend, Listed, name};

use crate::commands::run_lookup::{self, Coordinator, RunState};
use crate::error::CommandError;
use crate::report;

/// A workspace, and what is known about it.
pub(crate) struct Found {
    pub listed: Listed,
    pub owner: Owner,
    pub removability: Removability,
    /// Why it is there, for people.
    pub reason: String,
}

/// What a workspace was made for, read off its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// An attempt.
    Attempt(RunId, AttemptId),
    /// A landing of an attempt's result.
    Landing(RunId, AttemptId),
    /// A run's hub.
    Hub(RunId),
    /// A run that is not in this repository's `.mesh`, or a task that is not in it.
    Unknown,
}

/// Whether a workspace may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removability {
    /// Somebody works in it.
    InUse,
    /// The run has not ended and goes on from it.
    PendingWork,
    /// Nobody has worked in it, and no run goes on from it.
    Unused,
    /// It is kept for people.
    Kept,
    /// Nobody can tell.
    Unknown,
}

impl Owner {
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Owner::Attempt(run, _) | Owner::Landing(run, _) | Owner::Hub(run) => Some(run),
            Owner::Unknown => None,
        }
    }

    pub fn attempt(&self) -> Option<&AttemptId> {
        match self {
            Owner::Attempt(_, attempt) | Owner::Landing(_, attempt) => Some(attempt),
            Owner::Hub(_) | Owner::Unknown => None,
        }
    }

    /// The word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Owner::Attempt(..) => "attempt",
            Owner::Landing(..) => "landing",
            Owner::Hub(_) => "hub",
            Owner::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.owner {
            Owner::Attempt(run, attempt) => write!(f, "{attempt} of run {run}")?,
            Owner::Landing(run, attempt) => write!(f, "landing of {attempt} of run {run}")?,
            Owner::Hub(run) => write!(f, "hub of run {run}")?,
            Owner::Unknown => f.write_str(&self.listed.name)?,
        }
        match &self.listed.path {
            Some(path) => write!(f, "  {}", path.display())?,
            None => f.write_str("  (its folder is gone)")?,
        }
        write!(f, "  {}", self.reason)
    }
}

/// Locks that this command itself holds, so that they are not taken for a coordinator's.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Of the journals of these runs.
    pub runs: BTreeMap<RunId, Guard>,
    /// Of the store.
    pub store: Option<Guard>,
}

/// All workspaces of mesh in the repository.
///
/// # Errors
/// Version control failed; a coordinator's lock cannot be asked.
pub(crate) fn inventory(vcs: &Backend, held: &Held) -> Result<Vec<Found>, CommandError> {
    let mesh_dir = MeshDir::of(vcs.main_root());
    let mut runs: BTreeMap<RunId, Option<RunFacts>> = BTreeMap::new();
    let mut found = Vec::new();
    let mut all = vcs.list_workspaces()?;
    all.extend(unlisted(vcs, &mesh_dir, &all)?);
    for listed in all {
        let parsed = Parsed::of(&listed.name);
        let facts = match &parsed {
            None => None,
            Some(parsed) => {
                if !runs.contains_key(&parsed.run) {
                    let facts = RunFacts::read(&mesh_dir, &parsed.run, held)?;
                    runs.insert(parsed.run.clone(), facts);
                }
                runs.get(&parsed.run).and_then(Option::as_ref)
            }
        };
        found.push(match (parsed, facts) {
            (Some(parsed), Some(facts)) => judge(listed, parsed, facts),
            _ => unknown(listed),
        });
    }
    found.sort_by(|one, other| one.listed.name.cmp(&other.listed.name));
    Ok(found)
}

/// Workspaces whose folders are there and that version control does not know any more: somebody's `jj op restore` takes a workspace
/// out of jj's list.
fn unlisted(
    vcs: &Backend,
    mesh_dir: &MeshDir,
    listed: &[Listed],
) -> Result<Vec<Listed>, CommandError> {
    let mut found: Vec<Listed> = Vec::new();
    // A folder is named after its task, so the newest run that had it is the one whose files are there.
    for run in mesh_dir.list()?.iter().rev() {
        for workspace in mesh_engine::saved(&mesh_dir.run(run)) {
            let is_known = |other: &Listed| {
                other.name == workspace.name || other.path.as_ref() == Some(&workspace.path)
            };
            // A folder without either is nobody's workspace any more, and may be a person's.
            let is_there = workspace.path.starts_with(vcs.workspaces_root())
                && [".jj", ".git"]
                    .iter()
                    .any(|own| workspace.path.join(own).exists());
            if is_there && !listed.iter().chain(&found).any(is_known) {
                found.push(Listed {
                    name: workspace.name,
                    path: Some(workspace.path),
                    commit: None,
                });
            }
        }
    }
    Ok(found)
}

fn unknown(listed: Listed) -> Found {
    Found {
        listed,
        owner: Owner::Unknown,
        removability: Removability::Unknown,
        reason: "belongs to no run that is known here".to_owned(),
    }
}

/// A workspace's name taken apart; the parts are names made safe, not ids.
struct Parsed {
    run: RunId,
    part: Part,
}

enum Part {
    Hub,
    Attempt {
        safe_task: String,
        number: u32,
        landing: bool,
    },
}

impl Parsed {
    fn of(text: &str) -> Option<Parsed> {
        let rest = text.strip_prefix(name::OURS)?;
        if let Some(run) = rest.strip_prefix("hub-") {
            let run = RunId::parse(run).ok()?;
            let part = Part::Hub;
            return Some(Parsed { run, part });
        }
        let parts: Vec<&str> = rest.split('+').collect();
        let (run, task, number, landing) = match parts.as_slice() {
            [run, task, number] => (run, task, number, false),
            [run, task, number, "land"] => (run, task, number, true),
            _ => return None,
        };
        Some(Parsed {
            run: RunId::parse(run).ok()?,
            part: Part::Attempt {
                safe_task: (*task).to_owned(),
                number: number.parse().ok()?,
                landing,
            },
        })
    }
}

/// What is known about a run.
struct RunFacts {
    read: RunState,
    run_dir: RunDir,
    is_coordinated: bool,
    /// How each attempt ended.
    outcomes: BTreeMap<(String, u32), String>,
}

impl RunFacts {
    /// Nothing when the run is not there or cannot be read: then nobody can tell whose its workspaces are.
    fn read(
        mesh_dir: &MeshDir,
        run: &RunId,
        held: &Held,
    ) -> Result<Option<RunFacts>, CommandError> {
        let run_dir = mesh_dir.run(run);
        let (Ok(read), Ok(summary)) = (
            run_lookup::read_run(&run_dir),
            report::summary(mesh_dir, run),
        ) else {
            return Ok(None);
        };
        let is_coordinated = !held.runs.contains_key(run)
            && run_lookup::coordinator(&read.setup, run, &run_dir)? == Coordinator::Ours;
        let mut outcomes = BTreeMap::new();
        for task in summary.tasks {
            for attempt in task.attempts {
                if let Some(outcome) = attempt.outcome {
                    let first = outcome.lines().next().unwrap_or_default().to_owned();
                    outcomes.insert((task.id.clone(), attempt.number), first);
                }
            }
        }
        Ok(Some(RunFacts {
            read,
            run_dir,
            is_coordinated,
            outcomes,
        }))
    }

    fn task(&self, safe_task: &str) -> Option<TaskId> {
        let tasks = self.read.state.plan().tasks().iter();
        tasks
            .map(|task| &task.id)
            .find(|id| name::safe_name(id.as_str()) == safe_task)
            .cloned()
    }
}

fn judge(listed: Listed, parsed: Parsed, facts: &RunFacts) -> Found {
    let run = parsed.run;
    let (owner, (removability, reason)) = match parsed.part {
        Part::Hub => (Owner::Hub(run), of_run(facts, "left by its run")),
        Part::Attempt {
            safe_task,
            number,
            landing,
        } => match facts.task(&safe_task) {
            None => return unknown(listed),
            Some(task) => {
                let attempt = user(facts, AttemptId { task, number }, &listed.name);
                if landing {
                    let removability = of_run(facts, "left by a landing");
                    (Owner::Landing(run, attempt), removability)
                } else {
                    let removability = of_attempt(facts, &attempt);
                    (Owner::Attempt(run, attempt), removability)
                }
            }
        },
    };
    Found {
        listed,
        owner,
        removability,
        reason,
    }
}

/// Who works or worked last in the workspace called `name`, which `maker` began: a later attempt may have gone on in it.
fn user(facts: &RunFacts, maker: AttemptId, name: &str) -> AttemptId {
    let newest = facts
        .read
        .state
        .find(&maker.task)
        .map_or(0, |(_, task)| task.attempts);
    let later = (maker.number + 1..=newest).rev().map(|number| AttemptId {
        task: maker.task.clone(),
        number,
    });
    let mut users = later.filter(|attempt| {
        let workspace = mesh_engine::saved_of(&facts.run_dir, attempt);
        workspace.is_some_and(|workspace| workspace.name == name)
    });
    users.next().unwrap_or(maker)
}

fn of_run(facts: &RunFacts, left: &str) -> (Removability, String) {
    if facts.is_coordinated {
        (Removability::InUse, "in use".to_owned())
    } else if facts.read.state.run_end() != RunEnd::Concluded {
        (
            Removability::PendingWork,
            "its run has not ended".to_owned(),
        )
    } else {
        (Removability::Kept, left.to_owned())
    }
}

fn of_attempt(facts: &RunFacts, attempt: &AttemptId) -> (Removability, String) {
    let folder = facts.run_dir.attempt(attempt);
    if folder
        .processes()
        .iter()
        .any(|process| shim::is_locked(&process.lock()))
    {
        return (Removability::InUse, "a process works in it".to_owned());
    }
    let state = &facts.read.state;
    let task = state.find(&attempt.task).map(|(_, task)| task);
    let is_finalizing = task.is_some_and(|task| {
        task.finalizing
            .iter()
            .any(|end| end.attempt == attempt.number)
    });
    let is_queued = matches!(
        task.map(|task| &task.phase),
        Some(Phase::Verified { delivery: Delivery::Queued, attempt: verified, .. }) if *verified == attempt.number
    );
    let is_to_go_on = task.is_some_and(|task| {
        let before = task.continues.as_ref().map(|before| before.attempt);
        let may_start = matches!(
            task.phase,
            Phase::Waiting | Phase::Pausing { .. } | Phase::Active(_)
        );
        may_start && before == Some(attempt.number) && state.run_end() != RunEnd::Concluded
    });
    if state.current(attempt).is_some() || is_finalizing || is_queued || is_to_go_on {
        return if facts.is_coordinated {
            (Removability::InUse, "in use".to_owned())
        } else {
            (
                Removability::PendingWork,
                "`mesh resume` goes on from it".to_owned(),
            )
        };
    }
    if facts.run_dir.prepared(attempt).exists() {
        return match facts.is_coordinated {
            true => (
                Removability::InUse,
                "prepared for an attempt that has not begun".to_owned(),
            ),
            false => (
                Removability::Unused,
                "was prepared, and its attempt never began".to_owned(),
            ),
        };
    }
    let reason = match task.map(|task| &task.phase) {
        Some(Phase::Question { attempt: asked, .. }) if *asked == attempt.number => {
            "kept, its question is open".to_owned()
        }
        _ => {
            let key = (attempt.task.to_string(), attempt.number);
            match facts.outcomes.get(&key) {
                Some(outcome) => format!("kept: {outcome}"),
                None => "kept".to_owned(),
            }
        }
    };
    if facts.is_coordinated {
        // Its coordinator may go on from it, or remove it itself.
        return (Removability::InUse, format!("{reason}; its run goes on"));
    }
    (Removability::Kept, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_strange_ones_are_left_alone() {
        let run = "20260301-081530-4f2a";
        let attempt = Parsed::of(&name::workspace_name(run, "../../x", 2)).unwrap();
        assert_eq!(attempt.run.as_str(), run);
        match attempt.part {
            Part::Attempt {
                safe_task,
                number: 2,
                landing: false,
            } => assert_eq!(safe_task, name::safe_name("../../x")),
            _ => panic!("an attempt's workspace is taken for something else"),
        }
        let landing = format!("{}+land", name::workspace_name(run, "a", 1));
        let landing = Parsed::of(&landing).unwrap();
        assert!(matches!(landing.part, Part::Attempt { landing: true, .. }));
        let hub = Parsed::of(&name::hub_name(run)).unwrap();
        assert!(matches!(hub.part, Part::Hub));
        for strange in ["default", "mesh-", "mesh-x+y+1", "mesh-hub-x", "mesh-a+b"] {
            assert!(Parsed::of(strange).is_none(), "{strange}");
        }
    }
}
