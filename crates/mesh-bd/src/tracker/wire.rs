//! bd's JSON of issues and comments, and the one place where it becomes the core's [`Issue`]. Unknown fields are ignored.

use mesh_core::id::TaskId;
use mesh_core::issue::{Edge, EdgeKind, Issue, IssueKind, IssueStatus};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Comment;
use crate::error::BdError;
use crate::listing::Listing;
use crate::transport::{Call, CallOutput, Transport};

/// An issue as `list`, `show`, `update` and `close` write it.
#[derive(Debug, Clone, Deserialize)]
struct WireIssue {
    #[serde(deserialize_with = "id")]
    id: TaskId,
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
    updated_at: String,
    #[serde(default)]
    dependency_count: u32,
    #[serde(default)]
    hook_bead: Option<String>,
    #[serde(default)]
    agent_state: Option<String>,
}

/// An issue with what only the classic dialect needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub issue: Issue,
    /// bd's time of the last change; a new edge is none.
    pub updated_at: String,
    /// How many edges leave it, of every kind (in a list).
    pub edge_count: u32,
    /// What an agent's hook holds (when shown).
    pub hook: Option<TaskId>,
    /// The state of an agent (when shown); empty for everything else.
    pub agent_state: String,
}

impl From<WireIssue> for Row {
    fn from(mut wire: WireIssue) -> Row {
        let hook = wire.hook_bead.take().and_then(|id| TaskId::new(id).ok());
        Row {
            updated_at: std::mem::take(&mut wire.updated_at),
            edge_count: wire.dependency_count,
            hook,
            agent_state: wire.agent_state.take().unwrap_or_default(),
            issue: wire.into(),
        }
    }
}

/// An edge.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum WireEdge {
    /// In a list.
    Record {
        #[serde(rename = "depends_on_id", deserialize_with = "id")]
        to: TaskId,
        #[serde(rename = "type")]
        kind: String,
    },
    /// In a shown issue: the issue at the other end.
    Issue {
        #[serde(rename = "id", deserialize_with = "id")]
        to: TaskId,
        #[serde(rename = "dependency_type")]
        kind: String,
    },
}

/// A comment as bd writes it; its id is a number or a text.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WireComment {
    id: Value,
    #[serde(default)]
    author: String,
    text: String,
}

impl From<WireComment> for Comment {
    fn from(wire: WireComment) -> Comment {
        Comment {
            id: plain(&wire.id),
            author: wire.author,
            text: wire.text,
        }
    }
}

impl From<WireIssue> for Issue {
    fn from(wire: WireIssue) -> Issue {
        let word = wire.issue_type.unwrap_or_else(|| "task".to_owned());
        let edges = wire.dependencies.into_iter().flatten();
        let labels = wire.labels.unwrap_or_default();
        Issue {
            id: wire.id,
            title: wire.title,
            description: wire.description.unwrap_or_default(),
            acceptance: wire.acceptance_criteria.unwrap_or_default(),
            design: wire.design.unwrap_or_default(),
            notes: wire.notes.unwrap_or_default(),
            status: status(&wire.status),
            kind: if wire.is_template {
                IssueKind::Bookkeeping("template".to_owned())
            } else if labels.iter().any(|label| label == AGENT_LABEL) {
                IssueKind::Bookkeeping("agent".to_owned())
            } else {
                kind(word)
            },
            priority: wire.priority,
            assignee: wire.assignee.filter(|name| !name.is_empty()),
            labels,
            edges: edges.map(Edge::from).collect(),
            estimate_minutes: wire
                .estimated_minutes
                .and_then(|minutes| u32::try_from(minutes).ok()),
            metadata: wire.metadata.map(metadata).unwrap_or_default(),
            close_reason: wire.close_reason.filter(|reason| !reason.is_empty()),
        }
    }
}

impl From<WireEdge> for Edge {
    fn from(wire: WireEdge) -> Edge {
        let (WireEdge::Record { to, kind } | WireEdge::Issue { to, kind }) = wire;
        Edge {
            to,
            kind: edge_kind(&kind),
        }
    }
}

/// Reads an array of issues; `null` is an empty one.
pub(super) fn listing(output: &CallOutput) -> Result<Listing, BdError> {
    let wires: Option<Vec<WireIssue>> = output.json("an array of issues")?;
    Ok(Listing::new(wires.into_iter().flatten().map(Issue::from)))
}

/// Reads an array of issues with all that is needed of them.
pub(super) fn rows(output: &CallOutput) -> Result<Vec<Row>, BdError> {
    let wires: Option<Vec<WireIssue>> = output.json("an array of issues")?;
    Ok(wires.into_iter().flatten().map(Row::from).collect())
}

/// Most ids of one `show`: about 8 ms each (measured on bd 0.47.1), so that a call stays far below its time limit, and its arguments
/// far below what Linux allows.
const SHOWN_AT_ONCE: usize = 200;

/// The issues `ids` in full; those that are gone are left out.
pub(super) fn show(bd: &Transport, ids: &[TaskId]) -> Result<Vec<Row>, BdError> {
    let mut shown = Vec::new();
    for some in ids.chunks(SHOWN_AT_ONCE) {
        let call = Call::read(&["show"]).ids(some).json();
        shown.extend(bd.read(&call, |output| {
            match output.code == 0 && output.has_only_stderr() {
                true => Ok(Vec::new()),
                false => rows(output),
            }
        })?);
    }
    Ok(shown)
}

pub(super) fn id<'de, D: Deserializer<'de>>(from: D) -> Result<TaskId, D::Error> {
    TaskId::new(String::deserialize(from)?).map_err(serde::de::Error::custom)
}

/// The core's word for bd's status.
pub(super) fn status(word: &str) -> IssueStatus {
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

/// What makes a bead of any kind an agent's for bd 0.47: `agent state` demands it, and puts it on a task that it makes.
pub(super) const AGENT_LABEL: &str = "gt:agent";

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
pub(super) fn same_metadata(wanted: &str, found: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    wanted == found || matches!((number(wanted), number(found)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
#[path = "wire_test.rs"]
mod tests;
