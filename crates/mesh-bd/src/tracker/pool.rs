//! The beads by which bd 0.47 knows the agents of a pool. Each is found by its labels, or made once for ever. Its hook holds the task
//! that the agent works on; its state says how that goes.
//!
//! It touches no bead but those labelled `agent:mesh-N`, and never gives one agent two tasks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mesh_core::id::TaskId;
use mesh_core::issue::IssueStatus;
use serde::Deserialize;

use super::wire::{self, AGENT_LABEL, Row};
use super::{AgentState, ClaimStep};
use crate::error::BdError;
use crate::read_back::ReadBack;
use crate::transport::{Call, CallOutput, Transport};

/// How the labels begin that name an agent of ours; such a label is the agent's actor as well.
const OURS: &str = "agent:mesh-";

/// In whose name beads of agents are made and changed: they belong to no agent.
const ACTOR: &str = "mesh";

/// The bead of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bead {
    id: TaskId,
    is_open: bool,
    labels: Vec<String>,
    hook: Option<TaskId>,
    state: String,
}

impl From<Row> for Bead {
    fn from(row: Row) -> Bead {
        Bead {
            is_open: row.issue.status == IssueStatus::Open,
            id: row.issue.id,
            labels: row.issue.labels,
            hook: row.hook,
            state: row.agent_state,
        }
    }
}

/// The pool's beads by actor, as they were read or left last.
#[derive(Default)]
pub(super) struct Pool(Mutex<BTreeMap<String, Bead>>);

impl Pool {
    /// The lock is never held over a call, and a panic cannot leave the map half changed.
    fn beads(&self) -> MutexGuard<'_, BTreeMap<String, Bead>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, actor: &str) -> Option<Bead> {
        self.beads().get(actor).cloned()
    }

    /// Whether a row is a bead whose hook and state have to be shown.
    pub fn has(row: &Row) -> bool {
        row.issue.labels.iter().any(|label| label.starts_with(OURS))
    }

    /// Takes what was shown for the whole pool.
    pub fn learn<'a>(&self, shown: impl IntoIterator<Item = &'a Row>) {
        let mut beads = self.beads();
        beads.clear();
        for row in shown {
            let labels = row.issue.labels.iter();
            for actor in labels.filter(|label| label.starts_with(OURS)) {
                let new = Bead::from(row.clone());
                // Should there be several: the open ones first, then by id.
                let rank = |bead: &Bead| (!bead.is_open, bead.id.clone());
                match beads.get(actor) {
                    Some(known) if rank(known) <= rank(&new) => {}
                    _ => {
                        beads.insert(actor.clone(), new);
                    }
                }
            }
        }
    }

    /// Reads an agent's bead again, whatever was known of it.
    fn look_for(&self, bd: &Transport, actor: &str) -> Result<Option<Bead>, BdError> {
        self.beads().remove(actor);
        let listed = bd.read(&look_up(actor), wire::rows)?;
        let ids: Vec<TaskId> = listed.into_iter().map(|row| row.issue.id).collect();
        let mut beads: Vec<Bead> = wire::show(bd, &ids)?.into_iter().map(Bead::from).collect();
        beads.sort_by_key(|bead| (!bead.is_open, bead.id.clone()));
        let found = beads.into_iter().next();
        if let Some(bead) = found.clone() {
            self.beads().insert(actor.to_owned(), bead);
        }
        Ok(found)
    }

    /// Makes an agent's bead unless there is one, and sees to it that bd takes it for an agent's.
    fn make(&self, bd: &Transport, actor: &str) -> Result<(), BdError> {
        let look = || {
            Ok(match self.look_for(bd, actor)? {
                Some(_) => ReadBack::Applied(()),
                None => ReadBack::NotApplied,
            })
        };
        let Some(bead) = self.known(actor) else {
            #[derive(Deserialize)]
            struct Made {
                #[serde(deserialize_with = "wire::id")]
                id: TaskId,
            }
            let read = |output: &CallOutput| {
                let made: Made = output.json("the new bead's id")?;
                let bead = Bead {
                    id: made.id,
                    is_open: true,
                    // The answer does not show them.
                    labels: labels(actor),
                    hook: None,
                    state: String::new(),
                };
                self.beads().insert(actor.to_owned(), bead);
                Ok(())
            };
            return bd.write(&creation(actor), read, look);
        };
        let missing = labels(actor).into_iter();
        let missing = missing.filter(|label| !bead.labels.contains(label));
        let mut changes: Vec<String> = missing
            .flat_map(|label| ["--add-label".to_owned(), label])
            .collect();
        if !bead.is_open {
            changes.extend(["--status", "open"].map(str::to_owned));
        }
        if changes.is_empty() {
            return Ok(());
        }
        let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
        let call = Call::write(ACTOR, &["update"]).id(&bead.id).words(&changes);
        // What the labels are is not in the answer of every version.
        bd.write(
            &call.json(),
            |output| Err(output.unreadable("the agent's labels")),
            look,
        )
    }

    /// Puts `task` on an agent's hook, or takes off what is there.
    fn set_hook(&self, bd: &Transport, actor: &str, task: Option<&TaskId>) -> Result<(), BdError> {
        #[derive(Deserialize)]
        struct Answer {
            bead: Option<String>,
        }
        let Some(bead) = self.known(actor) else {
            return Err(no_bead(actor));
        };
        if bead.hook.as_ref() == task {
            return Ok(());
        }
        if task.is_some() && bead.hook.is_some() {
            // bd puts no task in the place of another.
            self.set_hook(bd, actor, None)?;
        }
        let read = |output: &CallOutput| {
            let answer: Answer = output.json("the hook")?;
            match answer.bead.as_deref() == task.map(TaskId::as_str) {
                true => Ok(()),
                false => Err(output.unreadable("our hook")),
            }
        };
        let is_set = |bead: &Bead| bead.hook.as_ref() == task;
        let call = hook_call(bead.id.as_str(), task);
        self.change(bd, actor, &call, read, is_set, |bead| {
            bead.hook = task.cloned();
        })
    }

    fn set_state(&self, bd: &Transport, actor: &str, state: AgentState) -> Result<(), BdError> {
        #[derive(Deserialize)]
        struct Answer {
            agent_state: String,
        }
        let Some(bead) = self.known(actor) else {
            return Err(no_bead(actor));
        };
        let wanted = state.as_str();
        if bead.state == wanted {
            return Ok(());
        }
        let read = |output: &CallOutput| {
            let answer: Answer = output.json("the agent's state")?;
            match answer.agent_state == wanted {
                true => Ok(()),
                false => Err(output.unreadable("our state")),
            }
        };
        let is_set = |bead: &Bead| bead.state == wanted;
        let call = state_call(bead.id.as_str(), state);
        self.change(bd, actor, &call, read, is_set, |bead| {
            wanted.clone_into(&mut bead.state);
        })
    }

    /// Makes the call and notes what it has left. After one that nobody could read the bead is no longer known.
    fn change(
        &self,
        bd: &Transport,
        actor: &str,
        call: &Call,
        read: impl FnOnce(&CallOutput) -> Result<(), BdError>,
        is_set: impl FnOnce(&Bead) -> bool,
        note: impl FnOnce(&mut Bead),
    ) -> Result<(), BdError> {
        let look = || {
            Ok(
                match self.look_for(bd, actor)?.as_ref().is_some_and(is_set) {
                    true => ReadBack::Applied(()),
                    false => ReadBack::NotApplied,
                },
            )
        };
        let written = bd.write(call, read, look);
        let mut beads = self.beads();
        match (&written, beads.get_mut(actor)) {
            (Ok(()), Some(bead)) => note(bead),
            _ => {
                beads.remove(actor);
            }
        }
        written
    }

    /// The calls that find an agent's bead or make it, unless it is known.
    pub fn agent_steps<'a>(&'a self, bd: &'a Transport, actor: &'a str) -> Vec<ClaimStep<'a>> {
        if self.known(actor).is_some() {
            return Vec::new();
        }
        let look = move || self.look_for(bd, actor).map(|_| ());
        vec![
            ClaimStep::of(bd, &look_up(actor), look),
            ClaimStep::of(bd, &creation(actor), move || self.make(bd, actor)),
        ]
    }

    /// The calls by which an agent takes a task on its hook. Until its bead is known they name the agent.
    pub fn hook_steps<'a>(
        &'a self,
        bd: &'a Transport,
        actor: &'a str,
        task: &'a TaskId,
    ) -> Vec<ClaimStep<'a>> {
        let known = self.known(actor).map(|bead| bead.id.to_string());
        let id = known.unwrap_or_else(|| format!("BEAD-OF-{}", name(actor)));
        let hook = move || {
            // One that was known may lack what makes it an agent's for bd.
            self.make(bd, actor)?;
            self.set_hook(bd, actor, Some(task))
        };
        let working = move || self.set_state(bd, actor, AgentState::Working);
        vec![
            ClaimStep::of(bd, &hook_call(&id, Some(task)), hook),
            ClaimStep::of(bd, &state_call(&id, AgentState::Working), working),
        ]
    }

    /// Takes `task` off the hook that holds it. An agent that has gone on to another task is left alone.
    pub fn unhook(&self, bd: &Transport, task: &TaskId, state: AgentState) -> Result<(), BdError> {
        let holds = |(actor, bead): (&String, &Bead)| {
            (bead.hook.as_ref() == Some(task)).then(|| actor.clone())
        };
        let actors: Vec<String> = self.beads().iter().filter_map(holds).collect();
        actors.iter().try_for_each(|actor| {
            self.set_hook(bd, actor, None)?;
            self.set_state(bd, actor, state)
        })
    }

    /// Takes everything off the hooks of all agents of ours, as the tracker has them.
    pub fn idle(&self, bd: &Transport) -> Result<(), BdError> {
        let call = Call::read(&["list"]).json();
        let call = call.words(&["--label", AGENT_LABEL, "--all", "--limit", "0"]);
        let rows = bd.read(&call, wire::rows)?.into_iter();
        let ids: Vec<TaskId> = rows.filter(Pool::has).map(|row| row.issue.id).collect();
        self.learn(&wire::show(bd, &ids)?);
        let open = self
            .beads()
            .iter()
            .filter(|(_, bead)| bead.is_open)
            .map(|(actor, _)| actor.clone())
            .collect::<Vec<_>>();
        open.iter().try_for_each(|actor| {
            self.set_hook(bd, actor, None)?;
            self.set_state(bd, actor, AgentState::Idle)
        })
    }
}

fn no_bead(actor: &str) -> BdError {
    BdError::BadArgument {
        command: "slot".to_owned(),
        what: format!("{actor} has no bead"),
    }
}

/// The agent's own name: `mesh-1`.
fn name(actor: &str) -> &str {
    actor.strip_prefix("agent:").unwrap_or(actor)
}

/// What makes a bead an agent's: bd's `agent state` demands [`AGENT_LABEL`], `slot set` the type.
fn labels(actor: &str) -> Vec<String> {
    ["agent", actor, "role:polecat", AGENT_LABEL]
        .map(str::to_owned)
        .to_vec()
}

fn look_up(actor: &str) -> Call {
    let call = Call::read(&["list"]).json();
    call.words(&["--label", actor, "--all", "--limit", "0"])
}

fn creation(actor: &str) -> Call {
    let labels = labels(actor).join(",");
    let about = "An agent of a pool. Its hook holds the task that it works on.";
    let call = Call::write(ACTOR, &["create"]).words(&["--type", "agent", "--title", name(actor)]);
    call.words(&["--description", about, "--labels", &labels])
        .json()
}

fn hook_call(bead: &str, task: Option<&TaskId>) -> Call {
    match task {
        Some(task) => Call::write(ACTOR, &["slot", "set"])
            .words(&[bead, "hook"])
            .id(task)
            .json(),
        None => Call::write(ACTOR, &["slot", "clear"])
            .words(&[bead, "hook"])
            .json(),
    }
}

fn state_call(bead: &str, state: AgentState) -> Call {
    Call::write(ACTOR, &["agent", "state"])
        .words(&[bead, state.as_str()])
        .json()
}
