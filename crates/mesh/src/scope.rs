//! From words on the command line to a plan: finds repository and source, reads it, applies what earlier runs have done.
//!
//! Nothing here writes anything, except what the tracker's own reads write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_agent::launch;
use mesh_agent::profile::{Profile, SandboxMode};
use mesh_core::decision::Decision;
use mesh_core::event::Event;
use mesh_core::id::{LockGroup, TaskId};
use mesh_core::plan::Plan;
use mesh_core::policy::{Dispatch, Policy, Rank};
use mesh_core::state::State;
use mesh_core::task::{Eligibility, Task};
use mesh_core::text::counted;
use mesh_core::time::Millis;
use mesh_engine::{BdSetup, OpenTracker, SourceSetup, apply_results, is_ours, source_key};
use mesh_journal::layout::MeshDir;
use mesh_journal::{RunId, results};
use mesh_plan::diagnostic::Diagnostic;
use mesh_plan::epic::{self, Target, resolve_target};
use mesh_plan::file::{self, FileFormat};
use mesh_plan::source_snapshot::{SourceKind, SourceSnapshot};
use mesh_proc::env::Env;
use mesh_vcs::Backend;

use crate::config::{self, Config};
use crate::csv_wave::CsvArgs;
use crate::error::{CommandError, Kind};
use crate::run_setup;
use crate::strategy;
use crate::task_list;
use crate::tools::{self, FoundPrograms};
use crate::ui::shell::Shell;

/// What may be said about a run before it begins; the same for `plan` and `run`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ScopeArgs {
    /// An epic, beads of one epic, a plan file, a document with a task list or a wave CSV, `-` for a task list on standard input; nothing
    /// means the bead in progress, or, where there is no tracker, the plan in .codex/st-plan.jsonl or .step/st-plan.jsonl.
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// What SOURCE is, where its name does not tell.
    #[arg(long, value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(SourceKind::ALL.iter().map(|kind| kind.as_str())))]
    pub source: Option<String>,
    /// How a task list on standard input is written; without it that shows by looking at it.
    #[arg(long, value_name = "FORMAT", value_parser = ["markdown", "yaml"])]
    pub format: Option<String>,
    /// How many agents may run at once.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub concurrency: Option<u16>,
    /// How ready tasks are ordered: `default`, `makespan` or `seed`.
    #[arg(long, value_name = "RANK", value_parser = Rank::WORDS)]
    pub rank: Option<String>,
    /// When tasks start: `frontier`, each as soon as it may, or `waves`, in batches that are announced, confirmed and awaited.
    #[arg(long, value_name = "DISPATCH", value_parser = Dispatch::WORDS)]
    pub dispatch: Option<String>,
    /// Tasks that go before all others, in this order; with --dispatch waves, the first wave. Of a document with several task lists,
    /// the number of the list, 1 for the last.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub pick: Vec<String>,
    /// Only these tasks and all they need.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    pub ids: Vec<String>,
    /// Write the status of each task into the document that has the task list.
    #[arg(long)]
    pub write: bool,
    #[command(flatten)]
    pub csv: CsvArgs,
    /// Start from this revision instead of the parents of the working copy.
    #[arg(long, value_name = "REV")]
    pub base: Option<String>,
    /// The agent, by its name. Of several, with commas between them or each with its own --agent, each is used while the accounts of
    /// those before it are at their limit. A task that names its own agents gets those.
    #[arg(long, value_name = "NAMES", conflicts_with = "agent_command")]
    pub agent: Vec<String>,
    /// The agent, as a command; {prompt_file} {workspace} {task} {attempt} are filled in, the prompt is its standard input.
    #[arg(long, value_name = "TEMPLATE")]
    pub agent_command: Option<String>,
    /// How each task is worked: `direct`, by one agent, or by several that read and answer while mesh alone changes the workspace:
    /// `patch-first`, `pipeline` or `consensus`.
    #[arg(long, value_name = "STRATEGY", value_parser = strategy::WORDS)]
    pub strategy: Option<String>,
    /// What goes into the tracker's audit: `full`, `minimal` or `none`.
    #[arg(long, value_name = "LEVEL", value_parser = ["full", "minimal", "none"])]
    pub audit_level: Option<String>,
    /// Land each verified result on this bookmark or branch.
    #[arg(long, value_name = "TARGET")]
    pub land: Option<String>,
    /// Whether agents, setup and proofs run in a sandbox: `on` (where the kernel can), `require` or `off`.
    #[arg(long, value_name = "MODE", value_parser = SandboxMode::WORDS)]
    pub sandbox: Option<String>,
    /// Proof for tasks that name none.
    #[arg(long, value_name = "COMMAND")]
    pub verify: Option<String>,
    /// Run although no two tasks can ever run at the same time.
    #[arg(long)]
    pub allow_serial: bool,
    /// Accept results without any proof.
    #[arg(long)]
    pub allow_no_validation: bool,
    /// Take results of earlier runs whose commits are gone to be in the base.
    #[arg(long)]
    pub assume_landed: bool,
    /// Go on with a version of bd that nobody has tried.
    #[arg(long)]
    pub allow_untested_bd: bool,
}

/// A source that has been read and found good.
pub(crate) struct Scope {
    pub run: RunId,
    pub root: PathBuf,
    pub vcs: Backend,
    pub config: Config,
    pub tools: FoundPrograms,
    pub ours: Env,
    pub loaded: SourceSnapshot,
    pub plan: Plan,
    pub policy: Policy,
    pub source: SourceSetup,
    pub tracker: Option<OpenTracker>,
    pub base: Vec<String>,
    /// Set when somebody said how many; a run asks, a plan goes on with one.
    pub concurrency_given: bool,
    /// The task list that came in on standard input; a run that begins keeps it.
    _input: Option<task_list::Input>,
}

/// Opens the repository and its configuration.
pub(crate) fn open_repository(
    folder: &Path,
) -> Result<(Backend, Config, FoundPrograms, Env), CommandError> {
    let ours: Env = std::env::vars_os().collect();
    let variable = |name: &str| std::env::var_os(name);
    let first = tools::locate(&config::ToolPaths::default(), &variable);
    let vcs = detect(folder, &first, None, &ours)?;
    let loaded = config::load(Some(vcs.main_root()), &variable)?;
    let found = tools::locate(&loaded.config.tools, &variable);
    let root = loaded.config.workspace.root.as_deref();
    let vcs = if found == first && root.is_none() {
        vcs
    } else {
        let named = || tools::not_found_as_named(&loaded.config.tools, &variable);
        detect(folder, &found, root, &ours)
            .map_err(|error| named().into_iter().fold(error, CommandError::hint))?
    };
    Ok((vcs, loaded.config, found, ours))
}

fn detect(
    folder: &Path,
    found: &FoundPrograms,
    workspaces_root: Option<&Path>,
    ours: &Env,
) -> Result<Backend, CommandError> {
    let tools = mesh_vcs::Tools {
        jj: found.jj.clone(),
        git: found.git.clone(),
    };
    let mut setup = mesh_vcs::RepositorySetup::new(tools, ours.clone());
    setup.workspaces_root = workspaces_root.map(Path::to_path_buf);
    Ok(Backend::detect(folder, &setup)?)
}

/// Reads the source that `args` name.
pub(crate) fn read(args: &ScopeArgs, folder: &Path, run: RunId) -> Result<Scope, CommandError> {
    let (vcs, config, tools, ours) = open_repository(folder)?;
    let root = vcs.main_root().to_path_buf();
    let ids = task_ids(&args.ids, "--ids")?;
    let mut input = None;
    let (mut loaded, source, tracker) = match chosen_format(args, folder, &root)? {
        Some(format) => {
            let path = match args.sources.as_slice() {
                [only] if only == task_list::INPUT => {
                    let kept = task_list::keep_input(args, &root, &run)?;
                    let path = kept.path.clone();
                    input = Some(kept);
                    path
                }
                [] if format.kind() == SourceKind::St => st_file(&root)?,
                _ => plan_file(args, folder)?,
            };
            let (loaded, file) = task_list::read(args, format, path, folder)?;
            (loaded, SourceSetup::File(file), None)
        }
        None => {
            let (mut loaded, source, opened) =
                read_tracker(args, &root, &config, &tools, &ours, &run)?;
            if !ids.is_empty()
                && let Err(problems) = loaded.restrict(&ids)
            {
                loaded.diagnostics.extend(problems);
            }
            (loaded, source, Some(opened))
        }
    };
    let known = results::read(&MeshDir::of(&root).results())
        .map_err(|error| CommandError::new(Kind::Environment, error.to_string()))?;
    apply_results(
        &mut loaded,
        &known,
        &source_key(&source),
        &vcs,
        args.assume_landed,
    )?;
    let problems = run_setup::agent_problems(args, &config, &loaded);
    loaded.diagnostics.extend(problems);
    let plan = check(&loaded, &config.locks.capacity)?;
    let base = vcs
        .base(args.base.as_deref())?
        .iter()
        .map(|commit| commit.as_str().to_owned())
        .collect();
    if let Some(target) = args.land.as_ref().or(config.land.as_ref()) {
        vcs.target(target)?;
        if let Some(at) = vcs.checked_out_at(target)? {
            return Err(CommandError::usage(format!(
                "nothing could be landed on {target}: it is checked out in {}, and moving it would make that copy look edited",
                at.display()
            ))
            .hint("check out another branch there, as with `git switch --detach`, or name another branch"));
        }
    }
    let policy = policy(args, &config, &source, &loaded)?;
    for pick in &policy.picks {
        if plan.find(pick).is_none() {
            return Err(CommandError::usage(format!(
                "--pick names {pick}, which is not in the plan"
            )));
        }
    }
    let concurrency_given = args.concurrency.or(config.concurrency).is_some();
    Ok(Scope {
        run,
        root,
        vcs,
        config,
        tools,
        ours,
        loaded,
        plan,
        policy,
        source,
        tracker,
        base,
        concurrency_given,
        _input: input,
    })
}

/// All problems of a listing at once, or its plan.
fn check(
    loaded: &SourceSnapshot,
    capacity: &BTreeMap<LockGroup, u32>,
) -> Result<Plan, CommandError> {
    let invalid = |problems: Vec<&Diagnostic>| {
        let name = &loaded.source.id;
        let count = problems.len();
        let mut error = CommandError::new(
            Kind::PlanInvalid,
            format!("{name} cannot be run: {}", counted(count, "problem")),
        );
        let file = matches!(loaded.source.kind, SourceKind::List | SourceKind::Csv)
            .then(|| Path::new(name));
        error.hints = task_list::shown(problems, name, file);
        error
    };
    let planned = loaded.plan(capacity);
    let mut errors: Vec<&Diagnostic> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .collect();
    if let Err(problems) = &planned {
        for problem in problems.iter().filter(|problem| problem.is_error()) {
            if !errors.contains(&problem) {
                errors.push(problem);
            }
        }
    }
    match planned {
        Ok(plan) if errors.is_empty() => Ok(plan),
        _ => Err(invalid(errors)),
    }
}

/// The format of the plan file that is the source; none when the source is the tracker.
fn chosen_format(
    args: &ScopeArgs,
    folder: &Path,
    root: &Path,
) -> Result<Option<&'static dyn FileFormat>, CommandError> {
    if args.sources == [task_list::INPUT] {
        return match args.source.as_deref().and_then(SourceKind::from_word) {
            None | Some(SourceKind::List) => Ok(file::format(SourceKind::List)),
            Some(kind) => Err(CommandError::usage(format!(
                "only a task list is read from standard input, and --source says {kind}"
            ))),
        };
    }
    if let Some(kind) = args.source.as_deref().and_then(SourceKind::from_word) {
        return Ok(file::format(kind));
    }
    let by_name = |source: &str| file::by_extension(Path::new(source).extension()?.to_str()?);
    let looks_like_a_file = |source: &str| {
        by_name(source).is_some() || source.contains('/') || folder.join(source).is_file()
    };
    if args.sources.is_empty() && !has_tracker(root) && st_files(root).next().is_some() {
        return Ok(file::format(SourceKind::St));
    }
    let [only] = args.sources.as_slice() else {
        let mut sources = args.sources.iter();
        return match sources.find(|source| looks_like_a_file(source)) {
            Some(file) => Err(CommandError::usage(format!(
                "{file} looks like a plan file, and a run works one plan file and nothing else"
            ))),
            None => Ok(None),
        };
    };
    let path = folder.join(only);
    if path.is_dir() && only.contains('/') {
        return Err(CommandError::usage(format!(
            "{} is a folder; a source is a plan file, an epic or beads",
            path.display()
        )));
    }
    if !path.is_file() {
        // No tracker's id looks like this, and "there is no such issue" would send a person the wrong way.
        if looks_like_a_file(only) {
            return Err(CommandError::new(
                Kind::PlanInvalid,
                format!("there is no plan file {}", path.display()),
            ));
        }
        return Ok(None);
    }
    match by_name(only) {
        Some(format) => Ok(Some(format)),
        None => Err(CommandError::usage(format!(
            "{only} is a file whose kind its name does not tell"
        ))
        .hint("a JSONL plan ends in .jsonl, a document with a task list in .md or .yaml, a wave CSV in .csv; or say --source st, list or csv")),
    }
}

/// Whether the repository has a tracker's folder, or one is named.
fn has_tracker(root: &Path) -> bool {
    root.join(".beads").exists() || std::env::var_os("BEADS_DIR").is_some()
}

/// Where the plans of `st` lie when nobody names one.
const ST_FILES: [&str; 2] = [".codex/st-plan.jsonl", ".step/st-plan.jsonl"];

fn st_files(root: &Path) -> impl Iterator<Item = &'static str> {
    ST_FILES
        .into_iter()
        .filter(|path| root.join(path).is_file())
}

/// The plan of `st` that is there.
fn st_file(root: &Path) -> Result<PathBuf, CommandError> {
    let [first, second] = ST_FILES;
    let found: Vec<&str> = st_files(root).collect();
    match found.as_slice() {
        [only] => fs_err::canonicalize(root.join(only))
            .map_err(|error| CommandError::new(Kind::PlanInvalid, error.to_string())),
        [] => Err(CommandError::new(
            Kind::PlanInvalid,
            format!("there is no plan file: neither {first} nor {second}"),
        )
        .hint(format!(
            "make one with `uv run ~/.dotfiles/codex/skills/st/scripts/st_plan.py init --file {second}`, or name a file: `mesh run FILE`"
        ))),
        _ => Err(CommandError::usage(format!(
            "both {first} and {second} are there, and it is not clear which is meant"
        ))
        .hint(format!("name it: `mesh run {second}`"))),
    }
}

fn plan_file(args: &ScopeArgs, folder: &Path) -> Result<PathBuf, CommandError> {
    let [only] = args.sources.as_slice() else {
        return Err(CommandError::usage(
            "a plan file or a document with a task list is the only source of its run",
        ));
    };
    let path = folder.join(only);
    fs_err::canonicalize(&path)
        .map_err(|error| CommandError::new(Kind::PlanInvalid, error.to_string()))
}

type Read = (SourceSnapshot, SourceSetup, OpenTracker);

fn read_tracker(
    args: &ScopeArgs,
    root: &Path,
    config: &Config,
    tools: &FoundPrograms,
    ours: &Env,
    run: &RunId,
) -> Result<Read, CommandError> {
    let Some(program) = tools.bd.clone() else {
        return Err(
            no_bd(config, "bd was not found, and the source is a tracker").hint(
                "install beads 0.47, or 1.0.5 or newer, name it in MESH_BD, or name a plan file: a document with a task list (.md, .yaml), a plan of st (.jsonl) or a wave CSV (.csv)",
            ),
        );
    };
    let allow_untested = args.allow_untested_bd || config.tracker.allow_untested;
    let mut setup = tracker_setup(program, root, ours);
    setup.run = Some(run.to_string());
    setup.allow_untested = allow_untested;
    setup.limits = config.tracker.limits.of_calls();
    let tracker = mesh_bd::open(&setup)?;
    let listing = tracker.listing()?;
    let target = resolve_target(&args.sources, &listing.issues)
        .map_err(|problem| CommandError::new(Kind::PlanInvalid, problem.to_string()))?;
    let loaded = epic::load(&target, &listing.issues, &is_ours(&MeshDir::of(root), run));
    let ids = match &target {
        Target::Members { ids, .. } => ids.iter().map(ToString::to_string).collect(),
        Target::Epic(_) | Target::Wrap { .. } => args.ids.clone(),
    };
    let source = SourceSetup::Bd(BdSetup {
        epic: target.id().to_string(),
        ids,
        beads_dir: tracker.about().beads_dir.clone(),
        version: tracker.about().version.clone(),
        allow_untested,
    });
    let listing = Arc::new(listing);
    let opened = OpenTracker {
        tracker,
        target,
        listing,
    };
    Ok((loaded, source, opened))
}

/// That there is no bd, with the name by which it was looked for.
pub(crate) fn no_bd(config: &Config, message: &str) -> CommandError {
    let error = CommandError::new(Kind::ToolMissing, message);
    let variable = |name: &str| std::env::var_os(name);
    let named = tools::not_found_as_named(&config.tools, &variable);
    named.into_iter().fold(error, CommandError::hint)
}

/// What the tracker of the repository at `root` is opened with.
pub(crate) fn tracker_setup(program: PathBuf, root: &Path, ours: &Env) -> mesh_bd::Setup {
    let mut setup = mesh_bd::Setup::new(program, root, ours.clone());
    setup.beads_dir = std::env::var_os("BEADS_DIR")
        .map(PathBuf::from)
        .filter(|dir| dir.is_absolute());
    setup
}

fn task_ids(words: &[String], flag: &str) -> Result<Vec<TaskId>, CommandError> {
    let id = |word: &String| {
        TaskId::new(word.clone())
            .map_err(|problem| CommandError::usage(format!("{flag}: {word:?} is no id: {problem}")))
    };
    words.iter().map(id).collect()
}

fn policy(
    args: &ScopeArgs,
    config: &Config,
    source: &SourceSetup,
    loaded: &SourceSnapshot,
) -> Result<Policy, CommandError> {
    let refresh = match source {
        SourceSetup::Bd(_) => true,
        SourceSetup::File(file) => file.format.refreshes(),
    };
    let concurrency = args.concurrency.or(config.concurrency).unwrap_or(1);
    let dispatch = args
        .dispatch
        .as_deref()
        .and_then(Dispatch::from_word)
        .unwrap_or(config.dispatch);
    let picks = match task_ids(&args.pick, "--pick")? {
        _ if task_list::is_picked(source) => Vec::new(),
        // Those of waves are the whole first wave, which only a person says.
        none if none.is_empty() && dispatch == Dispatch::Frontier => begun(loaded),
        picks => picks,
    };
    Ok(Policy {
        rank: args
            .rank
            .as_deref()
            .and_then(Rank::from_word)
            .unwrap_or(config.rank),
        dispatch,
        picks,
        capacity: config.locks.capacity.clone(),
        lock_patience: config.locks.patience,
        unlabelled: config.locks.unknown,
        retries: config.retries,
        retry_mode: config.retry_mode,
        start_retries: config.start_retries,
        start_pause: config.start_pause,
        refresh,
        land: args.land.clone().or_else(|| config.land.clone()),
        allow_no_validation: args.allow_no_validation || config.allow_no_validation,
        ..Policy::with_concurrency(concurrency)
    })
}

/// What a plan file says is begun goes before all else, in the file's order.
fn begun(loaded: &SourceSnapshot) -> Vec<TaskId> {
    let Some(format) = file::format(loaded.source.kind) else {
        return Vec::new();
    };
    let status = format.status(file::Progress::Started);
    let tasks = loaded.tasks.iter().filter(|task| {
        let details = loaded.details.get(&task.id);
        task.eligibility == Eligibility::Open
            && details.is_some_and(|details| details.status == status)
    });
    tasks.map(|task| task.id.clone()).collect()
}

impl Scope {
    /// What keeps the tasks that were picked from being the first wave.
    pub fn pick_problem(&self) -> Option<String> {
        if self.policy.picks.is_empty() || self.policy.dispatch != Dispatch::Waves {
            return None;
        }
        let begun = Event::RunStarted {
            plan: self.plan.clone(),
            policy: self.policy.clone(),
        };
        let decisions = mesh_core::decide(&State::new(), Millis(0), &begun);
        decisions.into_iter().find_map(|decision| match decision {
            Decision::Refuse { reason } => Some(reason),
            _ => None,
        })
    }

    /// Refuses a plan in which no two tasks can ever run side by side; judged on all members, done ones included.
    pub fn check_parallelism(&self, allow_serial: bool) -> Result<(), CommandError> {
        // People write lists of which each task needs the one before; an epic like that is a mistake.
        let is_document = matches!(self.loaded.source.kind, SourceKind::List | SourceKind::Csv);
        let wrapped = self.tracker.as_ref().is_some_and(|open| {
            matches!(open.target, Target::Wrap { .. }) || open.listing.is_wrapper(open.target.id())
        });
        let counted = self.members();
        let members = counted.iter().filter(|&&counts| counts).count();
        if members == 0 {
            return Err(CommandError::new(
                Kind::PlanInvalid,
                format!("{} has no tasks", self.loaded.source.id),
            )
            .hint("give an epic that has children, or add tasks to the plan"));
        }
        if wrapped || allow_serial || is_document || self.plan.graph().has_parallelism(&counted) {
            return Ok(());
        }
        Err(CommandError::new(
            Kind::PlanInvalid,
            format!(
                "no two tasks of {} can ever run at the same time",
                self.loaded.source.id
            ),
        )
        .hint("split the work so that some of it is independent, or pass --allow-serial"))
    }

    /// Which tasks of the plan are work of this source: no containers, and no done blockers from outside, which are there for their
    /// commits only.
    fn members(&self) -> Vec<bool> {
        let details = &self.loaded.details;
        let member = |task: &Task| details.get(&task.id).is_none_or(|details| details.member);
        let tasks = self.plan.tasks().iter();
        tasks
            .map(|task| task.eligibility != Eligibility::Container && member(task))
            .collect()
    }

    /// Whether the source has any work, done or not.
    pub fn has_tasks(&self) -> bool {
        self.members().contains(&true)
    }

    /// The source for people: its title, or its id where it has none.
    pub fn name(&self) -> &str {
        let source = &self.loaded.source;
        if source.title.is_empty() {
            &source.id
        } else {
            &source.title
        }
    }

    /// How many tasks this run is to do.
    pub fn open_tasks(&self) -> usize {
        self.plan
            .tasks()
            .iter()
            .filter(|task| task.eligibility == Eligibility::Open)
            .count()
    }

    /// What agents will miss in their workspaces and environments, as far as it shows before they start.
    pub fn missing_for_agents(&self, profile: Option<&Profile>) -> Vec<String> {
        let withheld = profile.and_then(|profile| launch::withheld_note(profile, &self.ours));
        // A setup command may fill them; whether it does is seen in the first workspace.
        let submodules = match &self.config.workspace.setup {
            Some(_) => Vec::new(),
            None => mesh_engine::submodules(&self.root),
        };
        let is_git = self.vcs.kind() == mesh_vcs::Kind::Git;
        let empty = mesh_engine::empty_submodules_note(&submodules, is_git);
        withheld.into_iter().chain(empty).collect()
    }

    /// What is worth saying before anything starts.
    pub fn notes(&self, shell: &mut Shell) {
        let name = &self.loaded.source.id;
        for diagnostic in self
            .loaded
            .diagnostics
            .iter()
            .filter(|diagnostic| !diagnostic.is_error())
        {
            shell.note(diagnostic.in_input(name));
        }
        match self.vcs.working_copy_note() {
            Ok(Some(note)) => shell.note(format!("note: {note}")),
            Ok(None) => {}
            Err(error) => shell.note(format!(
                "note: the working copy could not be looked at: {error}"
            )),
        }
    }
}
