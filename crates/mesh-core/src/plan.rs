//! A plan: checked tasks with their graph, lock groups and estimates, ready to be scheduled.

use std::collections::BTreeMap;
use std::fmt;

use crate::graph::{Graph, Ix};
use crate::id::{LockGroup, TaskId};
use crate::lock::Hold;
use crate::task::{DEFAULT_ESTIMATE_MINUTES, Eligibility, Task};

/// What makes a list of tasks no plan. Readers of sources add the place in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanProblem {
    /// Two tasks have the same id.
    Duplicate {
        /// The id.
        task: TaskId,
    },
    /// A need that no task of the plan has.
    UnknownNeed {
        /// Who needs.
        task: TaskId,
        /// What is not there.
        need: TaskId,
    },
    /// A task that needs itself.
    SelfNeed {
        /// The task.
        task: TaskId,
    },
    /// A task that takes more of a lock group than there is.
    TooManyUnits {
        /// The task.
        task: TaskId,
        /// The group.
        group: LockGroup,
        /// How many units it takes.
        units: u32,
        /// How many there are.
        capacity: u32,
    },
    /// Tasks that need each other in a ring: each needs the next, the last needs the first.
    Cycle {
        /// The ring.
        path: Vec<TaskId>,
    },
}

impl PlanProblem {
    /// The task to point at.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            PlanProblem::Duplicate { task }
            | PlanProblem::UnknownNeed { task, .. }
            | PlanProblem::SelfNeed { task }
            | PlanProblem::TooManyUnits { task, .. } => Some(task),
            PlanProblem::Cycle { path } => path.first(),
        }
    }
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanProblem::Duplicate { task } => write!(f, "duplicate task {task}"),
            PlanProblem::UnknownNeed { task, need } => {
                write!(f, "task {task} needs {need}, which is not in the plan")
            }
            PlanProblem::SelfNeed { task } => write!(f, "task {task} needs itself"),
            PlanProblem::TooManyUnits {
                task,
                group,
                units,
                capacity,
            } => write!(
                f,
                "task {task} takes {units} units of the lock group {group}, whose capacity is {capacity}: \
                 take fewer, or set `[locks.capacity] {group} = {units}`"
            ),
            PlanProblem::Cycle { path } => {
                f.write_str("dependency cycle: ")?;
                for task in path {
                    write!(f, "{task} -> ")?;
                }
                path.first().map_or(Ok(()), |first| write!(f, "{first}"))
            }
        }
    }
}

/// Where an estimate came from, said by `plan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EstimateSource {
    /// The source has it.
    Given,
    /// The median of those the source has.
    Median,
    /// No task of the plan has one.
    Default,
}

/// Checked tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    tasks: Vec<Task>,
    index: BTreeMap<TaskId, Ix>,
    graph: Graph,
    groups: Vec<LockGroup>,
    /// How many units each group has.
    capacities: Vec<u32>,
    /// What each task takes of the groups, ascending.
    holds: Vec<Vec<Hold>>,
    estimates: Vec<(u32, EstimateSource)>,
    /// What stood where a task is marked as faulty now.
    unmarked: BTreeMap<TaskId, Eligibility>,
}

impl Plan {
    /// Checks `tasks` and builds their graph.
    ///
    /// # Errors
    /// All problems at once.
    pub fn build(tasks: Vec<Task>) -> Result<Plan, Vec<PlanProblem>> {
        let (plan, problems) = Plan::build_tolerant(tasks);
        if problems.is_empty() {
            Ok(plan)
        } else {
            Err(problems)
        }
    }

    /// Builds what can be built: a later duplicate is dropped, and a task with an unknown need, a self need or in a cycle is
    /// [`Standing::Faulty`] without its bad edges. So a record that breaks while a run goes on holds its tasks, never the run.
    #[must_use]
    pub fn build_tolerant(tasks: Vec<Task>) -> (Plan, Vec<PlanProblem>) {
        let mut problems = Vec::new();
        let mut index = BTreeMap::new();
        let mut kept: Vec<Task> = Vec::with_capacity(tasks.len());
        for task in tasks {
            let at = Ix(u32::try_from(kept.len()).unwrap_or(u32::MAX));
            if index.contains_key(&task.id) {
                problems.push(PlanProblem::Duplicate { task: task.id });
                continue;
            }
            index.insert(task.id.clone(), at);
            kept.push(task);
        }
        let given: Vec<Eligibility> = kept.iter().map(|task| task.eligibility.clone()).collect();
        let mut needs = Vec::with_capacity(kept.len());
        for task in &mut kept {
            let (edges, faults) = edges_of(task, &index);
            mark(task, &faults);
            problems.extend(faults);
            needs.push(edges);
        }
        let graph = loop {
            match Graph::new(needs.clone()) {
                Ok(graph) => break graph,
                Err(cycle) => {
                    let path: Vec<TaskId> =
                        cycle.iter().map(|at| kept[at.index()].id.clone()).collect();
                    let fault = PlanProblem::Cycle { path };
                    let cut = to_cut(&cycle, &kept);
                    for at in &cut {
                        mark(&mut kept[at.index()], std::slice::from_ref(&fault));
                        needs[at.index()].retain(|need| !cycle.contains(need));
                    }
                    problems.push(fault);
                }
            }
        };
        let unmarked = kept
            .iter()
            .zip(given)
            .filter(|(task, given)| task.eligibility != *given)
            .map(|(task, given)| (task.id.clone(), given))
            .collect();
        let plan = Plan {
            unmarked,
            ..Plan::assemble(kept, index, graph)
        };
        (plan, problems)
    }

    fn assemble(tasks: Vec<Task>, index: BTreeMap<TaskId, Ix>, graph: Graph) -> Plan {
        let mut groups: Vec<LockGroup> = tasks
            .iter()
            .flat_map(|task| task.locks.iter().cloned())
            .collect();
        groups.sort();
        groups.dedup();
        let place = |group: &LockGroup| {
            groups
                .binary_search(group)
                .ok()
                .and_then(|at| u32::try_from(at).ok())
        };
        let hold = |(group, units)| place(group).map(|group| Hold { group, units });
        let holds = tasks
            .iter()
            .map(|task| task.locks.units().filter_map(hold).collect())
            .collect();
        let estimates = estimates(&tasks);
        Plan {
            tasks,
            index,
            graph,
            capacities: vec![1; groups.len()],
            groups,
            holds,
            estimates,
            unmarked: BTreeMap::new(),
        }
    }

    /// The same plan with lock groups of these capacities; those that are not named have one unit. A task that takes more than there
    /// is is [`Eligibility::Faulty`], and a problem.
    #[must_use]
    pub fn with_capacities(mut self, named: &BTreeMap<LockGroup, u32>) -> (Plan, Vec<PlanProblem>) {
        let capacity = |group| named.get(group).copied().unwrap_or(1).max(1);
        self.capacities = self.groups.iter().map(capacity).collect();
        let mut problems = Vec::new();
        for (task, holds) in self.tasks.iter_mut().zip(&self.holds) {
            let capacities = &self.capacities;
            let too_many = |hold: &&Hold| hold.units > capacities[hold.group as usize];
            let Some(hold) = holds.iter().find(too_many) else {
                continue;
            };
            let problem = PlanProblem::TooManyUnits {
                task: task.id.clone(),
                group: self.groups[hold.group as usize].clone(),
                units: hold.units,
                capacity: capacities[hold.group as usize],
            };
            let given = task.eligibility.clone();
            mark(task, std::slice::from_ref(&problem));
            if task.eligibility != given {
                self.unmarked.entry(task.id.clone()).or_insert(given);
                problems.push(problem);
            }
        }
        (self, problems)
    }

    /// All tasks as they were given: without the marks of [`Plan::build_tolerant`], so that a record that was mended does not stay
    /// faulty.
    #[must_use]
    pub fn given_tasks(&self) -> Vec<Task> {
        let mut tasks = self.tasks.clone();
        for (id, eligibility) in &self.unmarked {
            if let Some(at) = self.find(id) {
                tasks[at.index()].eligibility = eligibility.clone();
            }
        }
        tasks
    }

    /// All tasks, in the order they were given.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The task at `at`.
    #[must_use]
    pub fn task(&self, at: Ix) -> &Task {
        &self.tasks[at.index()]
    }

    /// Place of the task called `id`.
    #[must_use]
    pub fn find(&self, id: &TaskId) -> Option<Ix> {
        self.index.get(id).copied()
    }

    /// Every place, ascending.
    pub fn all(&self) -> impl Iterator<Item = Ix> + use<> {
        (0..u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)).map(Ix)
    }

    /// Who needs whom.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// All lock groups of the plan, sorted.
    #[must_use]
    pub fn groups(&self) -> &[LockGroup] {
        &self.groups
    }

    /// How many units each of [`Plan::groups`] has.
    #[must_use]
    pub fn capacities(&self) -> &[u32] {
        &self.capacities
    }

    /// What a task takes of the lock groups.
    #[must_use]
    pub fn holds_of(&self, at: Ix) -> &[Hold] {
        &self.holds[at.index()]
    }

    /// Lock groups of a task, as places in [`Plan::groups`], ascending.
    pub fn groups_of(&self, at: Ix) -> impl Iterator<Item = u32> + '_ {
        self.holds_of(at).iter().map(|hold| hold.group)
    }

    /// Whether the tasks of `other` have the same places, needs and lock groups.
    pub(crate) fn has_the_shape_of(&self, other: &Plan) -> bool {
        self.index == other.index
            && self.graph == other.graph
            && self.groups == other.groups
            && self.holds == other.holds
            && self.capacities == other.capacities
    }

    /// Estimate of a task in minutes, and where it came from.
    #[must_use]
    pub fn estimate(&self, at: Ix) -> (u32, EstimateSource) {
        self.estimates[at.index()]
    }

    /// Minutes of work that a task still is: its estimate if this run is to do it, else 0.
    #[must_use]
    pub fn open_minutes(&self, at: Ix) -> u64 {
        if self.task(at).eligibility == Eligibility::Open {
            u64::from(self.estimate(at).0)
        } else {
            0
        }
    }
}

/// Whose edges are cut to open a circle. What is done waits for nobody, its edges only say whose work its own stands on: they are
/// kept if one of the circle still waits, and else at least those of tasks without a result of their own.
fn to_cut(cycle: &[Ix], tasks: &[Task]) -> Vec<Ix> {
    let eligibility = |at: Ix| &tasks[at.index()].eligibility;
    let pick = |wanted: fn(&Eligibility) -> bool| -> Vec<Ix> {
        let members = cycle.iter().copied();
        members.filter(|&at| wanted(eligibility(at))).collect()
    };
    let waits = pick(|eligibility| !matches!(eligibility, Eligibility::Satisfied { .. }));
    if !waits.is_empty() {
        return waits;
    }
    let own = pick(|eligibility| matches!(eligibility, Eligibility::Satisfied { commit: Some(_) }));
    if own.is_empty() { cycle.to_vec() } else { own }
}

fn edges_of(task: &Task, index: &BTreeMap<TaskId, Ix>) -> (Vec<Ix>, Vec<PlanProblem>) {
    let mut edges = Vec::with_capacity(task.needs.len());
    let mut faults = Vec::new();
    for need in &task.needs {
        if *need == task.id {
            faults.push(PlanProblem::SelfNeed {
                task: task.id.clone(),
            });
        } else if let Some(&at) = index.get(need) {
            edges.push(at);
        } else {
            faults.push(PlanProblem::UnknownNeed {
                task: task.id.clone(),
                need: need.clone(),
            });
        }
    }
    (edges, faults)
}

fn mark(task: &mut Task, faults: &[PlanProblem]) {
    if let (Some(fault), Eligibility::Open | Eligibility::Container) =
        (faults.first(), &task.eligibility)
    {
        task.eligibility = Eligibility::Faulty {
            reason: fault.to_string(),
        };
    }
}

fn estimates(tasks: &[Task]) -> Vec<(u32, EstimateSource)> {
    let mut known: Vec<u32> = tasks
        .iter()
        .filter_map(|task| task.estimate_minutes)
        .collect();
    known.sort_unstable();
    let fallback = match known.get(known.len() / 2) {
        Some(&median) => (median, EstimateSource::Median),
        None => (DEFAULT_ESTIMATE_MINUTES, EstimateSource::Default),
    };
    tasks
        .iter()
        .map(|task| {
            task.estimate_minutes
                .map_or(fallback, |minutes| (minutes, EstimateSource::Given))
        })
        .collect()
}

#[cfg(test)]
#[path = "plan_test.rs"]
mod tests;
