//! What became of the steps of a landing, in their stored form.

use mesh_core::landing::{Candidate, Integration, Publication};
use mesh_core::task::Commit;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum IntegrationWire {
    Candidate {
        from: String,
        to: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        copies: Vec<String>,
    },
    AlreadyThere {
        commit: String,
    },
    Conflict {
        paths: Vec<String>,
    },
    Refused {
        reason: String,
    },
}

impl From<&Integration> for IntegrationWire {
    fn from(integration: &Integration) -> Self {
        match integration.clone() {
            Integration::Candidate(candidate) => IntegrationWire::Candidate {
                from: candidate.from.0,
                to: candidate.to.0,
                copies: candidate.copies.into_iter().map(|copy| copy.0).collect(),
            },
            Integration::AlreadyThere { commit } => {
                IntegrationWire::AlreadyThere { commit: commit.0 }
            }
            Integration::Conflict { paths } => IntegrationWire::Conflict { paths },
            Integration::Refused { reason } => IntegrationWire::Refused { reason },
        }
    }
}

impl From<IntegrationWire> for Integration {
    fn from(wire: IntegrationWire) -> Self {
        match wire {
            IntegrationWire::Candidate { from, to, copies } => Integration::Candidate(Candidate {
                from: Commit(from),
                to: Commit(to),
                copies: copies.into_iter().map(Commit).collect(),
            }),
            IntegrationWire::AlreadyThere { commit } => Integration::AlreadyThere {
                commit: Commit(commit),
            },
            IntegrationWire::Conflict { paths } => Integration::Conflict { paths },
            IntegrationWire::Refused { reason } => Integration::Refused { reason },
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum PublicationWire {
    Moved { commit: String },
    TargetMoved,
    Refused { reason: String },
}

impl From<&Publication> for PublicationWire {
    fn from(publication: &Publication) -> Self {
        match publication.clone() {
            Publication::Moved { commit } => PublicationWire::Moved { commit: commit.0 },
            Publication::TargetMoved => PublicationWire::TargetMoved,
            Publication::Refused { reason } => PublicationWire::Refused { reason },
        }
    }
}

impl From<PublicationWire> for Publication {
    fn from(wire: PublicationWire) -> Self {
        match wire {
            PublicationWire::Moved { commit } => Publication::Moved {
                commit: Commit(commit),
            },
            PublicationWire::TargetMoved => Publication::TargetMoved,
            PublicationWire::Refused { reason } => Publication::Refused { reason },
        }
    }
}
