//! `mesh wave`: the units that may run at once, as a wave CSV.

use std::path::{Path, PathBuf};

use mesh_core::text::counted;
use mesh_plan::units::{Lacking, LeftOut, wave};
use serde::Serialize;

use crate::error::CommandError;
use crate::exit_code;
use crate::helper::{Format, note_lacking, refuse_same_file, refused};
use crate::ui::shell::Shell;

/// Write the units that may run at once as a wave CSV: those that depend on nothing that is still to be done, and whose scopes do
/// not overlap.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The units, as `mesh slice` gives them.
    #[arg(long, value_name = "FILE")]
    units_json: PathBuf,
    /// Where the wave is written.
    #[arg(long, value_name = "FILE")]
    csv_path: PathBuf,
    /// How many units the wave has at most.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    max_active: u32,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Serialize)]
struct Answer<'a> {
    command: &'static str,
    units_in: usize,
    units_selected: usize,
    csv_path: &'a Path,
    selected: Vec<String>,
    left_out: Vec<LeftOut>,
    #[serde(flatten)]
    lacking: Lacking,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let path = folder.join(&args.units_json);
    let output = folder.join(&args.csv_path);
    let bytes = fs_err::read(&path)?;
    let most = usize::try_from(args.max_active).unwrap_or(usize::MAX);
    let wave = wave(&bytes, most).map_err(|problems| refused(&path, &problems))?;
    refuse_same_file(("--units-json", &path), ("--csv-path", &output))?;
    fs_err::write(&output, &wave.csv)?;
    note_lacking(&wave.lacking, shell);
    let line = format!(
        "wave: {} of {} in {}; {} left out",
        wave.selected.len(),
        counted(wave.units_in, "unit"),
        args.csv_path.display(),
        wave.left_out.len()
    );
    let answer = Answer {
        command: "wave",
        units_in: wave.units_in,
        units_selected: wave.selected.len(),
        csv_path: &args.csv_path,
        selected: wave.selected,
        left_out: wave.left_out,
        lacking: wave.lacking,
    };
    args.format.print(shell, &answer, &line)?;
    Ok(exit_code::OK)
}
