//! `mesh doctor`: whether a run could start here, and if not, why. It looks at everything before it says anything, and changes
//! nothing, except what the tracker's own reads write.

mod checks;
mod leftovers;
mod tracker;

use std::path::{Path, PathBuf};

use mesh_journal::locks::Holder;
use serde::Serialize;

use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::sandbox::SandboxFacts;
use crate::ui::shell::Shell;

/// Check programs, repository, tracker and configuration, and say where each value comes from.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// All that was found.
#[derive(Debug, Default, Serialize)]
struct Findings {
    schema: u32,
    ok: bool,
    mesh: &'static str,
    programs: Vec<ProgramFacts>,
    system: Option<SystemFacts>,
    /// What agents of runs here would be kept from.
    sandbox: Option<SandboxFacts>,
    repository: Option<RepositoryFacts>,
    tracker: Option<TrackerFacts>,
    locks: Vec<LockFacts>,
    unfinished_run: Option<String>,
    config_files: Vec<FileFacts>,
    config: Vec<ValueFacts>,
    problems: Vec<ProblemFacts>,
}

#[derive(Debug, Serialize)]
struct ProgramFacts {
    name: &'static str,
    path: Option<PathBuf>,
    version: Option<String>,
    /// Why there is none.
    problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct SystemFacts {
    kernel: String,
    /// Whether processes can be waited for and signalled by descriptor, which everything stands on.
    pidfd: bool,
}

#[derive(Debug, Serialize)]
struct RepositoryFacts {
    kind: &'static str,
    root: PathBuf,
    store: PathBuf,
    workspaces_root: PathBuf,
    /// What there is to know about the user's working copy.
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct TrackerFacts {
    found: bool,
    path: Option<PathBuf>,
    dialect: Option<String>,
    version: Option<String>,
    /// Whether this bd is worked with.
    supported: Option<bool>,
    /// Why it is not found or not worked with.
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct LockFacts {
    key: PathBuf,
    held: bool,
    by: Option<Holder>,
}

#[derive(Debug, Serialize)]
struct FileFacts {
    path: PathBuf,
    exists: bool,
}

#[derive(Debug, Serialize)]
struct ValueFacts {
    key: String,
    value: String,
    from: String,
}

#[derive(Debug, Serialize)]
struct ProblemFacts {
    /// `error`: no run can start; `note`: some could not.
    severity: &'static str,
    message: String,
    hints: Vec<String>,
    #[serde(skip)]
    exit_code: u8,
}

impl Findings {
    fn error(&mut self, error: CommandError) {
        self.problems.push(ProblemFacts {
            severity: "error",
            exit_code: error.kind.exit_code(),
            message: error.message,
            hints: error.hints,
        });
    }

    fn note(&mut self, message: impl Into<String>) {
        self.problems.push(ProblemFacts {
            severity: "note",
            exit_code: exit_code::OK,
            message: message.into(),
            hints: Vec::new(),
        });
    }

    /// Something that a person may want to mend, and how.
    fn note_with(&mut self, message: String, hint: String) {
        self.problems.push(ProblemFacts {
            severity: "note",
            exit_code: exit_code::OK,
            message,
            hints: vec![hint],
        });
    }

    /// The code of the first error, configuration and programs before the rest.
    fn code(&self) -> u8 {
        let errors = || {
            let errors = self
                .problems
                .iter()
                .filter(|problem| problem.severity == "error");
            errors.map(|problem| problem.exit_code)
        };
        let first = [Kind::ConfigInvalid, Kind::ToolMissing]
            .into_iter()
            .map(Kind::exit_code)
            .find(|code| errors().any(|found| found == *code));
        first.or_else(|| errors().next()).unwrap_or(exit_code::OK)
    }
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let mut findings = Findings {
        schema: 1,
        mesh: env!("CARGO_PKG_VERSION"),
        ..Findings::default()
    };
    checks::at_everything(folder, &mut findings);
    let code = findings.code();
    findings.ok = code == exit_code::OK;
    if args.json {
        shell.object(&findings)?;
    } else {
        for line in lines(&findings) {
            shell.line(line);
        }
    }
    Ok(code)
}

fn lines(findings: &Findings) -> Vec<String> {
    let mut lines = vec![format!("mesh {}", findings.mesh)];
    for program in &findings.programs {
        lines.push(program_line(program));
    }
    if let Some(system) = &findings.system {
        let pidfd = if system.pidfd {
            "works"
        } else {
            "does not work"
        };
        lines.push(format!("kernel: {}, pidfd {pidfd}", system.kernel));
    }
    lines.extend(
        findings
            .sandbox
            .iter()
            .flat_map(|facts| facts.lines.clone()),
    );
    if let Some(repository) = &findings.repository {
        lines.push(format!(
            "repository: {} at {}, store {}, workspaces in {}",
            repository.kind,
            repository.root.display(),
            repository.store.display(),
            repository.workspaces_root.display()
        ));
        lines.extend(
            repository
                .note
                .as_ref()
                .map(|note| format!("working copy: {note}")),
        );
    }
    if let Some(tracker) = &findings.tracker {
        lines.push(tracker_line(tracker));
    }
    for lock in findings.locks.iter().filter(|lock| lock.held) {
        let by = lock.by.clone().unwrap_or_default();
        lines.push(format!("lock: {} is held by {by}", lock.key.display()));
    }
    if let Some(run) = &findings.unfinished_run {
        lines.push(format!("unfinished run: {run}"));
    }
    for file in &findings.config_files {
        let there = if file.exists { "" } else { " (not there)" };
        lines.push(format!("configuration: {}{there}", file.path.display()));
    }
    for value in &findings.config {
        lines.push(format!(
            "  {} = {}  ({})",
            value.key, value.value, value.from
        ));
    }
    for problem in &findings.problems {
        lines.push(format!("{}: {}", problem.severity, problem.message));
        lines.extend(problem.hints.iter().map(|hint| format!("  {hint}")));
    }
    lines.push(if findings.ok {
        "a run can start here".to_owned()
    } else {
        "no run can start here".to_owned()
    });
    lines
}

fn program_line(program: &ProgramFacts) -> String {
    match (&program.path, &program.problem) {
        (Some(path), _) => match &program.version {
            Some(version) => format!("{}: {version}, {}", program.name, path.display()),
            None => format!("{}: {}", program.name, path.display()),
        },
        (None, Some(problem)) => format!("{}: not found: {problem}", program.name),
        (None, None) => format!("{}: not found", program.name),
    }
}

fn tracker_line(tracker: &TrackerFacts) -> String {
    let reason = tracker.reason.as_deref().unwrap_or_default();
    match (&tracker.path, tracker.supported) {
        (_, Some(false)) => format!("tracker: {reason}"),
        (Some(path), _) => format!(
            "tracker: {}, bd {}, {} dialect",
            path.display(),
            tracker.version.as_deref().unwrap_or("unknown"),
            tracker.dialect.as_deref().unwrap_or("unknown")
        ),
        (None, _) => format!("tracker: none ({reason})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_and_programs_give_the_code_before_the_rest() {
        let mut findings = Findings::default();
        assert_eq!(findings.code(), exit_code::OK);
        findings.note("nothing that matters");
        assert_eq!(findings.code(), exit_code::OK);
        findings.error(CommandError::new(Kind::Held, "held"));
        assert_eq!(findings.code(), exit_code::HELD);
        findings.error(CommandError::new(Kind::ToolMissing, "no jj"));
        assert_eq!(findings.code(), exit_code::TOOL_MISSING);
        findings.error(CommandError::new(Kind::ConfigInvalid, "typo"));
        assert_eq!(findings.code(), exit_code::CONFIG_INVALID);
    }
}
