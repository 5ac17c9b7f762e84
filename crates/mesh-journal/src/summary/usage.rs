//! What agents used: of each attempt, task and agent, and of the run; and which accounts are under a limit.

use std::collections::BTreeMap;

use mesh_core::id::AttemptId;
use mesh_core::limit::Gate;
use mesh_core::metered::Usage;
use mesh_core::state::State;

use super::{
    AttemptSummary, ClampSummary, LimitSummary, SummaryContext, Tokens, UsageSummary, cost_usd,
};
use crate::timestamp::Timestamp;

/// What was used so far, by the name of the agent.
#[derive(Default)]
pub(super) struct Spent {
    agents: BTreeMap<String, Usage>,
}

impl Spent {
    pub(super) fn of_run(&self) -> Option<UsageSummary> {
        let mut sum = Usage::default();
        self.agents.values().for_each(|usage| sum.add(usage));
        (!self.agents.is_empty()).then(|| UsageSummary::of(&sum))
    }

    pub(super) fn by_agent(&self) -> BTreeMap<String, UsageSummary> {
        let named = self.agents.iter().filter(|(name, _)| !name.is_empty());
        named
            .map(|(name, usage)| (name.clone(), UsageSummary::of(usage)))
            .collect()
    }
}

/// Puts into the attempts of one task what their agents used, and gives what all of them did.
pub(super) fn of_task<'a>(
    state: &State,
    attempts: impl Iterator<Item = (&'a AttemptId, AttemptSummary)>,
    around: &SummaryContext<'_>,
    spent: &mut Spent,
) -> (Vec<AttemptSummary>, Option<UsageSummary>) {
    let agents = &state.policy().agents;
    let mut of_task: Option<Usage> = None;
    let with_usage = |(id, mut attempt): (&AttemptId, AttemptSummary)| {
        let Some((_, task)) = state.find(&id.task) else {
            return attempt;
        };
        let agent = agents.get(usize::from(state.agent_of(id)));
        attempt.agent = agent
            .filter(|_| agents.len() > 1)
            .map(|agent| agent.name.clone());
        let mut known = task.used.iter();
        let mut used = known
            .find(|(number, _)| *number == id.number)
            .map(|(_, usage)| *usage);
        if attempt.agent_started_at.is_some() && attempt.ended_at.is_none() {
            let live = (around.live)(id, state.agent_of(id));
            used = used.or_else(|| task.used_by(&live.metered));
            attempt.activity = live.activity;
        }
        if let Some(used) = used {
            attempt.tokens = Some(Tokens::of(&used));
            attempt.cost_usd = cost_usd(&used);
            of_task.get_or_insert_default().add(&used);
            let name = attempt.agent.clone().unwrap_or_default();
            spent.agents.entry(name).or_default().add(&used);
        }
        attempt
    };
    let attempts = attempts.map(with_usage).collect();
    (attempts, of_task.as_ref().map(UsageSummary::of))
}

/// That fewer may run at once than might, by what a person says is left of the budget.
pub(super) fn clamp(state: &State) -> Option<ClampSummary> {
    let policy = state.policy();
    let (left, window) = policy.budget.allowance.strictest()?;
    let width = policy.allowed_width();
    (width < policy.concurrency).then(|| ClampSummary {
        window,
        left_percent: f64::from(u32::from(left)) / 10_000.0,
        width,
    })
}

/// The accounts that are not open to all agents.
pub(super) fn limits(state: &State, started_unix_ms: u64) -> Vec<LimitSummary> {
    let concurrency = state.policy().concurrency;
    let accounts = state.accounts().iter();
    let limited = accounts.filter_map(|(name, account)| {
        let (until, probe) = match &account.gate {
            Gate::Open if account.width(concurrency) >= concurrency => return None,
            Gate::Open | Gate::Probing { attempt: None } => (None, None),
            Gate::Shut { until } => (
                Some(Timestamp(started_unix_ms.saturating_add(until.0))),
                None,
            ),
            Gate::Probing {
                attempt: Some(probe),
            } => (None, Some(probe.to_string())),
        };
        Some(LimitSummary {
            account: name.clone(),
            until,
            probe,
            left_percent: account.left_percent(),
        })
    });
    limited.collect()
}
