//! The second table, which says what waits for what: `id`, `depends_on`, `interactive_lead`.

use std::collections::{BTreeMap, BTreeSet};

use mesh_core::id::TaskId;

use super::names;
use super::table::{Cell, Table};
use crate::diagnostic::{self, Diagnostic};
use crate::nearest;

const REQUIRED: [&str; 2] = ["id", "depends_on"];
const LEAD: &str = "interactive_lead";

/// What each of `items` needs, and everything that is wrong with the table.
pub(super) fn read(
    bytes: &[u8],
    items: &[String],
) -> (BTreeMap<String, Vec<TaskId>>, Vec<Diagnostic>) {
    let (table, problems) = Table::read(bytes);
    let mut reading = Reading {
        items: items.iter().map(String::as_str).collect(),
        needs: BTreeMap::new(),
        problems,
    };
    for name in REQUIRED {
        if table.column(name).is_none() && reading.problems.is_empty() {
            let place = table.columns.first().map(|cell| cell.place);
            let found = Diagnostic::error(format!("the column `{name}` is missing")).at(place);
            reading.problems.push(found);
        }
    }
    for column in &table.columns {
        let name = column.text.as_str();
        if !REQUIRED.contains(&name) && name != LEAD && !name.is_empty() {
            let known = REQUIRED.into_iter().chain([LEAD]);
            let hint = nearest::hint(name, known);
            let shown = name.escape_debug();
            let message = format!("the column `{shown}` is ignored{hint}");
            let found = Diagnostic::warning(message).at(Some(column.place));
            reading.problems.push(found);
        }
    }
    for row in &table.rows {
        let cell = |name: &str| row.get(table.column(name)?);
        if let (Some(id), Some(needs)) = (cell("id"), cell("depends_on")) {
            reading.row(id, needs, cell(LEAD));
        }
    }
    diagnostic::sort(&mut reading.problems);
    (reading.needs, reading.problems)
}

struct Reading<'a> {
    items: BTreeSet<&'a str>,
    needs: BTreeMap<String, Vec<TaskId>>,
    problems: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn error(&mut self, cell: &Cell, message: String) {
        let found = Diagnostic::error(message).at(Some(cell.place));
        self.problems.push(found);
    }

    fn known(&mut self, cell: &Cell, id: &str) -> Option<TaskId> {
        if !self.items.contains(id) {
            let hint = nearest::hint(id, self.items.iter().copied());
            let shown = mesh_core::text::shortened(id, 60);
            let shown = shown.escape_debug();
            self.error(cell, format!("`{shown}` is no row of the CSV{hint}"));
            return None;
        }
        TaskId::new(id).ok()
    }

    fn row(&mut self, id: &Cell, needs: &Cell, lead: Option<&Cell>) {
        let task = self.known(id, &id.text);
        let named: Vec<TaskId> = names(&needs.text)
            .filter_map(|name| self.known(needs, name))
            .collect();
        let is_lead = lead.is_some_and(|cell| self.truth(cell));
        if is_lead && names(&needs.text).next().is_some() {
            self.error(
                needs,
                format!(
                    "`{}` is the interactive lead, which waits for nothing",
                    id.text.escape_debug()
                ),
            );
        }
        let Some(task) = task else {
            return;
        };
        let all = self.needs.entry(task.to_string()).or_default();
        for need in named {
            if need == task {
                let found = Diagnostic::error(format!("{task} depends on itself"));
                self.problems.push(found.at(Some(needs.place)));
            } else if !all.contains(&need) {
                all.push(need);
            }
        }
    }

    fn truth(&mut self, cell: &Cell) -> bool {
        match cell.text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => true,
            "" | "0" | "false" | "no" => false,
            other => {
                let shown = mesh_core::text::shortened(other, 40);
                let shown = shown.escape_debug();
                self.error(
                    cell,
                    format!("`{LEAD}` is `true` or `false`, not `{shown}`"),
                );
                false
            }
        }
    }
}
