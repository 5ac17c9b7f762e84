//! `cargo xtask bench dispatch`: what a task costs beside its agent, by phases, from the run's own journal and call log.
//!
//! The plan has no locks and as many tasks in a level as may run at once, so a dependent waits for its needs and for nothing else.

mod phases;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use mesh_core::id::TaskId;
use mesh_journal::MeshDir;
use mesh_plan::st::{self, StDep, StItem};
use mesh_testkit::env::TestEnv;
use mesh_testkit::tools;
use phases::Costs;

use crate::Outcome;
use crate::args::{Args, UsageError};
use crate::process::capture;
use crate::release::built;

/// Levels of the plan, each of as many tasks as run at once.
const LEVELS: usize = 4;
/// Tasks that run at once.
const CONCURRENCY: u16 = 6;
/// Files of the repository.
const FILES: usize = 100;

/// The agent: takes its time, writes the task's file and says so.
const AGENT: &str = r#"sleep "$1"
mkdir -p out
printf 'made by %s\n' "$MESH_ATTEMPT" > "out/$MESH_TASK"
printf 'PR: none\nVerify: test -s out/%s\nChanged: out/%s\nBlockers: none\n' "$MESH_TASK" "$MESH_TASK"
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vcs {
    Git,
    Jj,
}

impl Vcs {
    fn parse(word: &str) -> Result<Vcs, UsageError> {
        match word {
            "git" => Ok(Vcs::Git),
            "jj" => Ok(Vcs::Jj),
            other => Err(UsageError(format!(
                "--vcs takes `git` and `jj`, separated by a comma, not {other}"
            ))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Vcs::Git => "git",
            Vcs::Jj => "jj",
        }
    }

    /// Calls that a task may cost.
    fn bar_on_calls(self) -> f64 {
        match self {
            Vcs::Git => 12.0,
            Vcs::Jj => 9.0,
        }
    }

    /// Milliseconds from the end of a task's last need to its own agent, at the median, when agents take 5 s.
    fn bar_on_dependents(self) -> u64 {
        match self {
            Vcs::Git => 60,
            Vcs::Jj => 150,
        }
    }
}

/// Times the lower bound that agents of one second may take, on jj.
const BAR_ON_MAKESPAN: f64 = 1.25;

struct Options {
    seconds: Vec<u64>,
    vcs: Vec<Vcs>,
    /// Without judgement.
    smoke: bool,
}

/// Runs the bench.
pub fn run(args: Args) -> Outcome<ExitCode> {
    let options = read_options(args)?;
    let mesh = built("mesh", "mesh")?;
    if options.vcs.contains(&Vcs::Jj) {
        // Agents over jj get it from beside mesh.
        built("mesh-jj", "mesh-jj")?;
    }
    let mut problems = Vec::new();
    for &vcs in &options.vcs {
        for &seconds in &options.seconds {
            let Some(stage) = Stage::build(vcs)? else {
                break;
            };
            let costs = stage.work(&mesh, seconds)?;
            println!(
                "{} tasks of {seconds} s, {CONCURRENCY} at once, on {}",
                costs.tasks, stage.version
            );
            print!("{costs}");
            println!();
            problems.extend(judge(&costs, vcs, seconds));
        }
    }
    if options.smoke {
        problems.clear();
    }
    for problem in &problems {
        println!("FAILED: {problem}");
    }
    Ok(ExitCode::from(u8::from(!problems.is_empty())))
}

fn judge(costs: &Costs, vcs: Vcs, seconds: u64) -> Vec<String> {
    let mut problems = Vec::new();
    let what = format!("{} with agents of {seconds} s", vcs.name());
    let calls = costs.calls_of(vcs.name());
    if calls > vcs.bar_on_calls() {
        let bar = vcs.bar_on_calls();
        problems.push(format!("{what}: {calls:.1} calls a task, the bar is {bar}"));
    }
    let waited = costs.dependents_median_ms();
    if seconds == 5 && waited > vcs.bar_on_dependents() {
        let bar = vcs.bar_on_dependents();
        problems.push(format!(
            "{what}: a dependent executes {waited} ms after its needs' end, the bar is {bar} ms"
        ));
    }
    let ratio = costs.ratio();
    if seconds == 1 && vcs == Vcs::Jj && ratio > BAR_ON_MAKESPAN {
        problems.push(format!(
            "{what}: {ratio:.3} times the lower bound, the bar is {BAR_ON_MAKESPAN}"
        ));
    }
    problems
}

fn read_options(mut args: Args) -> Outcome<Options> {
    let smoke = args.switch("--smoke");
    let seconds = args.option("--seconds")?;
    let seconds = seconds
        .as_deref()
        .unwrap_or(if smoke { "0" } else { "0,1,5" });
    let vcs = args.option("--vcs")?;
    args.finish()?;
    let number = |word: &str| {
        word.parse().map_err(|_| {
            UsageError(format!(
                "--seconds takes numbers, separated by commas, not {word}"
            ))
        })
    };
    Ok(Options {
        seconds: seconds.split(',').map(number).collect::<Result<_, _>>()?,
        vcs: vcs
            .as_deref()
            .unwrap_or("git,jj")
            .split(',')
            .map(Vcs::parse)
            .collect::<Result<_, _>>()?,
        smoke,
    })
}

/// A repository, a plan and an agent.
struct Stage {
    env: TestEnv,
    repo: PathBuf,
    plan: PathBuf,
    /// Name and version of the program that works the repository.
    version: String,
}

impl Stage {
    /// Nothing, after saying so, where the program is not there.
    fn build(vcs: Vcs) -> Outcome<Option<Stage>> {
        let env = TestEnv::new();
        let repo = env.dir().join("repo");
        fs_err::create_dir_all(repo.join("src"))?;
        for number in 0..FILES {
            fs_err::write(
                repo.join(format!("src/{number}.txt")),
                format!("File {number}.\n"),
            )?;
        }
        env.must(
            "git",
            &["init", "--quiet", "--initial-branch", "main"],
            &repo,
        );
        env.must("git", &["add", "--all"], &repo);
        env.must("git", &["commit", "--quiet", "--message", "First"], &repo);
        if vcs == Vcs::Jj {
            let Some(jj) = tools::real("jj", tools::JJ_VERSION) else {
                return Ok(None);
            };
            env.add_program("jj", &jj);
            env.must("jj", &["git", "init", "--colocate", "--quiet"], &repo);
        }
        let version = env
            .must(vcs.name(), &["--version"], &repo)
            .trim_end()
            .to_owned();
        let plan = env.dir().join("plan.jsonl");
        fs_err::write(&plan, st::new_plan("2026-01-01T00:00:00Z", &items()?))?;
        fs_err::write(env.dir().join("agent.sh"), AGENT)?;
        Ok(Some(Stage {
            env,
            repo,
            plan,
            version,
        }))
    }

    fn work(&self, mesh: &Path, seconds: u64) -> Outcome<Costs> {
        let agent = format!("sh {} {seconds}", self.env.dir().join("agent.sh").display());
        let mut command: Command = self.env.command(mesh, &self.repo);
        command
            .arg("run")
            .arg(&self.plan)
            .args(["--concurrency", &CONCURRENCY.to_string(), "--yes", "--json"])
            .args(["--agent-command", &agent]);
        let levels = u64::try_from(LEVELS)?;
        let limit = Duration::from_secs(seconds * levels + 120);
        capture(&mut command, limit)?.checked("mesh run")?;
        let mesh_dir = MeshDir::of(&self.repo);
        let run = mesh_dir.latest()?.ok_or("there is no run")?;
        Costs::of(&mesh_dir.run(&run))
    }
}

/// Each task of a level needs two of the level before.
fn items() -> Outcome<Vec<StItem>> {
    let width = usize::from(CONCURRENCY);
    let id = |level: usize, at: usize| TaskId::new(format!("t{level}{}", at % width));
    let mut items = Vec::new();
    for level in 0..LEVELS {
        for at in 0..width {
            let task = id(level, at)?;
            let mut item = StItem::pending(task.clone(), format!("Write out/{task}"));
            if level > 0 {
                item.deps = vec![
                    StDep::blocks(id(level - 1, at)?),
                    StDep::blocks(id(level - 1, at + 1)?),
                ];
            }
            item.notes = format!("```mesh\nvalidation:\n  - test -s out/{task}\n```");
            items.push(item);
        }
    }
    Ok(items)
}
