//! Steps of a plan to units.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::plan::{Plan, PlanProblem};
use mesh_core::task::{Eligibility, Task};
use serde::Serialize;

use super::document::Document;
use super::{Lacking, LeftOut, Unit};
use crate::diagnostic::{self, Diagnostic, Place};
use crate::nearest;

/// Where the list of steps stands in a document.
const KEYS: [&str; 2] = ["plan", "steps"];

/// How many steps there are, by status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    /// All of them.
    pub total_steps: usize,
    /// Not begun; a step without a status is one.
    pub pending: usize,
    /// Begun.
    pub in_progress: usize,
    /// Done.
    pub completed: usize,
    /// With another status.
    pub other: usize,
}

/// What [`slice`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The units; each after those that it depends on.
    pub units: Vec<Unit>,
    /// Steps that are in no unit.
    pub left_out: Vec<LeftOut>,
    /// What the units lack.
    pub lacking: Lacking,
}

/// Counts the steps of a plan.
///
/// # Errors
/// Everything that is wrong with it.
pub fn summary(bytes: &[u8]) -> Result<PlanSummary, Vec<Diagnostic>> {
    let steps = steps(bytes)?;
    let mut summary = PlanSummary {
        total_steps: steps.len(),
        ..PlanSummary::default()
    };
    for step in &steps {
        *match step.status.as_str() {
            "pending" => &mut summary.pending,
            "in_progress" => &mut summary.in_progress,
            "completed" => &mut summary.completed,
            _ => &mut summary.other,
        } += 1;
    }
    Ok(summary)
}

/// Makes units of the steps that are pending or in progress, at most `most`.
///
/// # Errors
/// Everything that is wrong with the plan: dependencies that are no steps, or that form a ring, steps without words.
pub fn slice(bytes: &[u8], most: Option<usize>) -> Result<Slice, Vec<Diagnostic>> {
    let steps = named(steps(bytes)?);
    let mut problems: Vec<Diagnostic> = Vec::new();
    let mut tasks = Vec::new();
    for (id, step) in &steps {
        if step.is_open() && step.unit.objective.trim().is_empty() {
            let found = Diagnostic::error("`step` is missing: nothing is to be done");
            problems.push(found.at(Some(step.place)));
        }
        let mut task = Task::open(id.clone());
        task.eligibility = match step.status.as_str() {
            "completed" => Eligibility::Satisfied { commit: None },
            _ => Eligibility::Open,
        };
        task.needs.clone_from(&step.needs);
        tasks.push(task);
    }
    let mut places: BTreeMap<&TaskId, Vec<Place>> = BTreeMap::new();
    for (id, step) in &steps {
        places.entry(id).or_default().push(step.place);
    }
    let (_, found) = Plan::build_tolerant(tasks);
    problems.extend(found.iter().map(|problem| {
        let hint = match problem {
            PlanProblem::UnknownNeed { need, .. } => {
                nearest::hint(need.as_str(), places.keys().map(|id| id.as_str()))
            }
            _ => String::new(),
        };
        let of_task = problem.task().and_then(|task| places.get(task));
        let place = of_task.and_then(|all| match problem {
            PlanProblem::Duplicate { .. } => all.last(),
            _ => all.first(),
        });
        Diagnostic::error(format!("{problem}{hint}")).at(place.copied())
    }));
    if !problems.is_empty() {
        diagnostic::sort(&mut problems);
        return Err(problems);
    }
    Ok(ordered(&steps, most.unwrap_or(usize::MAX)))
}

/// One entry of a plan.
struct Step {
    place: Place,
    id: Option<TaskId>,
    status: String,
    needs: Vec<TaskId>,
    unit: Unit,
}

impl Step {
    fn is_open(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "in_progress")
    }
}

fn steps(bytes: &[u8]) -> Result<Vec<Step>, Vec<Diagnostic>> {
    let (mut document, entries) = Document::read(bytes, &KEYS, true)?;
    let mut steps = Vec::new();
    for entry in &entries {
        let title = document.text(entry, "step");
        let title = title.or_else(|| document.text(entry, "title"));
        let status = document.text(entry, "status");
        let ids = |texts: Vec<String>, document: &mut Document<'_>| -> Vec<TaskId> {
            let read = texts.into_iter().filter_map(|text| {
                TaskId::new(text.trim())
                    .map_err(|problem| {
                        let shown = mesh_core::text::shortened(&text, 60);
                        let shown = shown.escape_debug();
                        document.error(entry.place, format!("`{shown}` is no id: {problem}"));
                    })
                    .ok()
            });
            read.collect()
        };
        let own = document.text(entry, "id").into_iter().collect();
        let id = ids(own, &mut document).pop();
        let needs = document.texts(entry, "depends_on");
        let needs = ids(needs, &mut document);
        let objective = title.unwrap_or_default();
        steps.push(Step {
            place: entry.place,
            id,
            status: status.unwrap_or_else(|| "pending".to_owned()),
            needs,
            unit: document.unit(entry, String::new(), objective),
        });
    }
    if document.problems.is_empty() {
        Ok(steps)
    } else {
        Err(document.problems)
    }
}

/// Gives steps without an id one: those that become units `unit-001` and so on, by their place among them, and the others likewise.
fn named(steps: Vec<Step>) -> Vec<(TaskId, Step)> {
    let used: BTreeSet<String> = steps
        .iter()
        .filter_map(|step| step.id.as_ref().map(TaskId::to_string))
        .collect();
    let free = |word: &'static str| {
        (1_u32..)
            .map(move |number| format!("{word}-{number:03}"))
            .filter(|name| !used.contains(name))
    };
    let (mut units, mut others) = (free("unit"), free("step"));
    let mut all = Vec::new();
    for mut step in steps {
        let next = if step.is_open() {
            units.next()
        } else {
            others.next()
        };
        let id = step.id.take().or_else(|| TaskId::new(next?).ok());
        if let Some(id) = id {
            all.push((id, step));
        }
    }
    all
}

/// Takes units, each after what it depends on and else in the order of the plan.
fn ordered(steps: &[(TaskId, Step)], most: usize) -> Slice {
    let at: BTreeMap<&TaskId, usize> = steps
        .iter()
        .enumerate()
        .map(|(at, (id, _))| (id, at))
        .collect();
    let needs = |step: &Step| -> Vec<usize> {
        let all = step.needs.iter().filter_map(|need| at.get(need).copied());
        all.filter(|need| steps[*need].1.status != "completed")
            .collect()
    };
    let mut waiting: Vec<usize> = steps.iter().map(|(_, step)| needs(step).len()).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (number, (_, step)) in steps.iter().enumerate() {
        for need in needs(step) {
            dependents[need].push(number);
        }
    }
    let mut ready: BTreeSet<usize> = (0..steps.len())
        .filter(|number| waiting[*number] == 0 && steps[*number].1.is_open())
        .collect();
    let mut units = Vec::new();
    let mut taken: BTreeSet<usize> = BTreeSet::new();
    while units.len() < most
        && let Some(number) = ready.pop_first()
    {
        let (id, step) = &steps[number];
        let mut unit = step.unit.clone();
        unit.id = id.to_string();
        let names = needs(step)
            .into_iter()
            .map(|need| steps[need].0.to_string());
        unit.depends_on = names.collect();
        units.push(unit);
        taken.insert(number);
        for dependent in &dependents[number] {
            waiting[*dependent] -= 1;
            if waiting[*dependent] == 0 && steps[*dependent].1.is_open() {
                ready.insert(*dependent);
            }
        }
    }
    let left_out = steps
        .iter()
        .enumerate()
        .filter(|(number, _)| !taken.contains(number));
    let left_out = left_out.map(|(_, (id, step))| {
        let missing = needs(step).into_iter().find(|need| !taken.contains(need));
        let reason = match missing {
            _ if step.status == "completed" => "it is completed".to_owned(),
            _ if !step.is_open() => {
                let status = mesh_core::text::shortened(&step.status, 40).into_owned();
                format!("its status is `{status}`, neither pending nor in_progress")
            }
            Some(need) => format!("it depends on {}, which is left out", steps[need].0),
            None => format!("there are {most} units already"),
        };
        LeftOut {
            id: id.to_string(),
            reason,
        }
    });
    Slice {
        left_out: left_out.collect(),
        lacking: Lacking::of(units.iter()),
        units,
    }
}
