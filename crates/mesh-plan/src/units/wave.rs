//! Units to a wave: those that may run at once.

use std::collections::BTreeSet;

use super::document::Document;
use super::{Lacking, LeftOut, Unit};
use crate::csv;
use crate::diagnostic::{self, Diagnostic};
use crate::overlap;

/// What [`wave`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    /// How many units there were.
    pub units_in: usize,
    /// The ids of those that were taken.
    pub selected: Vec<String>,
    /// Units that are not in the wave.
    pub left_out: Vec<LeftOut>,
    /// What those in the wave lack.
    pub lacking: Lacking,
    /// The wave as CSV.
    pub csv: Vec<u8>,
}

/// Takes, in their order, units that depend on nothing that is still to be done and whose scopes do not overlap, at most `most`.
///
/// A unit whose scope is not known is taken all the same: two of them may well change the same files, which the caller is told.
/// If they were held to overlap, a plan without scopes would go one unit at a time.
///
/// # Errors
/// Everything that is wrong with the form of the document.
pub fn wave(bytes: &[u8], most: usize) -> Result<Wave, Vec<Diagnostic>> {
    let (mut document, entries) = Document::read(bytes, &["units"], false)?;
    let mut units: Vec<Unit> = Vec::new();
    let mut left_out = Vec::new();
    let mut ids: BTreeSet<String> = BTreeSet::new();
    for (number, entry) in entries.iter().enumerate() {
        let id = document.text(entry, "id").unwrap_or_default();
        let objective = document.text(entry, "objective").unwrap_or_default();
        let mut unit = document.unit(entry, id.trim().to_owned(), objective);
        unit.depends_on = document.texts(entry, "depends_on");
        let reason = if unit.id.is_empty() {
            unit.id = format!("entry {}", number + 1);
            Some("it has no id")
        } else if !ids.insert(unit.id.clone()) {
            Some("a unit before it has the same id")
        } else if unit.objective.trim().is_empty() {
            Some("it has no objective")
        } else {
            None
        };
        match reason {
            None => units.push(unit),
            Some(reason) => left_out.push(LeftOut {
                id: unit.id,
                reason: reason.to_owned(),
            }),
        }
    }
    if !document.problems.is_empty() {
        diagnostic::sort(&mut document.problems);
        return Err(document.problems);
    }
    let mut chosen: Vec<(&Unit, Vec<String>)> = Vec::new();
    for unit in &units {
        let scope = csv::scope(&unit.unit_scope);
        match obstacle(unit, &scope, &chosen, &ids, most) {
            None => chosen.push((unit, scope)),
            Some(reason) => left_out.push(LeftOut {
                id: unit.id.clone(),
                reason,
            }),
        }
    }
    let header = csv::REQUIRED.map(str::to_owned).to_vec();
    let rows = chosen.iter().map(|(unit, _)| unit.row());
    Ok(Wave {
        units_in: entries.len(),
        selected: chosen.iter().map(|(unit, _)| unit.id.clone()).collect(),
        lacking: Lacking::of(chosen.iter().map(|(unit, _)| *unit)),
        csv: csv::write(std::iter::once(header).chain(rows)),
        left_out,
    })
}

/// What keeps the unit out of the wave of those that are chosen.
fn obstacle(
    unit: &Unit,
    scope: &[String],
    chosen: &[(&Unit, Vec<String>)],
    ids: &BTreeSet<String>,
    most: usize,
) -> Option<String> {
    if let Some(need) = unit.depends_on.first() {
        let shown = mesh_core::text::shortened(need, 60);
        return Some(if ids.contains(need) {
            format!("it depends on {shown}, which is not done")
        } else {
            format!("it depends on {shown}, which is none of the units")
        });
    }
    let overlapping = chosen.iter().find_map(|(other, theirs)| {
        let (own, their) = overlap::first_overlap(scope, theirs)?;
        let id = &other.id;
        Some(format!("its scope {own} overlaps with {their} of {id}"))
    });
    overlapping.or_else(|| {
        let count = mesh_core::text::counted(most, "unit");
        (chosen.len() >= most).then(|| format!("the wave has {count} already"))
    })
}
