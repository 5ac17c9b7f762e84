//! A slot may stay free for a better task that is about to become ready.
//!
//! Tasks that end together on paper end a moment apart in a run. A frontier that never waits gives the slot of the first to a task
//! that was to go later, and the better ones find no slot. With rank `makespan` the slot stays free, for a bounded time, when the
//! order that was found on paper says so. Nothing is chosen here for good: that is for `decide`.

use crate::graph::Ix;
use crate::policy::Rank;
use crate::state::{Phase, Recording, Stage, State};
use crate::task::Eligibility;
use crate::time::{Millis, Span};

/// For whom a slot stays free, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotWait {
    pub task: Ix,
    pub until: Millis,
}

/// What would start, best first, if all that is about to end had ended and nothing started before. Empty when nothing is about
/// to end, or when no slot may stay free any longer.
#[derive(Debug, Clone)]
pub(crate) struct Outlook {
    until: Millis,
    starts: Vec<Ix>,
}

impl Outlook {
    /// Who takes the slot that the best task that may start now, `best`, could take.
    pub(crate) fn choose(&self, state: &State, best: Ix) -> Result<Ix, SlotWait> {
        if self.starts.contains(&best) {
            return Ok(best);
        }
        // It would be in the way of those before it that may not start yet.
        let ranking = &state.ranking;
        let place = |at| ranking.order().place(at);
        let is_better = |at: &&Ix| {
            place(**at) < place(best)
                && state.task(**at).active().is_none()
                && ranking.starts_no_later(**at, best)
        };
        let Some(&task) = self.starts.iter().find(is_better) else {
            return Ok(best);
        };
        let mut others = self.starts.iter().copied();
        let until = self.until;
        others
            .find(|&at| state.is_ready(at) && state.lock_block(at).is_none())
            .ok_or(SlotWait { task, until })
    }
}

impl State {
    /// The longest time that a slot may stay free: a part of the mean estimate, or of what agents really take if that is less.
    pub(crate) fn slot_wait_limit(&self) -> Span {
        if self.policy.rank != Rank::Makespan {
            return Span(0);
        }
        let mean = Span::minutes(self.ranking.mean_minutes());
        let mean = self.pace.expected(mean).min(mean);
        Span(mean.0.saturating_mul(self.policy.slot_wait_percent.into()) / 100)
    }

    /// What is about to start. `waiting` is the end of the wait that goes on, if one does.
    pub(crate) fn outlook(&self, now: Millis, waiting: Option<Millis>) -> Outlook {
        let limit = self.slot_wait_limit();
        let until = waiting.unwrap_or(now.after(limit));
        let about_to_end = |at: &Ix| {
            let end = self.expected_end(*at, limit);
            end.is_some_and(|end| end <= until && now <= end.after(limit))
        };
        let ending: Vec<Ix> = if now < until {
            self.active().filter(about_to_end).collect()
        } else {
            Vec::new()
        };
        let starts = if ending.is_empty() {
            Vec::new()
        } else {
            self.starts_after(&ending)
        };
        Outlook { until, starts }
    }

    /// When the attempt at `at` is expected to be verified; nothing when it may take any time, as when agents have taken more or
    /// less than expected by more than `limit`.
    fn expected_end(&self, at: Ix, limit: Span) -> Option<Millis> {
        let active = self.task(at).active()?;
        let agents_end = match &active.stage {
            _ if active.stopping.is_some() => return None,
            Stage::Running(running) if self.pace.deviation() <= limit => {
                let estimate = Span::minutes(self.plan.estimate(at).0.into());
                running.started.after(self.pace.expected(estimate))
            }
            Stage::Inspecting(Recording::Working { since }) | Stage::Proving { since, .. } => {
                *since
            }
            Stage::Starting | Stage::Running(_) | Stage::Inspecting(_) => return None,
        };
        Some(agents_end.after(self.pace.proof()))
    }

    /// What the frontier starts when `ending` have ended well.
    pub(crate) fn starts_after(&self, ending: &[Ix]) -> Vec<Ix> {
        let rules = self.rules();
        let mut frontier = self.frontier.clone();
        for &at in ending {
            frontier.end(rules, at);
        }
        let needs = |at: Ix| self.plan.graph().needs(at).iter();
        let will_be_ready = |at: Ix| {
            let task = self.plan.task(at);
            task.eligibility == Eligibility::Open
                && task.outside.is_empty()
                && self.task(at).phase == Phase::Waiting
                && needs(at).all(|need| self.is_done(*need) || ending.contains(need))
        };
        for &at in ending {
            for &dependent in self.plan.graph().dependents(at) {
                if will_be_ready(dependent) {
                    frontier.set_ready(rules.order, dependent, true);
                }
            }
        }
        std::iter::from_fn(|| frontier.start_next(rules, self.width())).collect()
    }
}

#[cfg(test)]
#[path = "slot_wait_test.rs"]
mod tests;
