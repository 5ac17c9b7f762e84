//! What is handed back: the columns that were given, and what came of each row.

use super::{CsvDocument, OUTPUT_COLUMNS};

/// What came of a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowResult {
    /// Where the row stands.
    pub status: RowStatus,
    /// How many attempts there were.
    pub attempt_count: u32,
    /// Why the last one was not accepted; empty when it was, or there was none.
    pub last_error: String,
    /// The result as JSON; empty when there is none.
    pub result_json: String,
}

/// Where a row stands, by the words of the batch tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowStatus {
    /// Nothing was accepted, and nothing runs.
    #[default]
    Pending,
    /// An attempt is under way.
    Running,
    /// A result was accepted.
    Completed,
    /// It was tried, and no result was accepted.
    Failed,
}

impl RowStatus {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RowStatus::Pending => "pending",
            RowStatus::Running => "running",
            RowStatus::Completed => "completed",
            RowStatus::Failed => "failed",
        }
    }
}

impl CsvDocument {
    /// The output of the job `job`: each row as it was given, with what `result` says of it by its place among the rows. A column
    /// of the input that has the name of one of the output's is left out.
    #[must_use]
    pub fn output(&self, job: &str, result: impl Fn(usize) -> RowResult) -> Vec<u8> {
        let columns = &self.table.columns;
        let is_kept = |at: &usize| !OUTPUT_COLUMNS.contains(&columns[*at].text.as_str());
        let kept: Vec<usize> = (0..columns.len()).filter(is_kept).collect();
        let header = kept.iter().map(|at| columns[*at].text.as_str());
        let header = header.chain(OUTPUT_COLUMNS).map(str::to_owned).collect();
        let rows = self.table.rows.iter().zip(&self.items).enumerate();
        let rows = rows.map(|(number, (row, item))| {
            let result = result(number);
            let given = kept
                .iter()
                .map(|at| row.get(*at).map_or("", |cell| cell.text.as_str()));
            let made = [
                job,
                item,
                result.status.as_str(),
                &result.attempt_count.to_string(),
                &result.last_error,
                &result.result_json,
            ];
            given.chain(made).map(str::to_owned).collect()
        });
        write(std::iter::once(header).chain(rows))
    }
}

/// Records as CSV.
#[must_use]
pub fn write(records: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(Vec::new());
    for record in records {
        writer
            .write_record(&record)
            .expect("a vector takes all that is written to it");
    }
    writer
        .into_inner()
        .expect("a vector takes all that is written to it")
}
