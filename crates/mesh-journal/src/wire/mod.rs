//! The stored form of a journal, and the way to it and back.
//!
//! One line of JSON each: a header, then records. Every kind of thing that the core knows has a mirror type here; a change to a
//! core type must be answered here, and a name that once was written is never given another meaning. Within one format unknown
//! fields are passed over, so an older mesh reads what a newer one added. A new format number is for what an older one would
//! misread.

mod decision;
mod event;
mod findings;
mod landing;
mod names;
mod plan;

#[cfg(test)]
mod round_trip_tests;

use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::time::Millis;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::run_id::RunId;
use crate::timestamp::Timestamp;

pub(crate) use event::RequestWire;
pub(crate) use names::{NeedWire, task_id};

/// The format that is written. Files of a lower or equal number are read.
pub const FORMAT: u32 = 2;

/// What the first line of a journal says.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The run.
    pub run: RunId,
    /// When it started, in Unix milliseconds: the zero of all times in its records.
    pub started_unix_ms: u64,
    /// The version of mesh that started it.
    pub mesh_version: String,
    /// All that a resume must know and the core does not: source, tracker, version control, agent, limits. An object; whoever
    /// writes it reads it. `mesh status` looks into its `source` (`kind`, `id`, `title`) and `tracker` (`dialect`, `version`).
    pub setup: serde_json::Value,
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

impl WireError {
    pub(crate) fn value(field: &str, problem: impl ToString) -> WireError {
        WireError::Value {
            field: field.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// The same error, seen from the thing that has `outer`.
    pub(crate) fn within(self, outer: &str) -> WireError {
        match self {
            WireError::Value { field, problem } => WireError::Value {
                field: format!("{outer}.{field}"),
                problem,
            },
            other => other,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct HeaderWire {
    v: u32,
    run: String,
    mesh: String,
    started_unix_ms: u64,
    #[serde(default)]
    setup: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct RecordWire {
    v: u32,
    n: u64,
    at: u64,
    wall: Timestamp,
    event: event::EventWire,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<decision::DecisionWire>,
}

/// The format number alone, to be read before anything else is believed.
#[derive(Deserialize)]
struct VersionOnly {
    v: u32,
}

/// The first line of a journal, without its end of line.
#[must_use]
pub fn encode_header(header: &Header) -> String {
    to_line(&HeaderWire {
        v: FORMAT,
        run: header.run.to_string(),
        mesh: header.mesh_version.clone(),
        started_unix_ms: header.started_unix_ms,
        setup: header.setup.clone(),
    })
}

/// The inverse of [`encode_header`].
///
/// # Errors
/// When the line is no header of a format that is known here.
pub fn decode_header(line: &[u8]) -> Result<Header, WireError> {
    let wire: HeaderWire = from_line(line)?;
    Ok(Header {
        run: RunId::parse(&wire.run).map_err(|error| WireError::value("run", error))?,
        started_unix_ms: wire.started_unix_ms,
        mesh_version: wire.mesh,
        setup: wire.setup,
    })
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
    to_line(&RecordWire {
        v: FORMAT,
        n: number,
        at: at.0,
        wall,
        event: event.into(),
        decisions: decisions.iter().map(Into::into).collect(),
    })
}

/// The inverse of [`encode_record`].
///
/// # Errors
/// When the line is no record of a format that is known here, with the field named.
pub fn decode_record(line: &[u8]) -> Result<Record, WireError> {
    let wire: RecordWire = from_line(line)?;
    let mut decisions = Vec::with_capacity(wire.decisions.len());
    for (at, decision) in wire.decisions.into_iter().enumerate() {
        decisions.push(
            Decision::try_from(decision)
                .map_err(|error| error.within(&format!("decisions[{at}]")))?,
        );
    }
    Ok(Record {
        number: wire.n,
        at: Millis(wire.at),
        wall: wire.wall,
        event: Event::try_from(wire.event).map_err(|error| error.within("event"))?,
        decisions,
    })
}

/// One line of JSON. Our own types have only string keys and no failing serializer, so this cannot fail.
pub(crate) fn to_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("types of this crate always have a JSON form")
}

/// Reads a line that says its format in `v`.
pub(crate) fn from_line<'de, T: Deserialize<'de>>(line: &'de [u8]) -> Result<T, WireError> {
    let read = |error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Data => WireError::Shape(error.to_string()),
        _ => WireError::NotJson(error.to_string()),
    };
    // All of the line must be JSON before a part of it is believed, or a torn one could pass for a strange one.
    serde_json::from_slice::<serde::de::IgnoredAny>(line).map_err(read)?;
    let VersionOnly { v } = serde_json::from_slice(line).map_err(read)?;
    if v > FORMAT {
        return Err(WireError::Format(v));
    }
    serde_json::from_slice(line).map_err(read)
}

/// For `skip_serializing_if`.
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}
