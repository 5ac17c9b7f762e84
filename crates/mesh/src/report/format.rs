//! The final reports of the earlier programs of this name, from what the journal says. What did not occur stands in none of them.

use mesh_core::text::{counted, one_line};
use mesh_journal::summary::{AttemptSummary, Summary, TaskSummary, VerifySummary};
use mesh_plan::learnings::{self, Learning};
use serde_json::{Map, Value, json};

use super::is_done;
use crate::commands::ledger::has_occurred;
use crate::error::CommandError;
use crate::task_list;
use crate::ui::shell::Shell;
use mesh_engine::RunSetup;

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportFormat {
    /// Summary, files by task, commands and results, telemetry, and the updated task list.
    #[value(alias = "003")]
    List,
    /// Final states, attempts, validation, what was written into the plan, and learnings.
    #[value(alias = "004")]
    Swarm,
    /// What occurred, as one JSON object.
    #[value(alias = "000")]
    Ledger,
}

/// Shows the run in this form.
///
/// # Errors
/// The object cannot be written.
pub(crate) fn show(
    format: ReportFormat,
    summary: &Summary,
    setup: Option<&RunSetup>,
    shell: &mut Shell,
) -> Result<(), CommandError> {
    let lines = match format {
        ReportFormat::List => list(summary, setup),
        ReportFormat::Swarm => swarm(summary, setup),
        ReportFormat::Ledger => return shell.object(&ledger(summary, setup)),
    };
    lines.iter().for_each(|line| shell.line(line));
    Ok(())
}

/// A title and what is below it; nothing when nothing is.
fn section(title: &str, lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().map(|line| format!("- {line}")).collect();
    if !lines.is_empty() {
        lines.insert(0, title.to_owned());
        lines.push(String::new());
    }
    lines
}

fn list(summary: &Summary, setup: Option<&RunSetup>) -> Vec<String> {
    let mut lines = section("Execution summary", outline(summary));
    let files = summary.tasks.iter().filter_map(|task| {
        let changed = &result(task)?.changed;
        (!changed.is_empty()).then(|| format!("{}: {}", task.id, one_line(&changed.join(", "))))
    });
    lines.extend(section("Files modified by task", files));
    lines.extend(section("Commands run and results", commands(summary)));
    lines.extend(section(
        "Worker telemetry",
        summary.tasks.iter().filter_map(telemetry),
    ));
    lines.extend(setup.and_then(|setup| task_list::updated(setup, summary)));
    lines
}

/// Completed, issues, blocked.
fn outline(summary: &Summary) -> Vec<String> {
    let of_kind = |word: &str, wanted: fn(&TaskSummary) -> bool| {
        let tasks = summary.tasks.iter().filter(|task| wanted(task));
        let named = tasks.map(|task| match is_done(task) {
            true => task.id.clone(),
            false => format!("{} ({})", task.id, first_line(&task.reason)),
        });
        let named: Vec<String> = named.collect();
        (!named.is_empty()).then(|| format!("{word}: {}", named.join(", ")))
    };
    let lines = [
        of_kind("completed", is_done),
        of_kind("issues", is_issue),
        of_kind("blocked", |task| !is_done(task) && !is_issue(task)),
    ];
    lines.into_iter().flatten().collect()
}

fn is_issue(task: &TaskSummary) -> bool {
    matches!(task.state, "failed" | "question")
}

/// The attempt whose result counts.
fn result(task: &TaskSummary) -> Option<&AttemptSummary> {
    let last = task.attempts.last()?;
    is_done(task).then_some(last)
}

/// Every proof that ran, and how it ended.
fn commands(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    for task in &summary.tasks {
        for attempt in &task.attempts {
            let ran = attempt.verify.iter();
            lines.extend(ran.map(|verify| {
                let id = (&task.id, attempt.number);
                format!(
                    "{}#{}: `{}`: {}",
                    id.0,
                    id.1,
                    one_line(&verify.command),
                    outcome(verify)
                )
            }));
        }
    }
    lines
}

fn outcome(verify: &VerifySummary) -> String {
    match verify.exit_code {
        Some(0) => "passed (exit code 0)".to_owned(),
        Some(code) => format!("failed (exit code {code})"),
        None => "did not end by itself".to_owned(),
    }
}

/// Attempts of a task, how each ended, and how long it took.
fn telemetry(task: &TaskSummary) -> Option<String> {
    let one = |attempt: &AttemptSummary| {
        let took = attempt.ended_at.map(|ended| {
            let ms = ended.0.saturating_sub(attempt.started_at.0);
            format!(" after {}.{} s", ms / 1000, ms % 1000 / 100)
        });
        format!(
            "#{} on {} {}{}",
            attempt.number,
            attempt.slot,
            attempt.outcome.as_deref().unwrap_or("goes on"),
            took.unwrap_or_default()
        )
    };
    let attempts: Vec<String> = task.attempts.iter().map(one).collect();
    (!attempts.is_empty()).then(|| {
        format!(
            "{}: {}; {}: {}",
            task.id,
            task.state,
            counted(attempts.len(), "attempt"),
            attempts.join(", ")
        )
    })
}

/// The votes of a task's last attempt, if there were any.
fn votes(task: &TaskSummary) -> String {
    let turns = task.attempts.last().map(|attempt| attempt.turns.as_slice());
    let votes = || {
        let turns = turns.unwrap_or_default().iter();
        turns.filter_map(|turn| turn.outcome.strip_prefix("vote: "))
    };
    match votes().count() {
        0 => String::new(),
        all => {
            let agree = votes().filter(|vote| *vote == "agree").count();
            format!(", {agree} of {} agree", counted(all, "vote"))
        }
    }
}

fn swarm(summary: &Summary, setup: Option<&RunSetup>) -> Vec<String> {
    let attempted = || {
        summary
            .tasks
            .iter()
            .filter(|task| !task.attempts.is_empty())
    };
    let mut lines = section(
        "Tasks attempted",
        attempted().map(|task| {
            let word = plan_word(task);
            format!("{}: {word} ({})", task.id, first_line(&task.reason))
        }),
    );
    lines.extend(section(
        "Consensus telemetry",
        attempted().map(|task| {
            let attempts = counted(task.attempts.len(), "attempt");
            format!("{}: {attempts}{}", task.id, votes(task))
        }),
    ));
    lines.extend(section("Validation", commands(summary)));
    if summary.source.kind.as_deref() == Some("st") {
        let written = attempted().map(|task| match plan_word(task) {
            "pending"
                if task
                    .attempts
                    .iter()
                    .any(|attempt| attempt.outcome.is_none()) =>
            {
                format!("{}: in_progress", task.id)
            }
            word => format!("{}: in_progress, {word}", task.id),
        });
        lines.extend(section("Plan mutations", written));
    }
    let learned = learned(summary, setup);
    lines.extend(section(
        "Learnings",
        learned
            .iter()
            .map(|learning| format!("{}: {}", learning.id, one_line(&learning.learning))),
    ));
    if let (false, Some(source)) = (summary.tasks.iter().all(is_done), &summary.source.id) {
        lines.push(format!("`mesh run {source}` runs what is ready next."));
    }
    lines
}

/// The word of the plan for where the task is.
fn plan_word(task: &TaskSummary) -> &'static str {
    match task.state {
        _ if is_done(task) => "completed",
        "failed" | "question" => "blocked",
        _ => "pending",
    }
}

/// What the run has taught, as far as it is still in the file.
fn learned(summary: &Summary, setup: Option<&RunSetup>) -> Vec<Learning> {
    let file = setup.map(|setup| mesh_engine::learnings_file(&setup.repository));
    let bytes = file.and_then(|file| mesh_engine::read_learnings(&file).ok());
    let (records, _) = learnings::read(&bytes.unwrap_or_default());
    let is_ours = |learning: &Learning| {
        let context = learning.context.as_ref();
        context.and_then(|context| context.run.as_deref()) == Some(&summary.run)
    };
    records.into_iter().filter(is_ours).collect()
}

fn ledger(summary: &Summary, setup: Option<&RunSetup>) -> Value {
    let ids = |wanted: &dyn Fn(&TaskSummary) -> bool| -> Vec<&str> {
        let tasks = summary.tasks.iter().filter(|task| wanted(task));
        tasks.map(|task| task.id.as_str()).collect()
    };
    let reasons = |wanted: &dyn Fn(&TaskSummary) -> bool| -> Map<String, Value> {
        let tasks = summary.tasks.iter().filter(|task| wanted(task));
        tasks
            .map(|task| (task.id.clone(), json!(first_line(&task.reason))))
            .collect()
    };
    let attempts = || summary.tasks.iter().flat_map(|task| &task.attempts);
    let proofs = |passed: bool| {
        let ran = attempts().filter_map(|attempt| attempt.verify.as_ref());
        ran.filter(|verify| verify.exit_code.is_some_and(|code| (code == 0) == passed))
            .count()
    };
    let failures: Map<String, Value> = summary
        .tasks
        .iter()
        .flat_map(|task| {
            task.attempts.iter().filter_map(|attempt| {
                let class = attempt
                    .outcome
                    .clone()
                    .filter(|_| attempt.failure.is_some())?;
                Some((format!("{}#{}", task.id, attempt.number), json!(class)))
            })
        })
        .collect();
    let commits: Map<String, Value> = summary
        .tasks
        .iter()
        .filter_map(|task| Some((task.id.clone(), json!(result(task)?.commit.as_ref()?))))
        .collect();
    let started = |task: &TaskSummary| !task.attempts.is_empty();
    let learned = learned(summary, setup);
    let events = json!({
        "run": summary.run,
        "source": { "kind": summary.source.kind, "id": summary.source.id },
        "started_at": summary.started_at,
        "ended_at": summary.ended_at,
        "max_active_units": summary.concurrency,
        "peak_active_units": summary.overlap.peak,
        "units_started": ids(&started),
        "units_completed": ids(&|task| started(task) && is_done(task)),
        "units_failed": reasons(&|task| task.state == "failed"),
        "units_not_started": reasons(&|task| !started(task) && !is_done(task)),
        "questions": reasons(&|task| task.state == "question"),
        "landed": ids(&|task| task.state == "landed"),
        "attempts": attempts().count(),
        "failures": failures,
        "proofs_passed": proofs(true),
        "proofs_failed": proofs(false),
        "commits": commits,
        "learnings": learned.iter().map(|learning| &learning.id).collect::<Vec<_>>(),
    });
    json!({ "command": "ledger", "events": occurred(events).unwrap_or_else(|| json!({})) })
}

/// What of `value` occurred, in the objects in it too.
fn occurred(value: Value) -> Option<Value> {
    let value = match value {
        Value::Object(fields) => {
            let fields = fields.into_iter();
            fields
                .filter_map(|(name, value)| Some((name, occurred(value)?)))
                .collect::<Map<String, Value>>()
                .into()
        }
        other => other,
    };
    has_occurred(&value).then_some(value)
}

fn first_line(text: &str) -> String {
    one_line(text.lines().next().unwrap_or_default())
}
