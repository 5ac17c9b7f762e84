//! `mesh run`: work a source until it is done.

use std::path::Path;

use mesh_agent::profile::{Profile, Protocol};
use mesh_core::duration::parse_span;
use mesh_core::id::TaskId;
use mesh_core::policy::{AgentAccount, Cap, Dispatch};
use mesh_core::task::Eligibility;
use mesh_core::text::{counted, one_line};
use mesh_core::time::Span;
use mesh_engine::{AgentSetup, EngineError, NewRun, OpenTracker, SourceSetup, World};
use mesh_journal::layout::{MeshDir, RunDir};
use mesh_journal::{RunId, Timestamp};
use mesh_plan::epic::Target;
use mesh_plan::source_snapshot::SourceKind;
use mesh_proc::env::Env;
use mesh_proc::shim::Launcher;
use mesh_proc::signal::Listener;

use crate::agents;
use crate::budget::BudgetArgs;
use crate::commands::run_lookup;
use crate::csv_wave;
use crate::error::CommandError;
use crate::exit_code;
use crate::inside;
use crate::log;
use crate::opening;
use crate::report::{self, ReportFormat};
use crate::run_setup;
use crate::scope::{self, Scope, ScopeArgs};
use crate::strategy::{self, Compound};
use crate::ui::progress::Progress;
use crate::ui::shell::Shell;
use crate::ui::terminal_question::TerminalQuestion;

/// What tracker and version control may take beside a setup or proof command, before a stage counts as stuck.
const SLACK: Span = Span::minutes(30);

/// Most tasks that are named when nobody is asked.
const MOST_NAMED: usize = 50;

/// Work a source until it is done.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Do not ask; needed without a terminal.
    #[arg(short, long)]
    pub yes: bool,
    /// Take a task as done that somebody else closes while the run lives. Without it such a task is reported, and nothing that
    /// needs it starts.
    #[arg(long)]
    pub trust_outside: bool,
    /// When nothing but questions is left, stay open for answers this long, such as `2h`, instead of ending with exit code 22. On a
    /// terminal they can be typed there.
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub wait_for_answers: Option<Span>,
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// The form of the report at the end: as an earlier program of this name gave it.
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    pub report_format: Option<ReportFormat>,
    /// Print the report as one JSON object at the end.
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    inside::refuse(&run_lookup::find_mesh_dir(folder)?, "run")?;
    let opening = opening::listen()?;
    let run = RunId::generate(Timestamp(mesh_engine::unix_ms()));
    let mut scope = scope::read(&args.scope, folder, run.clone())?;
    mesh_engine::refuse_beside_unfinished(&MeshDir::of(&scope.root))?;
    if scope.has_tasks() && scope.open_tasks() == 0 {
        return nothing_to_do(&scope, &run, args, shell);
    }
    scope.check_parallelism(args.scope.allow_serial)?;
    let (agent, profile) = run_setup::agent(&args.scope, &scope.config, folder)?;
    let program = run_setup::locate_agent(&agent, &profile, &scope.root, &scope.ours)?;
    let more_agents = run_setup::more_agents(&args.scope, &scope.config, &scope.plan)?;
    let found = agents::look(&profile, &agent.config, Ok(program), &scope.ours);
    let mut warnings = found.warnings(&agent.name, &agent.config);
    for more in &more_agents {
        let (agent, profile) = (&more.setup, &more.profile);
        let program = run_setup::locate_agent(agent, profile, &scope.root, &scope.ours)?;
        let found = agents::look(profile, &agent.config, Ok(program), &scope.ours);
        for warning in found.warnings(&agent.name, &agent.config) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    if scope.tracker.is_some() && scope.tools.bd_ro.is_none() {
        return Err(mesh_engine::EngineError::NO_BD_RO.into());
    }
    if scope.vcs.kind() == mesh_vcs::Kind::Jj && scope.tools.jj_rail.is_none() {
        return Err(mesh_engine::EngineError::NO_JJ_RAIL.into());
    }
    ask_concurrency(&mut scope, shell)?;
    scope.policy.budget = scope.config.budget.replaced_by(args.budget.budget());
    scope.notes(shell);
    for warning in warnings {
        shell.note(format!("note: {warning}"));
    }
    for note in scope.missing_for_agents(Some(&profile)) {
        shell.note(format!("note: {note}"));
    }
    let compound = strategy::choose(&args.scope, &scope, &agent, folder)?;
    let (agent, profile) = match &compound {
        Some(compound) => use_strategy(compound, &agent, &mut scope, shell)?,
        None => (agent, profile),
    };
    if let Some(problem) = scope.pick_problem() {
        return Err(CommandError::usage(format!(
            "the first wave cannot be what --pick says: {problem}"
        ))
        .hint("`mesh plan` shows what may run first"));
    }
    let sandbox = scope.sandbox(&args.scope, Some(&profile)).find()?;
    if let Some(warning) = sandbox.warning() {
        shell.note(format!("note: {warning}"));
    }
    confirm(&scope, args, shell)?;
    let budget = scope.policy.budget;
    scope = wrap_single_bead(scope, args, folder)?;
    scope.policy.budget = budget;
    let mut setup = scope.setup(&args.scope, agent, &profile);
    setup.repository.clone_from(&scope.root);
    let mut accounts = vec![AgentAccount {
        name: match &compound {
            Some(_) => profile.name.clone(),
            None => run_setup::first_name(&args.scope, &scope.config),
        },
        account: profile.account.clone(),
        by_name_only: false,
    }];
    let mut profiles = vec![profile.clone()];
    for more in more_agents {
        accounts.push(AgentAccount {
            name: more.name,
            account: more.profile.account.clone(),
            by_name_only: more.by_name_only,
        });
        setup.more_agents.push(more.setup);
        profiles.push(more.profile);
    }
    let mut paid = profiles.clone();
    if let Some(compound) = compound {
        setup.strategy = Some(compound.setup);
        paid = compound
            .agents
            .into_iter()
            .map(|(_, profile)| profile)
            .collect();
    }
    if let Some(note) = costless(&paid, scope.policy.budget.run) {
        shell.note(format!("note: {note}"));
    }
    let longest = |span: fn(&Profile) -> Span| profiles.iter().map(span).max().unwrap_or_default();
    let policy = mesh_core::policy::Policy {
        agents: accounts,
        start_limit: profile.limits.start,
        silence_limit: longest(|profile| profile.limits.silence),
        soft_limit: profile.limits.soft,
        preparation_limit: Span(setup.setup_limit_ms).plus(SLACK),
        // Twice: in the workspace, and in a fresh one.
        proof_limit: Span(setup.proof_limit_ms)
            .plus(Span(setup.proof_limit_ms))
            .plus(Span(setup.setup_limit_ms))
            .plus(SLACK),
        trust_outside: args.trust_outside,
        answer_wait: args.wait_for_answers,
        ask_waves: scope.policy.dispatch == Dispatch::Waves && !args.yes,
        ..scope.policy.clone()
    };
    let root = scope.root.clone();
    let mesh_dir = MeshDir::of(&root);
    csv_wave::prepare_output(&scope.source, &run)?;
    let world = asking(
        world(scope.ours.clone(), shell, opening),
        &mesh_dir.run(&run),
        shell,
    );
    let new = NewRun {
        run: run.clone(),
        setup,
        policy,
        plan: scope.plan,
        loaded: scope.loaded,
        tracker: scope.tracker,
    };
    log::of_run(&mesh_dir, &mesh_dir.run(&run));
    let finished = mesh_engine::begin(new, world).map_err(|error| {
        if matches!(error, EngineError::Journal(_)) {
            report::after_failure(&mesh_dir, &run, shell);
        }
        CommandError::from(error)
    })?;
    report::finish(&mesh_dir, &run, &finished, args.report_format, shell)
}

/// From here on the run's agent is the strategy's driver, and the agents of its roles share what may run at once.
fn use_strategy(
    compound: &Compound,
    usual: &AgentSetup,
    scope: &mut Scope,
    shell: &mut Shell,
) -> Result<(AgentSetup, Profile), CommandError> {
    for (agent, profile) in &compound.agents {
        let program = run_setup::locate_agent(agent, profile, &scope.root, &scope.ours)?;
        if agent != usual {
            let found = agents::look(profile, &agent.config, Ok(program), &scope.ours);
            for warning in found.warnings(&agent.name, &agent.config) {
                shell.note(format!("note: {warning}"));
            }
        }
    }
    let facts = compound.facts(scope.policy.concurrency);
    scope.policy.concurrency = facts.tasks_at_once;
    shell.line(facts.line);
    Ok((compound.driver.clone(), compound.profile()?))
}

/// That a bound of money does not bound agents that do not say what they cost.
pub(crate) fn costless(profiles: &[Profile], bounds: Cap) -> Option<String> {
    let is_silent = |profile: &&Profile| profile.protocol != Protocol::Claude;
    let silent = profiles.iter().filter(is_silent);
    let names: Vec<&str> = silent.map(|profile| profile.name.as_str()).collect();
    let bounds_money = bounds.cost_micro_usd.is_some() && !names.is_empty();
    bounds_money.then(|| {
        format!(
            "{} does not say what it costs: the bound of money counts nothing of it; --max-tokens and --max-time bound it",
            names.join(", ")
        )
    })
}

/// What every run gets from this process.
pub(crate) fn world(ours: Env, shell: &Shell, opening: Listener) -> World {
    World {
        ours,
        launcher: Launcher::default(),
        watch: Box::new(Progress::new(shell.is_json(), None, None)),
        mesh_version: env!("CARGO_PKG_VERSION").to_owned(),
        opening,
        sandbox: None,
    }
}

/// The same, where a person may be asked.
pub(crate) fn asking(world: World, run_dir: &RunDir, shell: &Shell) -> World {
    let question = TerminalQuestion::new(run_dir.control());
    World {
        watch: Box::new(Progress::new(
            shell.is_json(),
            Some(question),
            Some(run_dir),
        )),
        ..world
    }
}

fn nothing_to_do(
    scope: &Scope,
    run: &RunId,
    args: &Args,
    shell: &mut Shell,
) -> Result<u8, CommandError> {
    let done: Vec<&TaskId> = scope
        .plan
        .tasks()
        .iter()
        .filter(|task| matches!(task.eligibility, Eligibility::Satisfied { .. }))
        .map(|task| &task.id)
        .collect();
    csv_wave::write_done(&scope.source, run, &done)?;
    let unwritten = match &scope.source {
        SourceSetup::File(file) => mesh_engine::record_known_results(file, scope.loaded.clone()),
        SourceSetup::Bd(_) => Vec::new(),
    };
    let not_ours: Vec<String> = scope
        .plan
        .tasks()
        .iter()
        .filter_map(|task| match &task.eligibility {
            Eligibility::NotOurs { reason } | Eligibility::Faulty { reason } => {
                Some(format!("{} is not run: {reason}", task.id))
            }
            _ => None,
        })
        .collect();
    shell.line(format!(
        "nothing to do: {} done already in {}",
        counted(done.len(), "task"),
        scope.loaded.source.id
    ));
    for line in &not_ours {
        shell.line(line);
    }
    let is_marked = |task: &&TaskId| {
        let details = scope.loaded.details.get(*task);
        details.is_some_and(|details| details.status == "done")
    };
    if let SourceSetup::File(file) = &scope.source
        && file.format.kind() == SourceKind::List
        && !file.selection.write
        && !done.iter().all(is_marked)
    {
        shell.line("`--write` marks them as done there");
    }
    for (task, problem) in &unwritten {
        shell.note(format!(
            "note: {task} is done and was not closed in its source: {problem}"
        ));
    }
    if args.json {
        shell.object(&report::nothing(scope))?;
    }
    Ok(if !unwritten.is_empty() {
        exit_code::SOME_FAILED
    } else if not_ours.is_empty() {
        exit_code::OK
    } else {
        exit_code::SOME_COULD_NOT_RUN
    })
}

fn ask_concurrency(scope: &mut Scope, shell: &mut Shell) -> Result<(), CommandError> {
    if scope.concurrency_given {
        return Ok(());
    }
    if !shell.can_ask() {
        return Err(
            CommandError::usage("how many agents may run at once is not said")
                .hint("pass --concurrency N, or set concurrency in .mesh/config.toml"),
        );
    }
    let answer = shell.ask("How many agents may run at once?");
    match answer.parse::<u16>() {
        Ok(number @ 1..=1000) => scope.policy.concurrency = number,
        _ => {
            return Err(CommandError::usage(format!(
                "{answer:?} is no number from 1 to 1000"
            )));
        }
    }
    Ok(())
}

/// The scope is a contract: nobody starts agents on a list they have not seen.
fn confirm(scope: &Scope, args: &Args, shell: &mut Shell) -> Result<(), CommandError> {
    let waves = mesh_core::forecast::waves(&scope.plan, &scope.policy);
    let widest = waves.iter().map(Vec::len).max().unwrap_or(0);
    let width = scope.policy.allowed_width();
    if let Some((left, window)) = scope.policy.budget.allowance.strictest()
        && width < scope.policy.concurrency
    {
        shell.line(format!(
            "{left} percent are left of the {window} budget: at most {width} of {} at once",
            counted(usize::from(scope.policy.concurrency), "agent")
        ));
    }
    shell.line(format!(
        "{} ({} {}): {} of {} to do, at most {} at once, expected parallelism {widest}",
        one_line(scope.name()),
        scope.source.kind(),
        scope.source.id(),
        scope.open_tasks(),
        counted(scope.plan.tasks().len(), "task"),
        counted(usize::from(width), "agent")
    ));
    let open = || {
        let tasks = scope.plan.tasks().iter();
        tasks.filter(|task| task.eligibility == Eligibility::Open)
    };
    if args.yes {
        let shown: Vec<&str> = open()
            .take(MOST_NAMED)
            .map(|task| task.id.as_str())
            .collect();
        let more = match scope.open_tasks().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        shell.line(format!("to do: {}{more}", shown.join(", ")));
        return Ok(());
    }
    let waves = scope.policy.dispatch == Dispatch::Waves;
    if !shell.can_ask() {
        let error =
            CommandError::usage("the run is not confirmed, and there is no terminal to ask");
        return match waves {
            // Whoever names the first wave has seen the tasks; the others are asked about.
            true if !args.scope.pick.is_empty() => Ok(()),
            true => Err(error.hint(
                "pass --yes, which confirms every wave, or --pick IDS for the first wave and `mesh pick` for each that follows",
            )),
            false => Err(error.hint("pass --yes")),
        };
    }
    for task in open() {
        shell.line(format!("  {}  {}", task.id, one_line(&task.title)));
    }
    if shell.confirm("Run these?") {
        Ok(())
    } else {
        Err(CommandError::usage("not confirmed; nothing was changed"))
    }
}

/// A single bead without an epic is wrapped into one, once; the run then works that epic.
fn wrap_single_bead(scope: Scope, args: &Args, folder: &Path) -> Result<Scope, CommandError> {
    let Some(OpenTracker {
        tracker,
        target: Target::Wrap { bead },
        ..
    }) = &scope.tracker
    else {
        return Ok(scope);
    };
    tracker.swarm_create(bead, mesh_engine::ACTOR)?;
    let bead = bead.to_string();
    let concurrency = scope.policy.concurrency;
    let again = ScopeArgs {
        sources: vec![bead],
        concurrency: Some(concurrency),
        ..args.scope.clone()
    };
    scope::read(&again, folder, scope.run)
}
