//! `mesh run-csv`: a wave CSV is checked and its output prepared; nothing is run.

use std::path::{Path, PathBuf};

use mesh_core::text::counted;
use mesh_plan::csv;
use serde::Serialize;

use crate::csv_wave::refuse_to_overwrite;
use crate::error::CommandError;
use crate::exit_code;
use crate::helper::{Format, refuse_same_file, refused};
use crate::ui::shell::Shell;

/// Check a wave CSV and prepare its output, in which every row is queued. `mesh run FILE` works it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The wave CSV.
    #[arg(long, value_name = "FILE")]
    csv_path: PathBuf,
    /// The output; a file that holds more than a prepared output is never overwritten.
    #[arg(long, value_name = "FILE")]
    output_csv_path: PathBuf,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Serialize)]
struct Answer<'a> {
    command: &'static str,
    row_count: usize,
    csv_path: &'a Path,
    output_csv_path: &'a Path,
    status: &'static str,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let path = folder.join(&args.csv_path);
    let output = folder.join(&args.output_csv_path);
    refuse_same_file(("--csv-path", &path), ("--output-csv-path", &output))?;
    let bytes = fs_err::read(&path)?;
    let name = args.csv_path.display().to_string();
    let document = csv::load(csv::Input {
        name: &name,
        bytes: &bytes,
        instruction: None,
        dependencies: None,
    });
    let diagnostics = &document.snapshot.diagnostics;
    if document.snapshot.has_errors() {
        return Err(refused(&path, diagnostics));
    }
    for found in diagnostics {
        shell.note(found.in_input(&name));
    }
    refuse_to_overwrite(&output, "--output-csv-path")?;
    fs_err::write(&output, document.skeleton())?;
    let answer = Answer {
        command: "run_csv",
        row_count: document.table.rows.len(),
        csv_path: &args.csv_path,
        output_csv_path: &args.output_csv_path,
        status: "prepared",
    };
    let line = format!(
        "run_csv: {} checked, {} prepared",
        counted(answer.row_count, "row"),
        args.output_csv_path.display()
    );
    args.format.print(shell, &answer, &line)?;
    Ok(exit_code::OK)
}
