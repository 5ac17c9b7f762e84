//! The rules of a run that a person may set. Every limit of the core is named here.

use std::collections::BTreeMap;

use crate::clamp::{Percent, clamped_width};
use crate::id::{LockGroup, TaskId};
use crate::time::Span;

/// What one run obeys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// How many attempts may run at once. Given by a person, never assumed.
    pub concurrency: u16,
    /// How the frontier is ordered.
    pub rank: Rank,
    /// When tasks start.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Dispatch::is_frontier")
    )]
    pub dispatch: Dispatch,
    /// Whether a wave waits for a person's word; otherwise it starts when it is announced.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub ask_waves: bool,
    /// Tasks that go before all others, in this order. With [`Dispatch::Waves`] they are the first wave.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub picks: Vec<TaskId>,
    /// How many units lock groups have; one where nothing is said.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "BTreeMap::is_empty")
    )]
    pub capacity: BTreeMap<LockGroup, u32>,
    /// How often a ready task may be passed over for its locks before they are reserved for it.
    pub lock_patience: u32,
    /// For how long a slot may stay free for a better task that is about to become ready, in hundredths of the mean estimate; only
    /// with [`Rank::Makespan`]. Over 1,000 simulated epics of equal tasks of 20 s that end up to 2 s late, 10 brings the makespan
    /// from 1.066 to 1.010 of what no schedule can beat, 5 to 1.024; where estimates are off by a third, neither costs anything.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_zero")
    )]
    pub slot_wait_percent: u32,
    /// What a task without lock groups may overlap with.
    pub unlabelled: Unlabelled,
    /// The agents that tasks may be given to, the first that may be used at the time; journals of the time before there were
    /// several name none.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub agents: Vec<AgentAccount>,
    /// What the run may use.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Budget::is_unbounded")
    )]
    pub budget: Budget,
    /// Retries per task over all failure classes but `could-not-start`.
    pub retries: u32,
    /// Retries per task for `could-not-start`.
    pub start_retries: u32,
    /// What a retry begins with.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "RetryMode::is_by_class")
    )]
    pub retry_mode: RetryMode,
    /// For how long a run in which nothing but questions is left stays open for answers.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "answer_wait_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub answer_wait: Option<Span>,
    /// Pause before a start is tried again.
    #[cfg_attr(feature = "serde", serde(rename = "start_pause_ms"))]
    pub start_pause: Span,
    /// An agent that shows no sign of life for this long is hung.
    #[cfg_attr(feature = "serde", serde(rename = "silence_limit_ms"))]
    pub silence_limit: Span,
    /// An agent that has shown no first sign of life after this long is hung; only the silence limit holds when absent.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "start_limit_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub start_limit: Option<Span>,
    /// Most time between the decision to start an attempt and its agent's start: claim, workspace, setup.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "preparation_limit_ms", default = "usual::preparation_limit")
    )]
    pub preparation_limit: Span,
    /// Most time for recording what an attempt left.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "recording_limit_ms", default = "usual::recording_limit")
    )]
    pub recording_limit: Span,
    /// Most time for a proof with all that belongs to it.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "proof_limit_ms", default = "usual::proof_limit")
    )]
    pub proof_limit: Span,
    /// An attempt that fails within this time after its agent's start counts towards a common cause outside of the tasks.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "quick_limit_ms", default = "usual::quick_limit")
    )]
    pub quick_limit: Span,
    /// An agent that runs longer is noted, nothing more.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "soft_limit_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub soft_limit: Option<Span>,
    /// Whether the source is asked again while the run goes on.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub refresh: bool,
    /// Whether a task that somebody else closes while the run lives counts as done.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub trust_outside: bool,
    /// The bookmark or branch that verified results are landed on.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub land: Option<String>,
    /// Whether a result without any proof command is accepted.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub allow_no_validation: bool,
}

impl Policy {
    /// How many attempts may run at once with what is left of the budget, by a person's word.
    #[must_use]
    pub fn allowed_width(&self) -> u16 {
        let most = self.concurrency.max(1);
        let left = self.budget.allowance.strictest();
        left.map_or(most, |(left, _)| clamped_width(left, most))
    }

    /// The defaults of the commented configuration, for `concurrency` agents.
    #[must_use]
    pub fn with_concurrency(concurrency: u16) -> Policy {
        Policy {
            concurrency,
            rank: Rank::Default,
            dispatch: Dispatch::Frontier,
            ask_waves: false,
            picks: Vec::new(),
            capacity: BTreeMap::new(),
            lock_patience: 3,
            slot_wait_percent: 10,
            unlabelled: Unlabelled::Free,
            agents: Vec::new(),
            budget: Budget::default(),
            retries: 1,
            start_retries: 1,
            retry_mode: RetryMode::ByClass,
            answer_wait: None,
            start_pause: Span::seconds(5),
            start_limit: None,
            silence_limit: Span::minutes(15),
            soft_limit: None,
            preparation_limit: Span::minutes(60),
            recording_limit: Span::minutes(60),
            proof_limit: Span::minutes(180),
            quick_limit: Span::seconds(20),
            refresh: false,
            trust_outside: false,
            land: None,
            allow_no_validation: false,
        }
    }
}

/// An agent that tasks may be given to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AgentAccount {
    /// Its profile.
    pub name: String,
    /// The account of a provider that it uses; agents that share one share its limits.
    pub account: String,
    /// Only tasks that name it are given to it.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "crate::stored::is_false")
    )]
    pub by_name_only: bool,
}

/// What a run may use. At a bound nothing new starts; what is running goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Budget {
    /// All attempts together.
    #[cfg_attr(feature = "serde", serde(default))]
    pub run: Cap,
    /// All attempts of each task.
    #[cfg_attr(feature = "serde", serde(default))]
    pub task: Cap,
    /// What is left of the windows of the account, by a person's word. It bounds how many attempts run at once.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Allowance::is_unknown")
    )]
    pub allowance: Allowance,
}

/// What is left of an account's windows; nothing where nobody said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Allowance {
    /// Of the five-hour window.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub five_hour: Option<Percent>,
    /// Of the weekly window.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub weekly: Option<Percent>,
}

impl Allowance {
    /// What is left of the window of which less is left, and the window's name.
    #[must_use]
    pub fn strictest(&self) -> Option<(Percent, &'static str)> {
        let windows = [(self.five_hour, "five-hour"), (self.weekly, "weekly")];
        let known = windows
            .into_iter()
            .filter_map(|(left, name)| Some((left?, name)));
        known.min_by_key(|(left, _)| *left)
    }

    /// Whether nobody said anything.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Allowance::default()
    }
}

/// Bounds, each of which may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cap {
    /// Money, in millionths of a US dollar. What agents do not say the cost of does not count.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub cost_micro_usd: Option<u64>,
    /// Tokens, read and written.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub tokens: Option<u64>,
    /// Of the run: time since it began or was last taken up. Of a task: time that its agents worked.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "time_ms", default, skip_serializing_if = "Option::is_none")
    )]
    pub time: Option<Span>,
}

impl Cap {
    /// These bounds with those in place of them that `newer` has.
    #[must_use]
    pub fn replaced_by(self, newer: Cap) -> Cap {
        Cap {
            cost_micro_usd: newer.cost_micro_usd.or(self.cost_micro_usd),
            tokens: newer.tokens.or(self.tokens),
            time: newer.time.or(self.time),
        }
    }
}

impl Budget {
    /// This budget with what `newer` says in place of what it said of the same.
    #[must_use]
    pub fn replaced_by(self, newer: Budget) -> Budget {
        Budget {
            run: self.run.replaced_by(newer.run),
            task: self.task.replaced_by(newer.task),
            allowance: Allowance {
                five_hour: newer.allowance.five_hour.or(self.allowance.five_hour),
                weekly: newer.allowance.weekly.or(self.allowance.weekly),
            },
        }
    }

    /// Whether there is no bound at all.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        *self == Budget::default()
    }
}

/// The limits that hold where a journal was written before they could be set.
#[cfg(feature = "serde")]
mod usual {
    use super::{Policy, Span};

    pub(super) fn preparation_limit() -> Span {
        Policy::with_concurrency(1).preparation_limit
    }

    pub(super) fn recording_limit() -> Span {
        Policy::with_concurrency(1).recording_limit
    }

    pub(super) fn proof_limit() -> Span {
        Policy::with_concurrency(1).proof_limit
    }

    pub(super) fn quick_limit() -> Span {
        Policy::with_concurrency(1).quick_limit
    }
}

/// How the frontier is ordered. A manual pick always comes first, the id last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Rank {
    /// Priority, which a task inherits from what waits for it, longest remaining path, tasks unlocked, checkpoint.
    Default,
    /// Before priority, the order that promises the shortest run, found by a search over simulated schedules.
    Makespan,
    /// The task's own priority, how many open tasks need it directly, checkpoint: a fixed heuristic that knows no estimates, and
    /// in which a task inherits nothing from what waits for it.
    Seed,
}

impl Rank {
    /// All ranks.
    pub const ALL: [Rank; 3] = [Rank::Default, Rank::Makespan, Rank::Seed];

    /// The words of all ranks.
    pub const WORDS: [&'static str; 3] = [
        Rank::Default.as_str(),
        Rank::Makespan.as_str(),
        Rank::Seed.as_str(),
    ];

    /// The word that names it on the command line and in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Rank::Default => "default",
            Rank::Makespan => "makespan",
            Rank::Seed => "seed",
        }
    }

    /// The inverse of [`Rank::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Rank> {
        Rank::ALL.into_iter().find(|rank| rank.as_str() == word)
    }

    /// What decides, in order, for people.
    #[must_use]
    pub fn heuristic(self) -> &'static str {
        match self {
            Rank::Default => "manual -> priority -> longest path -> unlocks -> checkpoints -> id",
            Rank::Makespan => {
                "manual -> shortest estimated makespan -> priority -> unlocks -> checkpoints -> id"
            }
            Rank::Seed => "priority -> unlocks -> checkpoints -> manual",
        }
    }
}

/// When tasks start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Dispatch {
    /// Each as soon as it may.
    #[default]
    Frontier,
    /// In batches that are announced, confirmed and awaited as a whole. Over 720 random epics the barrier cost 1.74 to 1.83 times
    /// the lower bound, the frontier 1.00 to 1.09.
    Waves,
}

impl Dispatch {
    /// The words of all of them.
    pub const WORDS: [&'static str; 2] = [Dispatch::Frontier.as_str(), Dispatch::Waves.as_str()];

    /// The word that names it on the command line and in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Dispatch::Frontier => "frontier",
            Dispatch::Waves => "waves",
        }
    }

    /// The inverse of [`Dispatch::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Dispatch> {
        [Dispatch::Frontier, Dispatch::Waves]
            .into_iter()
            .find(|dispatch| dispatch.as_str() == word)
    }

    /// Whether it is what journals do not mention.
    #[cfg(feature = "serde")]
    fn is_frontier(&self) -> bool {
        *self == Dispatch::Frontier
    }
}

/// What a retry begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RetryMode {
    /// It goes on in the workspace of the attempt before where the work may well be good so far, and starts afresh where it is the
    /// workspace that is not; see [`FailureClass::leaves_good_work`].
    ///
    /// [`FailureClass::leaves_good_work`]: crate::evidence::FailureClass::leaves_good_work
    #[default]
    ByClass,
    /// It always goes on, unless the agent of the attempt before never ran.
    Continue,
    /// It always starts afresh.
    Fresh,
}

impl RetryMode {
    /// All of them.
    const ALL: [RetryMode; 3] = [RetryMode::ByClass, RetryMode::Continue, RetryMode::Fresh];

    /// The words of all of them.
    pub const WORDS: [&'static str; 3] = [
        RetryMode::ByClass.as_str(),
        RetryMode::Continue.as_str(),
        RetryMode::Fresh.as_str(),
    ];

    /// The word that names it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RetryMode::ByClass => "by-class",
            RetryMode::Continue => "continue",
            RetryMode::Fresh => "fresh",
        }
    }

    /// The inverse of [`RetryMode::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<RetryMode> {
        RetryMode::ALL
            .into_iter()
            .find(|mode| mode.as_str() == word)
    }

    /// Whether it is what journals do not mention.
    #[cfg(feature = "serde")]
    fn is_by_class(&self) -> bool {
        *self == RetryMode::ByClass
    }
}

/// What a task without lock groups may overlap with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Unlabelled {
    /// Anything: every attempt has its own workspace.
    Free,
    /// Nothing: it runs alone.
    Alone,
}
