//! `mesh agents`: which agents there are, and whether one works.

use std::path::Path;

use mesh_agent::profile::Profile;
use mesh_core::id::TaskId;
use mesh_journal::layout::MeshDir;
use mesh_plan::st::{self, StItem};
use mesh_proc::env::Env;
use serde::Serialize;

use crate::agents::{self, Installed};
use crate::commands::demo;
use crate::config::{self, Config};
use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::scope::{self, ScopeArgs};
use crate::ui::shell::Shell;

/// List the agents that there are, or try one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Option<AgentsCommand>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum AgentsCommand {
    /// Have an agent work one trivial task in a temporary repository, and say what happened.
    Check(CheckArgs),
}

/// Have an agent work one trivial task in a temporary repository, and say what happened.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The agent, by its name, with a model if you like: claude, codex:gpt-5-codex.
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Serialize)]
struct Answer {
    schema: u32,
    agents: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    /// It is in the configuration, not only known by name.
    configured: bool,
    program: Option<String>,
    version: Option<String>,
    /// By which variable or file; absent when none of those that are known is there.
    login: Option<String>,
    /// What is missing or unusual, a sentence each.
    problems: Vec<String>,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let ours: Env = std::env::vars_os().collect();
    let root = scope::open_repository(folder).ok();
    let root = root.map(|(vcs, ..)| vcs.main_root().to_path_buf());
    if let Some(AgentsCommand::Check(check)) = &args.command {
        return try_one(&check.name, root.as_deref(), shell);
    }
    let loaded = config::load(root.as_deref(), &|name| std::env::var_os(name))?;
    let base = root.as_deref().unwrap_or(folder);
    let names = loaded.config.agent_names();
    let agents: Vec<Entry> = names
        .into_iter()
        .filter_map(|name| entry(&loaded.config, name, base, &ours))
        .collect();
    if args.json {
        shell.object(&Answer { schema: 1, agents })?;
        return Ok(exit_code::OK);
    }
    let width = agents.iter().map(|one| one.name.len()).max().unwrap_or(0);
    for agent in &agents {
        let (name, program) = (&agent.name, &agent.program);
        let facts = match program {
            Some(program) => {
                let version = agent.version.as_deref().unwrap_or_default();
                let login = agent.login.as_ref();
                let login = login.map(|by| format!(", logged in by {by}"));
                format!("{program} {version}{}", login.unwrap_or_default())
            }
            None => "not installed".to_owned(),
        };
        shell.line(format!("{name:width$}  {}", facts.trim_end()));
        for problem in &agent.problems {
            shell.line(format!("{:width$}  {problem}", ""));
        }
    }
    Ok(exit_code::OK)
}

fn entry(config: &Config, name: &str, base: &Path, ours: &Env) -> Option<Entry> {
    let (_, table) = config.agent(name)?;
    let configured = config.agents.contains_key(name);
    let profile = match Profile::from_config(name, &table) {
        Ok(profile) => profile,
        Err(error) => {
            return Some(Entry {
                name: name.to_owned(),
                configured,
                program: None,
                version: None,
                login: None,
                problems: vec![error.to_string()],
            });
        }
    };
    let program = profile.locate(base, ours.get("PATH"));
    let program = program.map_err(|error| error.to_string());
    let found = agents::look(&profile, &table, program, ours);
    let problems = match &found.program {
        Ok(_) => found.warnings(name, &table),
        // That a program which nobody asked for is not there is no problem.
        Err(_) if !configured => Vec::new(),
        Err(problem) => vec![problem.clone()],
    };
    let Installed {
        program,
        version,
        login,
    } = found;
    Some(Entry {
        name: name.to_owned(),
        configured,
        program: program.ok().map(|program| program.display().to_string()),
        version: version.and_then(Result::ok),
        login,
        problems,
    })
}

/// The one task that an agent is tried with.
fn trial() -> Result<Vec<u8>, CommandError> {
    let id = TaskId::new("greeting")
        .map_err(|error| CommandError::new(Kind::Internal, error.to_string()))?;
    let mut item = StItem::pending(
        id,
        "Create the file greeting.txt with the one word hello in it, and nothing else",
    );
    item.notes = "```mesh\nvalidation:\n  - grep -q hello greeting.txt\n```".to_owned();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    Ok(st::new_plan(&now.to_string(), &[item]))
}

fn try_one(name: &str, root: Option<&Path>, shell: &mut Shell) -> Result<u8, CommandError> {
    let place = tempfile::Builder::new()
        .prefix("mesh-agent-")
        .tempdir()?
        .keep();
    let place = fs_err::canonicalize(place)?;
    let repository = place.join("repository");
    demo::make_repository(
        &repository,
        &[("README.md", "A repository to try an agent in.\n")],
        "First",
    )?;
    // The agents of the repository that the person stands in are to be tried too.
    let own = root.map(|root| MeshDir::of(root).config());
    if let Some(own) = own.filter(|own| own.is_file()) {
        let config = MeshDir::of(&repository).config();
        if let Some(folder) = config.parent() {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::copy(own, config)?;
    }
    let plan = place.join("plan.jsonl");
    fs_err::write(&plan, trial()?)?;
    shell.line(format!("{name} works one task in {}", repository.display()));
    let scope_args = ScopeArgs {
        sources: vec![plan.display().to_string()],
        concurrency: Some(1),
        agent: vec![name.to_owned()],
        ..ScopeArgs::default()
    };
    let code = demo::work(&scope_args, &repository, shell)?;
    if code == exit_code::OK {
        fs_err::remove_dir_all(&place)?;
        shell.line(format!("{name} works"));
    } else {
        shell.line(format!(
            "{name} did not get it done; what it wrote: `mesh logs greeting` in {}",
            repository.display()
        ));
    }
    Ok(code)
}
