//! bd's JSON: what is read of it, and the one place where it becomes the core's [`Issue`]. It judges bytes and calls nothing.
//!
//! Unknown fields are ignored. `schema_version` appears and goes between versions, and an answer may be wrapped as
//! `{"schema_version":…,"data":…}`; both are handled here.

use mesh_core::id::TaskId;
use mesh_core::issue::{Edge, EdgeKind, Issue, IssueKind, IssueStatus};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::excerpt;
use crate::listing::Listing;

/// Why an answer could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParseError {
    pub looked_for: String,
    pub got: String,
}

/// Parses `bytes` as one JSON value, without its envelope.
pub(crate) fn value(bytes: &[u8], looked_for: &str) -> Result<Value, ParseError> {
    let parse_error = || ParseError {
        looked_for: looked_for.to_owned(),
        got: excerpt(bytes),
    };
    let parsed: Value = serde_json::from_slice(bytes).map_err(|_| parse_error())?;
    Ok(match parsed {
        Value::Object(mut map)
            if map.contains_key("data") && map.contains_key("schema_version") =>
        {
            map.remove("data").unwrap_or(Value::Null)
        }
        other => other,
    })
}

/// Parses `bytes` as a `T`.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], looked_for: &str) -> Result<T, ParseError> {
    let parse_error = |why: serde_json::Error| ParseError {
        looked_for: format!("{looked_for} ({why})"),
        got: excerpt(bytes),
    };
    serde_json::from_value(value(bytes, looked_for)?).map_err(parse_error)
}

/// The text of `{"error": …}`, if `bytes` is that.
pub(crate) fn error_text(bytes: &[u8]) -> Option<String> {
    let parsed = value(bytes, "").ok()?;
    let field = |name: &str| parsed.get(name).and_then(Value::as_str).map(str::to_owned);
    match (field("error")?, field("message")) {
        (error, Some(message)) => Some(format!("{error}: {message}")),
        (error, None) => Some(error),
    }
}

/// An issue as `list`, `show`, `update` and `close` write it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireIssue {
    id: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    acceptance_criteria: Option<String>,
    #[serde(default)]
    design: Option<String>,
    #[serde(default)]
    notes: Option<String>,
    status: String,
    #[serde(default)]
    issue_type: Option<String>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    dependencies: Option<Vec<WireEdge>>,
    #[serde(default)]
    estimated_minutes: Option<i64>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    close_reason: Option<String>,
    #[serde(default)]
    is_template: bool,
    #[serde(default)]
    lease_expires_at: Option<String>,
}

/// An edge: `list` writes edge records, `show` writes the issue at the other end with a `dependency_type`.
#[derive(Debug, Clone, Deserialize)]
struct WireEdge {
    #[serde(default)]
    depends_on_id: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    dependency_type: Option<String>,
}

/// A comment as bd writes it; its id is a number or a text.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireComment {
    pub id: Value,
    #[serde(default)]
    pub author: String,
    pub text: String,
    #[serde(default)]
    pub created_at: Option<String>,
}

impl WireIssue {
    /// The moment the claim's lease ends, in milliseconds since 1970.
    pub(crate) fn lease_end(&self) -> Option<u64> {
        self.lease_expires_at.as_deref().and_then(unix_ms)
    }

    /// The core's form of it.
    pub(crate) fn into_issue(self) -> Result<Issue, ParseError> {
        let id = task_id(&self.id)?;
        let edges = self
            .dependencies
            .unwrap_or_default()
            .into_iter()
            .map(WireEdge::into_edge);
        let edges = edges.collect::<Result<Vec<_>, _>>()?;
        let word = self.issue_type.unwrap_or_else(|| "task".to_owned());
        Ok(Issue {
            id,
            title: self.title,
            description: self.description.unwrap_or_default(),
            acceptance: self.acceptance_criteria.unwrap_or_default(),
            design: self.design.unwrap_or_default(),
            notes: self.notes.unwrap_or_default(),
            status: status(&self.status),
            kind: if self.is_template {
                IssueKind::Bookkeeping("template".to_owned())
            } else {
                kind(word)
            },
            priority: self.priority,
            assignee: self.assignee.filter(|name| !name.is_empty()),
            labels: self.labels.unwrap_or_default(),
            edges,
            estimate_minutes: self
                .estimated_minutes
                .and_then(|minutes| u32::try_from(minutes).ok()),
            metadata: self.metadata.map(metadata).unwrap_or_default(),
            close_reason: self.close_reason.filter(|reason| !reason.is_empty()),
        })
    }
}

impl WireEdge {
    fn into_edge(self) -> Result<Edge, ParseError> {
        let missing = |what: &str| ParseError {
            looked_for: format!("an edge's {what}"),
            got: String::new(),
        };
        let to = self
            .depends_on_id
            .or(self.id)
            .ok_or_else(|| missing("other end"))?;
        let kind = self
            .kind
            .or(self.dependency_type)
            .ok_or_else(|| missing("type"))?;
        Ok(Edge {
            to: task_id(&to)?,
            kind: edge_kind(&kind),
        })
    }
}

/// Reads an array of issues; `null` is an empty one.
pub(crate) fn issues(bytes: &[u8], looked_for: &str) -> Result<Vec<WireIssue>, ParseError> {
    Ok(read::<Option<Vec<WireIssue>>>(bytes, looked_for)?.unwrap_or_default())
}

/// Reads a listing.
pub(crate) fn listing(bytes: &[u8]) -> Result<Listing, ParseError> {
    let mut listing = Listing::default();
    for wire in issues(bytes, "an array of issues")? {
        let lease_end = wire.lease_end();
        let issue = wire.into_issue()?;
        if let Some(end) = lease_end {
            listing.lease_ends.insert(issue.id.clone(), end);
        }
        listing.issues.insert(issue.id.clone(), issue);
    }
    Ok(listing)
}

/// The id in `text`.
pub(crate) fn task_id(text: &str) -> Result<TaskId, ParseError> {
    TaskId::new(text).map_err(|problem| ParseError {
        looked_for: format!("an issue id ({problem})"),
        got: excerpt(text.as_bytes()),
    })
}

/// The core's word for bd's status.
pub(crate) fn status(word: &str) -> IssueStatus {
    match word {
        "open" => IssueStatus::Open,
        "in_progress" => IssueStatus::InProgress,
        "blocked" => IssueStatus::Blocked,
        "deferred" => IssueStatus::Deferred,
        "closed" => IssueStatus::Closed,
        other => IssueStatus::Other(other.to_owned()),
    }
}

/// Kinds that bd keeps for itself and for orchestrators. They are no work, but an open gate still blocks what it gates.
const BOOKKEEPING: [&str; 12] = [
    "molecule",
    "gate",
    "event",
    "agent",
    "role",
    "rig",
    "message",
    "convoy",
    "slot",
    "wisp",
    "merge-request",
    "template",
];

fn kind(word: String) -> IssueKind {
    match word.as_str() {
        "epic" => IssueKind::Epic,
        bookkeeping if BOOKKEEPING.contains(&bookkeeping) => IssueKind::Bookkeeping(word),
        _ => IssueKind::Work(word),
    }
}

fn edge_kind(word: &str) -> EdgeKind {
    match word {
        "blocks" | "conditional-blocks" | "waits-for" => EdgeKind::Gates,
        "parent-child" => EdgeKind::Parent,
        _ => EdgeKind::Other,
    }
}

/// Metadata as text by key. bd hands out an object; one stored as text that holds an object is read as that object.
fn metadata(output: Value) -> Vec<(String, String)> {
    let object = match output {
        Value::Object(map) => map,
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(map)) => map,
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let mut pairs: Vec<(String, String)> = object
        .into_iter()
        .map(|(key, value)| (key, plain(&value)))
        .collect();
    pairs.sort();
    pairs
}

/// A value as a person would write it: texts without quotes, everything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether metadata that was set to `wanted` may read back as `found`: bd takes `1e5` as the number 100000.
pub(crate) fn same_metadata(wanted: &str, found: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    wanted == found || matches!((number(wanted), number(found)), (Some(a), Some(b)) if a == b)
}

/// Milliseconds since 1970 of an RFC 3339 time; `None` if it is none.
pub(crate) fn unix_ms(text: &str) -> Option<u64> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(moment.as_millisecond()).ok()
}

#[cfg(test)]
#[path = "wire_test.rs"]
mod tests;
