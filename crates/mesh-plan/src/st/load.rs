//! Items to tasks and details.

use std::collections::BTreeMap;

use mesh_core::task::{Eligibility, Task};

use super::{ItemStatus, Slot, StItem, StPlan};
use crate::details::{ProofFrom, TaskDetails};
use crate::diagnostic::{self, Diagnostic};
use crate::overlap;
use crate::source_snapshot::{SourceInfo, SourceKind, SourceSnapshot};

/// Priority of an item that names none, as the tracker has it.
const DEFAULT_PRIORITY: i32 = 2;

pub(super) fn load(plan: &StPlan, name: &str) -> SourceSnapshot {
    let slots: Vec<&Slot> = plan.slots.iter().flatten().collect();
    let begun = slots
        .iter()
        .filter(|slot| slot.item.status == ItemStatus::InProgress)
        .count();
    let mut tasks = Vec::with_capacity(slots.len());
    let mut details = BTreeMap::new();
    let mut spans = BTreeMap::new();
    let mut diagnostics = plan.diagnostics();
    // What was begun goes first, then the order of the file.
    let (mut next_begun, mut next_other) = (0, begun);
    let scopes = slots.iter().map(|slot| slot.notes.meta.scope.as_slice());
    for (slot, scope) in slots.iter().zip(overlap::locks(scopes)) {
        let next = if slot.item.status == ItemStatus::InProgress {
            &mut next_begun
        } else {
            &mut next_other
        };
        let mut task = task(slot, u32::try_from(*next).unwrap_or(u32::MAX));
        for group in scope.iter() {
            if task.locks.iter().all(|own| own != group) {
                task.locks.insert(group.clone());
            }
        }
        tasks.push(task);
        *next += 1;
        details.insert(slot.item.id.clone(), details_of(slot));
        spans.insert(slot.item.id.clone(), slot.place);
        diagnostics.extend(too_early(plan, slot));
    }
    if slots.is_empty() {
        diagnostics.push(Diagnostic::error(if plan.saw_record {
            "the plan has no items"
        } else {
            "the file holds no plan; it is empty or its first line is cut off"
        }));
    }
    diagnostic::sort(&mut diagnostics);
    let source = SourceInfo {
        kind: SourceKind::St,
        id: name.to_owned(),
        title: name.to_owned(),
    };
    SourceSnapshot {
        tasks,
        details,
        source,
        diagnostics,
        spans,
    }
}

fn task(slot: &Slot, tie: u32) -> Task {
    let item = &slot.item;
    let mut task = Task::open(item.id.clone());
    task.title = title(item);
    task.eligibility = eligibility(item);
    task.needs = item.deps.iter().map(|dep| dep.id.clone()).collect();
    task.locks.clone_from(&slot.notes.meta.locks);
    task.priority = slot.notes.meta.priority.unwrap_or(DEFAULT_PRIORITY);
    task.estimate_minutes = slot.notes.meta.estimate_minutes;
    task.agents.clone_from(&slot.notes.meta.agents);
    let words = task.title.to_lowercase();
    task.checkpoint = words.contains("checkpoint") || words.contains("integration");
    task.tie = tie;
    task
}

fn title(item: &StItem) -> String {
    item.step
        .trim()
        .lines()
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn eligibility(item: &StItem) -> Eligibility {
    let aside = |word: &str| {
        let last = item
            .comments
            .last()
            .and_then(|comment| comment.text.trim().lines().next());
        Eligibility::NotOurs {
            reason: last.map_or_else(
                || word.to_owned(),
                |last| {
                    format!(
                        "{word}: {}",
                        last.strip_prefix("[mesh] blocked: ").unwrap_or(last)
                    )
                },
            ),
        }
    };
    match item.status {
        ItemStatus::Pending | ItemStatus::InProgress => Eligibility::Open,
        ItemStatus::Completed => Eligibility::Satisfied { commit: None },
        ItemStatus::Blocked => aside("marked as blocked"),
        ItemStatus::Deferred => Eligibility::NotOurs {
            reason: "deferred".to_owned(),
        },
        ItemStatus::Canceled => Eligibility::NotOurs {
            reason: "canceled".to_owned(),
        },
    }
}

fn details_of(slot: &Slot) -> TaskDetails {
    let item = &slot.item;
    let meta = &slot.notes.meta;
    let step = item.step.trim();
    let title = title(item);
    let bullets: Vec<String> = meta
        .acceptance
        .iter()
        .map(|line| format!("- {line}"))
        .collect();
    let mut details = TaskDetails {
        id: item.id.clone(),
        description: if step == title {
            String::new()
        } else {
            step.to_owned()
        },
        title,
        acceptance: bullets.join("\n"),
        design: String::new(),
        notes: slot.notes.prose.clone(),
        priority: meta.priority.unwrap_or(DEFAULT_PRIORITY),
        labels: Vec::new(),
        proof_from: if meta.validation.is_empty() {
            ProofFrom::None
        } else {
            ProofFrom::PlanValidation
        },
        proof: meta.validation.clone(),
        scope: meta.scope.clone(),
        allow_no_validation: meta.allow_no_validation,
        consensus: meta.consensus,
        text_fingerprint: String::new(),
        status: item.status.as_str().to_owned(),
        assignee: None,
        parents: std::collections::BTreeSet::new(),
        member: true,
    };
    details.text_fingerprint = details.compute_fingerprint();
    details
}

/// A plan's own rule is that an item is begun or completed only when all it depends on is completed.
fn too_early(plan: &StPlan, slot: &Slot) -> Option<Diagnostic> {
    let item = &slot.item;
    if !matches!(item.status, ItemStatus::InProgress | ItemStatus::Completed) {
        return None;
    }
    let open = item.deps.iter().find(|dep| {
        plan.item(&dep.id)
            .is_some_and(|need| need.status != ItemStatus::Completed)
    })?;
    let message = format!(
        "item {} is {}, although {} is not completed",
        item.id,
        item.status.as_str(),
        open.id
    );
    Some(
        Diagnostic::warning(message)
            .about(&item.id)
            .at(Some(slot.place)),
    )
}
