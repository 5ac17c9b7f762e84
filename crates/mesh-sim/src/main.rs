//! Runs seeded worlds against the core, and against the engine around it: `mesh-sim --seeds N [--from S] [--jobs J] [--only core|engine]`.
//!
//! Ends with 1 at the first world in which a judge objects, and prints its sentence, the end of its trace and the command that
//! repeats it. Ends with 2 on arguments it does not know.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use mesh_sim::{Broken, Counts, engine, epics, run_seed, slot_waits};

const USAGE: &str = "Usage: mesh-sim [--seeds N] [--from S] [--jobs J] [--only core|engine]\n\n\
    Runs the worlds S, S+1, … S+N-1 (default 1000 from 0) on J threads (default: one a core), and measures as many epics.";

struct Wanted {
    from: u64,
    seeds: u64,
    jobs: u64,
    only: Option<Worlds>,
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worlds {
    /// The core alone.
    Core,
    /// The engine's loop around it, over programs in memory.
    Engine,
}

impl Worlds {
    fn word(self) -> &'static str {
        match self {
            Worlds::Core => "core",
            Worlds::Engine => "engine",
        }
    }
}

fn main() -> ExitCode {
    let wanted = match parse(std::env::args().skip(1)) {
        Ok(Some(wanted)) => wanted,
        Ok(None) => return say(&format!("{USAGE}\n"), ExitCode::SUCCESS),
        Err(problem) => {
            return complain(&format!("error: {problem}\n\n{USAGE}\n"), ExitCode::from(2));
        }
    };
    silence_planned_panics();
    let mut text = String::new();
    for world in [Worlds::Core, Worlds::Engine] {
        if wanted.only.is_some_and(|only| only != world) {
            continue;
        }
        match simulate(&wanted, world) {
            Ok(counts) => text.push_str(&summary(&wanted, &counts, world)),
            Err(broken) => return complain(&report(&broken, world), ExitCode::from(1)),
        }
    }
    say(&text, ExitCode::SUCCESS)
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Option<Wanted>, String> {
    let jobs = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let mut wanted = Wanted {
        from: 0,
        seeds: 1000,
        jobs,
        only: None,
    };
    while let Some(word) = words.next() {
        let target = match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--only" => {
                wanted.only = Some(match words.next().as_deref() {
                    Some("core") => Worlds::Core,
                    Some("engine") => Worlds::Engine,
                    _ => return Err("--only needs `core` or `engine`".to_owned()),
                });
                continue;
            }
            "--seeds" => &mut wanted.seeds,
            "--from" => &mut wanted.from,
            "--jobs" => &mut wanted.jobs,
            _ => return Err(format!("unexpected argument `{word}`")),
        };
        let value = words.next().ok_or(format!("{word} needs a number"))?;
        *target = value
            .parse()
            .map_err(|_| format!("{word} needs a number, not `{value}`"))?;
    }
    Ok(Some(wanted))
}

/// Workers of engine worlds panic on purpose, and that needs no words.
fn silence_planned_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>();
        if said.is_none_or(|said| said != engine::ON_PURPOSE) {
            usual(panic);
        }
    }));
}

/// Runs all worlds; gives back the broken one with the smallest seed among those that were reached.
fn simulate(wanted: &Wanted, world: Worlds) -> Result<Counts, Box<Broken>> {
    let end = wanted.from.saturating_add(wanted.seeds);
    let next = AtomicU64::new(wanted.from);
    let total: Mutex<(Counts, Option<Box<Broken>>)> = Mutex::new((Counts::default(), None));
    let lock = || {
        total
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let result = run_caught(seed, world);
            let mut sum = lock();
            match result {
                Ok(counts) => sum.0.add(&counts),
                Err(broken) => {
                    next.store(end, Ordering::Relaxed);
                    if sum.1.as_ref().is_none_or(|other| broken.seed < other.seed) {
                        sum.1 = Some(broken);
                    }
                    return;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..wanted.jobs.clamp(1, 256) {
            scope.spawn(work);
        }
    });
    let (counts, broken) = total
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    broken.map_or(Ok(counts), Err)
}

/// A panic is a verdict like any other.
fn run_caught(seed: u64, world: Worlds) -> Result<Counts, Box<Broken>> {
    let run = match world {
        Worlds::Core => run_seed,
        Worlds::Engine => engine::run_seed,
    };
    std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| {
        let sentence = "it panicked; the message is above".to_owned();
        Err(Box::new(Broken {
            seed,
            sentence,
            trace: Vec::new(),
        }))
    })
}

fn report(broken: &Broken, world: Worlds) -> String {
    let seed = broken.seed;
    let mut text = format!("seed {seed}: {}\n", broken.sentence);
    for line in &broken.trace {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!(
        "repeat it: cargo run --release -p mesh-sim -- --seeds 1 --from {seed} --only {}\n",
        world.word()
    ));
    text
}

fn summary(wanted: &Wanted, counts: &Counts, world: Worlds) -> String {
    let mut text = format!(
        "{}: {} seeds, {} tasks, {} events: nothing to object to\n\
         {} attempts, {} accepted, {} killed, {} redos, {} reservations, {} slots kept, {} pauses\n\
         {} coordinators killed, {} runs reopened, {} listings with a difference\n\
         {} results landed, {} not landed, {} given back\n\
         {} waves, {} confirmed by a person, {} picks refused, {} taken up again\n",
        world.word(),
        counts.seeds,
        counts.tasks,
        counts.events,
        counts.attempts,
        counts.accepted,
        counts.kills,
        counts.redos,
        counts.reserves,
        counts.slot_waits,
        counts.pauses,
        counts.crashes,
        counts.reopened,
        counts.listings,
        counts.landed,
        counts.not_landed,
        counts.given_back,
        counts.waves,
        counts.confirmed,
        counts.refused_picks,
        counts.waves_resumed,
    );
    let classes: Vec<String> = counts
        .classes
        .iter()
        .map(|(class, count)| format!("{count} {class}"))
        .collect();
    text.push_str(&format!("failures: {}\n", classes.join(", ")));
    let missing = counts.not_reached();
    text.push_str(&if missing.is_empty() {
        "every failure class, every phase of a task and all that can become of a wave was reached\n"
            .to_owned()
    } else {
        format!("never reached, so not tried: {}\n", missing.join(", "))
    });
    if world == Worlds::Engine {
        return text;
    }
    let figures = epics::measure(wanted.from, wanted.seeds);
    text.push_str(&format!(
        "makespan / lower bound over {} epics without faults, durations known:\n",
        figures.epics
    ));
    let rows = [
        ("frontier, rank makespan", &figures.makespan_rank),
        ("frontier, rank default", &figures.default_rank),
        ("waves with a barrier", &figures.waves),
    ];
    for (name, ratios) in rows {
        let (mean, p95, max) = (ratios.mean(), ratios.percentile(95), ratios.percentile(100));
        text.push_str(&format!(
            "  {name:<24} mean {mean:.3}  p95 {p95:.3}  max {max:.3}\n"
        ));
    }
    text.push_str("the same of rank makespan, when no slot waits for a better task and when slots may wait:\n");
    for row in slot_waits::measure(wanted.from, wanted.seeds) {
        let kind = if row.equal_tasks {
            "24 x 20 s"
        } else {
            "epics"
        };
        let what = format!("{kind}, {}", row.deviation.as_str());
        let (without, with) = (row.without.mean(), row.with.mean());
        text.push_str(&format!(
            "  {what:<27} mean {without:.4} and {with:.4}, p95 {:.3} and {:.3}\n",
            row.without.percentile(95),
            row.with.percentile(95),
        ));
    }
    text
}

fn say(text: &str, code: ExitCode) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::from(1),
    }
}

fn complain(text: &str, code: ExitCode) -> ExitCode {
    // A closed stderr leaves nobody to tell; the exit code says it all the same.
    let _ = std::io::stderr().write_all(text.as_bytes());
    code
}
