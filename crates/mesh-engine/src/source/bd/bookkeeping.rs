//! What mesh keeps in the tracker beside the beads it works: the swarm of the epic, and the molecule of the run with its arms.
//!
//! Nobody waits for any of it: it is done when the tracker has nothing else to do, and what fails of it is a note in the report. It
//! must never touch a bead that mesh did not make, and a molecule is poured once for each run, also when a coordinator dies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use mesh_bd::{BdError, FormulaUse, Lane, Listing, Molecule, Queue, SwarmCreated, Tracker};
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::issue::IssueKind;
use mesh_plan::epic::Target;
use mesh_plan::formula::{self, Formula};

use super::{ACTOR, SourceContext, swarm_check};
use crate::context::lock;
use crate::notes::Notes;
use crate::open::OpenTracker;
use crate::setup::AuditLevel;

/// The swarm and the molecule of a run.
pub(super) struct Bookkeeping {
    this: Weak<Bookkeeping>,
    queue: Arc<Queue>,
    notes: Arc<Notes>,
    run: String,
    epic: TaskId,
    /// All children of the epic are worked, not only some.
    is_whole: bool,
    /// What the tracker showed when it was opened.
    listing: Arc<Listing>,
    /// Where the formulas are put for bd to find.
    folder: PathBuf,
    variables: Vec<(String, String)>,
    with_molecule: bool,
    with_arms: bool,
    begun: AtomicBool,
    made: Mutex<Made>,
}

/// What is in the tracker by now.
#[derive(Default)]
struct Made {
    swarm: Option<TaskId>,
    molecule: Option<Molecule>,
    /// Its first steps are closed.
    has_begun: bool,
    arms: BTreeMap<AttemptId, Molecule>,
}

impl Bookkeeping {
    pub fn new(
        context: &SourceContext,
        queue: &Arc<Queue>,
        target: &Target,
        listing: &Arc<Listing>,
    ) -> Arc<Bookkeeping> {
        let epic = target.id();
        let setup = &context.setup;
        let is_wrapper = listing.is_wrapper(epic);
        let is_whole = is_wrapper || matches!(target, Target::Epic(_));
        let kind = match (is_wrapper, is_whole) {
            (true, _) => "bead",
            (false, true) => "epic",
            (false, false) => "beads",
        };
        let backend = match setup.vcs.as_str() {
            "jj" => "jj",
            _ => "worktree",
        };
        let audit = match setup.audit {
            AuditLevel::Full => "full",
            AuditLevel::Minimal => "minimal",
            AuditLevel::None => "none",
        };
        let concurrency = context.concurrency.to_string();
        let variables = [
            ("target_id", epic.as_str()),
            ("target_kind", kind),
            ("concurrency", &concurrency),
            ("workspace_backend", backend),
            ("audit_level", audit),
            ("run_id", &context.run),
        ];
        let made = Made {
            swarm: listing.swarm_of(epic),
            molecule: listing.molecule_with(&formula::title_of_run(epic, &context.run)),
            has_begun: false,
            arms: BTreeMap::new(),
        };
        Arc::new_cyclic(|this| Bookkeeping {
            this: Weak::clone(this),
            queue: Arc::clone(queue),
            notes: Arc::clone(&context.notes),
            run: context.run.clone(),
            is_whole,
            listing: Arc::clone(listing),
            folder: context.run_dir.formulas(),
            variables: pairs(&variables),
            with_molecule: setup.molecule,
            with_arms: setup.molecule && setup.arms,
            begun: AtomicBool::new(false),
            made: Mutex::new(made),
            epic: epic.clone(),
        })
    }

    /// Does `work` when the tracker has nothing else to do; a failure is noted as `what`.
    fn later(
        &self,
        what: &'static str,
        work: impl FnOnce(&Bookkeeping, &dyn Tracker) -> Result<(), BdError> + Send + 'static,
    ) {
        let (ours, theirs) = (Weak::clone(&self.this), Weak::clone(&self.this));
        self.queue.submit(
            Lane::Background,
            move |tracker: &dyn Tracker| match ours.upgrade() {
                Some(own) => work(&own, tracker),
                None => Ok(()),
            },
            move |done| match (done, theirs.upgrade()) {
                (Err(BdError::QueueClosed) | Ok(()), _) | (_, None) => {}
                (Err(error), Some(own)) => own.notes.note(format!("{what}: {error}")),
            },
        );
    }

    /// The first task is being claimed: swarm and molecule are made, unless they are there.
    pub fn begin(&self) {
        if self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        self.later("the epic's swarm was not made", Bookkeeping::create_swarm);
        self.later("bd's view of the epic was not read", Bookkeeping::validate);
        if self.with_molecule {
            self.later("the run's molecule was not poured", Bookkeeping::pour);
            let what = "the first steps of the run's molecule were not closed";
            self.later(what, Bookkeeping::close_first_steps);
        }
    }

    fn create_swarm(&self, tracker: &dyn Tracker) -> Result<(), BdError> {
        if lock(&self.made).swarm.is_some() {
            return Ok(());
        }
        let (SwarmCreated::Created { swarm, .. } | SwarmCreated::Exists { swarm }) =
            tracker.swarm_create(&self.epic, ACTOR)?;
        lock(&self.made).swarm = Some(swarm);
        Ok(())
    }

    /// Whether bd answers in time what it knows of the epic.
    fn may_check(&self, tracker: &dyn Tracker) -> bool {
        self.listing.children_of(&self.epic).count() <= tracker.most_children_to_check()
    }

    /// The first front of bd's analysis is what it would call ready now, so that its status needs no call of its own here.
    fn validate(&self, tracker: &dyn Tracker) -> Result<(), BdError> {
        if !self.may_check(tracker) {
            tracing::info!(epic = %self.epic, "too many children for a comparison with bd's analysis");
            return Ok(());
        }
        let said = tracker.swarm_validate(&self.epic)?;
        let mut differences = swarm_check::of_validation(&self.epic, &self.listing, &said);
        if !differences.is_empty() {
            // Somebody may have changed it since.
            differences = swarm_check::of_validation(&self.epic, &tracker.listing()?, &said);
        }
        self.warn(differences);
        Ok(())
    }

    fn warn(&self, differences: Vec<String>) {
        for difference in differences {
            self.notes.warn(difference);
        }
    }

    fn use_of(&self, formula: Formula, more: &[(&str, &str)], found_by: String) -> FormulaUse {
        let mut variables = self.variables.clone();
        if formula.name == formula::ARM.name {
            variables.retain(|(name, _)| name == "run_id");
        }
        variables.extend(pairs(more));
        FormulaUse {
            formula: formula.name,
            folder: self.folder.clone(),
            variables,
            found_by,
        }
    }

    fn write_formulas(&self) -> Result<(), BdError> {
        let folder = self.folder.join(".beads/formulas");
        let written = fs_err::create_dir_all(&folder).and_then(|()| {
            formula::ALL
                .iter()
                .try_for_each(|one| fs_err::write(folder.join(one.file_name), one.text))
        });
        written.map_err(|error| BdError::File {
            text: error.to_string(),
        })
    }

    fn pour(&self, tracker: &dyn Tracker) -> Result<(), BdError> {
        if lock(&self.made).molecule.is_some() {
            return Ok(());
        }
        self.write_formulas()?;
        let found_by = formula::title_of_run(&self.epic, &self.run);
        let poured = tracker.pour(&self.use_of(formula::RUN, &[], found_by), ACTOR)?;
        tracing::info!(root = %poured.root, "the run's molecule is poured");
        lock(&self.made).molecule = Some(poured);
        Ok(())
    }

    /// Gates and steps that are passed before a task starts.
    fn close_first_steps(&self, tracker: &dyn Tracker) -> Result<(), BdError> {
        let Some(molecule) = lock(&self.made).molecule.clone() else {
            return Ok(());
        };
        let gates = molecule.steps.iter();
        let gates = gates.filter(|(name, _)| name.starts_with("gate-"));
        let steps = formula::FIRST_STEPS.iter();
        let steps = steps.filter_map(|name| molecule.steps.get(*name));
        let is_to_close = |id: &&TaskId| self.listing.get(id).is_none() || self.listing.is_open(id);
        let ids: Vec<TaskId> = gates
            .map(|(_, id)| id)
            .chain(steps)
            .filter(is_to_close)
            .cloned()
            .collect();
        tracker.close_own(&ids, ACTOR, &format!("run {} has begun", self.run))?;
        lock(&self.made).has_begun = true;
        Ok(())
    }

    /// An attempt begins.
    pub fn bond_arm(&self, attempt: &AttemptId) {
        if !self.with_arms {
            return;
        }
        let attempt = attempt.clone();
        self.later("an arm was not bonded", move |own, tracker| {
            let Some(root) = lock(&own.made)
                .molecule
                .as_ref()
                .map(|made| made.root.clone())
            else {
                return Ok(());
            };
            let title = formula::title_of_arm(&attempt, &own.run);
            // A coordinator that died may have bonded it.
            let known = match own.listing.get(&root) {
                Some(_) => tracker.listing()?.molecule_with(&title),
                None => None,
            };
            let number = attempt.number.to_string();
            let values = [("task_id", attempt.task.as_str()), ("attempt", &number)];
            let arm = match known {
                Some(arm) => arm,
                None => {
                    own.write_formulas()?;
                    let what = own.use_of(formula::ARM, &values, title);
                    tracker.bond(&what, &root, ACTOR)?
                }
            };
            lock(&own.made).arms.insert(attempt, arm);
            Ok(())
        });
    }

    /// An attempt has ended.
    pub fn close_arm(&self, attempt: &AttemptId) {
        if !self.with_arms {
            return;
        }
        let attempt = attempt.clone();
        self.later("an arm was not closed", move |own, tracker| {
            let known = lock(&own.made).arms.remove(&attempt);
            let title = formula::title_of_arm(&attempt, &own.run);
            let arm = match known {
                Some(arm) => Some(arm),
                None => tracker.listing()?.molecule_with(&title),
            };
            let Some(arm) = arm else {
                return Ok(());
            };
            let ids: Vec<TaskId> = arm.steps.into_values().chain([arm.root]).collect();
            tracker.close_own(&ids, ACTOR, &format!("{attempt} has ended"))
        });
    }

    /// The run ends: nothing of its molecule stays open, and nothing of the swarm if the epic is done. `closed` are the tasks that
    /// are closed in the tracker. What could not be done is returned.
    pub fn end(&self, all_done: bool, closed: BTreeSet<TaskId>) -> Vec<String> {
        let this = Weak::clone(&self.this);
        let ended = self.queue.call(Lane::Background, move |tracker| {
            let Some(own) = this.upgrade() else {
                return Ok(Vec::new());
            };
            let mut refused = Vec::new();
            let mut note = |what: &str, done: Result<(), BdError>| {
                if let Err(error) = done {
                    refused.push(format!("{what}: {error}"));
                }
            };
            let mut ids = Vec::new();
            let molecule = own.open_of_molecule(tracker).map(|open| ids.extend(open));
            note("the run's molecule was not looked at", molecule);
            if all_done {
                let swarm = own
                    .done_of_swarm(tracker, &closed)
                    .map(|done| ids.extend(done));
                note("the epic's swarm was not looked at", swarm);
            }
            let outcome = if all_done { "done" } else { "not all is done" };
            let reason = format!("run {} has ended: {outcome}", own.run);
            note(
                "the run's molecule was not closed",
                own.close(tracker, ids, &reason),
            );
            Ok(refused)
        });
        match ended {
            Ok(refused) => refused,
            Err(error) => vec![format!("the run's molecule was not closed: {error}")],
        }
    }

    /// Closes `ids`. One that somebody has deleted does not keep the others open.
    fn close(
        &self,
        tracker: &dyn Tracker,
        mut ids: Vec<TaskId>,
        reason: &str,
    ) -> Result<(), BdError> {
        match tracker.close_own(&ids, ACTOR, reason) {
            Ok(()) => Ok(()),
            Err(_) => {
                let listing = tracker.listing()?;
                ids.retain(|id| listing.is_open(id));
                tracker.close_own(&ids, ACTOR, reason)
            }
        }
    }

    /// What is open of the molecule, the root last.
    fn open_of_molecule(&self, tracker: &dyn Tracker) -> Result<Vec<TaskId>, BdError> {
        let Some(molecule) = lock(&self.made).molecule.clone() else {
            return Ok(Vec::new());
        };
        let was_there = self.listing.get(&molecule.root).is_some();
        if was_there && self.listing.open_below(&molecule.root).is_empty() {
            return Ok(Vec::new());
        }
        let is_as_poured = lock(&self.made).has_begun && !was_there && !self.with_arms;
        if !is_as_poured {
            return Ok(tracker.listing()?.open_below(&molecule.root));
        }
        let is_first =
            |name: &str| name.starts_with("gate-") || formula::FIRST_STEPS.contains(&name);
        let mut last: Vec<(&String, &TaskId)> = molecule
            .steps
            .iter()
            .filter(|(name, _)| !is_first(name))
            .collect();
        // By name `closeout` stands before `run-waves`, which it waits for.
        last.sort_by_key(|(name, _)| *name == "closeout");
        let last = last.into_iter().map(|(_, id)| id.clone());
        Ok(last.chain([molecule.root.clone()]).collect())
    }

    /// The swarm molecule, and the epic that was only made to hold one bead, when no child of the epic is open any more. What
    /// somebody else coordinates stays.
    fn done_of_swarm(
        &self,
        tracker: &dyn Tracker,
        closed: &BTreeSet<TaskId>,
    ) -> Result<Vec<TaskId>, BdError> {
        let Some(swarm) = lock(&self.made).swarm.clone() else {
            return Ok(Vec::new());
        };
        let coordinator = match self.listing.get(&swarm) {
            Some(known) => known.assignee.clone(),
            None => Some(ACTOR.to_owned()),
        };
        let is_ours = coordinator.as_deref() == Some(ACTOR);
        if !is_ours && coordinator.is_some()
            || self.listing.get(&swarm).is_some() && !self.listing.is_open(&swarm)
        {
            return Ok(Vec::new());
        }
        let is_container = |id: &TaskId| {
            let issue = self.listing.get(id);
            issue.is_some_and(|issue| !matches!(issue.kind, IssueKind::Work(_)))
        };
        let is_done = if self.may_check(tracker) {
            let status = tracker.swarm_status(&self.epic)?;
            self.warn(swarm_check::of_status(
                &self.epic,
                &self.listing,
                closed,
                &status,
            ));
            let waiting = status.ready.iter().map(|issue| &issue.id);
            let active = status.active.iter().map(|issue| &issue.id);
            let blocked = status.blocked.iter().map(|issue| &issue.id);
            waiting.chain(active).chain(blocked).all(is_container)
        } else {
            let mut children = self.listing.children_of(&self.epic);
            self.is_whole
                && children.all(|child| closed.contains(&child.id) || is_container(&child.id))
        };
        if !is_done {
            return Ok(Vec::new());
        }
        let wrapper = (is_ours && self.listing.is_wrapper(&self.epic)).then(|| self.epic.clone());
        Ok([swarm].into_iter().chain(wrapper).collect())
    }
}

/// What bd's analysis of the epic says otherwise than what was read of it; nothing where bd would need long to answer, or for a bead
/// that has no epic yet.
///
/// # Errors
/// When bd fails or its answer cannot be read.
pub fn swarm_differences(open: &OpenTracker) -> Result<Vec<String>, BdError> {
    let OpenTracker {
        tracker,
        target,
        listing,
    } = open;
    let epic = target.id();
    let is_checked = !matches!(target, Target::Wrap { .. })
        && listing.children_of(epic).count() <= tracker.most_children_to_check();
    if !is_checked {
        return Ok(Vec::new());
    }
    let said = tracker.swarm_validate(epic)?;
    Ok(swarm_check::of_validation(epic, listing, &said))
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    list.iter().map(owned).collect()
}
