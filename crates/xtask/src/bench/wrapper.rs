//! `cargo xtask bench wrapper`: what `mesh-bd-ro` costs, over a program that does nothing in the place of `bd`.
//!
//! The program is called directly, through the wrapper, and through the wrapper with a view of the tracker and a coordinator that
//! answers at once. Every round calls all three, in changing order, so that whatever else the machine does falls on each alike.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Outcome;
use crate::args::Args;
use crate::release::built;

/// What the wrapper may cost, from median to median.
const BAR: Duration = Duration::from_millis(2);
const ROUNDS: usize = 1000;
const SMOKE_ROUNDS: usize = 20;
/// Rounds before those that count: programs come into the page cache, the processor wakes up.
const WARM_UP: usize = 20;
/// Longest wait for what the wrapper tells the coordinator.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// The question, as an agent writes it and as `bd` gets it.
const QUESTION: [&str; 3] = ["show", "bd-1", "--json"];
const CANONICAL: [&str; 6] = ["--readonly", "--sandbox", "show", "--json", "--", "bd-1"];

/// Measures and prints.
///
/// # Errors
/// When something cannot be built or does not end as it should.
pub fn run(mut args: Args) -> Outcome<ExitCode> {
    let smoke = args.switch("--smoke");
    args.finish()?;
    let stage = Stage::build()?;
    let rounds = if smoke { SMOKE_ROUNDS } else { ROUNDS };
    for round in 0..WARM_UP {
        stage.round(round)?;
    }
    let mut times: [Vec<Duration>; 3] = Default::default();
    for round in 0..rounds {
        for (kept, time) in times.iter_mut().zip(stage.round(round)?) {
            kept.push(time);
        }
    }
    let asked = stage.asked.load(Ordering::Relaxed);
    if asked != WARM_UP + rounds {
        return Err(format!(
            "the wrapper asked {asked} times for a fresh view, not {} times: its figures mean nothing",
            WARM_UP + rounds
        )
        .into());
    }
    let [direct, wrapped, viewed] = times.map(Figures::of);
    println!(
        "{rounds} rounds, each way once a round; from before the start to after the end of the process"
    );
    println!("a program that does nothing  {direct}");
    let mut over = false;
    for (name, figures) in [
        ("through mesh-bd-ro           ", wrapped),
        ("through mesh-bd-ro, on a view", viewed),
    ] {
        let cost = figures.median.saturating_sub(direct.median);
        over |= cost > BAR;
        println!(
            "{name}{figures}   more than doing nothing: {} (bar {})",
            millis(cost),
            millis(BAR)
        );
    }
    if smoke {
        println!("few rounds: no judgement, this is a smoke");
        return Ok(ExitCode::SUCCESS);
    }
    if over {
        println!("over the bar");
    }
    Ok(if over {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// How the program is called.
#[derive(Clone, Copy)]
enum Way {
    Direct,
    Wrapped,
    Viewed,
}

/// The programs, a view with one copy, and a coordinator that closes at once.
struct Stage {
    folder: TempDir,
    /// How often the coordinator was asked.
    asked: Arc<AtomicUsize>,
}

impl Stage {
    fn build() -> Outcome<Stage> {
        let folder = tempfile::Builder::new().prefix("mesh-bench-").tempdir()?;
        // Copies: the target folder may be open to a group, which the wrapper refuses, and may change while this measures.
        for (package, program, name) in [
            ("mesh", "mesh-bd-ro", "wrapper/mesh-bd-ro"),
            ("xtask", "does-nothing", "real/bd"),
        ] {
            let to = folder.path().join(name);
            fs_err::create_dir_all(to.parent().unwrap_or(folder.path()))?;
            fs_err::copy(built(package, program)?, to)?;
        }
        let asked = prepare_view(&folder.path().join("view"))?;
        Ok(Stage { folder, asked })
    }

    /// Calls each way once; the times in the order of [`Way`].
    fn round(&self, number: usize) -> Outcome<[Duration; 3]> {
        const WAYS: [Way; 3] = [Way::Direct, Way::Wrapped, Way::Viewed];
        let mut times = [Duration::ZERO; 3];
        for step in 0..WAYS.len() {
            let at = (number + step) % WAYS.len();
            times[at] = self.time(WAYS[at])?;
        }
        Ok(times)
    }

    fn time(&self, way: Way) -> Outcome<Duration> {
        let real = self.path("real/bd");
        let mut command = match way {
            Way::Direct => Command::new(&real),
            Way::Wrapped | Way::Viewed => Command::new(self.path("wrapper/mesh-bd-ro")),
        };
        match way {
            Way::Direct => command.args(CANONICAL),
            Way::Wrapped | Way::Viewed => command.args(QUESTION),
        };
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            .env("MESH_BD", &real);
        if let Way::Viewed = way {
            command.env("MESH_VIEW", self.path("view/agent"));
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let began = Instant::now();
        let status = command.status()?;
        let time = began.elapsed();
        if status.success() {
            Ok(time)
        } else {
            Err(format!("{command:?} ended with {status}").into())
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }
}

/// A view with one copy, and a coordinator that takes the name of who asks and closes; gives its count of questions.
fn prepare_view(root: &Path) -> Outcome<Arc<AtomicUsize>> {
    let copy = root.join("agent").join("1");
    fs_err::create_dir_all(copy.join(".beads"))?;
    for file in ["lock", "read-slot-0"] {
        fs_err::write(copy.join(file), "")?;
    }
    let listener = UnixListener::bind(root.join("ask"))?;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // It ends with this process.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(connection) = connection else { continue };
            let timed = connection.set_read_timeout(Some(ASK_LIMIT));
            let mut reader = BufReader::new(connection);
            let mut name = String::new();
            // One that says nothing is not counted, which the count shows. The answer is the end of `reader`, after it.
            if timed.is_ok() && reader.read_line(&mut name).is_ok() && name == "agent\n" {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    Ok(asked)
}

/// What many times come to.
#[derive(Clone, Copy, Debug)]
struct Figures {
    median: Duration,
    p95: Duration,
}

impl Figures {
    fn of(mut times: Vec<Duration>) -> Figures {
        times.sort_unstable();
        let at = |place: usize| times.get(place).copied().unwrap_or_default();
        Figures {
            median: at(times.len() / 2),
            p95: at(times.len() * 95 / 100),
        }
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "  median {}, p95 {}",
            millis(self.median),
            millis(self.p95)
        )
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_95th_of_a_hundred_are_taken() {
        let figures = Figures::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!(figures.to_string(), "  median 51.00 ms, p95 96.00 ms");
        assert_eq!(Figures::of(Vec::new()).median, Duration::ZERO);
    }

    #[test]
    fn the_coordinator_counts_who_says_its_name_and_closes() {
        use std::io::{Read, Write};
        use std::os::unix::net::UnixStream;
        let folder = tempfile::tempdir().unwrap();
        let asked = prepare_view(folder.path()).unwrap();
        for (said, count) in [("agent\n", 1), ("other\n", 1), ("agent\n", 2)] {
            let mut socket = UnixStream::connect(folder.path().join("ask")).unwrap();
            socket.write_all(said.as_bytes()).unwrap();
            // The answer is the end, and the count came before it.
            assert_eq!(socket.read(&mut [0]).unwrap(), 0);
            assert_eq!(asked.load(Ordering::Relaxed), count);
        }
    }
}
