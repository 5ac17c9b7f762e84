//! Task lists as a plan file: only the words of the statuses are ever replaced, and every other byte stays as it is.

use std::path::Path;

use super::{Choice, Format, TaskList};
use crate::diagnostic::Diagnostic;
use crate::file::{Edit, FileFormat, Progress, Record, Selection};
use crate::source_snapshot::{SourceKind, SourceSnapshot};

/// The format `list`.
pub(crate) struct ListFormat;

/// Reads the document `name` and takes the list that is meant.
///
/// # Errors
/// There is none, or it is not clear which; the messages say how to go on.
pub fn open(name: &str, bytes: &[u8], selection: &Selection) -> Result<TaskList, Vec<Diagnostic>> {
    let format = match Path::new(name).extension().and_then(|end| end.to_str()) {
        Some("yaml" | "yml") => Format::Yaml,
        _ => Format::Markdown,
    };
    let choice = Choice {
        pick: selection.pick,
        ids: &selection.task_ids(),
    };
    let mut chosen = super::choose(super::read(name, bytes, format), choice)?;
    selection.restrict(&mut chosen.snapshot);
    Ok(chosen)
}

impl FileFormat for ListFormat {
    fn kind(&self) -> SourceKind {
        SourceKind::List
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["md", "markdown", "yaml", "yml"]
    }

    fn load(
        &self,
        name: &str,
        bytes: &[u8],
        selection: &Selection,
    ) -> Result<SourceSnapshot, Vec<Diagnostic>> {
        open(name, bytes, selection).map(|list| list.snapshot)
    }

    fn status(&self, progress: Progress) -> &'static str {
        match progress {
            Progress::Started => "doing",
            Progress::Verified => "done",
            Progress::Failed | Progress::Question => "blocked",
            Progress::Released => "todo",
        }
    }

    fn is_given_up(&self, status: &str) -> bool {
        status == "cancelled"
    }

    fn record(
        &self,
        name: &str,
        bytes: &[u8],
        selection: &Selection,
        record: &Record<'_>,
    ) -> Result<Option<Edit>, String> {
        if !selection.write {
            return Ok(None);
        }
        if !record.sets_status {
            return Ok(Some(Edit::None));
        }
        let list = open(name, bytes, selection)
            .map_err(|problems| crate::diagnostic::in_one_line(&problems, name))?;
        let place = list.statuses.iter().find(|(id, _)| id == record.task);
        let place = place.map(|(_, place)| place.clone());
        let mut text = std::str::from_utf8(bytes)
            .map_err(|error| error.to_string())?
            .to_owned();
        let Some(place) =
            place.filter(|place| text.get(place.clone()).is_some_and(|word| !word.is_empty()))
        else {
            return Err(format!(
                "the status of {} is not written as one word",
                record.task
            ));
        };
        let status = self.status(record.progress);
        if text[place.clone()] == *status {
            return Ok(Some(Edit::None));
        }
        text.replace_range(place, status);
        Ok(Some(Edit::Replace(text.into_bytes())))
    }
}
