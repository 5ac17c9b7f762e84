//! What is decided on limits of providers and on budgets.

use super::Decider;
use crate::decision::Decision;
use crate::evidence::{Failure, FailureClass, quoting};
use crate::id::AttemptId;
use crate::state::Admission;

impl Decider<'_> {
    /// The attempt ended, and its provider's limit is why: no failure of its task. Says whether it was so.
    pub(super) fn resolve_limit(&mut self, attempt: &AttemptId, tail: &str) -> bool {
        let Some((at, _)) = self.state.current(attempt) else {
            return false;
        };
        let metered = self.state.task(at).observed.metered.clone();
        let Some(refusal) = metered.as_ref().and_then(|metered| metered.limit()) else {
            return false;
        };
        let account = self.state.policy().account(self.state.agent_of(attempt));
        let account = account.to_owned();
        let until = self.state.hold_after(self.now, attempt, refusal.resets_at);
        if let Some(until) = until {
            self.take(Decision::Hold { account, until });
        }
        let what = format!("the provider refuses: {refusal}");
        let tail = if tail.contains(&refusal.said) {
            ""
        } else {
            tail
        };
        let failure = Failure::new(FailureClass::Limit, quoting(what, tail));
        self.resolve_failure(attempt, &failure);
        true
    }

    /// No new starts, when what the run may use is used and somebody could start.
    pub(super) fn keep_to_the_budget(&mut self) {
        let state = &*self.state;
        if *state.admission() != Admission::Open || state.frontier.nobody_is_ready() {
            return;
        }
        if let Some(reached) = state.run_budget_reached(self.now) {
            self.take(Decision::Spend { reached });
        }
    }
}
