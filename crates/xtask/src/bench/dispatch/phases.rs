//! How long each phase of each attempt took, and what version control was called for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::forecast::bounds;
use mesh_core::id::{AttemptId, TaskId};
use mesh_core::process::{Role, Tree};
use mesh_journal::call_log::Call;
use mesh_journal::{RunDir, replay};
use mesh_proc::shim::read_report;

use crate::Outcome;

/// When an attempt came how far, in Unix milliseconds; 0 where it never came.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    decided: u64,
    workspace: u64,
    executing: u64,
    agent_ended: u64,
    ended: u64,
    inspected: u64,
    proving: u64,
    proof_ended: u64,
    proved: u64,
}

/// Calls of one program.
#[derive(Debug, Clone, Copy, Default)]
struct Calls {
    calls: u64,
    milliseconds: u64,
}

/// What the tasks of a run cost.
pub struct Costs {
    /// How many there were.
    pub tasks: usize,
    phases: Vec<(&'static str, Vec<u64>)>,
    /// By program.
    calls: BTreeMap<String, Calls>,
    /// By program and command.
    commands: BTreeMap<String, Calls>,
    makespan_ms: u64,
    lower_bound_ms: u64,
}

/// The phase that the bars are about.
const DEPENDENTS: &str = "needs' end -> dependent executing";

impl Costs {
    /// Reads them from the folder of a run that has ended with all tasks verified.
    ///
    /// # Errors
    /// A file cannot be read, or not all tasks were verified by their first attempt.
    pub fn of(run: &RunDir) -> Outcome<Costs> {
        let records = mesh_journal::read(&run.journal())?.records;
        let mut moments: BTreeMap<TaskId, Moments> = BTreeMap::new();
        for record in &records {
            let now = record.wall.0;
            for decision in &record.decisions {
                if let Decision::Start { attempt, .. } = decision {
                    moments.entry(attempt.task.clone()).or_default().decided = now;
                }
            }
            if let Some((attempt, moment)) = moment_of(&record.event) {
                *moment(moments.entry(attempt.task.clone()).or_default()) = now;
            }
        }
        for (task, moments) in &mut moments {
            let attempt = run.attempt(&AttemptId {
                task: task.clone(),
                number: 1,
            });
            moments.workspace = written_at(&attempt.path().join("workspace.json"))?;
            let agent = read_report(&attempt.process(Role::Agent).exit_json())?
                .ok_or("an agent has no report")?;
            moments.executing = agent.child_started_at_unix_ms.unwrap_or_default();
            moments.agent_ended = agent.ended_at_unix_ms;
            let proof = read_report(&attempt.process(Role::Proof(Tree::Workspace)).exit_json())?
                .ok_or("a proof has no report")?;
            moments.proving = proof.child_started_at_unix_ms.unwrap_or_default();
            moments.proof_ended = proof.ended_at_unix_ms;
            if moments.proved == 0 {
                return Err(format!("{task} was not proved").into());
            }
        }
        let state = replay(&records)?;
        let plan = state.plan();
        let of = |at| moments.get(&plan.task(at).id).copied().unwrap_or_default();
        let mut dependents = Vec::new();
        let mut durations = Vec::new();
        for at in plan.all() {
            let own = of(at);
            durations.push(own.agent_ended.saturating_sub(own.executing));
            let needs = plan.graph().needs(at).iter();
            if let Some(end) = needs.map(|need| of(*need).agent_ended).max() {
                dependents.push(own.executing.saturating_sub(end));
            }
        }
        let first = moments
            .values()
            .map(|one| one.decided)
            .min()
            .unwrap_or_default();
        let last = moments
            .values()
            .map(|one| one.proved)
            .max()
            .unwrap_or_default();
        let phase = |name, from: fn(&Moments) -> u64, to: fn(&Moments) -> u64| {
            let took = moments
                .values()
                .map(|one| to(one).saturating_sub(from(one)));
            (name, took.collect())
        };
        let mut costs = Costs {
            tasks: moments.len(),
            phases: vec![
                phase("decision -> workspace", |m| m.decided, |m| m.workspace),
                phase("workspace -> executing", |m| m.workspace, |m| m.executing),
                phase("agent's end -> ended", |m| m.agent_ended, |m| m.ended),
                phase("ended -> inspected", |m| m.ended, |m| m.inspected),
                phase(
                    "inspected -> proof executing",
                    |m| m.inspected,
                    |m| m.proving,
                ),
                phase(
                    "proof executing -> proof's end",
                    |m| m.proving,
                    |m| m.proof_ended,
                ),
                phase("proof's end -> proved", |m| m.proof_ended, |m| m.proved),
                (DEPENDENTS, dependents),
            ],
            calls: BTreeMap::new(),
            commands: BTreeMap::new(),
            makespan_ms: last.saturating_sub(first),
            lower_bound_ms: bounds(plan, state.policy().concurrency, &durations).lower_bound,
        };
        costs.count_calls(&run.call_log(), first)?;
        Ok(costs)
    }

    /// Calls from the first decision on: those before it are the run's, not a task's.
    fn count_calls(&mut self, log: &Path, since: u64) -> Outcome<()> {
        for line in fs_err::read_to_string(log)?.lines() {
            let call: Call = serde_json::from_str(line)?;
            let mut words = call.argv.iter();
            let program = words
                .next()
                .map(|path| Path::new(path).file_name().unwrap_or_default());
            let program = program.unwrap_or_default().to_string_lossy().into_owned();
            if call.started_unix_ms < since {
                continue;
            }
            let command = format!("{program} {}", command_of(&call.argv));
            for calls in [
                self.calls.entry(program).or_default(),
                self.commands.entry(command).or_default(),
            ] {
                calls.calls += 1;
                calls.milliseconds += call.elapsed_ms;
            }
        }
        Ok(())
    }

    /// Calls of `program` for each task.
    pub fn calls_of(&self, program: &str) -> f64 {
        self.per_task(self.calls.get(program).map_or(0, |calls| calls.calls))
    }

    /// From the end of a task's last need to its own agent, at the median, in milliseconds.
    pub fn dependents_median_ms(&self) -> u64 {
        let phase = self.phases.iter().find(|(name, _)| *name == DEPENDENTS);
        phase.map_or(0, |(_, took)| quantile(took, 50))
    }

    /// The makespan over what no schedule can beat.
    pub fn ratio(&self) -> f64 {
        self.makespan_ms as f64 / self.lower_bound_ms.max(1) as f64
    }

    fn per_task(&self, number: u64) -> f64 {
        number as f64 / self.tasks.max(1) as f64
    }
}

type MomentOf = fn(&mut Moments) -> &mut u64;

/// The attempt and the moment that an event is about.
fn moment_of(event: &Event) -> Option<(&AttemptId, MomentOf)> {
    Some(match event {
        Event::Ended { attempt, .. } => (attempt, |moments| &mut moments.ended),
        Event::Inspected { attempt, .. } => (attempt, |moments| &mut moments.inspected),
        Event::Proved { attempt, .. } => (attempt, |moments| &mut moments.proved),
        _ => return None,
    })
}

fn written_at(file: &Path) -> Outcome<u64> {
    let since = fs_err::metadata(file)?
        .modified()?
        .duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(since.as_millis())?)
}

/// Options before a command that have a value of their own.
const WITH_VALUE: [&str; 7] = [
    "-c",
    "-R",
    "--at-operation",
    "--color",
    "--config",
    "--git-dir",
    "--work-tree",
];
/// Commands that need a second word.
const WITH_SECOND: [&str; 7] = [
    "bookmark",
    "bundle",
    "config",
    "file",
    "operation",
    "workspace",
    "worktree",
];

/// The command of a call, behind the options that come before it.
fn command_of(argv: &[String]) -> String {
    let mut words = argv.iter().skip(1).map(String::as_str);
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            let second = words.next().filter(|_| WITH_SECOND.contains(&word));
            return std::iter::once(word)
                .chain(second)
                .collect::<Vec<_>>()
                .join(" ");
        }
    }
    String::new()
}

/// The smallest that `percent` of them do not exceed.
fn quantile(values: &[u64], percent: usize) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {:<36}{:>8}{:>8}", "phase, ms", "median", "p90")?;
        for (name, took) in &self.phases {
            writeln!(
                f,
                "  {name:<36}{:>8}{:>8}",
                quantile(took, 50),
                quantile(took, 90)
            )?;
        }
        writeln!(f, "  {:<36}{:>8}{:>8}", "calls a task", "calls", "ms")?;
        for (name, calls) in self.calls.iter().chain(&self.commands) {
            let (number, took) = (
                self.per_task(calls.calls),
                self.per_task(calls.milliseconds),
            );
            writeln!(f, "  {name:<36}{number:>8.1}{took:>8.1}")?;
        }
        writeln!(
            f,
            "  makespan {:.2} s, lower bound {:.2} s, ratio {:.3}",
            self.makespan_ms as f64 / 1000.0,
            self.lower_bound_ms as f64 / 1000.0,
            self.ratio()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        assert_eq!(quantile(&[3, 1, 2], 50), 2);
        assert_eq!(quantile(&[4, 3, 1, 2], 90), 4);
        assert_eq!(quantile(&[], 50), 0);
    }

    #[test]
    fn a_command_is_what_follows_the_options() {
        let command = |line: &str| {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            command_of(&argv)
        };
        assert_eq!(
            command("git --no-pager -c a=b worktree add --detach x"),
            "worktree add"
        );
        assert_eq!(
            command("jj --color never --config a=b -R /r log -r x"),
            "log"
        );
    }
}
