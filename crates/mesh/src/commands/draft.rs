//! `mesh draft`: a task list from a plain one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use mesh_plan::list;

use crate::error::{CommandError, Kind};
use crate::exit_code;

/// Print a plain list of a document as a task list: ids by position, every status `todo`, no dependencies.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The document.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

pub(crate) fn run(args: &Args, folder: &Path) -> Result<u8, CommandError> {
    let path = folder.join(&args.file);
    let text = fs_err::read_to_string(&path)?;
    let Some(draft) = list::draft(&text) else {
        return Err(CommandError::new(
            Kind::PlanInvalid,
            format!("{} holds no list to draft from", path.display()),
        )
        .hint("a list in Markdown whose items have no `id`, `status` or `depends_on`"));
    };
    // A reader that has gone away is no error of ours.
    let _ = std::io::stdout().write_all(draft.as_bytes());
    Ok(exit_code::OK)
}
