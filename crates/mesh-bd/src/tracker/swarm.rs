//! bd's own view of an epic: used once to mark it, and as a cross-check of what was computed from a listing.

use mesh_core::id::TaskId;
use serde::{Deserialize, Deserializer};

use super::wire::id;
use crate::error::{BdError, Refusal, RefusalReason};
use crate::transport::CallOutput;

/// What came of marking an epic as worked by a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwarmCreated {
    /// A swarm molecule was made.
    Created {
        /// The molecule.
        swarm: TaskId,
        /// The epic it is for: the one named, or the new one that bd put around a single bead.
        epic: TaskId,
    },
    /// There was one already.
    Exists {
        /// The molecule.
        swarm: TaskId,
    },
}

/// What `swarm validate` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SwarmValidation {
    /// The epic.
    #[serde(deserialize_with = "id")]
    pub epic_id: TaskId,
    /// Direct children, closed ones too.
    pub total_issues: u32,
    /// Closed direct children.
    pub closed_issues: u32,
    /// Levels of the graph: 1.0.5 puts closed members in as well, 1.3.0 only open ones (measured).
    #[serde(default, rename = "ready_fronts", deserialize_with = "nullable")]
    pub fronts: Vec<SwarmFront>,
    /// The widest level.
    pub max_parallelism: u32,
    /// Free English texts.
    #[serde(default, deserialize_with = "nullable")]
    pub warnings: Vec<String>,
    /// Free English texts; only cycles make errors.
    #[serde(default, deserialize_with = "nullable")]
    pub errors: Vec<String>,
    /// No errors.
    pub swarmable: bool,
}

/// One level of an epic's graph.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SwarmFront {
    /// From 0.
    pub wave: u32,
    /// Its members.
    #[serde(deserialize_with = "ids")]
    pub issues: Vec<TaskId>,
}

/// What `swarm status` says. It sees direct children only, and no gates or blockers outside the epic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SwarmStatus {
    /// The epic.
    #[serde(deserialize_with = "id")]
    pub epic_id: TaskId,
    /// Direct children.
    pub total_issues: u32,
    /// Closed ones.
    #[serde(default, deserialize_with = "nullable")]
    pub completed: Vec<SwarmIssue>,
    /// Those in progress.
    #[serde(default, deserialize_with = "nullable")]
    pub active: Vec<SwarmActive>,
    /// Those without open blockers inside the epic.
    #[serde(default, deserialize_with = "nullable")]
    pub ready: Vec<SwarmIssue>,
    /// The rest.
    #[serde(default, deserialize_with = "nullable")]
    pub blocked: Vec<SwarmBlocked>,
}

/// A member of a swarm.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SwarmIssue {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: TaskId,
    /// Its title.
    #[serde(default)]
    pub title: String,
}

/// A member that somebody is at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SwarmActive {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: TaskId,
    /// Who has it; empty if nobody.
    #[serde(default)]
    pub assignee: String,
}

/// A member that waits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SwarmBlocked {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: TaskId,
    /// The open members it waits for.
    #[serde(deserialize_with = "ids")]
    pub blocked_by: Vec<TaskId>,
}

/// What `swarm create` answered.
pub(super) fn read_created(output: &CallOutput, asked: &TaskId) -> Result<SwarmCreated, BdError> {
    #[derive(Deserialize)]
    struct Created {
        #[serde(deserialize_with = "id")]
        swarm_id: TaskId,
        #[serde(deserialize_with = "id")]
        epic_id: TaskId,
    }
    #[derive(Deserialize)]
    struct Exists {
        #[serde(deserialize_with = "id")]
        existing_id: TaskId,
    }
    if let Some(error) = output.error() {
        if let Ok(Exists { existing_id }) = output.json_of_any_end("") {
            return Ok(SwarmCreated::Exists { swarm: existing_id });
        }
        if error.contains("not swarmable") {
            return Err(Refusal {
                what: "make a swarm of",
                id: asked.clone(),
                reason: RefusalReason::Other("its graph has a cycle".to_owned()),
            }
            .into());
        }
    }
    let created: Created = output.json("the swarm's id")?;
    Ok(SwarmCreated::Created {
        swarm: created.swarm_id,
        epic: created.epic_id,
    })
}

fn ids<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<TaskId>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(from)?.unwrap_or_default();
    texts
        .into_iter()
        .map(|text| TaskId::new(text).map_err(serde::de::Error::custom))
        .collect()
}

/// bd writes `null` for an empty list here and there.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(from)?.unwrap_or_default())
}
