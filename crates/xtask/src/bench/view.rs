//! `cargo xtask bench view`: what agents' reading costs the coordinator, on views and on the live tracker; and whether any read is
//! torn while others write without a pause.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_bd::view::{self, Views};
use mesh_bd::{Lane, Queue, Setup};
use mesh_core::id::TaskId;
use mesh_testkit::readers::{Loop, Reads, read, torn_reads};
use mesh_testkit::tracker::{Bd, TrackerRepo};

use crate::Outcome;
use crate::args::Args;
use crate::release::built;

/// Agents that read in a loop.
const READERS: usize = 8;
/// Issues that they read.
const ISSUES: usize = 20;
/// A claim beside readers on views may take this many times as long as without readers.
const BAR: f64 = 1.3;
/// The version whose claims are measured.
const CLAIMS_ON: &str = "1.3.0";
/// The versions whose reads are looked at: one of each kind of database.
const TORN_ON: [&str; 2] = ["0.47.1", "1.3.0"];

struct Options {
    claims: usize,
    reads: usize,
}

/// Runs the bench.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let smoke = args.switch("--smoke");
    args.finish()?;
    let options = if smoke {
        Options {
            claims: 3,
            reads: 5,
        }
    } else {
        Options {
            claims: 25,
            reads: 500,
        }
    };
    let wrapper = built("mesh", "mesh-bd-ro")?;
    let mut problems = claims(&wrapper, options.claims, smoke)?;
    for version in TORN_ON {
        problems.extend(reads(&wrapper, version, options.reads)?);
    }
    for problem in &problems {
        println!("FAILED: {problem}");
    }
    Ok(ExitCode::from(u8::from(!problems.is_empty())))
}

fn real(version: &str) -> Outcome<Bd> {
    Ok(Bd::real(version)
        .ok_or_else(|| format!("bd {version} is not built; run `cargo xtask tools`"))?)
}

fn reads(wrapper: &Path, version: &str, reads: usize) -> Outcome<Vec<String>> {
    let told = torn_reads(&real(version)?, wrapper, reads);
    println!(
        "bd {version}: {} reads of {} snapshots while {} issues were written beside them: {} torn",
        told.reads,
        told.snapshots,
        told.writes,
        told.torn.len()
    );
    Ok(told.torn)
}

/// The coordinator's claims: alone, beside readers on views, and beside readers on the live tracker.
fn claims(wrapper: &Path, claims: usize, smoke: bool) -> Outcome<Vec<String>> {
    let bd = real(CLAIMS_ON)?;
    let repo = TrackerRepo::new(&bd);
    let ids: Vec<String> = (0..ISSUES)
        .map(|number| repo.create("task", &format!("Task {number}"), &[]))
        .collect();
    let setup = Setup::new(&bd.program, repo.root(), repo.env());
    let opened = mesh_bd::open(&setup)?;
    let tracker = opened.about().beads_dir.clone();
    let queue = Arc::new(Queue::start(opened)?);
    let options = view::Options::new(tracker.clone(), repo.home().join("view"), u64::MAX);
    let read_slots = options.read_slots;
    let views = Views::start(options, view::on_turns_of(Arc::clone(&queue)))?;
    println!(
        "bd {CLAIMS_ON}: {claims} claims, {READERS} readers in a loop, {read_slots} of them at a time on views"
    );

    let alone = measure(&queue, &ids, claims)?;
    show("no readers", &alone, None);
    let on_views = (0..READERS)
        .map(|number| Ok(Reads::View(views.open(&format!("reader.{number}"))?)))
        .collect::<Outcome<Vec<_>>>()?;
    let beside_views = beside(on_views, wrapper, &repo, &ids, || {
        measure(&queue, &ids, claims)
    })?;
    let ratio = show("readers on views", &beside_views, Some(&alone));
    let on_live = vec![Reads::Live(tracker); READERS];
    // For comparison only, and each takes seconds.
    let few = claims.div_ceil(4);
    let beside_live = beside(on_live, wrapper, &repo, &ids, || measure(&queue, &ids, few))?;
    show("readers on the live tracker", &beside_live, Some(&alone));
    views.end();
    Ok(if ratio > BAR && !smoke {
        vec![format!(
            "a claim beside readers on views takes {ratio:.2} times as long, the bar is {BAR}"
        )]
    } else {
        Vec::new()
    })
}

/// Does `work` while `reads` are made in loops, each of which has made one before it begins.
fn beside<T>(
    reads: Vec<Reads>,
    wrapper: &Path,
    repo: &TrackerRepo,
    ids: &[String],
    work: impl FnOnce() -> Outcome<T>,
) -> Outcome<T> {
    let count = reads.len();
    let readers = Loop::start(reads.into_iter().enumerate().map(|(number, reads)| {
        let (wrapper, bd) = (wrapper.to_owned(), repo.tool().program.clone());
        let (home, id) = (repo.home(), ids[number % ids.len()].clone());
        move || {
            let output = read(&wrapper, &bd, &reads, &home, &["show", &id, "--json"])
                .map_err(|error| error.to_string())?;
            if output.status.is_success() {
                Ok(())
            } else {
                Err(String::from_utf8_lossy(&output.stderr).into_owned())
            }
        }
    }));
    readers.wait_for(count);
    let done = work()?;
    let (rounds, problems) = readers.end();
    match problems.first() {
        None => {
            println!("    {rounds} reads meanwhile");
            Ok(done)
        }
        Some(problem) => {
            Err(format!("{} of {rounds} reads failed: {problem}", problems.len()).into())
        }
    }
}

fn measure(queue: &Queue, ids: &[String], claims: usize) -> Outcome<Vec<Duration>> {
    let mut times = Vec::new();
    for id in ids.iter().cycle().take(claims) {
        let id = TaskId::new(id.clone())?;
        let (claimed, released) = (id.clone(), id);
        let began = Instant::now();
        queue.call(Lane::Claim, move |client| {
            client.claim(&claimed, "agent:mesh-1", &[])
        })?;
        times.push(began.elapsed());
        queue.call(Lane::Rest, move |client| {
            client.release(&released, "agent:mesh-1")
        })?;
    }
    times.sort_unstable();
    Ok(times)
}

/// Prints sorted times; gives the median as a multiple of that of `alone`.
fn show(what: &str, times: &[Duration], alone: Option<&[Duration]>) -> f64 {
    let median = |times: &[Duration]| times[times.len() / 2].as_secs_f64();
    let ratio = alone.map_or(1.0, |alone| median(times) / median(alone));
    println!(
        "  {what:<28} median {:4.0} ms, worst {:4.0} ms{}",
        median(times) * 1e3,
        times[times.len() - 1].as_secs_f64() * 1e3,
        if alone.is_some() {
            format!(", {ratio:.2} times")
        } else {
            String::new()
        }
    );
    ratio
}
