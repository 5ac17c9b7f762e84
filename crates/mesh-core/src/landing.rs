//! Landing: verified results are put onto a target one at a time, each proved on the tree that it would make of it.
//!
//! Integrate, prove, publish: the facts of each step come as events, so a landing can be stopped, timed, adopted and replayed like
//! everything else.

use std::collections::BTreeSet;

use crate::graph::Ix;
use crate::state::State;
use crate::task::Commit;
use crate::time::{Millis, Span};

/// A commit that may become the target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Candidate {
    /// Where the target was when it was made.
    pub from: Commit,
    /// Where the target would be.
    pub to: Commit,
    /// Commits that were made for it and are dropped when it does not land; none when the result itself can land.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub copies: Vec<Commit>,
}

/// What became of joining a result with the target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum Integration {
    /// They merge. Nobody sees it yet.
    Candidate(Candidate),
    /// The target holds all of it already.
    AlreadyThere {
        /// Where the target is.
        commit: Commit,
    },
    /// They do not merge.
    Conflict {
        /// The paths in conflict.
        paths: Vec<String>,
    },
    /// It is not the result's fault: the target is checked out, is gone, or version control failed.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What became of moving the target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "is", rename_all = "snake_case"))]
pub enum Publication {
    /// It lies on the target.
    Moved {
        /// The commit that carries it there.
        commit: Commit,
    },
    /// Somebody else moved the target meanwhile.
    TargetMoved,
    /// It cannot be moved.
    Refused {
        /// Why.
        reason: String,
    },
}

/// The landing that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// The task.
    pub at: Ix,
    /// The attempt whose result it is.
    pub attempt: u32,
    /// Its number among the landings of the run: it fences late reports of one before.
    pub number: u32,
    /// From 1; a target that moved meanwhile begins another.
    pub round: u32,
    /// Since when it is at its stage.
    pub since: Millis,
    /// How far it is.
    pub stage: LandingStage,
    /// It was told to end, and is given up at this time.
    pub stopping: Option<Millis>,
}

/// How far a landing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LandingStage {
    /// The result is being joined with the target.
    Integrating {
        /// The candidate of the round before, to be dropped first.
        replaces: Option<Candidate>,
    },
    /// It was; what follows is about to be decided.
    Integrated(Candidate),
    /// The proof runs on the candidate.
    Proving(Candidate),
    /// The target is being moved.
    Publishing(Candidate),
    /// It is over without success. The next one waits until what it made is gone, processes among it.
    Withdrawing,
}

impl LandingStage {
    /// What was made for the landing so far.
    #[must_use]
    pub fn candidate(&self) -> Option<&Candidate> {
        match self {
            LandingStage::Integrating { replaces } => replaces.as_ref(),
            LandingStage::Integrated(candidate)
            | LandingStage::Proving(candidate)
            | LandingStage::Publishing(candidate) => Some(candidate),
            LandingStage::Withdrawing => None,
        }
    }
}

impl State {
    /// The landing that is under way, if there is one.
    #[must_use]
    pub fn landing(&self) -> Option<&Landing> {
        self.landing.as_ref()
    }

    /// Verified results that wait to be landed, or are being landed.
    #[must_use]
    pub fn has_landings(&self) -> bool {
        !self.landings.is_empty()
    }

    /// When the landing under way is given up, and after how long.
    pub(crate) fn landing_deadline(&self) -> Option<(Millis, Span)> {
        let landing = self.landing.as_ref()?;
        let limit = match landing.stage {
            LandingStage::Proving(_) => {
                let (setup, proof) = (self.policy.preparation_limit, self.policy.proof_limit);
                Span(setup.0.saturating_add(proof.0))
            }
            LandingStage::Withdrawing => return None,
            _ => self.policy.recording_limit,
        };
        let at = landing.since.after(limit);
        Some((landing.stopping.map_or(at, |stop| stop.min(at)), limit))
    }

    /// All whose results the one at `at` was made on, directly or not.
    pub(crate) fn stands_on(&self, at: Ix) -> BTreeSet<Ix> {
        let mut all = BTreeSet::new();
        let mut stack = vec![at];
        while let Some(one) = stack.pop() {
            let below = self.task(one).stands_on.iter();
            let below = below.filter_map(|task| self.plan.find(task));
            stack.extend(below.filter(|need| all.insert(*need)));
        }
        all
    }

    /// The first of those that this run verified and that is not on the target.
    pub(crate) fn need_not_landed(&self, at: Ix) -> Option<Ix> {
        use crate::event::Delivery;
        use crate::state::Phase;
        self.stands_on(at).into_iter().find(|&need| {
            matches!(&self.task(need).phase,
                Phase::Verified { delivery, .. } if !matches!(delivery, Delivery::Landed { .. }))
        })
    }
}

#[cfg(test)]
#[path = "landing_test.rs"]
mod tests;
