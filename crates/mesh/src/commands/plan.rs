//! `mesh plan`: what would run, in which order, with which commands. Writes nothing but what the tracker's own reads write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mesh_agent::profile::Profile;
use mesh_core::forecast::{bounds, waves};
use mesh_core::graph::Ix;
use mesh_core::id::{AttemptId, SlotId};
use mesh_core::plan::EstimateSource;
use mesh_core::policy::Unlabelled;
use mesh_core::rank::Ranking;
use mesh_core::state::State;
use mesh_core::task::{Eligibility, Task};
use mesh_core::text::{counted, one_line};
use mesh_core::time::Millis;
use mesh_engine::OpenTracker;
use mesh_journal::{RunId, Timestamp};
use mesh_plan::diagnostic::Diagnostic;
use mesh_vcs::{CommitId, NewWorkspace, name};
use serde::Serialize;

use crate::error::CommandError;
use crate::exit_code;
use crate::run_setup;
use crate::sandbox::{self, SandboxFacts};
use crate::scope::{self, Scope, ScopeArgs};
use crate::strategy::{self, StrategyFacts};
use crate::ui::shell::Shell;

/// Show what would run, in which order, with which commands, without running it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct PlanObject {
    schema: u32,
    source: SourceObject,
    tasks: Vec<TaskObject>,
    order: Vec<String>,
    waves: Vec<Vec<String>>,
    bounds: BoundsObject,
    commands: Vec<String>,
    /// How many of them are those of the first task.
    #[serde(skip)]
    commands_of_first: usize,
    sandbox: SandboxFacts,
    /// How each task is worked; absent for one agent a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<StrategyFacts>,
    problems: Vec<ProblemObject>,
}

#[derive(Serialize)]
struct SourceObject {
    kind: &'static str,
    id: String,
    title: String,
}

#[derive(Serialize)]
struct TaskObject {
    id: String,
    title: String,
    state: &'static str,
    priority: i32,
    needs: Vec<String>,
    /// Open blockers outside the source, which no run of it can end.
    outside: Vec<String>,
    locks: Vec<String>,
    /// The agents that it names; absent for those of the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    agents: Vec<String>,
    estimate_minutes: u32,
    critical_path_minutes: u64,
    unlocks: u32,
    /// Place in the order, from 1; 0 for a task that does not run.
    rank: usize,
}

#[derive(Serialize)]
struct BoundsObject {
    total_minutes: u64,
    critical_path_minutes: u64,
    lower_bound_minutes: u64,
}

#[derive(Serialize)]
struct ProblemObject {
    severity: &'static str,
    task: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let mut scope = scope::read(
        &args.scope,
        folder,
        RunId::generate(Timestamp(mesh_engine::unix_ms())),
    )?;
    let serial = scope.check_parallelism(args.scope.allow_serial).err();
    // A plan can be looked at without an agent; its commands then lack that line.
    let agent = run_setup::agent(&args.scope, &scope.config, folder).ok();
    let (agent, strategy) = match agent {
        None => (None, None),
        Some((setup, profile)) => match strategy::choose(&args.scope, &scope, &setup, folder)? {
            None => (Some(profile), None),
            Some(compound) => {
                let facts = compound.facts(scope.policy.concurrency);
                scope.policy.concurrency = facts.tasks_at_once;
                (Some(compound.profile()?), Some(facts))
            }
        },
    };
    let differences = swarm_differences(&scope);
    let mut object = object(&scope, args, agent.as_ref(), serial.as_ref(), &differences)?;
    object.strategy = strategy;
    if args.json {
        shell.object(&object)?;
    } else {
        for line in text(&scope, agent.as_ref(), &object) {
            shell.line(line);
        }
        for difference in &differences {
            shell.line(difference.to_string());
        }
        scope.notes(shell);
    }
    match serial {
        Some(error) if !args.json => Err(error),
        Some(error) => Ok(error.kind.exit_code()),
        None => Ok(exit_code::OK),
    }
}

fn object(
    scope: &Scope,
    args: &Args,
    agent: Option<&Profile>,
    serial: Option<&CommandError>,
    differences: &[Diagnostic],
) -> Result<PlanObject, CommandError> {
    let plan = &scope.plan;
    let ranking = Ranking::new(plan, &scope.policy);
    let waves = waves(plan, &scope.policy);
    let runs: Vec<Ix> = waves.iter().flatten().copied().collect();
    // A task runs only if some wave holds it. A pick does not unlock anything, so its needs stand before it all the same.
    let mut in_a_wave = vec![false; plan.tasks().len()];
    runs.iter().for_each(|at| in_a_wave[at.index()] = true);
    let mut order = ranking.runnable(plan);
    order.retain(|at| in_a_wave[at.index()]);
    let mut ranks = vec![0; plan.tasks().len()];
    for (place, at) in order.iter().enumerate() {
        ranks[at.index()] = place + 1;
    }
    let minutes: Vec<u64> = plan.all().map(|at| plan.open_minutes(at)).collect();
    let bound = bounds(plan, scope.policy.concurrency, &minutes);
    let id = |at: &Ix| plan.task(*at).id.to_string();
    let mut problems: Vec<ProblemObject> = scope.loaded.diagnostics.iter().map(problem).collect();
    problems.extend(warnings(scope, agent).iter().map(problem));
    problems.extend(differences.iter().map(problem));
    if let Some(error) = serial {
        problems.push(problem(&Diagnostic::error(error.message.clone())));
    }
    let sandbox = scope.sandbox(&args.scope, agent);
    let sandbox = sandbox::look(&sandbox, agent, Some(&scope.root), &scope.ours)?;
    let commands = commands(scope, args, agent, &runs, sandbox.enforced.is_some())?;
    let state = forecast_state(scope);
    let task = |at: Ix| {
        let task = plan.task(at);
        TaskObject {
            id: task.id.to_string(),
            title: task.title.clone(),
            state: word(task, &state, at),
            priority: task.priority,
            needs: task.needs.iter().map(ToString::to_string).collect(),
            outside: task.outside.iter().map(ToString::to_string).collect(),
            locks: task.locks.texts().collect(),
            agents: task.agents.clone(),
            estimate_minutes: plan.estimate(at).0,
            critical_path_minutes: ranking.path_minutes(at),
            unlocks: ranking.unlocks(at),
            rank: ranks[at.index()],
        }
    };
    Ok(PlanObject {
        schema: 1,
        source: SourceObject {
            kind: scope.source.kind().as_str(),
            id: scope.source.id(),
            title: scope.loaded.source.title.clone(),
        },
        tasks: plan.all().map(task).collect(),
        order: order.iter().map(id).collect(),
        waves: waves
            .iter()
            .map(|wave| wave.iter().map(id).collect())
            .collect(),
        bounds: BoundsObject {
            total_minutes: bound.total,
            critical_path_minutes: bound.critical_path,
            lower_bound_minutes: bound.lower_bound,
        },
        strategy: None,
        commands: commands.concat(),
        commands_of_first: commands.first().map_or(0, Vec::len),
        sandbox,
        problems,
    })
}

/// The state a run would begin with, to say of each task what it waits for.
fn forecast_state(scope: &Scope) -> State {
    let mut state = State::new();
    let begun = mesh_core::event::Event::RunStarted {
        plan: scope.plan.clone(),
        policy: scope.policy.clone(),
    };
    let _ = mesh_core::apply(&mut state, Millis(0), &begun, &[]);
    state
}

fn word(task: &Task, state: &State, at: Ix) -> &'static str {
    match &task.eligibility {
        Eligibility::NotOurs { .. } | Eligibility::Faulty { .. } => "not-run",
        Eligibility::Container => "container",
        Eligibility::Satisfied { .. } => "satisfied",
        Eligibility::Open if state.is_ready(at) => "ready",
        Eligibility::Open => "waiting",
    }
}

fn problem(diagnostic: &Diagnostic) -> ProblemObject {
    ProblemObject {
        severity: diagnostic.severity.as_str(),
        task: diagnostic.task.as_ref().map(ToString::to_string),
        message: diagnostic.message.clone(),
        line: diagnostic.line,
        column: diagnostic.column,
    }
}

/// What a person should know before the run, beyond the source's own problems.
fn warnings(scope: &Scope, agent: Option<&Profile>) -> Vec<Diagnostic> {
    let plan = &scope.plan;
    let open = || {
        plan.all()
            .filter(|at| plan.task(*at).eligibility == Eligibility::Open)
    };
    let unlabelled = open().filter(|at| plan.task(*at).locks.is_empty()).count();
    let mut warnings = Vec::new();
    if unlabelled > 0 && !plan.groups().is_empty() {
        warnings.push(Diagnostic::warning(match scope.policy.unlabelled {
            Unlabelled::Free => format!("{unlabelled} tasks name no lock group and overlap with anything (locks.unknown = \"free\")"),
            Unlabelled::Alone => format!("{unlabelled} tasks name no lock group and run alone (locks.unknown = \"alone\"); labels would let them overlap"),
        }));
    }
    let guessed = open()
        .filter(|at| plan.estimate(*at).1 != EstimateSource::Given)
        .count();
    if guessed > 0 {
        let from = match open()
            .map(|at| plan.estimate(at).1)
            .find(|from| *from != EstimateSource::Given)
        {
            Some(EstimateSource::Median) => "the median of the others",
            _ => "30 minutes",
        };
        warnings.push(Diagnostic::note(format!(
            "{guessed} tasks have no estimate and are taken for {from}"
        )));
    }
    warnings.extend(scope.pick_problem().map(|problem| {
        Diagnostic::warning(format!(
            "the first wave cannot be what --pick says: {problem}"
        ))
    }));
    let missing = scope.missing_for_agents(agent);
    warnings.extend(missing.into_iter().map(Diagnostic::note));
    warnings
}

/// What bd's own analysis of the epic says otherwise: a read, left out where bd would need long for it.
fn swarm_differences(scope: &Scope) -> Vec<Diagnostic> {
    let Some(open) = &scope.tracker else {
        return Vec::new();
    };
    match mesh_engine::swarm_differences(open) {
        Ok(differences) => differences.into_iter().map(Diagnostic::warning).collect(),
        Err(error) => {
            let text = format!("bd's view of the epic was not read: {error}");
            vec![Diagnostic::note(text)]
        }
    }
}

/// The exact commands of the run, task by task in the order of its waves. Where a value is known only at the start of a task, its name stands in angle
/// brackets.
fn commands(
    scope: &Scope,
    args: &Args,
    agent: Option<&Profile>,
    runs: &[Ix],
    is_sandboxed: bool,
) -> Result<Vec<Vec<String>>, CommandError> {
    let shown = |argv: &[String]| {
        argv.split_first()
            .map(|(program, rest)| mesh_proc::show::command(program, rest))
            .unwrap_or_default()
    };
    let verify = args
        .scope
        .verify
        .clone()
        .or_else(|| scope.config.verify.clone());
    let mut commands = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, &task) in runs.iter().enumerate() {
        let mut lines = Vec::new();
        let task = scope.plan.task(task);
        let slot = SlotId(
            u16::try_from(at % usize::from(scope.policy.concurrency.max(1)) + 1).unwrap_or(1),
        );
        if let Some(OpenTracker { tracker, .. }) = &scope.tracker {
            let attempt = AttemptId {
                task: task.id.clone(),
                number: 1,
            };
            let metadata = mesh_engine::claim_metadata(scope.run.as_str(), &attempt);
            let claimant = mesh_engine::claimant_of(slot, scope.run.as_str());
            let actor = mesh_engine::actor_of(slot);
            let steps = tracker.claim_steps(&task.id, &claimant, &metadata);
            lines.extend(steps.iter().map(|step| shown(step.command_line())));
            // Each agent gets its bead before its first task.
            let mut hook = match at < usize::from(scope.policy.concurrency.max(1)) {
                true => tracker.agent_steps(&actor),
                false => Vec::new(),
            };
            hook.extend(tracker.hook_steps(&actor, &task.id));
            lines.extend(hook.iter().map(|step| shown(step.command_line())));
        }
        let parents = scope
            .base
            .iter()
            .map(|commit| CommitId::new(commit.clone()))
            .collect::<Result<Vec<_>, _>>()?;
        let new = NewWorkspace {
            name: name::workspace_name(scope.run.as_str(), task.id.as_str(), 1),
            path: scope
                .vcs
                .workspaces_root()
                .join(name::workspace_folder(task.id.as_str(), 1)),
            parents,
            message: name::subject(&task.id, &task.title),
        };
        let described = scope.vcs.describe(scope.run.as_str(), &new);
        // What is done once for the run, such as making its hub, is shown once.
        let described = described.iter().map(|argv| shown(argv));
        lines.extend(described.filter(|line| seen.insert(line.clone())));
        if let Some(profile) = agent {
            let mut argv = vec![profile.template.program().to_owned()];
            argv.extend(profile.template.shown_args());
            argv.extend_from_slice(profile.sandbox_args(is_sandboxed));
            lines.push(shown(&argv));
        }
        let own = scope
            .loaded
            .details
            .get(&task.id)
            .and_then(mesh_plan::details::TaskDetails::proof_command);
        if let Some(proof) = own.or_else(|| verify.clone()) {
            lines.push(shown(&["sh".to_owned(), "-c".to_owned(), proof]));
        }
        commands.push(lines);
    }
    Ok(commands)
}

fn text(scope: &Scope, agent: Option<&Profile>, object: &PlanObject) -> Vec<String> {
    let mut lines = vec![format!(
        "{} ({} {})",
        one_line(&object.source.title),
        object.source.kind,
        object.source.id
    )];
    lines.push(format!(
        "{}, {} to do; dispatch: {}; order: {}",
        counted(object.tasks.len(), "task"),
        object.order.len(),
        scope.policy.dispatch.as_str(),
        scope.policy.rank.heuristic()
    ));
    let width = object
        .tasks
        .iter()
        .map(|task| task.id.chars().count())
        .max()
        .unwrap_or(0)
        .min(40);
    let by_id: BTreeMap<&str, &TaskObject> = object
        .tasks
        .iter()
        .map(|task| (task.id.as_str(), task))
        .collect();
    for (at, wave) in object.waves.iter().enumerate() {
        lines.push(format!("wave {}", at + 1));
        for id in wave {
            let Some(task) = by_id.get(id.as_str()) else {
                continue;
            };
            let mut facts = vec![
                format!("priority {}", task.priority),
                format!("{} min", task.estimate_minutes),
            ];
            if task.unlocks > 0 {
                facts.push(format!("unlocks {}", task.unlocks));
            }
            if !task.locks.is_empty() {
                facts.push(format!("locks {}", task.locks.join(", ")));
            }
            if !task.agents.is_empty() {
                facts.push(format!("agent {}", task.agents.join(" or ")));
            }
            lines.push(format!(
                "  {:width$}  {}  ({})",
                task.id,
                one_line(&task.title),
                facts.join("; ")
            ));
        }
    }
    for task in object
        .tasks
        .iter()
        .filter(|task| task.rank == 0 && task.state != "container")
    {
        let outside = match task.outside.is_empty() {
            true => String::new(),
            false => format!(
                " for {}, outside {}",
                task.outside.join(", "),
                object.source.id
            ),
        };
        lines.push(format!(
            "not in a wave: {} ({}{outside})",
            task.id, task.state
        ));
    }
    lines.push(format!(
        "{} minutes of work, longest path {}; with {} at least {} minutes",
        object.bounds.total_minutes,
        object.bounds.critical_path_minutes,
        counted(usize::from(scope.policy.concurrency), "agent"),
        object.bounds.lower_bound_minutes
    ));
    lines.extend(object.strategy.iter().map(|facts| facts.line.clone()));
    lines.extend(object.sandbox.lines.iter().cloned());
    lines.push(String::new());
    let (of_first, others) = object.commands.split_at(object.commands_of_first);
    if let Some(first) = object.waves.iter().flatten().next() {
        lines.push(format!("commands of {first}:"));
        let commands = abbreviated(of_first, scope.vcs.kind().as_str());
        lines.extend(commands.iter().map(|command| format!("  {command}")));
    }
    if !others.is_empty() {
        lines.push(format!(
            "of the other tasks: {}, with their own names and paths; `mesh plan --json` shows them all",
            counted(others.len(), "command")
        ));
    }
    for warning in warnings(scope, agent) {
        lines.push(warning.to_string());
    }
    lines
}

/// The commands with what all calls of the program `name` begin with said once, under a name for it: there are many settings.
fn abbreviated(commands: &[String], name: &str) -> Vec<String> {
    let of_program = |command: &&String| {
        let program = command.split(' ').next().unwrap_or_default();
        Path::new(program).file_name() == Some(name.as_ref())
    };
    let mut calls = commands.iter().filter(of_program);
    let Some(mut start) = calls.next().map(String::as_str) else {
        return commands.to_vec();
    };
    for call in calls {
        let same = start
            .char_indices()
            .zip(call.chars())
            .take_while(|((_, one), other)| one == other);
        let length = same.last().map_or(0, |((at, one), _)| at + one.len_utf8());
        start = &start[..length];
    }
    // Not within a word.
    let is_whole = |at: &usize| shlex::split(&start[..*at]).is_some();
    let Some(end) = start.rmatch_indices(' ').map(|(at, _)| at).find(is_whole) else {
        return commands.to_vec();
    };
    let (start, short) = (&start[..end], format!("${}", name.to_uppercase()));
    let replaced = commands
        .iter()
        .map(|command| match command.strip_prefix(start) {
            Some(rest) => format!("{short}{rest}"),
            None => command.clone(),
        });
    let mut lines = vec![format!("where {short} is {start}")];
    lines.extend(replaced);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_calls_begin_with_is_said_once() {
        let commands = [
            "/bin/bd list",
            "/opt/jj --config 'a b=1' --at x",
            "/opt/jj --config 'a b=1' --at xyz y",
        ];
        let commands = commands.map(str::to_owned);
        assert_eq!(
            abbreviated(&commands, "jj"),
            [
                "where $JJ is /opt/jj --config 'a b=1' --at",
                "/bin/bd list",
                "$JJ x",
                "$JJ xyz y",
            ]
        );
        assert_eq!(abbreviated(&commands, "git"), commands);
    }
}
