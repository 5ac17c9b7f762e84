//! Providers that refuse for a while, and what agents say of it and of what they used.

use std::collections::BTreeMap;

use mesh_core::event::Event;
use mesh_core::evidence::Ending;
use mesh_core::id::AttemptId;
use mesh_core::metered::{Metered, Refusal, RefusalClass, Usage};
use mesh_core::time::Millis;

use super::World;

/// What is true of the accounts, whoever knows it.
#[derive(Debug, Default)]
pub struct Accounts {
    /// The account of each of the policy's agents.
    pub names: Vec<String>,
    /// Until when an account refuses.
    pub refuses_until: BTreeMap<String, u64>,
    /// What each agent that has ended says.
    pub said: BTreeMap<AttemptId, Metered>,
}

impl World {
    /// The account of one of the policy's agents.
    #[must_use]
    pub fn account(&self, agent: u16) -> String {
        let names = &self.accounts.names;
        names.get(usize::from(agent)).cloned().unwrap_or_default()
    }

    /// Until when the account of one of the policy's agents refuses, if it does.
    pub(super) fn refuses(&self, agent: u16) -> Option<u64> {
        let until = self.accounts.refuses_until.get(&self.account(agent))?;
        Some(*until).filter(|until| *until > self.now)
    }

    /// An agent ends: what it says of its usage, and of its provider where that refuses. Gives how it really ends.
    pub(super) fn agent_ends(&mut self, attempt: &AttemptId, ending: Ending) -> Ending {
        let Some(real) = self.attempts.get(attempt) else {
            return ending;
        };
        let (agent, since) = (real.order.agent, self.now - real.launched_at);
        let refused_at_start = real.refused;
        let refuses = self.refuses(agent);
        let is_stopped = ending == Ending::Stopped;
        // One that began before may have all it needs.
        let refused =
            !is_stopped && (refused_at_start || refuses.is_some() && self.of_limits.percent(30));
        let mut metered = Metered::default();
        if self.of_limits.percent(80) {
            metered.usage = Some(Usage {
                input: since / 100,
                cached_input: 0,
                output: since / 1000,
                cost_micro_usd: self.of_limits.percent(50).then_some(since),
            });
        }
        if refused {
            let known = refuses.filter(|_| self.of_limits.percent(60));
            let over = Some(self.now.saturating_sub(1)).filter(|_| self.of_limits.percent(10));
            metered.refusal = Some(Refusal {
                class: RefusalClass::Quota,
                resets_at: known.or(over).map(Millis),
                said: "usage limit reached".to_owned(),
            });
        }
        self.accounts.said.insert(attempt.clone(), metered);
        match refused {
            true => Ending::Exited(1),
            false => ending,
        }
    }

    /// What is told before the end of an agent.
    #[must_use]
    pub fn metered(&self, attempt: &AttemptId) -> Option<Event> {
        let metered = self.accounts.said.get(attempt)?.clone();
        let attempt = attempt.clone();
        (metered != Metered::default()).then_some(Event::Metered { attempt, metered })
    }
}
