//! What a run looks like, derived from its records: the object of `mesh status --json` and `mesh report --json`.
//!
//! Pure: the same records give the same summary. Field names and order are documented and stay.

mod attempts;
mod figures;
mod usage;

use std::collections::BTreeMap;
use std::path::PathBuf;

use mesh_core::event::Event;
use mesh_core::graph::Ix;
use mesh_core::id::AttemptId;
use mesh_core::metered::{Metered, Usage};
use mesh_core::state::{Admission, RunEnd, State};
use mesh_core::time::Millis;
use mesh_core::why::Why;
use serde::Serialize;

use crate::call_log::CallCounts;
use crate::layout::RunDir;
use crate::reader::Damage;
use crate::replay::{ReplayError, replay};
use crate::timestamp::Timestamp;
use crate::wire::{Header, Record};

/// Version of the object.
pub const SCHEMA: u32 = 1;

/// What the records do not say.
pub struct SummaryContext<'a> {
    /// Whether a coordinator lives (it holds its lock).
    pub coordinated: bool,
    /// The moment to report for, since the run's start; that of the last record when later or absent.
    pub now: Option<Millis>,
    /// Calls of the tracker, from the call log.
    pub tracker_calls: CallCounts,
    /// Where an attempt's workspace is, while it is there.
    pub workspace: &'a dyn Fn(&AttemptId) -> Option<PathBuf>,
    /// What was kept from the agent of an attempt, if it ran in a sandbox.
    pub sandbox: &'a dyn Fn(&AttemptId) -> Option<String>,
    /// What the turns of an attempt's roles came to, in the order of their ends; none without a strategy.
    pub turns: &'a dyn Fn(&AttemptId) -> Vec<TurnSummary>,
    /// What an attempt's agent that has not ended says of itself so far; with the agent's place in the policy.
    pub live: &'a dyn Fn(&AttemptId, u16) -> Live,
    /// What is wrong with the journal that the records come from.
    pub damage: Option<&'a Damage>,
    /// The state after all that happened, from one who knows it better than the records; theirs when absent.
    pub state: Option<&'a State>,
}

/// What an agent at work says of itself so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// What it used and may use.
    pub metered: Metered,
    /// The last thing that it did or said, in one line.
    pub activity: Option<String>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its id.
    pub run: String,
    /// Where it is.
    pub state: RunState,
    /// Where its tasks come from.
    pub source: SourceFacts,
    /// How each task is worked; absent for one agent a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; nothing while it has not.
    pub ended_at: Option<Timestamp>,
    /// How many agents may run at once.
    pub concurrency: u16,
    /// How many agents really executed at once.
    pub overlap: Overlap,
    /// From the decision to start the first attempt, which its claim follows, to the last verification; nothing before one.
    pub makespan_seconds: Option<f64>,
    /// What no schedule could have beaten, given how long the agents took; nothing before one has ended.
    pub lower_bound_seconds: Option<f64>,
    /// The tracker.
    pub tracker: TrackerFacts,
    /// The wave that waits to be confirmed, or runs; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave: Option<WaveSummary>,
    /// What all agents together say that they used; absent when none says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageSummary>,
    /// The same for each agent that says so; absent with one agent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub usage_by_agent: BTreeMap<String, UsageSummary>,
    /// Accounts of providers that may not be used, or not with all agents; absent when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitSummary>,
    /// That fewer run at once than might, because little is left of the budget by a person's word; absent when all may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamp: Option<ClampSummary>,
    /// All tasks, in the plan's order.
    pub tasks: Vec<TaskSummary>,
    /// What is wrong with the journal; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<DamageSummary>,
}

/// A wave of a run that works in waves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaveSummary {
    /// From 1.
    pub number: u32,
    /// Its tasks start; otherwise it waits to be confirmed, and these are what is recommended.
    pub confirmed: bool,
    /// Its tasks, in the order in which they start.
    pub tasks: Vec<String>,
}

/// A journal that somebody wrote into, or cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamageSummary {
    /// The first damaged line, from 1.
    pub line: usize,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Records may be missing; then the tasks are shown as they were before it.
    pub is_lossy: bool,
    /// One line for people.
    pub text: String,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It goes on.
    Running,
    /// No new starts, the machine seems at fault; running tasks finish.
    Pausing,
    /// No new starts, what the run may use is used; running tasks finish.
    Spent,
    /// No new starts, a person said so; running tasks finish.
    Stopping,
    /// It has not ended and nobody coordinates it: `mesh resume`.
    Interrupted,
    /// It has ended with all tasks done.
    Done,
    /// It has ended, and some tasks are not done.
    Incomplete,
}

/// Where tasks come from, as the run's setup says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct SourceFacts {
    /// `bd`, `st`, `list`, `csv`.
    pub kind: Option<String>,
    /// Its name.
    pub id: Option<String>,
    /// One line for people.
    pub title: Option<String>,
}

/// How many agents executed at once, from their own starts and ends: claims, workspaces and proofs do not count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Default)]
pub struct Overlap {
    /// At most.
    pub peak: u32,
    /// On average, from the first start of an agent to the last end.
    pub mean: f64,
}

/// The tracker, as the run's setup and the call log say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct TrackerFacts {
    /// Which of its two languages it speaks; nothing for sources without a tracker.
    pub dialect: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// How often it was called.
    pub calls: u64,
    /// How often that failed.
    pub failures: u64,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskSummary {
    /// Its id.
    pub id: String,
    /// One line for people; not part of the object.
    #[serde(skip)]
    pub title: String,
    /// The word for where it is.
    pub state: &'static str,
    /// Why it is there, as a sentence without its subject.
    pub reason: String,
    /// What its agents say that they used; absent when none says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageSummary>,
    /// All timelines, first to last.
    pub attempts: Vec<AttemptSummary>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptSummary {
    /// From 1.
    pub number: u32,
    /// The agent's identity, `mesh-1`.
    pub slot: String,
    /// When it was decided to start it.
    pub started_at: Timestamp,
    /// When the agent executed; nothing when it never did, or a crash hid it.
    pub agent_started_at: Option<Timestamp>,
    /// When the agent's process tree was dead, or the start had failed.
    pub ended_at: Option<Timestamp>,
    /// The agent's exit code, when it ended by itself.
    pub exit_code: Option<i32>,
    /// `verified`, a failure class, `question`, `interrupted`, `skipped`; nothing while it goes on.
    pub outcome: Option<String>,
    /// The agent's profile, in a run that has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What its agent says that it used, so far if it is at work; nothing of a program that does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// What its sandbox kept from its agent; absent when it ran in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// What that cost by its agent's own account; nothing of a program that does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// What the turns of its roles came to; absent without a strategy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnSummary>,
    /// The last thing that its agent, which is at work, did or said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// What was seen of its failure, first in one line, then the last lines of what the process wrote.
    pub failure: Option<String>,
    /// Paths it changed.
    pub changed: Vec<String>,
    /// What became different, while it ran, of what all working copies share and of the user's own: sentences. Others may have run
    /// at the same time.
    pub noticed: Vec<String>,
    /// The proof; nothing when none ran.
    pub verify: Option<VerifySummary>,
    /// Where it worked.
    pub workspace: Option<PathBuf>,
    /// What it left.
    pub commit: Option<String>,
    /// Folder of its prompt, output and evidence.
    pub logs: PathBuf,
}

/// A turn of a role, as the strategy's driver tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TurnSummary {
    /// Which: its folder below `roles/` of the attempt.
    pub turn: String,
    /// The role.
    pub role: String,
    /// Its agent, with its model where one was chosen.
    pub agent: String,
    /// What came of it, a vote too.
    pub outcome: String,
    /// What its agent says that it used; absent when it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageSummary>,
}

/// Tokens, as an agent counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tokens {
    /// Read by its model, those from a cache included.
    pub input: u64,
    /// Those of them that came from a cache.
    pub cached_input: u64,
    /// Written by its model.
    pub output: u64,
}

impl Tokens {
    fn of(usage: &Usage) -> Tokens {
        Tokens {
            input: usage.input,
            cached_input: usage.cached_input,
            output: usage.output,
        }
    }
}

/// Tokens and money, as agents count them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct UsageSummary {
    /// Tokens.
    pub tokens: Tokens,
    /// US dollars; nothing when no agent says what it cost. What agents that do not say it cost is not in it.
    pub cost_usd: Option<f64>,
}

impl UsageSummary {
    /// For people and scripts.
    #[must_use]
    pub fn of(usage: &Usage) -> UsageSummary {
        UsageSummary {
            tokens: Tokens::of(usage),
            cost_usd: cost_usd(usage),
        }
    }
}

fn cost_usd(usage: &Usage) -> Option<f64> {
    usage.cost_micro_usd.map(|cost| cost as f64 / 1_000_000.0)
}

/// An account of a provider under its limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitSummary {
    /// Its name; empty in runs of the time before accounts had names.
    pub account: String,
    /// Nothing starts on it before; absent when it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// One attempt shows whether it may be used again; absent when none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// How much is left of its allowance, in percent, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_percent: Option<u8>,
}

/// How little is left of the budget, and what that leaves of the width.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClampSummary {
    /// The window of which least is left.
    pub window: &'static str,
    /// How much, in percent.
    pub left_percent: f64,
    /// How many agents may run at once.
    pub width: u16,
}

/// A proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifySummary {
    /// The command.
    pub command: String,
    /// Its exit code; nothing while it runs, or when it did not end by itself.
    pub exit_code: Option<i32>,
    /// Only the agent named it.
    pub self_checked: bool,
}

/// Derives the summary of a run.
///
/// # Errors
/// When the records are no run.
pub fn summarize(
    header: &Header,
    records: &[Record],
    dir: &RunDir,
    around: &SummaryContext<'_>,
) -> Result<Summary, ReplayError> {
    let state = match around.state {
        Some(state) => state.clone(),
        None => replay(records)?,
    };
    let last = records.last().map_or(Millis(0), |record| record.at);
    let now = around.now.map_or(last, |now| now.max(last));
    let timelines = attempts::collect(records);
    let figures = figures::of(&state, &timelines, now);
    let text = |outer: &str, inner: &str| {
        header
            .setup
            .get(outer)?
            .get(inner)?
            .as_str()
            .map(str::to_owned)
    };
    let mut spent = usage::Spent::default();
    let tasks = state.plan().all().map(|at| {
        let task = state.plan().task(at);
        let (attempts, usage) = usage::of_task(
            &state,
            timelines
                .range(attempts::all_of(&task.id))
                .map(|(id, attempt)| (id, attempt.summary(id, dir, around))),
            around,
            &mut spent,
        );
        TaskSummary {
            id: task.id.to_string(),
            title: task.title.clone(),
            state: state.state_word(at),
            reason: reason(&state, now, at, header.started_unix_ms),
            usage,
            attempts,
        }
    });
    let tasks: Vec<TaskSummary> = tasks.collect();
    Ok(Summary {
        schema: SCHEMA,
        run: header.run.to_string(),
        state: run_state(&state, around.coordinated),
        source: SourceFacts {
            kind: text("source", "kind"),
            id: text("source", "id"),
            title: text("source", "title"),
        },
        strategy: header
            .setup
            .pointer("/choices/strategy/name")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned),
        started_at: Timestamp(header.started_unix_ms),
        ended_at: ended_at(records).filter(|_| state.run_end() == RunEnd::Concluded),
        concurrency: state.policy().concurrency,
        overlap: figures.overlap,
        makespan_seconds: figures.makespan_seconds,
        lower_bound_seconds: figures.lower_bound_seconds,
        tracker: TrackerFacts {
            dialect: text("tracker", "dialect"),
            version: text("tracker", "version"),
            calls: around.tracker_calls.calls,
            failures: around.tracker_calls.failures,
        },
        wave: state.wave().map(|wave| WaveSummary {
            number: wave.number,
            confirmed: wave.is_confirmed,
            tasks: wave
                .tasks
                .iter()
                .map(|at| state.plan().task(*at).id.to_string())
                .collect(),
        }),
        usage: spent.of_run(),
        usage_by_agent: spent.by_agent(),
        limits: usage::limits(&state, header.started_unix_ms),
        clamp: usage::clamp(&state),
        tasks,
        damage: around.damage.map(|damage| DamageSummary {
            line: damage.line,
            offset: damage.offset,
            is_lossy: damage.is_lossy && around.state.is_none(),
            text: damage.to_string(),
        }),
    })
}

/// Why a task is where it is, and that its source does not know, if it does not.
fn reason(state: &State, now: Millis, at: Ix, started_unix_ms: u64) -> String {
    let why = state.why(now, at);
    let reason = match &why {
        Why::Limit { rest, .. } => {
            let until = Timestamp(started_unix_ms + now.after(*rest).0);
            format!("{why}, at {until}")
        }
        _ => why.to_string(),
    };
    match state.unwritten().get(&state.plan().task(at).id) {
        Some(problem) => format!(
            "{reason}; where it comes from it is not closed ({problem}); `mesh resume` tries again"
        ),
        None => reason,
    }
}

/// Reports that come after the end do not move it.
fn ended_at(records: &[Record]) -> Option<Timestamp> {
    let concluded = |record: &&Record| record.event == Event::Concluded;
    records
        .iter()
        .rev()
        .find(concluded)
        .map(|record| record.wall)
}

fn run_state(state: &State, coordinated: bool) -> RunState {
    let done = || state.is_all_done();
    match (state.run_end(), state.admission()) {
        (RunEnd::Concluded, _) if done() => RunState::Done,
        (RunEnd::Concluded, _) => RunState::Incomplete,
        _ if !coordinated => RunState::Interrupted,
        (_, Admission::Paused { .. }) => RunState::Pausing,
        (_, Admission::Spent { .. }) => RunState::Spent,
        (_, Admission::Stopped) => RunState::Stopping,
        (_, Admission::Open) => RunState::Running,
    }
}

#[cfg(test)]
#[path = "summary_test.rs"]
mod tests;
