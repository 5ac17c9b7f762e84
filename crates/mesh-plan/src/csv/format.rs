//! Wave CSVs as a plan file: the file itself is never written; what came of its rows goes into the output.

use super::{CsvDocument, Input, RowStatus, load};
use crate::diagnostic::Diagnostic;
use crate::file::{Edit, FileFormat, Progress, Record, Selection};
use crate::source_snapshot::{SourceKind, SourceSnapshot};

/// The format `csv`.
pub(crate) struct CsvFormat;

/// Reads the file `name`, with the tasks that are meant.
#[must_use]
pub fn open(name: &str, bytes: &[u8], selection: &Selection) -> CsvDocument {
    let dependencies = selection.dependencies.as_ref();
    let mut document = load(Input {
        name,
        bytes,
        instruction: selection.instruction.as_deref(),
        dependencies: dependencies.map(|file| (file.name.as_str(), file.text.as_bytes())),
    });
    selection.restrict(&mut document.snapshot);
    document
}

impl FileFormat for CsvFormat {
    fn kind(&self) -> SourceKind {
        SourceKind::Csv
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn load(
        &self,
        name: &str,
        bytes: &[u8],
        selection: &Selection,
    ) -> Result<SourceSnapshot, Vec<Diagnostic>> {
        Ok(open(name, bytes, selection).snapshot)
    }

    fn status(&self, progress: Progress) -> &'static str {
        let status = match progress {
            Progress::Started => RowStatus::Running,
            Progress::Verified => RowStatus::Completed,
            Progress::Failed | Progress::Question => RowStatus::Failed,
            Progress::Released => RowStatus::Pending,
        };
        status.as_str()
    }

    fn is_given_up(&self, _status: &str) -> bool {
        false
    }

    fn record(
        &self,
        _name: &str,
        _bytes: &[u8],
        _selection: &Selection,
        _record: &Record<'_>,
    ) -> Result<Option<Edit>, String> {
        Ok(None)
    }
}
