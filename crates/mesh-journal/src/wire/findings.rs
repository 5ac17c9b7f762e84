//! Endings, findings and proofs in their stored form.

use mesh_core::evidence::{
    BlockReading, ChangeSet, ChangedClaim, Ending, Evidence, FinalBlock, ProofChoice, ProofEnd,
    ScopeBreach, Unrecorded,
};
use mesh_core::task::Commit;
use serde::{Deserialize, Serialize};

use super::names::{commits, lock_group, texts_of_commits};
use super::{WireError, is_false};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub(super) enum EndingWire {
    Exited { code: i32 },
    Signaled { signal: i32 },
    CouldNotStart { cause: String },
    HardLimit,
    Flood,
    Stopped,
    NoReport,
}

impl From<&Ending> for EndingWire {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Exited(code) => EndingWire::Exited { code: *code },
            Ending::Signaled(signal) => EndingWire::Signaled { signal: *signal },
            Ending::CouldNotStart(cause) => EndingWire::CouldNotStart {
                cause: cause.clone(),
            },
            Ending::HardLimit => EndingWire::HardLimit,
            Ending::Flood => EndingWire::Flood,
            Ending::Stopped => EndingWire::Stopped,
            Ending::NoReport => EndingWire::NoReport,
        }
    }
}

impl From<EndingWire> for Ending {
    fn from(wire: EndingWire) -> Self {
        match wire {
            EndingWire::Exited { code } => Ending::Exited(code),
            EndingWire::Signaled { signal } => Ending::Signaled(signal),
            EndingWire::CouldNotStart { cause } => Ending::CouldNotStart(cause),
            EndingWire::HardLimit => Ending::HardLimit,
            EndingWire::Flood => Ending::Flood,
            EndingWire::Stopped => Ending::Stopped,
            EndingWire::NoReport => Ending::NoReport,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum BlockWire {
    Missing {
        why: String,
    },
    Read {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pr: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verify: Option<String>,
        changed: ChangedWire,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blockers: Option<String>,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum ChangedWire {
    Paths {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<String>,
    },
    NoDiff {
        reason: String,
    },
}

impl From<&BlockReading> for BlockWire {
    fn from(reading: &BlockReading) -> Self {
        match reading {
            BlockReading::Missing(why) => BlockWire::Missing { why: why.clone() },
            BlockReading::Read(block) => BlockWire::Read {
                pr: block.pr.clone(),
                verify: block.verify.clone(),
                changed: match &block.changed {
                    ChangedClaim::Paths(paths) => ChangedWire::Paths {
                        paths: paths.clone(),
                    },
                    ChangedClaim::NoDiff(reason) => ChangedWire::NoDiff {
                        reason: reason.clone(),
                    },
                },
                blockers: block.blockers.clone(),
            },
        }
    }
}

impl From<BlockWire> for BlockReading {
    fn from(wire: BlockWire) -> Self {
        match wire {
            BlockWire::Missing { why } => BlockReading::Missing(why),
            BlockWire::Read {
                pr,
                verify,
                changed,
                blockers,
            } => BlockReading::Read(FinalBlock {
                pr,
                verify,
                changed: match changed {
                    ChangedWire::Paths { paths } => ChangedClaim::Paths(paths),
                    ChangedWire::NoDiff { reason } => ChangedClaim::NoDiff(reason),
                },
                blockers,
            }),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ChangeSetWire {
    commit: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    paths: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conflicted: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    strays: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing_needs: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    breaches: Vec<BreachWire>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unrecorded: Vec<UnrecordedWire>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct UnrecordedWire {
    path: String,
    why: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BreachWire {
    path: String,
    group: String,
}

impl From<&ChangeSet> for ChangeSetWire {
    fn from(changes: &ChangeSet) -> Self {
        let breach = |breach: &ScopeBreach| BreachWire {
            path: breach.path.clone(),
            group: breach.group.to_string(),
        };
        ChangeSetWire {
            commit: changes.commit.0.clone(),
            paths: changes.paths.clone(),
            conflicted: changes.conflicted.clone(),
            strays: texts_of_commits(&changes.strays),
            missing_needs: texts_of_commits(&changes.missing_needs),
            breaches: changes.breaches.iter().map(breach).collect(),
            unrecorded: changes
                .unrecorded
                .iter()
                .map(|missing| UnrecordedWire {
                    path: missing.path.clone(),
                    why: missing.why.clone(),
                })
                .collect(),
        }
    }
}

impl TryFrom<ChangeSetWire> for ChangeSet {
    type Error = WireError;
    fn try_from(wire: ChangeSetWire) -> Result<Self, WireError> {
        let breach = |breach: BreachWire| {
            Ok(ScopeBreach {
                path: breach.path,
                group: lock_group(breach.group, "changes.breaches.group")?,
            })
        };
        Ok(ChangeSet {
            commit: Commit(wire.commit),
            paths: wire.paths,
            conflicted: wire.conflicted,
            strays: commits(wire.strays),
            missing_needs: commits(wire.missing_needs),
            breaches: wire
                .breaches
                .into_iter()
                .map(breach)
                .collect::<Result<_, WireError>>()?,
            unrecorded: wire
                .unrecorded
                .into_iter()
                .map(|UnrecordedWire { path, why }| Unrecorded { path, why })
                .collect(),
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum ProofWire {
    Named { command: String },
    SelfChecked { command: String },
    Refused { command: String },
    Nothing,
    Waived,
}

impl From<&ProofChoice> for ProofWire {
    fn from(proof: &ProofChoice) -> Self {
        match proof {
            ProofChoice::Named(command) => ProofWire::Named {
                command: command.clone(),
            },
            ProofChoice::SelfChecked(command) => ProofWire::SelfChecked {
                command: command.clone(),
            },
            ProofChoice::Refused(command) => ProofWire::Refused {
                command: command.clone(),
            },
            ProofChoice::Nothing => ProofWire::Nothing,
            ProofChoice::Waived => ProofWire::Waived,
        }
    }
}

impl From<ProofWire> for ProofChoice {
    fn from(wire: ProofWire) -> Self {
        match wire {
            ProofWire::Named { command } => ProofChoice::Named(command),
            ProofWire::SelfChecked { command } => ProofChoice::SelfChecked(command),
            ProofWire::Refused { command } => ProofChoice::Refused(command),
            ProofWire::Nothing => ProofChoice::Nothing,
            ProofWire::Waived => ProofChoice::Waived,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct FindingsWire {
    block: BlockWire,
    changes: ChangeSetWire,
    proof: ProofWire,
}

impl From<&Evidence> for FindingsWire {
    fn from(findings: &Evidence) -> Self {
        FindingsWire {
            block: (&findings.block).into(),
            changes: (&findings.changes).into(),
            proof: (&findings.proof).into(),
        }
    }
}

impl TryFrom<FindingsWire> for Evidence {
    type Error = WireError;
    fn try_from(wire: FindingsWire) -> Result<Self, WireError> {
        Ok(Evidence {
            block: wire.block.into(),
            changes: wire.changes.try_into()?,
            proof: wire.proof.into(),
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ProofEndWire {
    ending: EndingWire,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tail: String,
    #[serde(default, skip_serializing_if = "is_false")]
    passed_in_workspace: bool,
}

impl From<&ProofEnd> for ProofEndWire {
    fn from(proof: &ProofEnd) -> Self {
        ProofEndWire {
            ending: (&proof.ending).into(),
            tail: proof.tail.clone(),
            passed_in_workspace: proof.passed_in_workspace,
        }
    }
}

impl From<ProofEndWire> for ProofEnd {
    fn from(wire: ProofEndWire) -> Self {
        ProofEnd {
            ending: wire.ending.into(),
            tail: wire.tail,
            passed_in_workspace: wire.passed_in_workspace,
        }
    }
}
