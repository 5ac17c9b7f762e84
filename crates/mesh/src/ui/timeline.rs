//! Who ran when, as text: a row a slot, a letter an attempt.

use std::collections::BTreeMap;

use mesh_journal::summary::{AttemptSummary, Summary, TaskSummary};

/// Columns of the time axis.
const WIDTH: usize = 60;

/// The timeline of a run, or nothing when no agent executed. Each attempt is drawn as a bar with its task's id inside, cut to fit.
pub(crate) fn lines(summary: &Summary) -> Vec<String> {
    let mut bars: Vec<(&TaskSummary, &AttemptSummary, u64, u64)> = Vec::new();
    for task in &summary.tasks {
        for attempt in &task.attempts {
            if let Some(from) = attempt.agent_started_at {
                let to = attempt.ended_at.map_or(from.0, |to| to.0.max(from.0));
                bars.push((task, attempt, from.0, to));
            }
        }
    }
    let (Some(start), Some(end)) = (
        bars.iter().map(|bar| bar.2).min(),
        bars.iter().map(|bar| bar.3).max(),
    ) else {
        return Vec::new();
    };
    let span = (end - start).max(1);
    let column = |at: u64| usize::try_from((at - start) * (WIDTH as u64 - 1) / span).unwrap_or(0);
    let mut rows: BTreeMap<(usize, &str), Vec<char>> = BTreeMap::new();
    for (task, attempt, from, to) in bars {
        let row = rows
            .entry((attempt.slot.len(), &attempt.slot))
            .or_insert_with(|| vec![' '; WIDTH]);
        draw(
            row,
            column(from),
            column(to).max(column(from)),
            task,
            attempt,
        );
    }
    let label = rows.keys().map(|(length, _)| *length).max().unwrap_or(0);
    let mut lines: Vec<String> = rows
        .into_iter()
        .map(|((_, slot), row)| {
            format!(
                "{slot:label$} |{}",
                row.into_iter().collect::<String>().trim_end()
            )
        })
        .collect();
    let seconds = format!("{:.1} s", span as f64 / 1000.0);
    lines.push(format!("{:label$} 0{seconds:>width$}", "", width = WIDTH));
    lines
}

fn draw(row: &mut [char], from: usize, to: usize, task: &TaskSummary, attempt: &AttemptSummary) {
    let good = attempt.outcome.as_deref() == Some("verified");
    for cell in &mut row[from..=to] {
        *cell = if good { '=' } else { 'x' };
    }
    let name = if attempt.number > 1 {
        format!("{}#{}", task.id, attempt.number)
    } else {
        task.id.clone()
    };
    // The first cell stays a mark, so that two bars in a row can be told apart.
    if let Some(first) = row.get_mut(from) {
        *first = '[';
    }
    for (cell, letter) in row[from..=to].iter_mut().skip(1).zip(name.chars()) {
        *cell = letter;
    }
}
