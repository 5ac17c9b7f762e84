//! From the core's types to the record's.

use super::{
    BlockRecord, BreachRecord, ChangesRecord, EndingRecord, FailureRecord, ProofChoiceRecord,
    ProofRecord, ScopeRecord,
};
use crate::scope::ScopeReport;
use mesh_core::evidence::{
    BlockReading, ChangeSet, ChangedClaim, Ending, Failure, ProofChoice, ProofEnd,
};

impl From<&Ending> for EndingRecord {
    fn from(ending: &Ending) -> EndingRecord {
        match ending {
            Ending::Exited(code) => EndingRecord::Exited { code: *code },
            Ending::Signaled(signal) => EndingRecord::Signaled { signal: *signal },
            Ending::CouldNotStart(cause) => EndingRecord::CouldNotStart {
                cause: cause.clone(),
            },
            Ending::HardLimit => EndingRecord::HardLimit,
            Ending::Flood => EndingRecord::Flood,
            Ending::Stopped => EndingRecord::Stopped,
            Ending::NoReport => EndingRecord::NoReport,
        }
    }
}

impl From<&EndingRecord> for Ending {
    fn from(record: &EndingRecord) -> Ending {
        match record {
            EndingRecord::Exited { code } => Ending::Exited(*code),
            EndingRecord::Signaled { signal } => Ending::Signaled(*signal),
            EndingRecord::CouldNotStart { cause } => Ending::CouldNotStart(cause.clone()),
            EndingRecord::HardLimit => Ending::HardLimit,
            EndingRecord::Flood => Ending::Flood,
            EndingRecord::Stopped => Ending::Stopped,
            EndingRecord::NoReport => Ending::NoReport,
        }
    }
}

impl EndingRecord {
    /// The exit code, where there is one.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            EndingRecord::Exited { code } => Some(*code),
            _ => None,
        }
    }
}

impl From<&BlockReading> for BlockRecord {
    fn from(reading: &BlockReading) -> BlockRecord {
        let block = match reading {
            BlockReading::Missing(why) => return BlockRecord::Missing { why: why.clone() },
            BlockReading::Read(block) => block,
        };
        let (changed, no_diff) = match &block.changed {
            ChangedClaim::Paths(paths) => (paths.clone(), None),
            ChangedClaim::NoDiff(reason) => (Vec::new(), Some(reason.clone())),
        };
        BlockRecord::Read {
            pr: block.pr.clone(),
            verify: block.verify.clone(),
            changed,
            no_diff,
            blockers: block.blockers.clone(),
        }
    }
}

impl From<&ChangeSet> for ChangesRecord {
    fn from(changes: &ChangeSet) -> ChangesRecord {
        let texts = |commits: &[mesh_core::task::Commit]| {
            commits.iter().map(|commit| commit.0.clone()).collect()
        };
        ChangesRecord {
            commit: changes.commit.0.clone(),
            paths: changes.paths.clone(),
            conflicted: changes.conflicted.clone(),
            strays: texts(&changes.strays),
            missing_needs: texts(&changes.missing_needs),
        }
    }
}

impl From<&ScopeReport> for ScopeRecord {
    fn from(report: &ScopeReport) -> ScopeRecord {
        match report {
            ScopeReport::Off => ScopeRecord::Off,
            ScopeReport::Checked { breaches, unmapped } => ScopeRecord::Checked {
                breaches: breaches
                    .iter()
                    .map(|breach| BreachRecord {
                        path: breach.path.clone(),
                        group: breach.group.to_string(),
                    })
                    .collect(),
                unmapped: unmapped.clone(),
            },
        }
    }
}

impl ProofRecord {
    /// The record of a choice and, if it ran, of its end.
    #[must_use]
    pub fn new(choice: &ProofChoice, end: Option<&ProofEnd>) -> ProofRecord {
        let (kind, command) = match choice {
            ProofChoice::Named(command) => (ProofChoiceRecord::Named, Some(command)),
            ProofChoice::SelfChecked(command) => (ProofChoiceRecord::SelfChecked, Some(command)),
            ProofChoice::Refused(command) => (ProofChoiceRecord::Refused, Some(command)),
            ProofChoice::Nothing => (ProofChoiceRecord::Nothing, None),
            ProofChoice::Waived => (ProofChoiceRecord::Waived, None),
        };
        let ending = end.map(|end| EndingRecord::from(&end.ending));
        ProofRecord {
            choice: kind,
            command: command.cloned(),
            self_checked: kind == ProofChoiceRecord::SelfChecked,
            exit_code: ending.as_ref().and_then(EndingRecord::exit_code),
            ending,
            tail: end.map_or_else(String::new, |end| end.tail.clone()),
        }
    }
}

impl From<&Failure> for FailureRecord {
    fn from(failure: &Failure) -> FailureRecord {
        FailureRecord {
            class: failure.class.as_str().to_owned(),
            detail: failure.detail.clone(),
        }
    }
}
