//! bd 0.47: SQLite, listings without edges, refusals that exit with 0, and beads for the agents of a pool.
//!
//! Most calls are spelled as in [`super::modern`], without leases and without conditions: who has an issue is asked first. What differs:
//!
//! * Edges are read by `show`, many ids in a call.
//! * `update --claim` takes closed, deferred and blocked issues as well, and forgets why one was closed (measured on 0.47.1). So the
//!   issue is looked at before. A claim again by the same actor is refused by the actor's own name.
//! * The agents of the pool have beads, see [`super::pool`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mesh_core::id::TaskId;
use mesh_core::issue::{Issue, IssueStatus};
use mesh_proc::run::Runner;

use super::modern::{Features, Modern, claimed};
use super::molecule::{self, FormulaUse, Molecule};
use super::pool::Pool;
use super::swarm::{SwarmCreated, SwarmStatus, SwarmValidation};
use super::version::{Unsupported, UnsupportedReason};
use super::wire::{self, Row};
use super::{About, AgentState, ClaimStep, Comment, Renewal, Tracker};
use crate::audit::AuditEntry;
use crate::error::{BdError, Refusal};
use crate::listing::Listing;
use crate::transport::{Call, Transport};

/// Before every command: a daemon would outlive the run.
pub(super) const GLOBAL: &[&str] = &["--no-daemon"];

/// What this binary can do. It is known by the commands that only it has.
pub(super) fn ask(bd: &Transport, version: &str) -> Result<Features, BdError> {
    for command in ["agent", "slot"] {
        let help = Call::read(&[command]).words(&["--help"]);
        if bd.read(&help, |output| Ok(output.code))? != 0 {
            return Err(Unsupported {
                version: version.to_owned(),
                reason: UnsupportedReason::LacksPool,
            }
            .into());
        }
    }
    Ok(Features {
        leases: false,
        guarded: false,
    })
}

/// An opened tracker of this dialect.
pub(super) struct Classic {
    /// Makes the calls that both dialects spell alike.
    calls: Modern,
    pool: Pool,
    /// Closed issues with their edges, which are not read again while the row stays the same: trackers keep every closed issue.
    closed: Mutex<BTreeMap<TaskId, (Row, Issue)>>,
}

impl Classic {
    /// A tracker of which nothing has been read.
    pub fn new(calls: Modern) -> Classic {
        Classic {
            calls,
            pool: Pool::default(),
            closed: Mutex::default(),
        }
    }

    fn closed(&self) -> MutexGuard<'_, BTreeMap<TaskId, (Row, Issue)>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracker for Classic {
    fn about(&self) -> &About {
        self.calls.about()
    }

    fn runner(&mut self) -> &mut Arc<dyn Runner> {
        self.calls.runner()
    }

    /// One `list`, and as many `show` as it takes for the edges of what has any and for the hooks of the pool.
    fn listing(&self) -> Result<Listing, BdError> {
        let bd = &self.calls.bd;
        let call = Call::read(&["list"]).json();
        let call = call.words(&["--all", "--limit", "0", "--include-gates"]);
        let rows = bd.read(&call, wire::rows)?;
        // Not locked over the calls below: a claim may go between them.
        let mut closed = std::mem::take(&mut *self.closed());
        let now: BTreeMap<&TaskId, &Row> = rows.iter().map(|row| (&row.issue.id, row)).collect();
        closed.retain(|id, (then, _)| now.get(id) == Some(&&*then));
        let has_more = |row: &&Row| {
            !closed.contains_key(&row.issue.id) && (row.edge_count > 0 || Pool::has(row))
        };
        let ids = rows.iter().filter(has_more).map(|row| row.issue.id.clone());
        let shown = wire::show(bd, &ids.collect::<Vec<_>>())?;
        self.pool.learn(shown.iter().filter(|row| Pool::has(row)));
        let mut whole: BTreeMap<TaskId, Issue> = shown
            .into_iter()
            .map(|row| (row.issue.id.clone(), row.issue))
            .collect();
        let mut issues = Vec::new();
        for row in rows {
            let known = closed.get(&row.issue.id).map(|(_, issue)| issue.clone());
            let issue = match whole.remove(&row.issue.id).or(known) {
                Some(issue) => issue,
                None if row.edge_count == 0 => row.issue.clone(),
                // Deleted between the two calls.
                None => continue,
            };
            if issue.status == IssueStatus::Closed && row.edge_count > 0 {
                closed.insert(issue.id.clone(), (row, issue.clone()));
            }
            issues.push(issue);
        }
        *self.closed() = closed;
        Ok(Listing::new(issues))
    }

    fn show(&self, id: &TaskId) -> Result<Issue, BdError> {
        self.calls.show(id)
    }

    fn comments(&self, id: &TaskId) -> Result<Vec<Comment>, BdError> {
        self.calls.comments(id)
    }

    /// A look whether it is to be had, then the claim. There is no place for `metadata`.
    fn claim_steps<'a>(
        &'a self,
        id: &'a TaskId,
        actor: &'a str,
        _metadata: &'a [(String, String)],
    ) -> Vec<ClaimStep<'a>> {
        let look = Call::read(&["show"]).id(id).json();
        let is_free = move || {
            let issue = self.show(id)?;
            let is_open = issue.status == IssueStatus::Open && issue.assignee.is_none();
            match claimed(&issue, actor) {
                Err(_) if is_open => Ok(()),
                Ok(()) => Ok(()),
                Err(reason) => Err(Refusal {
                    what: "claim",
                    id: id.clone(),
                    reason,
                }
                .into()),
            }
        };
        let mut steps = vec![ClaimStep::of(&self.calls.bd, &look, is_free)];
        steps.extend(self.calls.claim_steps(id, actor, &[]));
        steps
    }

    fn agent_steps<'a>(&'a self, agent: &'a str) -> Vec<ClaimStep<'a>> {
        self.pool.agent_steps(&self.calls.bd, agent)
    }

    fn hook_steps<'a>(&'a self, agent: &'a str, task: &'a TaskId) -> Vec<ClaimStep<'a>> {
        self.pool.hook_steps(&self.calls.bd, agent, task)
    }

    fn unhook(&self, task: &TaskId, state: AgentState) -> Result<(), BdError> {
        self.pool.unhook(&self.calls.bd, task, state)
    }

    fn idle_agents(&self) -> Result<(), BdError> {
        self.pool.idle(&self.calls.bd)
    }

    fn release(&self, id: &TaskId, actor: &str) -> Result<(), BdError> {
        self.calls.release(id, actor)
    }

    fn release_by_hand(&self, ids: &[&TaskId]) -> String {
        self.calls.release_by_hand(ids)
    }

    fn close(&self, id: &TaskId, actor: &str, reason: &str) -> Result<(), BdError> {
        self.calls.close(id, actor, reason)
    }

    fn renew(&self, id: &TaskId, actor: &str) -> Result<Renewal, BdError> {
        self.calls.renew(id, actor)
    }

    fn comment(&self, id: &TaskId, actor: &str, text: &str) -> Result<Comment, BdError> {
        self.calls.comment(id, actor, text)
    }

    fn audit(&self, entry: &AuditEntry, actor: &str) -> Result<String, BdError> {
        self.calls.audit(entry, actor)
    }

    fn audit_label(
        &self,
        entry_id: &str,
        label: &str,
        reason: &str,
        actor: &str,
    ) -> Result<String, BdError> {
        self.calls.audit_label(entry_id, label, reason, actor)
    }

    fn swarm_create(&self, id: &TaskId, actor: &str) -> Result<SwarmCreated, BdError> {
        self.calls.swarm_create(id, actor)
    }

    fn swarm_validate(&self, epic: &TaskId) -> Result<SwarmValidation, BdError> {
        self.calls.swarm_validate(epic)
    }

    fn swarm_status(&self, epic: &TaskId) -> Result<SwarmStatus, BdError> {
        self.calls.swarm_status(epic)
    }

    /// A child costs some milliseconds.
    fn most_children_to_check(&self) -> usize {
        1000
    }

    fn cook(&self, file: &Path) -> Result<(), BdError> {
        self.calls.cook(file)
    }

    fn pour(&self, what: &FormulaUse, actor: &str) -> Result<Molecule, BdError> {
        molecule::spawn(&self.calls.bd, what, None, actor, || self.listing())
    }

    fn bond(&self, what: &FormulaUse, onto: &TaskId, actor: &str) -> Result<Molecule, BdError> {
        molecule::spawn(&self.calls.bd, what, Some(onto), actor, || self.listing())
    }

    fn close_own(&self, ids: &[TaskId], actor: &str, reason: &str) -> Result<(), BdError> {
        molecule::close_together(&self.calls.bd, ids, actor, reason, || self.listing())
    }
}
