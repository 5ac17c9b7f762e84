//! `mesh slice`: units from the steps of a plan.

use std::path::{Path, PathBuf};

use mesh_core::text::counted;
use mesh_plan::units::{Lacking, LeftOut, Unit, slice};
use serde::Serialize;

use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::helper::{Format, note_lacking, refuse_same_file, refused};
use crate::ui::shell::Shell;

/// Make units of the steps of a plan that are pending or in progress; each after those that it depends on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan: an array of steps, or an object with one under `plan` or `steps`.
    #[arg(long, value_name = "FILE")]
    input_json: PathBuf,
    /// Where the units are written too.
    #[arg(long, value_name = "FILE")]
    output_json: Option<PathBuf>,
    /// How many units are made at most.
    #[arg(long, value_name = "N")]
    max_slices: Option<usize>,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Serialize)]
struct Answer {
    command: &'static str,
    units: Vec<Unit>,
    unit_count: usize,
    left_out: Vec<LeftOut>,
    #[serde(flatten)]
    lacking: Lacking,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let path = folder.join(&args.input_json);
    let bytes = fs_err::read(&path)?;
    let slice = slice(&bytes, args.max_slices).map_err(|problems| refused(&path, &problems))?;
    let answer = Answer {
        command: "slice",
        unit_count: slice.units.len(),
        units: slice.units,
        left_out: slice.left_out,
        lacking: slice.lacking,
    };
    if let Some(output) = &args.output_json {
        let output = folder.join(output);
        refuse_same_file(("--input-json", &path), ("--output-json", &output))?;
        let mut text = serde_json::to_string_pretty(&answer)
            .map_err(|error| CommandError::new(Kind::Internal, error.to_string()))?;
        text.push('\n');
        fs_err::write(&output, text)?;
    }
    note_lacking(&answer.lacking, shell);
    let line = format!(
        "slice: {}, {} left out",
        counted(answer.unit_count, "unit"),
        counted(answer.left_out.len(), "step")
    );
    args.format.print(shell, &answer, &line)?;
    Ok(exit_code::OK)
}
