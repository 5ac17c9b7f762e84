//! What a record does to the state: items put in, changed, taken out, and checkpoints.

use std::collections::BTreeSet;

use mesh_core::id::TaskId;
use serde_json::value::RawValue;

use super::item::Reading;
use super::meta::Notes;
use super::{Slot, StItem, StPlan};
use crate::json::{self, Fields};
use crate::nearest;

const OPERATIONS: [&str; 8] = [
    "init",
    "replace",
    "upsert",
    "set_status",
    "set_deps",
    "set_notes",
    "add_comment",
    "remove",
];

pub(super) fn event<'a>(
    plan: &mut StPlan,
    reading: &mut Reading<'a, '_>,
    fields: &Fields<'a>,
    value: &'a RawValue,
) {
    let place = reading.line.place(value);
    if fields.get("op").is_none() {
        reading.error(place, None, "the event has no `op`");
        return;
    }
    let Some((op, at)) = reading.text(fields, "op", None) else {
        return;
    };
    match op.trim() {
        "init" => {}
        "replace" | "replace_all" => {
            if let Some(slots) = items(plan, reading, fields, value) {
                replace(plan, slots);
            }
        }
        "upsert" | "upsert_item" => match fields.get("item") {
            Some(item) => {
                if let Some(slot) = reading.item(item, |id, text| known_notes(plan, id, text)) {
                    put(plan, slot);
                }
            }
            None => reading.error(place, None, "the event has no `item`"),
        },
        known @ ("set_status" | "set_deps" | "set_notes" | "add_comment" | "append_comment"
        | "comment" | "remove") => {
            if let Some(id) = reading.id(fields, "id", place) {
                change(plan, reading, fields, (known, &id), value);
            }
        }
        other => {
            let message = format!(
                "unknown op `{}` (there are {}){}",
                other.escape_debug(),
                OPERATIONS.join(", "),
                nearest::hint(other, OPERATIONS)
            );
            reading.error(at, None, message);
        }
    }
}

/// An event on one item.
fn change<'a>(
    plan: &mut StPlan,
    reading: &mut Reading<'a, '_>,
    fields: &Fields<'a>,
    (op, id): (&str, &TaskId),
    value: &'a RawValue,
) {
    let place = reading.line.place(value);
    if op == "remove" {
        if let Some(at) = plan.index.remove(id)
            && let Some(slot) = plan.slots.get_mut(at)
        {
            *slot = None;
        }
        return;
    }
    let at = fields.get("id").map_or(place, |id| reading.line.place(id));
    if plan.slot(id).is_none() {
        let near = nearest::hint(id.as_str(), plan.index.keys().map(TaskId::as_str));
        reading.error(
            at,
            Some(id),
            format!("{op} of {id}, which is not in the plan at this point{near}"),
        );
        return;
    }
    let key = match op {
        "set_status" => "status",
        "set_deps" => "deps",
        "set_notes" => "notes",
        _ => "comment",
    };
    match (key, fields.get(key)) {
        ("status", Some(_)) => {
            if let Some(status) = reading.status(fields, id)
                && let Some(slot) = plan.slot_mut(id)
            {
                slot.item.status = status;
            }
        }
        ("deps", Some(deps)) => {
            let deps = reading.deps(deps, id);
            if let Some(slot) = plan.slot_mut(id) {
                slot.item.deps = deps;
            }
        }
        ("notes", Some(notes)) => {
            let (text, read) = if json::is_null(notes) {
                (String::new(), Notes::default())
            } else {
                reading.notes(notes, id, |id, text| known_notes(plan, id, text))
            };
            if let Some(slot) = plan.slot_mut(id) {
                slot.item.notes = text;
                slot.notes = read;
            }
        }
        ("comment", comment) => add_comment(plan, reading, fields, id, comment.unwrap_or(value)),
        (_, _) => reading.error(place, Some(id), format!("the event has no `{key}`")),
    }
}

/// A comment stands in its own object, or (older) in the record itself.
fn add_comment<'a>(
    plan: &mut StPlan,
    reading: &mut Reading<'a, '_>,
    fields: &Fields<'a>,
    id: &TaskId,
    value: &'a RawValue,
) {
    let place = reading.line.place(value);
    let comment = match fields
        .get("comment")
        .filter(|comment| !json::is_null(comment))
    {
        None => reading.comment(fields, place, id),
        Some(own) => match json::object(own) {
            Some(own) => reading.comment(&own, place, id),
            None => {
                reading.error(
                    place,
                    Some(id),
                    "`comment` is an object with `ts`, `author` and `text`",
                );
                None
            }
        },
    };
    if let (Some(comment), Some(slot)) = (comment, plan.slot_mut(id)) {
        slot.item.comments.push(comment);
    }
}

pub(super) fn checkpoint<'a>(
    plan: &mut StPlan,
    reading: &mut Reading<'a, '_>,
    fields: &Fields<'a>,
    value: &'a RawValue,
) {
    let Some(slots) = items(plan, reading, fields, value) else {
        return;
    };
    if plan.saw_record {
        let written: Vec<&StItem> = slots.iter().map(|slot| &slot.item).collect();
        let counted: Vec<&StItem> = plan.items().collect();
        if let Some(id) = first_difference(&counted, &written) {
            let message = format!(
                "the checkpoint says something else than the events before it, first about {id}; the checkpoint counts"
            );
            reading.warning(reading.line.place(value), Some(&id), message);
        }
    }
    replace(plan, slots);
}

fn first_difference(counted: &[&StItem], written: &[&StItem]) -> Option<TaskId> {
    let differs = counted
        .iter()
        .zip(written)
        .find(|(left, right)| left != right)
        .map(|(_, right)| right.id.clone());
    let longer = if counted.len() > written.len() {
        counted
    } else {
        written
    };
    let shorter = counted.len().min(written.len());
    differs.or_else(|| longer.get(shorter).map(|item| item.id.clone()))
}

/// The list `items`, every id once.
fn items<'a>(
    plan: &StPlan,
    reading: &mut Reading<'a, '_>,
    fields: &Fields<'a>,
    value: &'a RawValue,
) -> Option<Vec<Slot>> {
    let Some(list) = fields.get("items") else {
        let place = reading.line.place(value);
        reading.error(place, None, "the record has no `items`");
        return None;
    };
    let Some(members) = json::array(list) else {
        let place = reading.line.place(list);
        reading.error(place, None, "`items` is no list");
        return None;
    };
    let mut slots: Vec<Slot> = Vec::with_capacity(members.len());
    let mut seen = BTreeSet::new();
    for member in members {
        let Some(slot) = reading.item(member, |id, text| known_notes(plan, id, text)) else {
            continue;
        };
        if seen.insert(slot.item.id.clone()) {
            slots.push(slot);
        } else {
            reading.error(
                slot.place,
                Some(&slot.item.id),
                format!("duplicate task {}", slot.item.id),
            );
        }
    }
    Some(slots)
}

fn replace(plan: &mut StPlan, slots: Vec<Slot>) {
    plan.index = slots
        .iter()
        .enumerate()
        .map(|(at, slot)| (slot.item.id.clone(), at))
        .collect();
    plan.slots = slots.into_iter().map(Some).collect();
}

/// Puts an item in; one that is there keeps its place in the order.
fn put(plan: &mut StPlan, slot: Slot) {
    if let Some(old) = plan.slot_mut(&slot.item.id) {
        *old = slot;
        return;
    }
    plan.index.insert(slot.item.id.clone(), plan.slots.len());
    plan.slots.push(Some(slot));
}

/// The reading of the same notes of the same item, if there is one without problems: theirs would name the old place.
fn known_notes(plan: &StPlan, id: &TaskId, text: &str) -> Option<Notes> {
    let slot = plan.slot(id)?;
    (slot.item.notes == text && slot.notes.problems.is_empty()).then(|| slot.notes.clone())
}
