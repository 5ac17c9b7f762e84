//! `mesh demo`: a small repository, a small plan, a built-in agent, and then exactly what `mesh run` does.

pub(crate) mod agent;
mod cookbook;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mesh_engine::NewRun;
use mesh_journal::layout::MeshDir;
use mesh_journal::{RunId, Timestamp};
use mesh_proc::env::Env;
use mesh_proc::run::{Command, run as run_command};

use crate::commands::run::world;
use crate::error::{CommandError, Kind};
use crate::log;
use crate::opening;
use crate::report;
use crate::run_setup;
use crate::scope::{self, ScopeArgs};
use crate::ui::shell::Shell;

/// The branch that results are landed on.
const BRANCH: &str = "demo";

/// Make a small repository and work a small plan in it, with a built-in agent.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Make it here instead of in a temporary folder; must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How many agents run at once.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub concurrency: u16,
    /// Print the report as one JSON object at the end.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let place = make_place(args.dir.as_ref().map(|dir| folder.join(dir)))?;
    let repository = place.join("cookbook");
    make_repository(&repository, &cookbook::FILES, "A cookbook without recipes")?;
    git(&repository, &["branch", BRANCH])?;
    let plan = place.join("plan.jsonl");
    fs_err::write(
        &plan,
        cookbook::plan(
            &jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
        ),
    )?;
    shell.line(format!(
        "a small repository lies in {}",
        repository.display()
    ));
    shell.line(format!(
        "{} agents work the {} tasks of {}",
        args.concurrency,
        cookbook::TASKS.len(),
        plan.display()
    ));
    let program = std::env::current_exe()?;
    let scope_args = ScopeArgs {
        sources: vec![plan.display().to_string()],
        concurrency: Some(args.concurrency),
        agent_command: Some(format!("{} __demo-agent", mesh_proc::show::word(&program))),
        land: Some(BRANCH.to_owned()),
        ..ScopeArgs::default()
    };
    let code = work(&scope_args, &repository, shell)?;
    shell.line(format!(
        "the work lies on the branch {BRANCH}: git -C {} log --stat {BRANCH}",
        mesh_proc::show::word(&repository)
    ));
    Ok(code)
}

/// Works the plan that `scope_args` name in a repository that was made for it.
pub(crate) fn work(
    scope_args: &ScopeArgs,
    repository: &Path,
    shell: &mut Shell,
) -> Result<u8, CommandError> {
    let run = RunId::generate(Timestamp(mesh_engine::unix_ms()));
    let scope = scope::read(scope_args, repository, run.clone())?;
    let (agent, profile) = run_setup::agent(scope_args, &scope.config, repository)?;
    let setup = scope.setup(scope_args, agent, &profile);
    let world = world(scope.ours.clone(), shell, opening::listen()?);
    let new = NewRun {
        run: run.clone(),
        setup,
        policy: scope.policy,
        plan: scope.plan,
        loaded: scope.loaded,
        tracker: None,
    };
    let mesh_dir = MeshDir::of(&scope.root);
    log::of_run(&mesh_dir, &mesh_dir.run(&run));
    let finished = mesh_engine::begin(new, world)?;
    report::finish(&mesh_dir, &run, &finished, None, shell)
}

fn make_place(dir: Option<PathBuf>) -> Result<PathBuf, CommandError> {
    let Some(dir) = dir else {
        let made = tempfile::Builder::new().prefix("mesh-demo-").tempdir()?;
        // It is the person's to look at, so it outlives us.
        return Ok(fs_err::canonicalize(made.keep())?);
    };
    fs_err::create_dir_all(&dir)?;
    if fs_err::read_dir(&dir)?.next().is_some() {
        return Err(
            CommandError::usage(format!("{} is not empty", dir.display()))
                .hint("name a new or an empty folder"),
        );
    }
    Ok(fs_err::canonicalize(dir)?)
}

/// A repository of git with these files in one commit.
pub(crate) fn make_repository(
    repository: &Path,
    files: &[(&str, &str)],
    message: &str,
) -> Result<(), CommandError> {
    fs_err::create_dir_all(repository)?;
    for (name, text) in files {
        fs_err::write(repository.join(name), text)?;
    }
    git(repository, &["init", "--quiet", "--initial-branch=main"])?;
    git(repository, &["config", "user.name", "mesh demo"])?;
    git(repository, &["config", "user.email", "demo@localhost"])?;
    git(repository, &["config", "commit.gpgsign", "false"])?;
    git(repository, &["add", "."])?;
    git(repository, &["commit", "--quiet", "--message", message])
}

fn git(folder: &Path, args: &[&str]) -> Result<(), CommandError> {
    let missing = || {
        CommandError::new(Kind::ToolMissing, "git was not found")
            .hint("the demo needs git 2.38 or newer")
    };
    let path = std::env::var_os("PATH");
    let program = mesh_proc::find::find(OsString::from("git").as_os_str(), path.as_deref())
        .map_err(|_| missing())?;
    let env = Env::keep(&["PATH", "HOME", "LANG", "TMPDIR", "XDG_CONFIG_HOME"])
        .set("GIT_TERMINAL_PROMPT", "0");
    let command = Command::new(program)
        .args(args.iter().map(OsString::from))
        .cwd(folder)
        .env(env);
    let output = run_command(&command)
        .map_err(|error| CommandError::new(Kind::Environment, error.to_string()))?;
    if output.status.is_success() {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Environment,
        format!(
            "`{}`: {}: {}",
            command.shown(),
            output.status,
            output.stderr_text().trim()
        ),
    ))
}
