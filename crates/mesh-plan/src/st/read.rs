//! Lines to state: which record it is, whether it comes in its turn, and what it does.

use std::collections::BTreeSet;

use mesh_core::id::TaskId;
use serde_json::value::RawValue;

use super::item::Reading;
use super::json::{self, Fields, Line};
use super::meta::Notes;
use super::{Slot, StItem, StPlan};
use crate::diagnostic::Diagnostic;
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

/// Reads the lines of `bytes` into `plan`.
pub(super) fn extend(plan: &mut StPlan, bytes: &[u8]) {
    plan.torn = None;
    let mut rest = bytes;
    if plan.needs_newline
        && let Some(after) = rest.strip_prefix(b"\n")
    {
        rest = after;
        plan.sound_bytes += 1;
        plan.needs_newline = false;
    }
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, length) = end.map_or((rest, rest.len()), |end| (&rest[..end], end + 1));
        let number = plan.lines.saturating_add(1);
        match read_line(plan, number, line, end.is_none()) {
            Outcome::Taken => {
                plan.lines = number;
                plan.sound_bytes = plan.sound_bytes.saturating_add(length as u64);
                plan.needs_newline = end.is_none();
            }
            Outcome::Torn => {
                let message = "the last line is cut off and is left out";
                plan.torn = Some(
                    Diagnostic::warning(message).at(Some(crate::diagnostic::Place {
                        line: number,
                        column: None,
                    })),
                );
            }
        }
        rest = &rest[length..];
    }
}

enum Outcome {
    Taken,
    Torn,
}

fn read_line(plan: &mut StPlan, number: u32, bytes: &[u8], last: bool) -> Outcome {
    let mut problems = std::mem::take(&mut plan.problems);
    let outcome = match std::str::from_utf8(bytes) {
        Err(_) if last => Outcome::Torn,
        Err(problem) => {
            let line = Line { number, text: "" };
            let place = line.column(problem.valid_up_to() + 1);
            problems.push(Diagnostic::error("the line is not UTF-8").at(Some(place)));
            Outcome::Taken
        }
        Ok(text) if text.trim().is_empty() => Outcome::Taken,
        Ok(text) => {
            let line = Line { number, text };
            match serde_json::from_str::<&RawValue>(text) {
                Ok(value) => {
                    record(
                        plan,
                        &mut Reading {
                            line,
                            problems: &mut problems,
                        },
                        value,
                    );
                    Outcome::Taken
                }
                Err(problem) if last && problem.is_eof() => Outcome::Torn,
                Err(problem) => {
                    let place = line.column(problem.column().max(1));
                    problems.push(
                        Diagnostic::error(format!("the line is not JSON: {}", cause(&problem)))
                            .at(Some(place)),
                    );
                    Outcome::Taken
                }
            }
        }
    };
    plan.problems = problems;
    outcome
}

/// The cause without the place, which stands in front already.
fn cause(problem: &serde_json::Error) -> String {
    let text = problem.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.clone(), |(cause, _)| cause.to_owned())
}

fn record<'a>(plan: &mut StPlan, reading: &mut Reading<'a, '_>, value: &'a RawValue) {
    let place = reading.line.place(value);
    let Some(fields) = json::object(value) else {
        reading.error(place, None, "a record is an object");
        return;
    };
    let Some(version) = fields.get("v") else {
        reading.error(place, None, "the record has no version `v`");
        return;
    };
    match version.get() {
        "2" if plan.saw_version_3 => {
            reading.error(
                reading.line.place(version),
                None,
                "a record of version 2 after one of version 3",
            );
            return;
        }
        "2" => {
            sequence(plan, reading, &fields, false);
            event(plan, reading, &fields, value);
        }
        "3" => {
            plan.saw_version_3 = true;
            version_3(plan, reading, &fields, value);
        }
        other => {
            let shown: String = other.chars().take(20).collect();
            reading.error(
                reading.line.place(version),
                None,
                format!("unsupported version {shown}; 3 is read, and 2 before it"),
            );
            return;
        }
    }
    plan.saw_record = true;
}

fn version_3<'a>(
    plan: &mut StPlan,
    reading: &mut Reading<'a, '_>,
    fields: &Fields<'a>,
    value: &'a RawValue,
) {
    let place = reading.line.place(value);
    let key = if fields.get("lane").is_some() {
        "lane"
    } else {
        "kind"
    };
    let lane = reading.text(fields, key, None);
    match lane
        .as_ref()
        .map(|(lane, _)| lane.trim().to_ascii_lowercase())
        .as_deref()
    {
        Some("event") => {
            sequence(plan, reading, fields, false);
            event(plan, reading, fields, value);
        }
        Some("checkpoint") => {
            sequence(plan, reading, fields, true);
            checkpoint(plan, reading, fields, value);
        }
        Some(other) => {
            let at = lane.map_or(place, |(_, at)| at);
            reading.error(
                at,
                None,
                format!(
                    "unknown lane `{}`; there are event, checkpoint",
                    other.escape_debug()
                ),
            );
        }
        None => reading.error(place, None, "the record has no `lane`"),
    }
}

/// Checks and takes the record's number: an event counts on by one, a checkpoint repeats the last. A file may begin with any
/// number (a compacted one does), and records without number are of the time before there were any.
fn sequence<'a>(
    plan: &mut StPlan,
    reading: &mut Reading<'a, '_>,
    fields: &Fields<'a>,
    is_checkpoint: bool,
) {
    let Some(value) = fields.get("seq").filter(|value| !json::is_null(value)) else {
        return;
    };
    let place = reading.line.place(value);
    let Ok(seq) = value.get().parse::<u64>() else {
        reading.error(place, None, "`seq` is no whole number");
        return;
    };
    match plan.watermark {
        None => {}
        Some(last) if is_checkpoint && seq == last => {}
        Some(last) if is_checkpoint => {
            reading.error(
                place,
                None,
                format!("the checkpoint is of {seq}, but the events before it end with {last}"),
            );
        }
        Some(last) if Some(seq) == last.checked_add(1) => {}
        Some(last) if seq > last => {
            reading.error(
                place,
                None,
                format!("`seq` jumps from {last} to {seq}: events are missing"),
            );
        }
        Some(last) => {
            reading.error(place, None, format!("`seq` {seq} comes after {last}: the event is there twice, or two files were joined"));
        }
    }
    plan.watermark = Some(plan.watermark.map_or(seq, |last| last.max(seq)));
}

fn event<'a>(
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
                "unknown op `{}`{}; there are {}",
                other.escape_debug(),
                nearest::hint(other, OPERATIONS),
                OPERATIONS.join(", ")
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

fn checkpoint<'a>(
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
                format!("item {} is there twice", slot.item.id),
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
