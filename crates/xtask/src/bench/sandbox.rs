//! `cargo xtask bench sandbox`: what a sandbox adds to the start of a process under its shim.
//!
//! `true` is started under a shim, in turns in a sandbox and in none; measured is from before the shim's start to after its end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mesh_proc::env::Env;
use mesh_proc::sandbox::{self, Sandbox};
use mesh_proc::shim::{self, Launcher, ShimSpec};

use crate::Outcome;
use crate::args::Args;
use crate::release::built;

/// What a sandbox may add, from median to median.
const BAR: Duration = Duration::from_millis(5);
const ROUNDS: usize = 200;
const SMOKE_ROUNDS: usize = 10;
/// How long a shim may take to end.
const LIMIT: Duration = Duration::from_secs(30);
/// As many writable paths as an attempt has with a generous configuration.
const PATHS: usize = 20;

/// Measures and prints.
///
/// # Errors
/// When something cannot be built or does not end, or this kernel has no sandbox.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let smoke = args.switch("--smoke");
    // A program of another build, where one is there already.
    let program = args.option("--mesh")?;
    args.finish()?;
    let enforced = sandbox::probe()?;
    let exe = match program {
        Some(program) => PathBuf::from(program),
        None => built("mesh", "mesh")?,
    };
    let launcher = Launcher { exe };
    let rounds = if smoke { SMOKE_ROUNDS } else { ROUNDS };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (kept, sandboxed) in times.iter_mut().zip([false, true]) {
            kept.push(started_and_ended(&launcher, sandboxed)?);
        }
    }
    let [open, walled] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let cost = walled.saturating_sub(open);
    println!("{rounds} rounds, {PATHS} writable paths, {enforced}");
    println!("without a sandbox {open:.1?}, in one {walled:.1?}: {cost:.2?} more (bar {BAR:.0?})");
    if smoke {
        println!("few rounds: no judgement, this is a smoke");
    }
    Ok(if cost > BAR && !smoke {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn started_and_ended(launcher: &Launcher, sandboxed: bool) -> Outcome<Duration> {
    let folder = tempfile::Builder::new().prefix("mesh-bench-").tempdir()?;
    let mut write = Vec::new();
    for number in 0..PATHS {
        let path = folder.path().join(number.to_string());
        fs_err::create_dir(&path)?;
        write.push(path);
    }
    let mut spec = ShimSpec::new(folder.path(), "true", folder.path());
    spec.env = Env::keep(&["PATH"]);
    spec.sandbox = sandboxed.then_some(Sandbox { write });
    let lock = shim::lock_attempt(&folder.path().join("lock"))?;
    let before = Instant::now();
    let live = shim::start(&spec, &folder.path().join("spec.json"), lock, launcher)?;
    if !live.wait(LIMIT) {
        return Err("the shim does not end".into());
    }
    let took = before.elapsed();
    let report = shim::read_report(&spec.report)?.ok_or("the shim reported nothing")?;
    match report.ending {
        shim::ChildEnd::Exited { code: 0 } => Ok(took),
        other => Err(format!("`true` ended so: {other:?}").into()),
    }
}
