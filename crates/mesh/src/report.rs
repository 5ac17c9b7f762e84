//! What a run did: read off its journal, for people and as the documented object.

mod format;

use std::path::PathBuf;

use mesh_agent::profile::Profile;
use mesh_agent::protocol::{self, Sources};
use mesh_agent::secrets::Secrets;
use mesh_core::evidence::{FailureClass, brief};
use mesh_core::graph::Ix;
use mesh_core::id::AttemptId;
use mesh_core::metered::dollars;
use mesh_core::process::Role;
use mesh_core::state::{Admission, Phase, State};
use mesh_core::task::Eligibility;
use mesh_core::text::{counted, one_line, shortened, visible};
use mesh_core::time::Millis;
use mesh_engine::{Finished, RunSetup, unix_ms};
use mesh_journal::call_log;
use mesh_journal::layout::{AttemptDir, MeshDir, RunDir};
use mesh_journal::notes;
use mesh_journal::summary::{
    AttemptSummary, LimitSummary, Live, RunState, Summary, SummaryContext, TaskSummary, Tokens,
    TurnSummary, UsageSummary, summarize,
};
use mesh_journal::{Contents, RunId, locks};
use mesh_proc::env::Env;
use mesh_proc::shim;
use mesh_proc::signal::OwnSignal;

use crate::commands::run_lookup::{self, Coordinator};
use crate::csv_wave;
use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::scope::Scope;
use crate::task_list;
use crate::ui::shell::Shell;
use crate::ui::timeline;

pub(crate) use format::{ReportFormat, show};

/// Reads a run's journal and sums it up.
pub(crate) fn summary(mesh_dir: &MeshDir, run: &RunId) -> Result<Summary, CommandError> {
    sum_up(mesh_dir, run, None)
}

/// As [`summary`], for its coordinator, who is done with it and knows its state whatever has become of the journal.
fn sum_up(mesh_dir: &MeshDir, run: &RunId, ended: Option<&State>) -> Result<Summary, CommandError> {
    let run_dir = mesh_dir.run(run);
    let Contents {
        header,
        records,
        damage,
        ..
    } = mesh_journal::read(&run_dir.journal())?;
    let setup = mesh_engine::read_setup(&header).ok();
    let coordinated = match (ended, &setup) {
        (Some(_), _) => false,
        (None, Some(setup)) => run_lookup::coordinator(setup, run, &run_dir)? == Coordinator::Ours,
        (None, None) => locks::is_held(&run_dir.journal())?,
    };
    let now = coordinated.then(|| Millis(unix_ms().saturating_sub(header.started_unix_ms)));
    let tracker_calls = match setup.as_ref().and_then(|setup| setup.programs.bd.clone()) {
        Some(bd) => call_log::count(&run_dir.call_log(), &program_name(&bd)).unwrap_or_default(),
        None => call_log::CallCounts::default(),
    };
    let workspace = |attempt: &AttemptId| workspace_of(&run_dir, attempt);
    let agents = setup.iter().flat_map(|setup| {
        let agents = std::iter::once(&setup.agent).chain(&setup.more_agents);
        agents.filter_map(|agent| agent.profile().ok())
    });
    let profiles: Vec<Profile> = agents.collect();
    let ours: Env = std::env::vars_os().collect();
    let live = |attempt: &AttemptId, agent: u16| {
        let profile = profiles.get(usize::from(agent));
        profile.map_or_else(Live::default, |profile| {
            let moment = |at: u64| Millis(at.saturating_sub(header.started_unix_ms));
            live(profile, &run_dir.attempt(attempt), &ours, &moment)
        })
    };
    let sandbox = |attempt: &AttemptId| {
        let agent = run_dir.attempt(attempt).process(Role::Agent);
        let record = shim::read_record(&agent.shim_json()).ok()??;
        Some(record.sandbox?.to_string())
    };
    let has_strategy = setup.as_ref().is_some_and(|setup| setup.strategy.is_some());
    let turns = |attempt: &AttemptId| match has_strategy {
        true => turns_of(&run_dir, attempt),
        false => Vec::new(),
    };
    let around = SummaryContext {
        turns: &turns,
        coordinated,
        now,
        tracker_calls,
        workspace: &workspace,
        live: &live,
        sandbox: &sandbox,
        damage: damage.as_ref(),
        state: ended,
    };
    summarize(&header, &records, &run_dir, &around)
        .map_err(|error| CommandError::new(Kind::Environment, error.to_string()))
}

/// What an agent at work says of itself.
fn live(
    profile: &Profile,
    attempt: &AttemptDir,
    ours: &Env,
    moment: &dyn Fn(u64) -> Millis,
) -> Live {
    let home = profile.session_home(attempt.path(), ours);
    let files = attempt.process(Role::Agent);
    let (stdout, stderr) = (files.stdout(), files.stderr());
    let metered = profile.protocol.metered(&Sources {
        stdout: &stdout,
        stderr: &stderr,
        home: home.as_deref(),
        limit_patterns: &[],
        now_unix_ms: unix_ms(),
        moment,
    });
    let activity = profile.protocol.activity(&stdout).unwrap_or_default().now;
    Live {
        metered: metered.unwrap_or_default(),
        activity: activity.map(|text| Secrets::of(profile, ours).mask(&text)),
    }
}

/// The turns of an attempt's roles.
fn turns_of(run_dir: &RunDir, attempt: &AttemptId) -> Vec<TurnSummary> {
    let stdout = run_dir.attempt(attempt).process(Role::Agent).stdout();
    let turns = protocol::strategy::turns(&stdout).unwrap_or_default();
    let turn = |turn: protocol::strategy::Turn| TurnSummary {
        turn: turn.turn,
        role: turn.role,
        agent: turn.agent,
        outcome: turn.outcome,
        usage: turn.usage.as_ref().map(UsageSummary::of),
    };
    turns.into_iter().map(turn).collect()
}

/// The call log names programs by path; it counts by name.
fn program_name(program: &std::path::Path) -> String {
    program
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The folder in which an attempt works or worked, while it is there.
fn workspace_of(run_dir: &RunDir, attempt: &AttemptId) -> Option<PathBuf> {
    let text = fs_err::read(run_dir.attempt(attempt).path().join("workspace.json")).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let path = PathBuf::from(value.get("workspace")?.get("path")?.as_str()?);
    path.is_dir().then_some(path)
}

/// The end of `run`, `resume` and `demo`: the report, and the exit code.
pub(crate) fn finish(
    mesh_dir: &MeshDir,
    run: &RunId,
    finished: &Finished,
    format: Option<ReportFormat>,
    shell: &mut Shell,
) -> Result<u8, CommandError> {
    let (summary, lines) = write(mesh_dir, run, finished, shell)?;
    let setup = setup_of(&mesh_dir.run(run));
    match format {
        _ if shell.is_json() => {}
        Some(format) => show(format, &summary, setup.as_ref(), shell)?,
        None => {
            lines.iter().for_each(|line| shell.line(line));
            let updated = setup.and_then(|setup| task_list::updated(&setup, &summary));
            if let Some(updated) = updated {
                shell.line("");
                updated.lines().for_each(|line| shell.line(line));
            }
        }
    }
    if finished.left {
        shell.note("left: agents go on by themselves; `mesh resume` takes them up again");
    }
    Ok(code(&finished.state, finished.interrupted))
}

/// What the run was made with, if its journal still says so.
pub(crate) fn setup_of(run_dir: &RunDir) -> Option<RunSetup> {
    let header = mesh_journal::read_header(&run_dir.journal()).ok()?;
    mesh_engine::read_setup(&header).ok()
}

/// Writes the report into the run's folder, and where stdout is for JSON also there. Gives it, and its lines.
pub(crate) fn write(
    mesh_dir: &MeshDir,
    run: &RunId,
    finished: &Finished,
    shell: &mut Shell,
) -> Result<(Summary, Vec<String>), CommandError> {
    let summary = match sum_up(mesh_dir, run, Some(&finished.state)) {
        Ok(summary) => summary,
        Err(error) => {
            // Somebody took the journal away at the very end. Where the tasks stand is still known.
            for line in bare_lines(run, &finished.state) {
                shell.note(line);
            }
            return Err(error);
        }
    };
    let run_dir = mesh_dir.run(run);
    if let Err(error) = csv_wave::write_output(&run_dir, &summary) {
        shell.note(format!(
            "note: the output of the CSV was not written: {error}; `mesh resume` writes it"
        ));
    }
    let lines = report_lines(&summary, &run_dir);
    let text = format!(
        "# mesh run {run}\n\n```text\n{}\n```\n",
        visible(&lines.join("\n"))
    );
    if let Err(error) = fs_err::write(run_dir.report_md(), text) {
        shell.note(format!(
            "note: the report was not written to the run folder: {error}"
        ));
    }
    if shell.is_json() {
        shell.object(&summary)?;
        for note in &finished.notes {
            shell.note(format!("note: {note}"));
        }
    }
    Ok((summary, lines))
}

/// Where each task stands, without the history that only the journal has.
fn bare_lines(run: &RunId, state: &State) -> Vec<String> {
    let line = |at| {
        let task = &state.plan().task(at).id;
        format!(
            "{task}  {}  {}",
            state.state_word(at),
            state.why(Millis(0), at)
        )
    };
    let tasks = state.plan().all().map(line);
    std::iter::once(format!("run {run} is over:"))
        .chain(tasks)
        .collect()
}

/// What is known of a run that could not write its journal any more.
pub(crate) fn after_failure(mesh_dir: &MeshDir, run: &RunId, shell: &mut Shell) {
    let Ok(summary) = summary(mesh_dir, run) else {
        return;
    };
    for line in report_lines(&summary, &mesh_dir.run(run)) {
        shell.note(line);
    }
}

/// The exit code of what a signal ended.
pub(crate) fn interrupted(signal: Option<OwnSignal>) -> Option<u8> {
    match signal? {
        OwnSignal::Terminate => Some(exit_code::TERMINATED),
        OwnSignal::Interrupt => Some(exit_code::INTERRUPTED),
        OwnSignal::HangUp => None,
    }
}

/// The exit code of a run. Several at once: interrupted, limit, failed, question, could not run.
fn code(state: &State, interrupted: Option<OwnSignal>) -> u8 {
    if let Some(code) = self::interrupted(interrupted) {
        return code;
    }
    let phases = || state.plan().all().map(|at| &state.task(at).phase);
    let not_landed = state.plan().all().any(|at| state.is_not_landed(at));
    let failed = phases().any(|phase| matches!(phase, Phase::Failed { .. }));
    let spent = matches!(state.admission(), Admission::Spent { .. });
    let at_its_budget = |phase: &Phase| matches!(phase, Phase::Failed { failure, .. } if failure.class == FailureClass::Budget);
    let waits = |at: &Ix| {
        let is_open = state.plan().task(*at).eligibility == Eligibility::Open;
        is_open
            && matches!(
                state.task(*at).phase,
                Phase::Waiting | Phase::Pausing { .. }
            )
    };
    if spent && state.plan().all().any(|at| waits(&at)) || phases().any(at_its_budget) {
        exit_code::LIMIT
    } else if failed || not_landed || !state.unwritten().is_empty() {
        exit_code::SOME_FAILED
    } else if phases().any(|phase| matches!(phase, Phase::Question { .. })) {
        exit_code::QUESTION
    } else if state.plan().all().all(|at| state.is_done(at)) {
        exit_code::OK
    } else {
        exit_code::SOME_COULD_NOT_RUN
    }
}

/// The object for a source on which there is nothing to do.
pub(crate) fn nothing(scope: &Scope) -> serde_json::Value {
    let task = |task: &mesh_core::task::Task| {
        let (state, reason) = match &task.eligibility {
            Eligibility::Satisfied { .. } => ("satisfied", "was done before".to_owned()),
            Eligibility::NotOurs { reason } | Eligibility::Faulty { reason } => {
                ("waiting", format!("is not run: {reason}"))
            }
            Eligibility::Open | Eligibility::Container => ("waiting", "waits".to_owned()),
        };
        serde_json::json!({ "id": task.id.as_str(), "state": state, "reason": reason, "attempts": [] })
    };
    let now = mesh_journal::Timestamp(unix_ms());
    serde_json::json!({
        "schema": 1,
        "run": null,
        "state": "done",
        "source": { "kind": scope.source.kind(), "id": scope.source.id(), "title": scope.loaded.source.title },
        "started_at": now,
        "ended_at": now,
        "concurrency": scope.policy.concurrency,
        "overlap": { "peak": 0, "mean": 0.0 },
        "makespan_seconds": null,
        "lower_bound_seconds": null,
        "tracker": { "dialect": null, "version": null, "calls": 0, "failures": 0 },
        "tasks": scope.plan.tasks().iter().map(task).collect::<Vec<_>>(),
    })
}

/// Where a run stands, a line a task.
pub(crate) fn status_lines(summary: &Summary, run_dir: &RunDir) -> Vec<String> {
    let mut lines = vec![headline(summary)];
    lines.extend(damage_line(summary));
    lines.extend(wave_line(summary));
    let width = summary
        .tasks
        .iter()
        .map(|task| task.id.chars().count())
        .max()
        .unwrap_or(0)
        .min(40);
    for task in &summary.tasks {
        lines.push(format!(
            "{:width$}  {:10} {}",
            task.id,
            task.state,
            brief(&task.reason)
        ));
        let at_work = task.attempts.last().filter(|last| last.ended_at.is_none());
        lines.extend(at_work.and_then(activity_line));
    }
    lines.extend(usage_lines(summary));
    lines.extend(limit_lines(summary));
    if !matches!(summary.state, RunState::Running | RunState::Done) {
        lines.extend(log_line(run_dir));
    }
    lines
}

/// What an agent at work did last, and what it used so far.
fn activity_line(attempt: &AttemptSummary) -> Option<String> {
    let used = attempt
        .tokens
        .map(|tokens| used_sentence(tokens, attempt.cost_usd));
    let parts: Vec<String> = attempt.activity.iter().cloned().chain(used).collect();
    (!parts.is_empty()).then(|| format!("    {}", parts.join("; ")))
}

/// What the run used, and each of its agents.
fn usage_lines(summary: &Summary) -> Vec<String> {
    let line = |name: &str, usage: &UsageSummary| {
        format!("{name}: {}", used_sentence(usage.tokens, usage.cost_usd))
    };
    let run = summary.usage.iter().map(|usage| line("used", usage));
    let agents = summary.usage_by_agent.iter();
    let agents = agents.map(|(name, usage)| line(&format!("used by {name}"), usage));
    run.chain(agents).collect()
}

/// Which accounts are at their limits.
fn limit_lines(summary: &Summary) -> Vec<String> {
    let line = |limit: &LimitSummary| {
        let state = match (&limit.until, &limit.probe, limit.left_percent) {
            (Some(until), _, _) => format!("nothing starts before {until}"),
            (None, Some(probe), _) => format!("{probe} shows whether the provider answers again"),
            (None, None, Some(left)) => format!("{left} percent left, fewer agents at once"),
            (None, None, None) => "one attempt may start".to_owned(),
        };
        let name = match limit.account.as_str() {
            "" => "limit".to_owned(),
            account => format!("limit of account {}", one_line(account)),
        };
        format!("{name}: {state}")
    };
    let clamp = summary.clamp.as_ref().map(|clamp| {
        let (left, window) = (clamp.left_percent, clamp.window);
        format!(
            "budget: {left} percent are left of the {window} window, at most {} of {} at once",
            clamp.width,
            counted(usize::from(summary.concurrency), "agent")
        )
    });
    clamp
        .into_iter()
        .chain(summary.limits.iter().map(line))
        .collect()
}

/// The wave that runs or waits to be confirmed.
fn wave_line(summary: &Summary) -> Option<String> {
    let wave = summary.wave.as_ref()?;
    let state = if wave.confirmed {
        "runs"
    } else {
        "waits to be confirmed: `mesh pick` accepts it, `mesh pick IDS` runs others"
    };
    let (number, tasks) = (wave.number, wave.tasks.join(", "));
    Some(format!("wave {number} ({tasks}) {state}"))
}

/// That the journal is not what it was, and whether what is shown is all there was.
fn damage_line(summary: &Summary) -> Option<String> {
    summary.damage.as_ref().map(|damage| {
        let shown = if damage.is_lossy {
            "; what is shown is from before that, `mesh stop` closes the run"
        } else {
            ""
        };
        format!("{}{shown}", damage.text)
    })
}

/// Where mesh itself says more. A run of the time before there was a log has none.
fn log_line(run_dir: &RunDir) -> Option<String> {
    let log = run_dir.log();
    log.exists().then(|| format!("log: {}", log.display()))
}

fn headline(summary: &Summary) -> String {
    let done = summary.tasks.iter().filter(|task| is_done(task)).count();
    let state = match summary.state {
        RunState::Running => "running",
        RunState::Pausing => "paused, running tasks finish",
        RunState::Spent => "at its budget, running tasks finish",
        RunState::Stopping => "stopping, running tasks finish",
        RunState::Interrupted => "interrupted: `mesh resume` goes on",
        RunState::Done => "done",
        // The tasks are done; what was to follow from that is not.
        RunState::Incomplete if done == summary.tasks.len() => {
            "ended, not every result landed or was taken by the tracker"
        }
        RunState::Incomplete => "ended, not all done",
    };
    format!(
        "run {}: {state}, {done} of {} done",
        summary.run,
        counted(summary.tasks.len(), "task")
    )
}

fn is_done(task: &TaskSummary) -> bool {
    matches!(task.state, "verified" | "landed" | "satisfied")
}

/// What a run did: who ran when, what came of it, where everything lies.
pub(crate) fn report_lines(summary: &Summary, run_dir: &RunDir) -> Vec<String> {
    let mut lines = vec![headline(summary)];
    lines.extend(damage_line(summary));
    lines.push(String::new());
    lines.extend(timeline::lines(summary));
    lines.push(String::new());
    let sandbox = sandbox_line(summary);
    for task in &summary.tasks {
        lines.extend(task_lines(task, sandbox.as_ref()));
    }
    lines.push(String::new());
    lines.push(figures(summary));
    lines.extend(sandbox.map(|(line, _)| line));
    lines.extend(usage_lines(summary));
    lines.extend(limit_lines(summary));
    if let Some(version) = &summary.tracker.version {
        lines.push(format!(
            "tracker: bd {version} ({}), {} calls, {} failed",
            summary.tracker.dialect.as_deref().unwrap_or("unknown"),
            summary.tracker.calls,
            summary.tracker.failures
        ));
    }
    let notes = notes::read(&run_dir.notes());
    lines.extend(notes.iter().map(|note| format!("note: {note}")));
    lines.extend(log_line(run_dir));
    lines.push(format!(
        "everything about this run: {}",
        run_dir.path().display()
    ));
    lines
}

/// Most characters of a path or a command in a line of the report.
const SHOWN_CHARS: usize = 200;

/// What the sandbox kept from the agents that were started last, and the sandbox itself; nothing when no agent was started.
fn sandbox_line(summary: &Summary) -> Option<(String, Option<String>)> {
    let attempts = summary.tasks.iter().flat_map(|task| &task.attempts);
    let last = attempts
        .filter(|attempt| attempt.agent_started_at.is_some())
        .max_by_key(|attempt| attempt.agent_started_at)?;
    let line = match &last.sandbox {
        Some(kept) => format!("sandbox: {kept}"),
        None => "sandbox: none; agents could write wherever you can".to_owned(),
    };
    Some((line, last.sandbox.clone()))
}

/// `sandbox` is that of the run, which is said once.
fn task_lines(task: &TaskSummary, sandbox: Option<&(String, Option<String>)>) -> Vec<String> {
    let mut lines = vec![format!("{}  {}", task.id, brief(&task.reason))];
    for attempt in &task.attempts {
        let mut facts = vec![format!(
            "attempt {} on {}: {}",
            attempt.number,
            attempt.slot,
            attempt.outcome.as_deref().unwrap_or("goes on")
        )];
        facts.extend(attempt.agent.iter().map(|agent| format!("by {agent}")));
        facts.extend(
            attempt
                .tokens
                .map(|tokens| used_sentence(tokens, attempt.cost_usd)),
        );
        let is_other = sandbox.is_some_and(|(_, usual)| *usual != attempt.sandbox);
        if is_other && attempt.agent_started_at.is_some() {
            let kept = attempt.sandbox.as_deref().unwrap_or("none");
            facts.push(format!("sandbox: {kept}"));
        }
        if !attempt.changed.is_empty() {
            facts.push(format!("changed {}", first_of(&attempt.changed)));
        }
        if let Some(verify) = &attempt.verify {
            let code = verify.exit_code.map_or_else(
                || "no exit code".to_owned(),
                |code| format!("exit code {code}"),
            );
            facts.push(format!(
                "proof `{}`: {code}",
                shortened(&one_line(&verify.command), SHOWN_CHARS)
            ));
        }
        if let Some(commit) = &attempt.commit {
            facts.push(format!(
                "commit {}",
                commit.chars().take(12).collect::<String>()
            ));
        }
        if let Some(workspace) = attempt
            .workspace
            .as_ref()
            .filter(|_| attempt.outcome.is_some())
        {
            facts.push(format!("kept in {}", workspace.display()));
        }
        lines.push(format!("    {}", facts.join("; ")));
        lines.extend(attempt.turns.iter().map(turn_line));
        lines.extend(quoted(attempt));
        let noticed = attempt.noticed.iter();
        lines.extend(noticed.map(|change| format!("    while it ran: {}", one_line(change))));
    }
    lines
}

fn turn_line(turn: &TurnSummary) -> String {
    let used = turn
        .usage
        .map(|usage| format!("; {}", used_sentence(usage.tokens, usage.cost_usd)));
    format!(
        "        {} by {}: {}{}",
        turn.turn,
        turn.agent,
        shortened(&one_line(&turn.outcome), SHOWN_CHARS),
        used.unwrap_or_default()
    )
}

fn used_sentence(tokens: Tokens, cost_usd: Option<f64>) -> String {
    let Tokens {
        input,
        cached_input,
        output,
    } = tokens;
    // No cost is below nothing; the cast saturates.
    let cost = cost_usd.map(|usd| format!(", {}", dollars((usd * 1e6).round() as u64)));
    let cost = cost.unwrap_or_default();
    format!("{input} tokens read ({cached_input} cached), {output} written{cost}")
}

/// The last lines of what a failed attempt's process wrote.
fn quoted(attempt: &AttemptSummary) -> Vec<String> {
    const SHOWN: usize = 10;
    let detail = attempt.failure.as_deref().unwrap_or_default();
    let lines: Vec<&str> = detail.lines().skip(1).collect();
    lines[lines.len().saturating_sub(SHOWN)..]
        .iter()
        .map(|line| format!("        {line}"))
        .collect()
}

fn first_of(paths: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = paths
        .iter()
        .take(SHOWN)
        .map(|path| shortened(&one_line(path), SHOWN_CHARS).into_owned())
        .collect::<Vec<_>>()
        .join(", ");
    if paths.len() > SHOWN {
        format!("{shown} and {} more", paths.len() - SHOWN)
    } else {
        shown
    }
}

fn figures(summary: &Summary) -> String {
    let seconds = |value: Option<f64>| {
        value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.1} s"))
    };
    let ratio = match (summary.makespan_seconds, summary.lower_bound_seconds) {
        (Some(makespan), Some(bound)) if bound > 0.0 => format!(" ({:.2} ×)", makespan / bound),
        _ => String::new(),
    };
    format!(
        "overlap: at most {} at once, {:.1} on average, of {} allowed; makespan {}, no schedule could have beaten {}{ratio}",
        counted(summary.overlap.peak as usize, "agent"),
        summary.overlap.mean,
        summary.concurrency,
        seconds(summary.makespan_seconds),
        seconds(summary.lower_bound_seconds)
    )
}
