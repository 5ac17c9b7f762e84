//! `mesh formulas`: what a run pours into the tracker. `check` asks the tracker's own program whether it can; `install` copies them to
//! where people pour from, and overwrites nothing that was changed.

use std::path::Path;

use mesh_bd::{BdError, Tracker};
use mesh_plan::formula::{self, Formula};
use serde::Serialize;

use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::scope;
use crate::ui::shell::Shell;

/// Look at the formulas of a run's molecule, or install them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ask bd whether it can make molecules of them; or copy them into the tracker's folder of formulas.
    #[arg(value_enum)]
    pub what: What,
    /// Overwrite files that were changed.
    #[arg(long)]
    pub force: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Let bd cook them without writing anything.
    Check,
    /// Copy them into `.beads/formulas`.
    Install,
}

#[derive(Serialize)]
struct FormulasObject {
    schema: u32,
    formulas: Vec<FormulaObject>,
}

#[derive(Serialize)]
struct FormulaObject {
    name: &'static str,
    /// `built-in`, or the file.
    place: String,
    /// `ok`, `refused`, `installed`, `unchanged` or `changed`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let (vcs, config, tools, ours) = scope::open_repository(folder)?;
    let Some(program) = tools.bd.clone() else {
        return Err(
            scope::no_bd(&config, "bd was not found, and formulas are for it")
                .hint("install beads 1.0.5 or newer, or name it in MESH_BD"),
        );
    };
    let mut setup = scope::tracker_setup(program, vcs.main_root(), &ours);
    setup.allow_untested = config.tracker.allow_untested;
    let tracker = mesh_bd::open(&setup)?;
    let installed = tracker.about().beads_dir.join("formulas");
    let formulas = match args.what {
        What::Check => check(&*tracker, &installed)?,
        What::Install => install(&installed, args.force)?,
    };
    for one in &formulas {
        let reason = one.reason.as_ref().map(|reason| format!(": {reason}"));
        let reason = reason.unwrap_or_default();
        shell.line(format!(
            "{}  {}  ({}){reason}",
            one.name, one.result, one.place
        ));
    }
    let is_bad = |one: &FormulaObject| matches!(one.result, "refused" | "changed");
    let is_changed = formulas.iter().any(|one| one.result == "changed");
    let code = match formulas.iter().any(is_bad) {
        true => exit_code::PLAN_INVALID,
        false => exit_code::OK,
    };
    if args.json {
        shell.object(&FormulasObject {
            schema: 1,
            formulas,
        })?;
    }
    if is_changed {
        shell.note("files that were changed are left as they are; --force overwrites them");
    }
    Ok(code)
}

/// Cooks the built-in ones, and those that are installed, which bd takes instead.
fn check(tracker: &dyn Tracker, installed: &Path) -> Result<Vec<FormulaObject>, CommandError> {
    let aside = tempfile::tempdir()?;
    let mut all = Vec::new();
    for formula in formula::ALL {
        let built_in = aside.path().join(formula.file_name);
        fs_err::write(&built_in, formula.text)?;
        all.push(cook(tracker, formula, &built_in, "built-in".to_owned())?);
        let file = installed.join(formula.file_name);
        if file.is_file() {
            all.push(cook(tracker, formula, &file, file.display().to_string())?);
        }
    }
    Ok(all)
}

fn cook(
    tracker: &dyn Tracker,
    formula: Formula,
    file: &Path,
    place: String,
) -> Result<FormulaObject, CommandError> {
    let (result, reason) = match tracker.cook(file) {
        Ok(()) => match lacks(formula, &fs_err::read_to_string(file)?) {
            Some(reason) => ("refused", Some(reason)),
            None => ("ok", None),
        },
        Err(BdError::Failed { text, .. }) => ("refused", Some(text)),
        Err(error) => return Err(error.into()),
    };
    Ok(FormulaObject {
        name: formula.name,
        place,
        result,
        reason,
    })
}

/// What a run needs of a formula and `text` does not have: a run that is taken up finds its molecule by the run's id.
fn lacks(formula: Formula, text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let ours: serde_json::Value = serde_json::from_str(formula.text).ok()?;
    let step_of = |json: &serde_json::Value| {
        let found_by = json["steps"].as_array()?.iter().rev();
        let mut found_by = found_by.filter(|step| {
            let id = step["id"].as_str();
            id == Some("validate-target") || id == Some("arm")
        });
        found_by.next()?["title"].as_str().map(str::to_owned)
    };
    let wanted = step_of(&ours)?;
    match step_of(&json) {
        Some(title) if title == wanted => None,
        _ => Some(format!(
            "no step has the title \"{wanted}\", by which a run finds it again"
        )),
    }
}

fn install(folder: &Path, force: bool) -> Result<Vec<FormulaObject>, CommandError> {
    fs_err::create_dir_all(folder)?;
    let one = |formula: &Formula| {
        let file = folder.join(formula.file_name);
        let result = match fs_err::read_to_string(&file) {
            Ok(text) if text == formula.text => "unchanged",
            Ok(_) if !force => "changed",
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CommandError::new(Kind::Environment, error.to_string()));
            }
            Ok(_) | Err(_) => {
                fs_err::write(&file, formula.text)?;
                "installed"
            }
        };
        Ok(FormulaObject {
            name: formula.name,
            place: file.display().to_string(),
            result,
            reason: None,
        })
    };
    formula::ALL.iter().map(one).collect()
}
