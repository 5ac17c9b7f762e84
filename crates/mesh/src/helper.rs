//! What the helper commands share. They have the names, flags, defaults and fields of an earlier program, and start no agent.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use mesh_core::clamp::Percent;
use mesh_core::text::{counted, one_line};
use mesh_plan::diagnostic::Diagnostic;
use mesh_plan::units::Lacking;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{CommandError, Kind};
use crate::task_list;
use crate::ui::shell::Shell;

/// What `--help` says of these commands, which it lists apart from the others.
pub(crate) const HELP: &str = "Helper commands, compatible with mesh.zig (`mesh COMMAND --help`):
  budget     Say how many agents may run at once with what is left of the budget
  plan-sync  Count the steps of a plan by status
  slice      Make units of the steps of a plan
  wave       Write the units that may run at once as a wave CSV
  run-csv    Check a wave CSV and prepare its output
  ledger     Keep what has occurred of a ledger
  replay     Say in which waves ready units would run";

/// What is printed.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Format {
    /// `json`: one object; anything else: one line of text.
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: String,
}

impl Format {
    /// Whether stdout is kept for one JSON object.
    pub fn is_json(&self) -> bool {
        self.format == "json"
    }

    /// Prints the object, or the line.
    ///
    /// # Errors
    /// The object cannot be written as JSON.
    pub fn print(
        &self,
        shell: &mut Shell,
        object: &impl Serialize,
        line: &str,
    ) -> Result<(), CommandError> {
        if self.is_json() {
            return shell.object(object);
        }
        shell.line(one_line(line));
        Ok(())
    }
}

/// A share in percent; beyond 0 and 100 it is one of these.
///
/// # Errors
/// A fragment that says what it must be.
pub(crate) fn percent(text: &str) -> Result<Percent, String> {
    let number: f64 = text
        .trim()
        .trim_end_matches('%')
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
        .ok_or("it must be a number from 0 to 100, such as 41 or 25.1")?;
    // In this range the number of ten-thousandths fits.
    let ten_thousandths = (number.clamp(0.0, 100.0) * 10_000.0).round();
    Ok(Percent::from_ten_thousandths(ten_thousandths as u32))
}

/// The percentage with four decimals, as these commands always print it.
pub(crate) fn four_decimals(percent: Percent) -> Box<RawValue> {
    let number = u32::from(percent);
    let text = format!("{}.{:04}", number / 10_000, number % 10_000);
    RawValue::from_string(text).expect("digits around a point are JSON")
}

/// An input that cannot be used, with each problem and the line it is about.
pub(crate) fn refused<'a>(
    path: &Path,
    problems: impl IntoIterator<Item = &'a Diagnostic>,
) -> CommandError {
    let name = path.display().to_string();
    let mut error = CommandError::new(
        Kind::PlanInvalid,
        format!("{name} cannot be used as it is; nothing was written"),
    );
    error.hints = task_list::shown(problems, &name, Some(path));
    error
}

/// Refuses an output that is the input.
///
/// # Errors
/// Both paths lead to one file.
pub(crate) fn refuse_same_file(
    (input_flag, input): (&str, &Path),
    (output_flag, output): (&str, &Path),
) -> Result<(), CommandError> {
    let identity = |path: &Path| {
        let metadata = fs_err::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let is_same = identity(input).is_some_and(|input| identity(output) == Some(input));
    if !is_same && input != output {
        return Ok(());
    }
    Err(CommandError::usage(format!(
        "{input_flag} and {output_flag} are the same file: {}",
        input.display()
    ))
    .hint(format!("name another file with {output_flag}")))
}

/// Says what units lack.
pub(crate) fn note_lacking(lacking: &Lacking, shell: &mut Shell) {
    let count = |ids: &[String]| counted(ids.len(), "unit");
    if !lacking.without_scope.is_empty() {
        shell.note(format!(
            "note: {} without a scope: nothing keeps them apart, and they may change the same files; `unit_scope` names paths",
            count(&lacking.without_scope)
        ));
    }
    if !lacking.without_proof.is_empty() {
        shell.note(format!(
            "note: {} without `proof_command`: nothing shows that they are done",
            count(&lacking.without_proof)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_as_people_write_them() {
        for (text, shown) in [
            ("41", "41.0000"),
            ("25.1", "25.1000"),
            ("33%", "33.0000"),
            ("-4", "0.0000"),
            ("100.5", "100.0000"),
            ("1e1", "10.0000"),
            ("31.66666", "31.6667"),
        ] {
            let percent = percent(text).expect(text);
            assert_eq!(four_decimals(percent).get(), shown, "{text}");
        }
        for wrong in ["", "nan", "inf", "ten", "1,5"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
