//! What is to be done: turns that should be running, one act beside them, and in the end an outcome.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::task::Meta;

/// Who takes a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// `patch-first`: the one who makes the patch.
    Worker,
    /// `pipeline`: makes the smallest patch that satisfies the task.
    Coder,
    /// `pipeline`: looks for what the coder's patch breaks, and accepts or rejects it.
    Fixer,
    /// `consensus`: proposes an approach, and metadata where they are missing.
    Proposer,
    /// `consensus`: correctness and regressions.
    CriticA,
    /// `consensus`: coverage and ergonomics.
    CriticB,
    /// `consensus`: edge cases and invariants.
    Skeptic,
    /// `consensus`: makes the patch out of proposal and critiques.
    Synthesizer,
}

impl Role {
    /// Its name in the configuration, in prompts and in the names of files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Coder => "coder",
            Role::Fixer => "fixer",
            Role::Proposer => "proposer",
            Role::CriticA => "critic_a",
            Role::CriticB => "critic_b",
            Role::Skeptic => "skeptic",
            Role::Synthesizer => "synthesizer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a turn is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A patch (`patch-first`, and the coder of `pipeline`).
    Patch,
    /// The fixer's look at a patch.
    Review,
    /// Metadata for a task that lacks them.
    HydrateMeta,
    /// The proposal.
    Proposal,
    /// A critique of the proposal, and of the synthesis that did not find consensus.
    Critique,
    /// The patch out of proposal and critiques.
    Synthesis,
    /// A vote on the synthesis.
    Vote,
}

impl Stage {
    /// Its name in prompts and in the names of files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Patch => "patch",
            Stage::Review => "review",
            Stage::HydrateMeta => "hydrate_meta",
            Stage::Proposal => "proposal",
            Stage::Critique => "critique",
            Stage::Synthesis => "synthesis",
            Stage::Vote => "vote",
        }
    }
}

/// Names a turn: it is started at most once. Its text, `vote.2.critic_a.1`, is fit for the name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TurnId {
    /// What it is for.
    pub stage: Stage,
    /// From 1. In `patch-first` the racer.
    pub round: u32,
    /// Who.
    pub role: Role,
    /// 1; 2 when the role is asked once more, because its first answer was missing or could not be used.
    pub ask: u32,
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.stage.as_str();
        write!(f, "{stage}.{}.{}.{}", self.round, self.role, self.ask)
    }
}

/// A turn that should be running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its name.
    pub id: TurnId,
    /// All that the agent is told. It starts afresh and knows nothing of other turns.
    pub prompt: String,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Exactly these turns should be running, in parallel: one that is not running is started, and one that runs and is not among
    /// them (the loser of a race) is ended, which is the entry [`crate::entry::End::Superseded`].
    pub turns: Vec<Turn>,
    /// Is done while they run, and once: its entry is written before anything else is asked for.
    pub act: Option<Act>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Keep the metadata that the proposer made with the task, where its source can hold them. They are used either way.
    Persist {
        /// Whose answer they are from.
        turn: TurnId,
        /// The metadata.
        meta: Meta,
    },
    /// Put the workspace back to what it was when the attempt began and apply this patch, all of it or nothing.
    Apply {
        /// Whose patch it is.
        turn: TurnId,
        /// A unified diff with `a/` and `b/` in front of its paths, ending in a line end.
        patch: String,
        /// The paths it touches, sorted.
        paths: Vec<String>,
    },
    /// Run these commands in order in the workspace, which holds the patch of `turn`; all must exit with 0.
    Prove {
        /// Whose patch is proved.
        turn: TurnId,
        /// The commands, for `sh -c`.
        commands: Vec<String>,
    },
    /// The strategy has ended. Turns that still run are ended.
    Finish(Outcome),
}

/// How a strategy ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The change is accepted; the workspace holds it.
    Accepted {
        /// The change.
        change: Change,
        /// The commands that prove it: those of the task, or what the roles agreed on. Empty: the task needs none.
        validation: Vec<String>,
        /// Lines for the report: votes, late answers and the like.
        notes: Vec<String>,
    },
    /// A person has to answer first.
    Question {
        /// What is asked.
        question: String,
        /// The answer that the role would take; empty if it named none.
        recommended_default: String,
        /// What depends on the answer; empty if it did not say.
        what_changes: String,
        /// Lines for the report.
        notes: Vec<String>,
    },
    /// No change was accepted. The workspace may hold a patch whose proof failed.
    Blocked {
        /// The one reason.
        reason: Reason,
        /// The evidence, in one line or a few.
        detail: String,
        /// Lines for the report.
        notes: Vec<String>,
    },
}

/// An accepted change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The patch that the workspace holds.
    Patch {
        /// Whose it is.
        turn: TurnId,
        /// The unified diff.
        patch: String,
        /// The paths it touches, sorted.
        paths: Vec<String>,
        /// It is also to be kept as a file of its own (`delivery_mode` `patch_first`).
        keep_file: bool,
    },
    /// Nothing has to be changed.
    NoDiff {
        /// Why.
        reason: String,
    },
}

/// Why no change was accepted. The names are those of the failure codes and block reasons that reports and trackers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A role gave no usable answer, also when it was asked again.
    NoResponse,
    /// The votes needed were not there after the last cycle.
    NoConsensus,
    /// There is no command that could prove the change.
    MissingValidation,
    /// The proof failed.
    ValidationFailed,
    /// The accepted patch does not apply, or changes what the task does not cover.
    AmbiguousIntegration,
    /// `pipeline`: the change is a risk to what works.
    SafetyRegressionRisk,
    /// `pipeline`: there is no command that could prove the change.
    ProofMissing,
    /// `pipeline`: an answer is not what the output contract asks for.
    InvalidOutputSchema,
    /// `pipeline`: the change reaches beyond the unit's scope.
    ScopeOverlapConflict,
    /// `pipeline`: one retry and one replacement gave no answer.
    TimeoutRetryExhausted,
    /// `pipeline`: the accepted patch does not apply, or its proof fails.
    DeliveryBlocked,
    /// `pipeline`: a decision of a person is needed.
    RequiresClarification,
    /// `pipeline`: a tool that is needed is not there.
    ToolingUnavailable,
}

impl Reason {
    /// The code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::NoResponse => "no_response",
            Reason::NoConsensus => "no_consensus",
            Reason::MissingValidation => "missing_validation",
            Reason::ValidationFailed => "validation_failed",
            Reason::AmbiguousIntegration => "ambiguous_integration",
            Reason::SafetyRegressionRisk => "safety_regression_risk",
            Reason::ProofMissing => "proof_missing",
            Reason::InvalidOutputSchema => "invalid_output_schema",
            Reason::ScopeOverlapConflict => "scope_overlap_conflict",
            Reason::TimeoutRetryExhausted => "timeout_retry_exhausted",
            Reason::DeliveryBlocked => "delivery_blocked",
            Reason::RequiresClarification => "requires_clarification",
            Reason::ToolingUnavailable => "tooling_unavailable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
