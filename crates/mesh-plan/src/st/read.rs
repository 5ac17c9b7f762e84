//! Lines to records: whether each is whole, which version it is and whether it comes in its turn.

use serde_json::value::RawValue;

use super::StPlan;
use super::event::{checkpoint, event};
use super::item::Reading;
use crate::diagnostic::{Diagnostic, Place};
use crate::json::{self, Fields, Line};

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
            LineRead::Taken => {
                plan.lines = number;
                plan.sound_bytes = plan.sound_bytes.saturating_add(length as u64);
                plan.needs_newline = end.is_none();
            }
            LineRead::Torn => {
                let message = "the last line is cut off and is left out";
                plan.torn = Some(Diagnostic::warning(message).at(Some(Place {
                    line: number,
                    column: None,
                })));
            }
        }
        rest = &rest[length..];
    }
}

enum LineRead {
    Taken,
    Torn,
}

fn read_line(plan: &mut StPlan, number: u32, bytes: &[u8], last: bool) -> LineRead {
    let mut problems = std::mem::take(&mut plan.problems);
    let outcome = match std::str::from_utf8(bytes) {
        Err(_) if last => LineRead::Torn,
        Err(problem) => {
            let line = Line { number, text: "" };
            let place = line.column(problem.valid_up_to() + 1);
            problems.push(Diagnostic::error("the line is not UTF-8").at(Some(place)));
            LineRead::Taken
        }
        Ok(text) if text.trim().is_empty() => LineRead::Taken,
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
                    LineRead::Taken
                }
                Err(problem) if last && problem.is_eof() => LineRead::Torn,
                Err(problem) => {
                    let place = line.column(problem.column().max(1));
                    problems.push(
                        Diagnostic::error(format!("the line is not JSON: {}", cause(&problem)))
                            .at(Some(place)),
                    );
                    LineRead::Taken
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
            reading.error(place, None, format!("`seq` {seq} comes after {last}: a duplicate event, or two files that were joined"));
        }
    }
    plan.watermark = Some(plan.watermark.map_or(seq, |last| last.max(seq)));
}
