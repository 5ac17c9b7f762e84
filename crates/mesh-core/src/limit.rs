//! Accounts of providers and their limits, and what a run may use: who may start under them. Nothing is chosen here.
//!
//! An account that refused an agent is shut until its window begins anew. Then one attempt starts as a probe, and the others when it
//! has shown that the provider answers. What is running goes on all the time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clamp::{Percent, clamped_width};
use crate::graph::Ix;
use crate::id::{AttemptId, TaskId};
use crate::metered::{Metered, RateWindow, Usage, dollars};
use crate::planted::{Bug, is_planted};
use crate::policy::{Cap, Policy};
use crate::state::{Admission, RunEnd, State, TaskState};
use crate::time::{Millis, Span};

/// An agent that has executed for this long without being refused shows that its provider answers, also if it says nothing of it.
pub const PROBE_PATIENCE: Span = Span::minutes(5);

/// A moment beyond this is no reset that a provider has (the longest windows are of a week).
const FARTHEST_RESET: Span = Span::minutes(8 * 24 * 60);

/// Where nothing else is known an account is left alone for so long at first, then twice as long each time, and
const FIRST_PAUSE: Span = Span::minutes(1);
/// for so long at most.
const LONGEST_PAUSE: Span = Span::minutes(60);

/// What is known of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Whether attempts may start on it.
    pub gate: Gate,
    /// Refusals in a row, with no answer of the provider between them.
    pub refusals: u32,
    /// How much of its allowance is used, by window; only windows that go on.
    pub windows: BTreeMap<String, RateWindow>,
}

/// Whether attempts may start on an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Gate {
    /// They may.
    #[default]
    Open,
    /// The provider refused: none before this.
    Shut {
        /// When it is over.
        until: Millis,
    },
    /// That is over: one may start, and the others when it got an answer.
    Probing {
        /// The one, once it has started.
        attempt: Option<AttemptId>,
    },
}

/// Why a ready task does not start although a slot and its locks are free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// The account is shut.
    Shut { account: String, until: Millis },
    /// Its probe is at work.
    Probing { account: String, probe: TaskId },
    /// Little of its allowance is left.
    Allowance {
        account: String,
        left_percent: u8,
        width: u16,
    },
}

impl Account {
    /// How much is left of the window of which least is, in percent; nothing when nothing is known.
    #[must_use]
    pub fn left_percent(&self) -> Option<u8> {
        let used = self.windows.values().map(|window| window.used_percent);
        used.max().map(|used| 100_u8.saturating_sub(used))
    }

    /// How many attempts of `concurrency` may run on it at once: all while more than 33 percent are left, one when 10 or fewer are,
    /// and in proportion between.
    #[must_use]
    pub fn width(&self, concurrency: u16) -> u16 {
        self.left_percent().map_or(concurrency, |left| {
            clamped_width(Percent::whole(left), concurrency)
        })
    }

    /// Until when the account is to be left alone after it refused `attempt` and said that it may be used again at `resets_at`;
    /// nothing when that tells nothing new.
    fn hold(&self, now: Millis, attempt: &AttemptId, resets_at: Option<Millis>) -> Option<Millis> {
        let is_near = |at: &Millis| *at <= now.after(FARTHEST_RESET);
        let reset = resets_at.filter(is_near).filter(|at| *at > now);
        let is_probe =
            matches!(&self.gate, Gate::Probing { attempt: Some(probe) } if probe == attempt);
        match &self.gate {
            Gate::Shut { until } => reset.filter(|at| at > until),
            // It began before the account was shut, and does not know better.
            Gate::Probing { .. } if !is_probe => reset,
            Gate::Open | Gate::Probing { .. } => Some(match (reset, resets_at) {
                (Some(at), _) => at,
                // It is over already, unless that was said before.
                (None, Some(at)) if at <= now && self.refusals == 0 => now,
                (None, _) => {
                    let longer = FIRST_PAUSE.0 << self.refusals.min(10);
                    now.after(Span(longer.min(LONGEST_PAUSE.0)))
                }
            }),
        }
    }
}

impl Policy {
    /// The account of the agent at this place; runs of the time before there were several agents have one account without a name.
    #[must_use]
    pub fn account(&self, agent: u16) -> &str {
        let agent = self.agents.get(usize::from(agent));
        agent.map_or("", |agent| agent.account.as_str())
    }
}

impl TaskState {
    /// What an attempt of the task used whose agent says `metered`: a session that goes on is told apart from what it used before.
    #[must_use]
    pub fn used_by(&self, metered: &Metered) -> Option<Usage> {
        let said = metered.usage?;
        let session = metered.session.as_deref().unwrap_or_default();
        let mut known = self.sessions.iter();
        let before = known.find(|(known, _)| known == session && metered.is_cumulative);
        Some(before.map_or(said, |(_, before)| said.since(before)))
    }
}

impl State {
    /// What is known of the accounts that said something of their limits.
    #[must_use]
    pub fn accounts(&self) -> &BTreeMap<String, Account> {
        &self.accounts
    }

    /// Whether the attempt is to show whether its provider answers again.
    #[must_use]
    pub fn is_probe(&self, attempt: &AttemptId) -> bool {
        let is_it = |account: &Account| matches!(&account.gate, Gate::Probing { attempt: Some(probe) } if probe == attempt);
        self.accounts.values().any(is_it)
    }

    /// What all attempts used so far that said so.
    #[must_use]
    pub fn spent(&self) -> &Usage {
        &self.spent
    }

    /// Which of the policy's agents the attempt has or had.
    #[must_use]
    pub fn agent_of(&self, attempt: &AttemptId) -> u16 {
        let Some((_, task)) = self.find(&attempt.task) else {
            return 0;
        };
        let mut others = task.agents.iter();
        let other = others.find(|(number, _)| *number == attempt.number);
        other.map_or(0, |(_, agent)| *agent)
    }

    /// The agents that may work the task at `at`, the preferred one first: those of the run, or those that it names as far as the run
    /// has them.
    pub(crate) fn agents_for(&self, at: Ix) -> Vec<u16> {
        let all = &self.policy.agents;
        let named = &self.plan.task(at).agents;
        let number = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
        if all.is_empty() {
            return vec![0];
        }
        if named.is_empty() {
            let usual = all
                .iter()
                .enumerate()
                .filter(|(_, agent)| !agent.by_name_only);
            return usual.map(|(place, _)| number(place)).collect();
        }
        let place = |name: &String| all.iter().position(|agent| agent.name == *name);
        named.iter().filter_map(place).map(number).collect()
    }

    /// Whether the run has an agent that may work the task.
    pub(crate) fn has_agent(&self, at: Ix) -> bool {
        self.plan.task(at).agents.is_empty() || !self.agents_for(at).is_empty()
    }

    /// The agent that would take up the task at `at` now: the one that it had before if its account may be used, else the first of
    /// those whose may.
    pub(crate) fn agent_for(&self, at: Ix) -> Option<u16> {
        let task = self.task(at);
        let may = self.agents_for(at);
        let own = Some(task.agent).filter(|own| task.attempts > 0 && may.contains(own));
        let mut in_order = own.into_iter().chain(may.iter().copied());
        in_order.find(|&agent| self.shortage(self.policy.account(agent)).is_none())
    }

    /// Which ready tasks no account keeps from starting. Accounts are looked at once, tasks when they are asked about.
    pub(crate) fn with_agent(&self) -> impl Fn(Ix) -> bool + '_ {
        let count = u16::try_from(self.policy.agents.len().max(1)).unwrap_or(u16::MAX);
        let may = |agent| self.shortage(self.policy.account(agent)).is_none();
        let may_be_used: Vec<bool> = (0..count).map(may).collect();
        let all = may_be_used.iter().all(|may| *may);
        move |at| {
            let is_usable = |agent: u16| may_be_used.get(usize::from(agent)).copied();
            all || self
                .agents_for(at)
                .into_iter()
                .any(|agent| is_usable(agent).unwrap_or(false))
        }
    }

    /// Takes the reservations of tasks that wait for an account: their locks are others' until then.
    fn give_up_reservations(&mut self) {
        for at in self.frontier.reservations() {
            if self.agent_for(at).is_none() {
                self.frontier.unreserve(at);
            }
        }
    }

    /// What keeps attempts from starting on an account.
    fn shortage(&self, name: &str) -> Option<Shortage> {
        let account = self.accounts.get(name)?;
        let named = || name.to_owned();
        match &account.gate {
            Gate::Shut { until } => Some(Shortage::Shut {
                account: named(),
                until: *until,
            }),
            Gate::Probing {
                attempt: Some(probe),
            } if !is_planted(Bug::ProbesTogether) => Some(Shortage::Probing {
                account: named(),
                probe: probe.task.clone(),
            }),
            Gate::Probing { .. } => None,
            Gate::Open => {
                let width = account.width(self.policy.concurrency);
                let mine = |at: &Ix| self.policy.account(self.task(*at).agent) == name;
                let active = self.active().filter(mine).count();
                (active >= usize::from(width) && width < self.policy.concurrency).then(|| {
                    Shortage::Allowance {
                        account: named(),
                        left_percent: account.left_percent().unwrap_or(0),
                        width,
                    }
                })
            }
        }
    }

    /// What keeps the task at `at` from each agent that could take it up; the one that ends first, if no agent can.
    pub(crate) fn agents_short(&self, at: Ix) -> Option<Shortage> {
        if self.agent_for(at).is_some() {
            return None;
        }
        let all = self.agents_for(at).into_iter();
        let shortages = all.filter_map(|agent| self.shortage(self.policy.account(agent)));
        shortages.min_by_key(|shortage| match shortage {
            Shortage::Probing { .. } | Shortage::Allowance { .. } => Millis(0),
            Shortage::Shut { until, .. } => *until,
        })
    }

    /// Whether what is left to do waits for an account, and for nothing else that would go on by itself.
    pub(crate) fn waits_for_limit(&self) -> bool {
        if self.admission != Admission::Open || self.accounts.is_empty() {
            return false;
        }
        let mut ready = self.ready();
        ready.any(|at| self.agents_short(at).is_some())
    }

    /// Until when the account of an attempt that it refused is to be left alone; nothing when nothing new is known by that.
    pub(crate) fn hold_after(
        &self,
        now: Millis,
        attempt: &AttemptId,
        resets_at: Option<Millis>,
    ) -> Option<Millis> {
        let account = self.policy.account(self.agent_of(attempt));
        let known = self.accounts.get(account).cloned().unwrap_or_default();
        known.hold(now, attempt, resets_at)
    }

    /// An account is to be left alone.
    pub(crate) fn shut(&mut self, now: Millis, name: &str, until: Millis) {
        let account = self.accounts.entry(name.to_owned()).or_default();
        if !matches!(account.gate, Gate::Shut { .. }) {
            account.refusals += 1;
        }
        account.gate = if until > now {
            Gate::Shut { until }
        } else {
            Gate::Probing { attempt: None }
        };
        self.give_up_reservations();
    }

    /// Time passes: accounts that were shut may be probed, windows begin anew, a probe has lived long enough.
    pub(crate) fn pass_limits(&mut self, now: Millis) {
        if self.accounts.is_empty() {
            return;
        }
        let answered: Vec<String> = self
            .probes()
            .filter(|(_, at)| self.probe_passes_at(*at).is_some_and(|when| when <= now))
            .map(|(name, _)| name.to_owned())
            .collect();
        for (name, account) in &mut self.accounts {
            let goes_on = |window: &RateWindow| window.resets_at.is_none_or(|at| at > now);
            account.windows.retain(|_, window| goes_on(window));
            if matches!(account.gate, Gate::Shut { until } if until <= now) {
                account.gate = Gate::Probing { attempt: None };
            }
            if answered.contains(name) {
                account.answered();
            }
        }
    }

    /// Accounts whose probe is active, each with the probe's place.
    fn probes(&self) -> impl Iterator<Item = (&str, Ix)> {
        self.accounts.iter().filter_map(|(name, account)| {
            let Gate::Probing {
                attempt: Some(attempt),
            } = &account.gate
            else {
                return None;
            };
            Some((name.as_str(), self.current(attempt)?.0))
        })
    }

    /// When the probe at `at` has executed for long enough, if it executes.
    fn probe_passes_at(&self, at: Ix) -> Option<Millis> {
        let active = self.task(at).active()?;
        Some(active.executing?.after(PROBE_PATIENCE))
    }

    /// An attempt starts: where it is the first after a refusal it is the probe.
    pub(crate) fn note_probe(&mut self, attempt: &AttemptId) {
        let name = self.policy.account(self.agent_of(attempt)).to_owned();
        if let Some(account) = self.accounts.get_mut(&name)
            && account.gate == (Gate::Probing { attempt: None })
        {
            account.gate = Gate::Probing {
                attempt: Some(attempt.clone()),
            };
        }
    }

    /// The provider answered the attempt, or it ended in another way than by a refusal.
    pub(crate) fn probe_answered(&mut self, attempt: &AttemptId) {
        if let Some(account) = self.probed_by(attempt) {
            account.answered();
        }
    }

    /// The attempt is over, and told nothing of its provider: the next one is the probe.
    pub(crate) fn probe_over(&mut self, attempt: &AttemptId) {
        if let Some(account) = self.probed_by(attempt) {
            account.gate = Gate::Probing { attempt: None };
        }
    }

    fn probed_by(&mut self, attempt: &AttemptId) -> Option<&mut Account> {
        let is_probe = |account: &&mut Account| matches!(&account.gate, Gate::Probing { attempt: Some(probe) } if probe == attempt);
        self.accounts.values_mut().find(is_probe)
    }

    /// What an agent says of its usage and its account. Usage of an attempt counts once; a session that goes on is told apart.
    pub(crate) fn note_metered(&mut self, now: Millis, attempt: &AttemptId, metered: &Metered) {
        let Some(at) = self.plan.find(&attempt.task) else {
            return;
        };
        let is_current = self.current(attempt).is_some();
        let task = self.tasks.get_mut(at);
        if attempt.number == 0 || attempt.number > task.attempts {
            return;
        }
        let is_known = task
            .used
            .iter()
            .any(|(number, _)| *number == attempt.number);
        if let Some(usage) = task.used_by(metered).filter(|_| !is_known) {
            if let (Some(said), true) = (metered.usage, metered.is_cumulative) {
                let session = metered.session.clone().unwrap_or_default();
                task.sessions.retain(|(known, _)| *known != session);
                task.sessions.push((session, said));
            }
            task.used.push((attempt.number, usage));
            task.spent.add(&usage);
            self.spent.add(&usage);
        }
        if !is_current {
            return;
        }
        let observed = &mut self.tasks.get_mut(at).observed;
        observed
            .metered
            .get_or_insert_with(|| Arc::new(metered.clone()));
        let goes_on = |window: &&RateWindow| window.resets_at.is_none_or(|at| at > now);
        let mut windows = metered.windows.iter().filter(goes_on).peekable();
        if windows.peek().is_some() {
            let name = self.policy.account(self.agent_of(attempt)).to_owned();
            let account = self.accounts.entry(name).or_default();
            for window in windows {
                let name = window.name.clone();
                account.windows.insert(name, window.clone());
            }
        }
    }

    /// When something of accounts or budgets is due by the clock alone. Only what somebody waits for.
    pub(crate) fn limit_wakeup(&self) -> Option<Millis> {
        let waits = self.ending == RunEnd::Open
            && self.admission == Admission::Open
            && !self.frontier.nobody_is_ready();
        if !waits {
            return None;
        }
        let gates = self.accounts.values().filter_map(|account| {
            let windows = account.windows.values();
            let window = windows
                .filter_map(|window| window.resets_at)
                .min()
                .filter(|_| account.width(self.policy.concurrency) < self.policy.concurrency);
            match account.gate {
                Gate::Shut { until } => Some(until),
                Gate::Open => window,
                Gate::Probing { .. } => None,
            }
        });
        let probes = self.probes();
        let probes = probes.filter_map(|(_, at)| self.probe_passes_at(at));
        let time = self.policy.budget.run.time;
        let budget = time.map(|time| self.taken_up.after(time));
        gates.chain(probes).chain(budget).min()
    }

    /// The budget of the run that is used up, as a sentence.
    pub(crate) fn run_budget_reached(&self, now: Millis) -> Option<String> {
        if is_planted(Bug::BudgetIgnored) {
            return None;
        }
        let time = now.since(self.taken_up);
        reached(&self.policy.budget.run, &self.spent, time)
    }

    /// The budget of each task that the one at `at` has used up, as a sentence.
    pub(crate) fn task_budget_reached(&self, at: Ix) -> Option<String> {
        let task = self.task(at);
        reached(&self.policy.budget.task, &task.spent, task.worked)
    }
}

impl Account {
    fn answered(&mut self) {
        self.gate = Gate::Open;
        self.refusals = 0;
    }
}

fn reached(cap: &Cap, spent: &Usage, time: Span) -> Option<String> {
    let cost = spent.cost_micro_usd.unwrap_or(0);
    if let Some(cap) = cap.cost_micro_usd.filter(|cap| cost >= *cap) {
        return Some(format!("{} of {} are used", dollars(cost), dollars(cap)));
    }
    let tokens = spent.tokens();
    if let Some(cap) = cap.tokens.filter(|cap| tokens >= *cap) {
        return Some(format!("{tokens} of {cap} tokens are used"));
    }
    let over = cap.time.filter(|cap| time >= *cap)?;
    Some(format!("{time} of {over} are over"))
}
