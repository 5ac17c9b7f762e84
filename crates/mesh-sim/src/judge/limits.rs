//! What must hold of accounts and budgets: nothing starts on an account before its provider's reset, one probe after it, no retry for
//! a limit, nothing above what the run may use.

use std::collections::BTreeMap;

use mesh_core::clamp::clamped_width;
use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::evidence::FailureClass;
use mesh_core::id::AttemptId;
use mesh_core::limit::PROBE_PATIENCE;
use mesh_core::metered::Usage;
use mesh_core::policy::Budget;
use mesh_core::time::Millis;
use mesh_core::why::Why;

use super::{Account as Place, Judge, Step};

/// The longest that an account is left alone when nobody said until when.
const LONGEST_PAUSE_MS: u64 = 3_600_000;

/// What the judges know of accounts and usage.
#[derive(Default)]
pub(super) struct Limits {
    pub(super) budget: Budget,
    accounts: BTreeMap<String, Known>,
    used: BTreeMap<AttemptId, Usage>,
    spent: Usage,
    taken_up: u64,
}

#[derive(Default, Clone)]
struct Known {
    /// When its provider refused last, and until when it said that it would.
    refused_at: u64,
    until: u64,
    /// No answer has come since: the attempt that is to get one, and when it began to execute.
    unanswered: bool,
    probe: Option<(AttemptId, Option<u64>)>,
}

impl Judge {
    pub(super) fn note_limits(&mut self, step: &Step<'_>) {
        let now = step.world.now;
        for known in self.limits.accounts.values_mut() {
            let lived = |since: &Option<u64>| since.is_some_and(|at| at + PROBE_PATIENCE.0 <= now);
            if matches!(&known.probe, Some((_, since)) if lived(since)) {
                *known = Known {
                    unanswered: false,
                    probe: None,
                    ..known.clone()
                };
            }
        }
        match step.event {
            Event::RunStarted { policy, .. } => {
                (self.limits.budget, self.limits.taken_up) = (policy.budget, now);
            }
            Event::Reopened => self.limits.taken_up = now,
            Event::Started { attempt } => {
                for known in self.limits.accounts.values_mut() {
                    if let Some((probe, since @ None)) = &mut known.probe
                        && probe == attempt
                    {
                        *since = Some(now);
                    }
                }
            }
            Event::Metered { attempt, metered } => {
                if let Some(usage) = metered.usage
                    && !self.limits.used.contains_key(attempt)
                {
                    self.limits.used.insert(attempt.clone(), usage);
                    self.limits.spent.add(&usage);
                }
            }
            Event::Ended { attempt, .. } => self.agent_ended(step, attempt),
            _ => {}
        }
    }

    fn agent_ended(&mut self, step: &Step<'_>, attempt: &AttemptId) {
        let now = step.world.now;
        let is_current = !self.ended.contains(attempt)
            && matches!(self.account(&attempt.task), Place::Active(active, ..) if active == *attempt);
        let Some(real) = step.world.attempts.get(attempt).filter(|_| is_current) else {
            return;
        };
        let said = step.world.accounts.said.get(attempt);
        let limit = said.and_then(|said| said.limit());
        let is_stopped = self.stopped.contains_key(attempt);
        let account = step.world.account(real.order.agent);
        match limit {
            Some(limit) if !is_stopped => {
                let known = self.limits.accounts.entry(account).or_default();
                let until = limit.resets_at.map_or(0, |at| at.0);
                known.refused_at = now;
                known.unanswered = true;
                known.until = known.until.max(until);
                if known
                    .probe
                    .as_ref()
                    .is_some_and(|(probe, _)| probe == attempt)
                {
                    known.probe = None;
                }
            }
            _ => {
                let Some(known) = self.limits.accounts.get_mut(&account) else {
                    return;
                };
                if known
                    .probe
                    .as_ref()
                    .is_some_and(|(probe, _)| probe == attempt)
                {
                    known.probe = None;
                    known.unanswered = is_stopped;
                }
            }
        }
    }

    /// A start keeps to what is known of its account, and to the budget.
    pub(super) fn start_within_limits(
        &mut self,
        step: &Step<'_>,
        attempt: &AttemptId,
    ) -> Result<(), String> {
        let now = step.world.now;
        if let Some(reached) = self.is_spent(now) {
            return Err(format!("budget: {attempt} starts, and {reached}"));
        }
        // The attempt is active after the step.
        let width = match self.limits.budget.allowance.strictest() {
            Some((left, _)) => clamped_width(left, self.policy.concurrency),
            None => self.policy.concurrency,
        };
        if step.state.active_count() > width {
            return Err(format!("budget: {attempt} starts, and {width} may run"));
        }
        let account = step.world.account(step.state.agent_of(attempt));
        let active = |probe: &AttemptId| matches!(self.account(&probe.task), Place::Active(active, ..) if active == *probe);
        let Some(known) = self.limits.accounts.get(&account) else {
            return Ok(());
        };
        if known.until > now {
            return Err(format!(
                "limit: {attempt} starts on {account:?} {} ms before its provider's reset",
                known.until - now
            ));
        }
        if let Some((probe, _)) = known.probe.as_ref().filter(|(probe, _)| active(probe)) {
            return Err(format!(
                "limit: {attempt} starts on {account:?} while {probe} waits for its provider's answer"
            ));
        }
        if let Some(known) = self.limits.accounts.get_mut(&account)
            && known.unanswered
        {
            known.probe = Some((attempt.clone(), None));
        }
        Ok(())
    }

    fn is_spent(&self, now: u64) -> Option<&'static str> {
        let (spent, cap) = (&self.limits.spent, &self.limits.budget.run);
        let cost = spent.cost_micro_usd.unwrap_or(0);
        let time = now - self.limits.taken_up;
        if cap.cost_micro_usd.is_some_and(|cap| cost >= cap) {
            Some("the money is spent")
        } else if cap.tokens.is_some_and(|cap| spent.tokens() >= cap) {
            Some("the tokens are used")
        } else if cap.time.is_some_and(|cap| time >= cap.0) {
            Some("the time is over")
        } else {
            None
        }
    }

    /// What is decided on limits and budgets has its reason.
    pub(super) fn limits_decided(
        &mut self,
        step: &Step<'_>,
        decision: &Decision,
    ) -> Result<(), String> {
        match decision {
            Decision::Retry {
                attempt,
                failure,
                counts: true,
            } if failure.class == FailureClass::Limit => {
                Err(format!("limit: {attempt} uses up a retry of its task"))
            }
            Decision::Spend { .. } => {
                self.closed = true;
                let reached = self.is_spent(step.world.now);
                reached
                    .map(drop)
                    .ok_or_else(|| "budget: it is not spent".to_owned())
            }
            Decision::SetBudget { budget } => {
                self.limits.budget = *budget;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether a task that might start waits for an account with good reason.
    pub(super) fn waits_for_account(&self, now: u64, why: &Why) -> bool {
        let known = |account: &String| self.limits.accounts.get(account);
        match why {
            Why::Limit { account, rest } => known(account).is_some_and(|known| {
                let until = Millis(now).after(*rest).0;
                known.unanswered
                    && (until <= known.until || until <= known.refused_at + LONGEST_PAUSE_MS)
            }),
            Why::Probe { account, .. } => known(account).is_some_and(|known| known.probe.is_some()),
            _ => false,
        }
    }
}
