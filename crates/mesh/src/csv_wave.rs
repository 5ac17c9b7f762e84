//! Wave CSVs: what is said beside the file, and the output with what came of each row.

use std::io;
use std::path::{Path, PathBuf};

use mesh_core::id::TaskId;
use mesh_core::text::shortened;
use mesh_engine::{FileSetup, SourceSetup};
use mesh_journal::RunId;
use mesh_journal::layout::RunDir;
use mesh_journal::summary::{AttemptSummary, Summary, TaskSummary};
use mesh_plan::csv::{self, RowResult, RowStatus};
use mesh_plan::file::Dependencies;
use mesh_plan::source_snapshot::SourceKind;
use serde_json::json;

use crate::error::CommandError;
use crate::helper::refuse_same_file;

/// What may be said beside a wave CSV.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct CsvArgs {
    /// Write what came of each row of a wave CSV into this file: its columns, and job_id, item_id, status, attempt_count, last_error,
    /// result_json.
    #[arg(long, value_name = "FILE")]
    output_csv: Option<PathBuf>,
    /// What is asked for each row of a wave CSV, or a file with it: `{column}` is filled in, `{{` and `}}` are braces.
    #[arg(long, value_name = "TEXT|@FILE")]
    instruction: Option<String>,
    /// A table that says what depends on what in a wave CSV: id, depends_on, interactive_lead.
    #[arg(long, value_name = "FILE")]
    deps_csv: Option<PathBuf>,
}

impl CsvArgs {
    /// Takes what was said into the selection of the file.
    ///
    /// # Errors
    /// It is no CSV, a file cannot be read, or the output would be written over an input or over what somebody else wrote.
    pub fn select(&self, file: &mut FileSetup, folder: &Path) -> Result<(), CommandError> {
        let given = [
            ("--output-csv", self.output_csv.is_some()),
            ("--instruction", self.instruction.is_some()),
            ("--deps-csv", self.deps_csv.is_some()),
        ];
        let given = given.into_iter().find(|(_, is_given)| *is_given);
        if let Some((flag, _)) = given
            && file.format.kind() != SourceKind::Csv
        {
            let kind = file.format.kind();
            return Err(CommandError::usage(format!(
                "{flag} is for a wave CSV, and the source is of the kind {kind}"
            )));
        }
        file.selection.instruction = match &self.instruction {
            Some(text) => Some(match text.strip_prefix('@') {
                Some(path) => fs_err::read_to_string(folder.join(path))?,
                None => text.clone(),
            }),
            None => None,
        };
        if let Some(path) = &self.deps_csv {
            file.selection.dependencies = Some(Dependencies {
                name: path.display().to_string(),
                text: fs_err::read_to_string(folder.join(path))?,
            });
        }
        if let Some(output) = &self.output_csv {
            let output = folder.join(output);
            refuse_same_file(("the source", &file.path), ("--output-csv", &output))?;
            if let Some(deps) = &self.deps_csv {
                let deps = folder.join(deps);
                refuse_same_file(("--deps-csv", &deps), ("--output-csv", &output))?;
            }
            refuse_to_overwrite(&output, "--output-csv")?;
            file.selection.output = Some(output);
        }
        Ok(())
    }
}

/// Refuses an output that holds more than what was prepared for nobody's results yet.
///
/// # Errors
/// It does, or it cannot be read.
pub(crate) fn refuse_to_overwrite(output: &Path, flag: &str) -> Result<(), CommandError> {
    let there = match fs_err::read(output) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if there.is_empty() || csv::is_skeleton(&there) {
        return Ok(());
    }
    Err(CommandError::usage(format!(
        "{} holds more than a prepared output, and is not overwritten",
        output.display()
    ))
    .hint(format!(
        "name another file with {flag}, or move this one away"
    )))
}

/// Writes the output where nothing is left to be run.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_done(source: &SourceSetup, run: &RunId, done: &[&TaskId]) -> io::Result<()> {
    let written = output(source, run.as_str(), |item| RowResult {
        status: match done.iter().any(|task| task.as_str() == item) {
            true => RowStatus::Completed,
            false => RowStatus::Pending,
        },
        ..RowResult::default()
    })?;
    written.map_or(Ok(()), |(path, text)| fs_err::write(path, text))
}

/// Writes the output of a run that begins, in which every row is pending: where that cannot be written, nothing is started.
///
/// # Errors
/// It cannot be written.
pub(crate) fn prepare_output(source: &SourceSetup, run: &RunId) -> io::Result<()> {
    write_done(source, run, &[])
}

/// Writes what came of each row so far, if the source of the run is a wave CSV with an output. What somebody else wrote there since the
/// run began is left alone.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_output(run_dir: &RunDir, summary: &Summary) -> io::Result<()> {
    let header = mesh_journal::read_header(&run_dir.journal());
    let setup = header.ok();
    let Some(setup) = setup.and_then(|header| mesh_engine::read_setup(&header).ok()) else {
        return Ok(());
    };
    let written = output(&setup.source, &summary.run, |item| {
        let task = summary.tasks.iter().find(|task| task.id == item);
        row_result(task)
    })?;
    let Some((path, text)) = written else {
        return Ok(());
    };
    // What this run wrote last is kept beside its journal; before, only the rows that wait for their results were there.
    let kept = run_dir.path().join("output.csv");
    let there = match fs_err::read(&path) {
        Ok(there) => Some(there),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let last = match fs_err::read(&kept) {
        Ok(last) => last,
        Err(_) => {
            let prepared = output(&setup.source, &summary.run, |_| RowResult::default())?;
            prepared.map(|(_, text)| text).unwrap_or_default()
        }
    };
    fs_err::write(&kept, &text)?;
    if there.is_some_and(|there| there != last && there != text) {
        return Err(io::Error::other(format!(
            "{} was changed by somebody else since the run began, and is left as it is; the results of the run are in {}",
            path.display(),
            kept.display()
        )));
    }
    fs_err::write(path, text)
}

/// The path of the output, and its text, if the source is a wave CSV with one.
fn output(
    source: &SourceSetup,
    job: &str,
    result: impl Fn(&str) -> RowResult,
) -> io::Result<Option<(PathBuf, Vec<u8>)>> {
    let SourceSetup::File(file) = source else {
        return Ok(None);
    };
    let Some(output) = &file.selection.output else {
        return Ok(None);
    };
    let bytes = fs_err::read(&file.path)?;
    let document = csv::open(&file.name(), &bytes, &file.selection);
    let text = document.output(job, |row| {
        result(document.items.get(row).map_or("", String::as_str))
    });
    Ok(Some((output.clone(), text)))
}

/// What came of a row; one that the run did not have is pending.
fn row_result(task: Option<&TaskSummary>) -> RowResult {
    let attempts = task.map_or(&[] as &[AttemptSummary], |task| &task.attempts);
    let last = attempts.last();
    let status = match task.map(|task| task.state) {
        Some("verified" | "landed" | "satisfied") => RowStatus::Completed,
        Some("failed" | "question") => RowStatus::Failed,
        Some("starting" | "running" | "verifying") => RowStatus::Running,
        _ => RowStatus::Pending,
    };
    let last_error = match (status, task) {
        (RowStatus::Failed, Some(task)) => task.reason.clone(),
        _ => String::new(),
    };
    let result_json = match (status, task, last) {
        (RowStatus::Completed | RowStatus::Failed, Some(task), Some(last)) => {
            result_json(task, last, status == RowStatus::Completed)
        }
        _ => String::new(),
    };
    RowResult {
        status,
        attempt_count: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        last_error,
        result_json,
    }
}

/// The result by the contract of such files: what was decided, what the proof said, and of what is not accepted one failure code.
fn result_json(task: &TaskSummary, last: &AttemptSummary, is_accepted: bool) -> String {
    let decision = match (is_accepted, last.changed.is_empty()) {
        (true, true) => "no_diff",
        (true, false) => "accept",
        (false, _) => "reject",
    };
    let proof_status = match last.verify.as_ref().map(|proof| proof.exit_code) {
        Some(Some(0)) => "pass",
        Some(_) => "fail",
        None => "skipped",
    };
    let mut result = json!({
        "id": task.id,
        "decision": decision,
        "proof_status": proof_status,
        "commit": last.commit,
        "changed": last.changed,
    });
    if !is_accepted {
        let outcome = last.outcome.as_deref().unwrap_or_default();
        result["failure_code"] = json!(failure_code(outcome));
        result["notes"] = json!(shortened(&task.reason, 400));
    }
    result.to_string()
}

/// The failure code of an outcome.
fn failure_code(outcome: &str) -> &'static str {
    match outcome {
        "missing-proof" => "proof_missing",
        "no-result" | "no-change" | "crashed" | "flood" => "invalid_output_schema",
        "scope" => "scope_overlap_conflict",
        "hung" => "timeout_retry_exhausted",
        "question" => "requires_clarification",
        "verify-failed" | "secret" => "safety_regression_risk",
        "conflict" | "stray-commits" | "not-recorded" | "not-recordable" | "claim-lost" => {
            "delivery_blocked"
        }
        _ => "tooling_unavailable",
    }
}
