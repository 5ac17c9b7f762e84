//! Task lists as people write them: a Markdown list, or a YAML list of maps, alone in a file or somewhere in a longer document.
//!
//! What is a task list is said by its fields: each task has an `id`, a `status` and `depends_on`. Nothing is invented: a list that lacks
//! one of them is refused with every place where something is missing. [`read`] finds all lists of a document; [`choose`] takes one.

mod draft;
mod field;
mod format;
mod markdown;
mod prose;
mod tasks;
mod yaml;

pub use crate::overlap::covers;

pub use draft::draft;
pub(crate) use format::ListFormat;
pub use format::open;

use std::collections::BTreeMap;
use std::ops::Range;

use mesh_core::id::TaskId;

use crate::diagnostic::{Diagnostic, Place};
use crate::file::{MOST_BYTES, TOO_LARGE};
use crate::source_snapshot::SourceSnapshot;

/// A document, read.
#[derive(Debug, Clone)]
pub struct ListDocument {
    /// The task lists in it, in its order.
    pub lists: Vec<TaskList>,
    /// Lists in it whose items have none of the fields, with how many items each has.
    plain: Vec<(Place, usize)>,
    problems: Vec<Diagnostic>,
}

/// One task list.
#[derive(Debug, Clone)]
pub struct TaskList {
    /// Where it begins.
    pub place: Place,
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// What it holds, and everything that is wrong with it.
    pub snapshot: SourceSnapshot,
    /// Where the status of each task stands in the document, in bytes.
    pub statuses: Vec<(TaskId, Range<usize>)>,
}

impl TaskList {
    /// The list as it stands in the document `text`, with these statuses in place of those of before.
    #[must_use]
    pub fn with_statuses(&self, text: &str, statuses: &BTreeMap<TaskId, &str>) -> String {
        let mut list = text.get(self.range.clone()).unwrap_or_default().to_owned();
        let mut places: Vec<&(TaskId, Range<usize>)> = self.statuses.iter().collect();
        // From the end, so that those before stay where they are.
        places.sort_by_key(|(_, place)| std::cmp::Reverse(place.start));
        for (task, place) in places {
            let Some(status) = statuses.get(task) else {
                continue;
            };
            let inner = place
                .start
                .checked_sub(self.range.start)
                .zip(place.end.checked_sub(self.range.start));
            if let Some((start, end)) = inner
                && list.get(start..end).is_some_and(|word| !word.is_empty())
            {
                list.replace_range(start..end, status);
            }
        }
        list
    }
}

/// What the caller wants of several lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choice<'a> {
    /// The list's number, 1 for the last of the document.
    pub pick: Option<usize>,
    /// It has all these tasks.
    pub ids: &'a [TaskId],
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Markdown, with lists somewhere in it.
    Markdown,
    /// One list of maps.
    Yaml,
}

/// Whether a document without a name is one list in YAML: its first line that says something begins an item, a map or the list, and
/// it can be read as such.
#[must_use]
pub fn is_yaml(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text
        .lines()
        .map(|line| line.trim_start_matches('\u{feff}').trim());
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let begins =
        first.is_some_and(|line| line == "---" || line == "tasks:" || line.starts_with(['-', '[']));
    begins && read("", bytes, Format::Yaml).lists.len() == 1
}

/// Reads a document. `name` is what messages call it.
#[must_use]
pub fn read(name: &str, bytes: &[u8], format: Format) -> ListDocument {
    if bytes.len() > MOST_BYTES {
        return ListDocument {
            lists: Vec::new(),
            plain: Vec::new(),
            problems: vec![Diagnostic::error(TOO_LARGE)],
        };
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        let lines = Lines::new(&String::from_utf8_lossy(&bytes[..valid]));
        let problem = Diagnostic::error("this is not UTF-8").at(Some(lines.place(valid)));
        return ListDocument {
            lists: Vec::new(),
            plain: Vec::new(),
            problems: vec![problem],
        };
    };
    let lines = Lines::new(text);
    let found = match format {
        Format::Markdown => markdown::lists(text),
        Format::Yaml => vec![markdown::Found::Yaml(markdown::Maps {
            range: 0..text.len(),
            yaml: text.to_owned(),
            titles: Vec::new(),
        })],
    };
    let mut document = ListDocument {
        lists: Vec::new(),
        plain: Vec::new(),
        problems: Vec::new(),
    };
    for list in found {
        let (range, items) = match list {
            markdown::Found::Yaml(maps) => match yaml::items(&maps) {
                Ok(items) => (maps.range, items),
                Err(problem) => {
                    let at = lines.place(problem.at);
                    document
                        .problems
                        .push(Diagnostic::error(problem.message).at(Some(at)));
                    continue;
                }
            },
            markdown::Found::Items(range, items) => (range, items),
        };
        let place = lines.place(range.start);
        if items.iter().any(field::Item::has_required_field) {
            let (snapshot, mut statuses) = tasks::load(name, &items, &lines, place);
            // Only a word that stands there is ever written over.
            for (id, place) in &mut statuses {
                let word = text.get(place.clone()).unwrap_or_default().to_lowercase();
                if word != snapshot.details[id].status {
                    place.end = place.start;
                }
            }
            document.lists.push(TaskList {
                place,
                range,
                snapshot,
                statuses,
            });
        } else if !items.is_empty() {
            document.plain.push((place, items.len()));
        }
    }
    document
}

/// The list that is meant.
///
/// # Errors
/// There is none, or it is not clear which; the messages say how to go on.
pub fn choose(document: ListDocument, choice: Choice<'_>) -> Result<TaskList, Vec<Diagnostic>> {
    if !document.problems.is_empty() {
        return Err(document.problems);
    }
    let has_all = |list: &TaskList| {
        let details = &list.snapshot.details;
        choice.ids.iter().all(|id| details.contains_key(id))
    };
    if document.lists.is_empty() {
        return Err(vec![none(&document)]);
    }
    let (mut fitting, others): (Vec<TaskList>, Vec<TaskList>) =
        document.lists.into_iter().partition(has_all);
    if fitting.is_empty() {
        let ids: Vec<&str> = choice.ids.iter().map(TaskId::as_str).collect();
        let first = Diagnostic::error(format!("no task list has all of {}", ids.join(", ")));
        return Err(std::iter::once(first).chain(candidates(&others)).collect());
    }
    let count = fitting.len();
    match choice.pick {
        Some(number) if (1..=count).contains(&number) => Ok(fitting.swap_remove(count - number)),
        None if count == 1 => Ok(fitting.swap_remove(0)),
        Some(number) => {
            let first = Diagnostic::error(format!("there is no task list {number}"));
            Err(std::iter::once(first).chain(candidates(&fitting)).collect())
        }
        None => {
            let how = if need_each_other(&fitting) {
                ", and tasks of one need those of another: make one list of them, without headings or lines between, or choose one with \
                 `--pick N`"
            } else {
                ": choose one with `--pick N`, or with `--ids` of which only one has all"
            };
            let first = Diagnostic::error(format!("the document holds {count} task lists{how}"));
            Err(std::iter::once(first).chain(candidates(&fitting)).collect())
        }
    }
}

/// Whether a task of one list needs one that only another list has.
fn need_each_other(lists: &[TaskList]) -> bool {
    let has = |list: &TaskList, need: &TaskId| list.snapshot.details.contains_key(need);
    lists.iter().any(|list| {
        let mut needs = list.snapshot.tasks.iter().flat_map(|task| &task.needs);
        needs.any(|need| !has(list, need) && lists.iter().any(|other| has(other, need)))
    })
}

/// The lists by number, the last of the document first.
fn candidates(lists: &[TaskList]) -> impl Iterator<Item = Diagnostic> {
    const SHOWN: usize = 8;
    lists.iter().rev().enumerate().map(|(at, list)| {
        let tasks = &list.snapshot.tasks;
        let mut ids: Vec<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
        let more = if ids.len() > SHOWN {
            ids.truncate(SHOWN);
            ", …"
        } else {
            ""
        };
        Diagnostic::error(format!("{}: {}{more}", at + 1, ids.join(", "))).at(Some(list.place))
    })
}

fn none(document: &ListDocument) -> Diagnostic {
    match document.plain.first() {
        Some((place, count)) => {
            let items = if *count == 1 { "item" } else { "items" };
            Diagnostic::error(format!(
                "this list of {count} {items} is no task list: each task has an `id`, a `status` and `depends_on`; `mesh draft` writes \
                 a draft that has them"
            ))
            .at(Some(*place))
        }
        None => Diagnostic::error(
            "there is no task list: a Markdown list or a YAML list of maps whose items have `id`, `status` and `depends_on`",
        ),
    }
}

/// Where lines begin.
pub(crate) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Lines {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines {
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Place {
            line: number(line.max(1)),
            column: Some(number(offset - start + 1)),
        }
    }
}

#[cfg(test)]
#[path = "list_test.rs"]
mod tests;
