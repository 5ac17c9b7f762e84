//! The output that is prepared before anybody works: a row for each task, and nothing known of it.

use super::{CsvDocument, Table, write};

const COLUMNS: [&str; 5] = ["id", "decision", "proof_status", "failure_code", "notes"];
/// What stands behind the id.
const NOTHING_KNOWN: [&str; 4] = ["queued", "pending", "", ""];

impl CsvDocument {
    /// The output to begin with.
    #[must_use]
    pub fn skeleton(&self) -> Vec<u8> {
        let header = COLUMNS.map(str::to_owned).to_vec();
        let rows = self.items.iter().map(|item| {
            let cells = std::iter::once(item.as_str()).chain(NOTHING_KNOWN);
            cells.map(str::to_owned).collect()
        });
        write(std::iter::once(header).chain(rows))
    }
}

/// Whether a file holds an output to begin with and nothing else, so that nothing is lost with it.
#[must_use]
pub fn is_skeleton(bytes: &[u8]) -> bool {
    let (table, problems) = Table::read(bytes);
    let columns = table.columns.iter().map(|cell| cell.text.as_str());
    let is_untouched = |row: &Vec<super::Cell>| {
        let cells = row.iter().skip(1).map(|cell| cell.text.as_str());
        cells.eq(NOTHING_KNOWN)
    };
    problems.is_empty() && columns.eq(COLUMNS) && table.rows.iter().all(is_untouched)
}
