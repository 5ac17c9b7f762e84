//! Wave CSVs: one row a task. The columns in [`REQUIRED`] are there in every such file; others may be, and an instruction can name
//! each as `{column}`.
//!
//! Rows do not know of each other: what waits for what is said by a second table, what must not run at once by `unit_scope`.

mod dependencies;
mod format;
mod instruction;
mod output;
mod skeleton;
mod table;

pub(crate) use format::CsvFormat;
pub use format::open;
pub use output::{RowResult, RowStatus, write};
pub use skeleton::is_skeleton;
pub use table::{Cell, Table};

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;
use mesh_core::task::Task;

use crate::details::{ProofFrom, TaskDetails};
use crate::diagnostic::{self, Diagnostic, Place};
use crate::nearest;
use crate::overlap;
use crate::source_snapshot::{SourceInfo, SourceKind, SourceSnapshot};
use instruction::Instruction;

/// The columns that every wave CSV has.
pub const REQUIRED: [&str; 10] = [
    "id",
    "objective",
    "unit_scope",
    "constraints",
    "invariants",
    "proof_command",
    "delivery_mode",
    "attempt",
    "variant",
    "budget_tier",
];

/// The columns that the output has after those of the input.
pub const OUTPUT_COLUMNS: [&str; 6] = [
    "job_id",
    "item_id",
    "status",
    "attempt_count",
    "last_error",
    "result_json",
];

/// How a result is to be delivered.
const DELIVERY_MODES: [&str; 2] = ["commit_first", "patch_first"];
/// The word for a scope that nobody knows.
pub(crate) const UNKNOWN_SCOPE: &str = "unknown";
/// As the tracker has it; a row has no priority.
const PRIORITY: i32 = 2;

/// What is read.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// What messages call the file.
    pub name: &'a str,
    /// The file.
    pub bytes: &'a [u8],
    /// What is asked for each row, with `{column}` in it; the row's objective when absent.
    pub instruction: Option<&'a str>,
    /// The name and the bytes of the table that says what depends on what.
    pub dependencies: Option<(&'a str, &'a [u8])>,
}

/// A wave CSV, read.
#[derive(Debug, Clone)]
pub struct CsvDocument {
    /// The tasks, and everything that is wrong.
    pub snapshot: SourceSnapshot,
    /// The file.
    pub table: Table,
    /// The id of each row's task: that of the row, with a number behind it where a row before has the same; empty for a row without
    /// one that could be used.
    pub items: Vec<String>,
}

/// Reads a wave CSV.
#[must_use]
pub fn load(input: Input<'_>) -> CsvDocument {
    let (table, mut diagnostics) = Table::read(input.bytes);
    let is_readable = diagnostics.is_empty();
    if table.columns.is_empty() && is_readable {
        let place = Place {
            line: 1,
            column: Some(1),
        };
        diagnostics.push(Diagnostic::error("the file is empty").at(Some(place)));
    } else if is_readable {
        diagnostics.extend(missing_columns(&table));
    }
    let instruction = input.instruction.filter(|_| is_readable);
    let instruction = instruction.and_then(|text| {
        Instruction::parse(text, &table)
            .map_err(|problems| {
                let named = |problem| Diagnostic::error(format!("instruction:{problem}"));
                diagnostics.extend(problems.into_iter().map(named));
            })
            .ok()
    });
    let mut reader = Reader {
        table: &table,
        instruction,
        diagnostics,
    };
    let items = reader.items();
    let rows = table.rows.iter().zip(&items);
    let entries: Vec<(TaskDetails, Place)> = rows
        .filter_map(|(row, item)| reader.entry(row, item))
        .collect();
    let mut diagnostics = reader.diagnostics;
    let (mut needs, found) = match input.dependencies {
        Some((name, bytes)) => {
            let (needs, found) = dependencies::read(bytes, &items);
            let named = found.into_iter().map(|found| elsewhere(name, &found));
            (needs, named.collect())
        }
        None => (BTreeMap::new(), Vec::new()),
    };
    diagnostics.extend::<Vec<_>>(found);
    if table.rows.is_empty() && !diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.push(Diagnostic::error("the file has no rows"));
    }
    diagnostic::sort(&mut diagnostics);
    let mut snapshot = SourceSnapshot {
        tasks: Vec::new(),
        details: BTreeMap::new(),
        source: SourceInfo {
            kind: SourceKind::Csv,
            id: input.name.to_owned(),
            title: input.name.to_owned(),
        },
        diagnostics,
        spans: BTreeMap::new(),
    };
    let locks = overlap::locks(entries.iter().map(|(entry, _)| entry.scope.as_slice()));
    for (at, ((details, place), locks)) in entries.into_iter().zip(locks).enumerate() {
        let id = details.id.clone();
        let mut task = Task::open(id.clone());
        task.title.clone_from(&details.title);
        task.needs = needs.remove(id.as_str()).unwrap_or_default();
        task.locks = locks;
        task.priority = PRIORITY;
        let words = task.title.to_lowercase();
        task.checkpoint = words.contains("checkpoint") || words.contains("integration");
        task.tie = u32::try_from(at).unwrap_or(u32::MAX);
        snapshot.tasks.push(task);
        snapshot.spans.insert(id.clone(), place);
        snapshot.details.insert(id, details);
    }
    CsvDocument {
        snapshot,
        table,
        items,
    }
}

/// The paths of a scope, and the ids of a list: what stands between `;` or `,`.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split([';', ',', '\n'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// The paths of a scope; none when it is not known.
pub(crate) fn scope(text: &str) -> Vec<String> {
    if text.trim().eq_ignore_ascii_case(UNKNOWN_SCOPE) {
        return Vec::new();
    }
    names(text).map(str::to_owned).collect()
}

/// A problem of another file than the source.
fn elsewhere(name: &str, found: &Diagnostic) -> Diagnostic {
    let line = found.line.map_or_else(String::new, |line| {
        let column = found.column.unwrap_or(1);
        format!("{line}:{column}:")
    });
    Diagnostic::new(found.severity, format!("{name}:{line} {}", found.message))
}

fn missing_columns(table: &Table) -> Vec<Diagnostic> {
    let place = table.columns.first().map(|cell| cell.place);
    let names = || table.columns.iter().map(|column| column.text.as_str());
    let missing = REQUIRED
        .into_iter()
        .filter(|name| table.column(name).is_none());
    let found = missing.map(|name| {
        let unused = names().filter(|name| !REQUIRED.contains(name));
        let hint = nearest::nearest(name, unused);
        let hint = hint.map_or_else(String::new, |near| format!("; is `{near}` meant to be it?"));
        Diagnostic::error(format!("the column `{name}` is missing{hint}")).at(place)
    });
    let mut all: Vec<Diagnostic> = found.collect();
    for column in &table.columns {
        if OUTPUT_COLUMNS.contains(&column.text.as_str()) {
            let message = format!(
                "the output has a column `{}` of its own, and leaves this one out",
                column.text
            );
            all.push(Diagnostic::warning(message).at(Some(column.place)));
        }
    }
    all
}

struct Reader<'a> {
    table: &'a Table,
    instruction: Option<Instruction>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, cell: &Cell, message: impl Into<String>) {
        let found = Diagnostic::error(message).at(Some(cell.place));
        self.diagnostics.push(found);
    }

    fn cell<'r>(&self, row: &'r [Cell], name: &str) -> Option<&'r Cell> {
        row.get(self.table.column(name)?)
    }

    fn text<'r>(&self, row: &'r [Cell], name: &str) -> &'r str {
        self.cell(row, name).map_or("", |cell| cell.text.trim())
    }

    /// The paths of a row, each of which has to be one of the repository.
    fn scope(&mut self, row: &[Cell]) -> Vec<String> {
        let paths = scope(self.text(row, "unit_scope"));
        if let Some(cell) = self.cell(row, "unit_scope") {
            for problem in paths.iter().filter_map(|path| overlap::outside(path)) {
                self.error(cell, problem);
            }
        }
        paths
    }

    /// An id for each row: of equal ones all but the first get the lowest number that makes them different.
    fn items(&mut self) -> Vec<String> {
        let mut used: BTreeSet<String> = BTreeSet::new();
        let mut items = Vec::new();
        // Where the next free number of an id is looked for, so that many equal ones take no longer than different ones.
        let mut next: BTreeMap<&str, u32> = BTreeMap::new();
        for row in &self.table.rows {
            let Some(cell) = self.cell(row, "id") else {
                items.push(String::new());
                continue;
            };
            let id = cell.text.trim();
            if let Err(problem) = TaskId::new(id) {
                let shown = mesh_core::text::shortened(id, 60);
                let shown = shown.escape_debug();
                self.error(cell, format!("`{shown}` is no id: {problem}"));
                items.push(String::new());
                continue;
            }
            let mut item = id.to_owned();
            while !used.insert(item.clone()) {
                let number = next.entry(id).or_insert(2);
                item = format!("{id}-{number}");
                *number = number.saturating_add(1);
            }
            if item != id {
                let message = format!("a row before this one has the id {id} too: this is {item}");
                let found = Diagnostic::warning(message).at(Some(cell.place));
                self.diagnostics.push(found);
            }
            items.push(item);
        }
        items
    }

    fn entry(&mut self, row: &[Cell], item: &str) -> Option<(TaskDetails, Place)> {
        let id = TaskId::new(item).ok();
        self.check(row);
        let place = row.first()?.place;
        let objective = self.text(row, "objective");
        let title = mesh_core::text::one_line(objective);
        let described = if title == objective { "" } else { objective };
        let instruction = self.instruction.as_ref();
        let description = instruction.map_or_else(
            || described.to_owned(),
            |instruction| instruction.render(row),
        );
        let proof = self.text(row, "proof_command");
        let mut details = TaskDetails {
            id: id?,
            title,
            description,
            acceptance: String::new(),
            design: self.design(row),
            notes: self.notes(row),
            priority: PRIORITY,
            labels: Vec::new(),
            proof_from: match proof {
                "" => ProofFrom::None,
                _ => ProofFrom::ProofCommand,
            },
            proof: Some(proof.to_owned())
                .filter(|proof| !proof.is_empty())
                .into_iter()
                .collect(),
            scope: self.scope(row),
            allow_no_validation: false,
            consensus: crate::details::ConsensusLayer::default(),
            text_fingerprint: String::new(),
            status: RowStatus::Pending.as_str().to_owned(),
            assignee: None,
            parents: BTreeSet::new(),
            member: true,
        };
        details.text_fingerprint = details.compute_fingerprint();
        Some((details, place))
    }

    fn check(&mut self, row: &[Cell]) {
        if let Some(cell) = self.cell(row, "objective")
            && cell.text.trim().is_empty()
        {
            self.error(cell, "`objective` is empty: nothing is to be done");
        }
        if let Some(cell) = self.cell(row, "delivery_mode") {
            let word = cell.text.trim();
            if !word.is_empty() && !DELIVERY_MODES.contains(&word) {
                let hint = nearest::hint(word, DELIVERY_MODES);
                let shown = mesh_core::text::shortened(word, 40);
                let shown = shown.escape_debug();
                let known = DELIVERY_MODES.join("` or `");
                self.error(
                    cell,
                    format!("`delivery_mode` is `{known}`, not `{shown}`{hint}"),
                );
            }
        }
        if let Some(cell) = self.cell(row, "attempt") {
            let word = cell.text.trim();
            let is_number = word.parse::<u32>().is_ok_and(|number| number > 0);
            if !word.is_empty() && !is_number {
                let shown = mesh_core::text::shortened(word, 40);
                let shown = shown.escape_debug();
                self.error(
                    cell,
                    format!("`attempt` is a whole number from 1 on, not `{shown}`"),
                );
            }
        }
    }

    /// What holds while the work is done.
    fn design(&self, row: &[Cell]) -> String {
        let part = |title: &str, column: &str| {
            let text = self.text(row, column);
            let lines = text.split(';').map(str::trim);
            let lines = lines.filter(|line| !line.is_empty());
            let lines: Vec<String> = lines.map(|line| format!("- {line}")).collect();
            (!lines.is_empty()).then(|| format!("{title}:\n{}", lines.join("\n")))
        };
        let parts = [
            part("Constraints", "constraints"),
            part("Invariants", "invariants"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join("\n\n")
    }

    /// The columns that are not required, as they are.
    fn notes(&self, row: &[Cell]) -> String {
        let cells = self.table.columns.iter().zip(row);
        let others = cells.filter(|(column, cell)| {
            !REQUIRED.contains(&column.text.as_str()) && !cell.text.trim().is_empty()
        });
        let lines: Vec<String> = others
            .map(|(column, cell)| format!("{}: {}", column.text, cell.text.trim()))
            .collect();
        lines.join("\n")
    }
}

#[cfg(test)]
#[path = "csv_test.rs"]
mod tests;
