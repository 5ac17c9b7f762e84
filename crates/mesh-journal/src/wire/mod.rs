//! The stored form of a journal, and the way to it and back.
//!
//! One line of JSON each: a header, then records. Records, events and decisions are declared here once more, field by field; what
//! they hold are leaf types of the core, which derive their stored form. A name that once was written is never given another
//! meaning. Within one format unknown fields are passed over, so an older mesh reads what a newer one added. A new format number is
//! for what an older one would misread.

mod decision;
mod event;

#[cfg(test)]
mod round_trip_test;

use std::fmt::Write;

use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::time::Millis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_path_to_error::Segment;
use thiserror::Error;

use crate::run_id::RunId;
use crate::timestamp::Timestamp;

/// The format that is written. Files of a lower or equal number are read.
pub const FORMAT: u32 = 2;

/// What the first line of a journal says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The run.
    pub run: RunId,
    /// The version of mesh that started it.
    #[serde(rename = "mesh")]
    pub mesh_version: String,
    /// When it started, in Unix milliseconds: the zero of all times in its records.
    pub started_unix_ms: u64,
    /// All that a resume must know and the core does not: source, tracker, version control, agent, limits. An object; whoever
    /// writes it reads it. `mesh status` looks into its `source` (`kind`, `id`, `title`) and `tracker` (`dialect`, `version`).
    #[serde(default)]
    pub setup: Value,
}

/// A fact and what was decided on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place, from 1 without gaps.
    pub number: u64,
    /// When the fact was taken in, since the run's start.
    pub at: Millis,
    /// The same by the clock on the wall.
    pub wall: Timestamp,
    /// The fact.
    pub event: Event,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// It is not JSON at all: torn, or overwritten.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// It is JSON of another shape.
    #[error("not what is stored here: {0}")]
    Shape(String),
    /// A value that cannot be.
    #[error("{field}: {problem}")]
    Value {
        /// Where, with dots.
        field: String,
        /// What is wrong, as a fragment.
        problem: String,
    },
    /// Another format.
    #[error("format {0} is newer than this mesh")]
    Format(u32),
}

/// Declares the stored form of an enum of the core, whose kind stands in `is` beside its fields. Serde cannot say where in such a
/// form an error is; the other form, with the fields below the kind, exists for that alone.
macro_rules! tagged {
    ($core:ident = $path:literal { $($variants:tt)* }) => {
        #[derive(Serialize, Deserialize)]
        #[serde(remote = $path, tag = "is", rename_all = "snake_case")]
        // As large as what it mirrors.
        #[allow(clippy::large_enum_variant)]
        enum Stored { $($variants)* }

        #[derive(Deserialize)]
        #[serde(remote = $path, rename_all = "snake_case")]
        // As large as what it mirrors.
        #[allow(clippy::large_enum_variant)]
        enum SetApart { $($variants)* }

        #[derive(Serialize)]
        pub(super) struct Written<'a>(#[serde(with = "Stored")] pub(super) &'a $core);

        #[derive(Deserialize)]
        pub(super) struct Read(#[serde(with = "Stored")] pub(super) $core);

        #[derive(Deserialize)]
        #[expect(dead_code, reason = "it is read for the error alone")]
        pub(super) struct Explained(#[serde(with = "SetApart")] $core);
    };
}
use tagged;

#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "E: Deserialize<'de>, D: Deserialize<'de>"))]
struct RecordLine<E, D> {
    v: u32,
    n: u64,
    at: Millis,
    wall: Timestamp,
    event: E,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<D>,
}

/// The first line of a journal, without its end of line.
#[must_use]
pub fn encode_header(header: &Header) -> String {
    to_line(header)
}

/// The inverse of [`encode_header`].
///
/// # Errors
/// When the line is no header of a format that is known here.
pub fn decode_header(line: &[u8]) -> Result<Header, WireError> {
    from_line(line)
}

/// One record as a line, without its end of line.
#[must_use]
pub fn encode_record(
    number: u64,
    at: Millis,
    wall: Timestamp,
    event: &Event,
    decisions: &[Decision],
) -> String {
    text_of(&RecordLine {
        v: FORMAT,
        n: number,
        at,
        wall,
        event: event::Written(event),
        decisions: decisions.iter().map(decision::Written).collect(),
    })
}

/// The inverse of [`encode_record`].
///
/// # Errors
/// When the line is no record of a format that is known here, with the field named.
pub fn decode_record(line: &[u8]) -> Result<Record, WireError> {
    let read = serde_json::from_slice::<RecordLine<event::Read, decision::Read>>(line);
    match read {
        Ok(record) if record.v <= FORMAT => Ok(Record {
            number: record.n,
            at: record.at,
            wall: record.wall,
            event: record.event.0,
            decisions: record.decisions.into_iter().map(|read| read.0).collect(),
        }),
        Ok(record) => Err(WireError::Format(record.v)),
        Err(error) => Err(explain(line).unwrap_or_else(|| WireError::Shape(error.to_string()))),
    }
}

/// What keeps a line from being a record, with the field.
fn explain(line: &[u8]) -> Option<WireError> {
    let explained = json(line).and_then(|mut value| {
        if let Some(event) = value.get_mut("event") {
            set_apart(event, || "event".to_owned())?;
        }
        if let Some(Value::Array(decisions)) = value.get_mut("decisions") {
            for (at, decision) in decisions.iter_mut().enumerate() {
                set_apart(decision, || format!("decisions[{at}]"))?;
            }
        }
        from_json::<RecordLine<event::Explained, decision::Explained>>(value)
    });
    explained.err()
}

/// `{"is": "claimed", "attempt": …}` as `{"claimed": {"attempt": …}}`.
fn set_apart(value: &mut Value, field: impl FnOnce() -> String) -> Result<(), WireError> {
    let fields = value.as_object_mut();
    let kind = fields.and_then(|fields| fields.remove("is"));
    let Some(Value::String(kind)) = kind else {
        return Err(WireError::Value {
            field: field(),
            problem: "it does not say in `is` what it is".to_owned(),
        });
    };
    *value = Value::from_iter([(kind, value.take())]);
    Ok(())
}

/// What every line says beside its content.
#[derive(Serialize)]
struct Line<'a, T> {
    v: u32,
    #[serde(flatten)]
    content: &'a T,
}

/// The format number alone, to be read before anything else is believed.
#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// One line of JSON that says its format in `v`.
pub(crate) fn to_line<T: Serialize>(content: &T) -> String {
    text_of(&Line { v: FORMAT, content })
}

/// Our own types have only string keys and no failing serializer, so this cannot fail.
fn text_of<T: Serialize>(line: &T) -> String {
    serde_json::to_string(line).expect("types of this crate always have a JSON form")
}

/// The inverse of [`to_line`].
pub(crate) fn from_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, WireError> {
    from_json(json(line)?)
}

/// All of the line must be JSON before a part of it is believed, or a torn one could pass for a strange one.
fn json(line: &[u8]) -> Result<Value, WireError> {
    let value = serde_json::from_slice(line);
    let value: Value = value.map_err(|error| WireError::NotJson(error.to_string()))?;
    let VersionOnly { v } =
        VersionOnly::deserialize(&value).map_err(|error| WireError::Shape(error.to_string()))?;
    if v > FORMAT {
        return Err(WireError::Format(v));
    }
    Ok(value)
}

fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, WireError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut field = String::new();
        for segment in error.path() {
            // Writing to a string cannot fail.
            let _ = match segment {
                Segment::Seq { index } => write!(field, "[{index}]"),
                Segment::Map { key } if field.is_empty() => write!(field, "{key}"),
                Segment::Map { key } => write!(field, ".{key}"),
                // What [`set_apart`] put there is not in the line.
                Segment::Enum { .. } | Segment::Unknown => Ok(()),
            };
        }
        let problem = error.into_inner().to_string();
        if field.is_empty() {
            WireError::Shape(problem)
        } else {
            WireError::Value { field, problem }
        }
    })
}

/// For `skip_serializing_if`.
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}
