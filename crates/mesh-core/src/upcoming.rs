//! What starts next if all that is under way ends well, so that it can be prepared meanwhile. A guess: nothing is decided by it, and
//! what starts in the end is another question.

use crate::decision::NeedCommit;
use crate::graph::Ix;
use crate::id::AttemptId;
use crate::state::{Admission, Phase, Recording, Stage, State};

/// An attempt that may start next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// Which.
    pub attempt: AttemptId,
    /// What it would stand on; nothing while a result of it is not recorded yet.
    pub needs: Option<Vec<NeedCommit>>,
}

impl State {
    /// Whether a task is between the end of an agent and the start of the next one: what a slot does not work in the meantime is lost.
    #[must_use]
    pub fn is_changing_over(&self) -> bool {
        self.active().any(|at| {
            let stage = self.task(at).active().map(|active| &active.stage);
            matches!(
                stage,
                Some(
                    Stage::Starting
                        | Stage::Inspecting(Recording::Working { .. })
                        | Stage::Proving { .. }
                )
            )
        })
    }

    /// The attempts that start when all active ones end well, first those that start first. Without those that go on in a workspace
    /// of their own or stand on more than their needs.
    #[must_use]
    pub fn upcoming(&self) -> Vec<Upcoming> {
        if *self.admission() != Admission::Open {
            return Vec::new();
        }
        let is_to_stay = |at: &Ix| {
            let active = self.task(*at).active();
            active.is_some_and(|active| active.stopping.is_none())
        };
        let ending: Vec<Ix> = self.active().filter(is_to_stay).collect();
        let starts = self.starts_after(&ending).into_iter();
        let plain = starts.filter(|at| {
            let task = self.task(*at);
            task.continues.is_none() && !(task.rebase && self.policy.land.is_some())
        });
        plain
            .map(|at| Upcoming {
                attempt: self.attempt_id(at, self.task(at).attempts + 1),
                needs: self.recorded_needs(at),
            })
            .collect()
    }

    /// As [`State::need_commits`], with what is recorded and not proved yet.
    fn recorded_needs(&self, at: Ix) -> Option<Vec<NeedCommit>> {
        let needs = self.results_of_needs(at, |phase| match phase {
            Phase::Active(active) => match &active.stage {
                Stage::Proving { commit, .. } => Ok(Some(commit)),
                _ => Err(NotRecorded),
            },
            phase => Ok(phase.result()),
        });
        Some(self.named_needs(needs.ok()?))
    }
}

/// A need is at work, and nobody knows its result.
struct NotRecorded;

#[cfg(test)]
#[path = "upcoming_test.rs"]
mod tests;
