//! How good the ranks are as schedules: classical job-shop instances, a machine as a lock group and a job as a chain of tasks, with
//! exact estimates and no overhead. The makespan is the one that the shipping core reaches, beside the optimum.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mesh_core::forecast::makespan;
use mesh_core::id::{LockGroup, TaskId};
use mesh_core::plan::Plan;
use mesh_core::policy::{Policy, Rank};
use mesh_core::rank::Ranking;
use mesh_core::task::Task;
use mesh_sim::schedule::zero_overhead_makespan;
use serde::Deserialize;

use crate::Outcome;
use crate::args::Args;
use crate::release::again_with_optimisation;

const MEAN_BAR: f64 = 1.05;
const WORST_BAR: f64 = 1.15;
const PLANNING_BAR: Duration = Duration::from_millis(50);
/// What the ranks reached on the 58 instances when `makespan` compared a few orders by longest paths, and nothing else.
const BEFORE: &str = "rank default mean 1.16; rank makespan mean 1.065, worst 1.19";
/// How often an instance is planned; its best time counts.
const PASSES: u32 = 3;
const SMOKE_INSTANCES: usize = 4;
const MILLIS_OF_A_MINUTE: u64 = 60_000;

#[derive(Deserialize)]
struct Fixture {
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    name: String,
    lower_bound: u64,
    best_known: u64,
    /// Per job its operations in order: machine and duration.
    jobs: Vec<Vec<(u32, u32)>>,
}

/// What a rank makes of the instances.
#[derive(Default)]
struct Figures {
    ratios: Vec<f64>,
    planning: Vec<Duration>,
}

/// Measures and prints. Without optimisation the times would mean nothing, so then it is built and started anew with it.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let smoke = args.switch("--smoke");
    let given = args.option("--instances")?;
    args.finish()?;
    if cfg!(debug_assertions) && !smoke {
        let mut words = vec!["bench", "schedule"];
        if let Some(file) = &given {
            words.extend(["--instances", file]);
        }
        return again_with_optimisation(&words);
    }
    let file = given.map_or_else(
        || crate::repository().join("fixtures/schedule/job-shop.json"),
        PathBuf::from,
    );
    let mut fixture: Fixture = serde_json::from_slice(&fs_err::read(file)?)?;
    if smoke {
        fixture.instances.truncate(SMOKE_INSTANCES);
    }
    let (mut default, mut shortest) = (Figures::default(), Figures::default());
    println!("instance  tasks  locks   best known   default  makespan   planned in");
    for instance in &fixture.instances {
        default.measure(instance, Rank::Default)?;
        shortest.measure(instance, Rank::Makespan)?;
        println!(
            "{:8}  {:5}  {:5}   {:10}   {:7.3}  {:8.3}   {:8.1?}",
            instance.name,
            instance.jobs.iter().map(Vec::len).sum::<usize>(),
            instance.jobs.first().map_or(0, Vec::len),
            instance.best_known,
            default.ratios.last().unwrap_or(&0.0),
            shortest.ratios.last().unwrap_or(&0.0),
            shortest.planning.last().unwrap_or(&Duration::ZERO),
        );
    }
    println!("before the search looked further: {BEFORE}");
    println!("rank default:  {default}");
    println!(
        "rank makespan: {shortest}   bar: mean {MEAN_BAR}, worst {WORST_BAR}, planning {PLANNING_BAR:?}"
    );
    let short = shortest.mean() <= MEAN_BAR && shortest.worst() <= WORST_BAR;
    if smoke || short && shortest.slowest() <= PLANNING_BAR {
        return Ok(ExitCode::SUCCESS);
    }
    println!("over the bar");
    Ok(ExitCode::from(1))
}

impl Figures {
    /// Plans an instance and lets the core run it. What was simulated must come true, and nothing beats the lower bound.
    fn measure(&mut self, instance: &Instance, rank: Rank) -> Outcome<()> {
        let (plan, durations) = plan_of(instance)?;
        let policy = Policy {
            rank,
            ..Policy::with_concurrency(u16::try_from(instance.jobs.len())?)
        };
        let (mut fastest, mut promised) = (Duration::MAX, 0);
        for _ in 0..PASSES {
            let began = Instant::now();
            let ranking = Ranking::new(&plan, &policy);
            fastest = fastest.min(began.elapsed());
            promised = makespan(&plan, &policy, &ranking);
        }
        let reached = zero_overhead_makespan(&plan, &policy, &durations) / MILLIS_OF_A_MINUTE;
        if reached != promised || reached < instance.lower_bound {
            return Err(format!(
                "{}, rank {}: {promised} estimated, {reached} in the run, and nothing is shorter than {}",
                instance.name,
                rank.as_str(),
                instance.lower_bound
            )
            .into());
        }
        self.ratios
            .push(reached as f64 / instance.best_known as f64);
        self.planning.push(fastest);
        Ok(())
    }

    fn mean(&self) -> f64 {
        self.ratios.iter().sum::<f64>() / self.ratios.len().max(1) as f64
    }

    fn worst(&self) -> f64 {
        self.ratios.iter().copied().fold(0.0, f64::max)
    }

    fn slowest(&self) -> Duration {
        self.planning.iter().copied().max().unwrap_or_default()
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = u32::try_from(self.planning.len()).unwrap_or(1).max(1);
        let mean = self.planning.iter().sum::<Duration>() / count;
        write!(
            f,
            "mean {:.4}, worst {:.3} of the best known; planned in {mean:.1?} on average, {:.1?} at worst",
            self.mean(),
            self.worst(),
            self.slowest()
        )
    }
}

/// The plan of an instance, and how long each of its tasks takes.
fn plan_of(instance: &Instance) -> Outcome<(Plan, Vec<u64>)> {
    let mut tasks = Vec::new();
    let mut durations = Vec::new();
    for (job, operations) in instance.jobs.iter().enumerate() {
        for (at, &(machine, minutes)) in operations.iter().enumerate() {
            let name = |at: usize| TaskId::new(format!("j{job}.{at}"));
            let mut task = Task::open(name(at)?);
            if let Some(before) = at.checked_sub(1) {
                task.needs = vec![name(before)?];
            }
            task.locks.insert(LockGroup::new(format!("m{machine}"))?);
            task.estimate_minutes = Some(minutes);
            durations.push(u64::from(minutes) * MILLIS_OF_A_MINUTE);
            tasks.push(task);
        }
    }
    let plan = Plan::build(tasks).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("{}: {}", instance.name, problems.join("; "))
    })?;
    Ok((plan, durations))
}
