//! How much the child has written, without asking all the time.
//!
//! The kernel tells us when a log file grows. After each look we rest for a while that depends on how fast the limit comes
//! nearer: a flood costs a bounded number of looks, a silent child none at all.

use super::spec::ShimSpec;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

const SHORTEST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(100);
/// How often we look when the kernel would not watch (a user may have 128 watchers by default, and editors take many).
const REST_WITHOUT_WATCH: Duration = Duration::from_millis(500);

/// One log file: what it held before the child came, and a handle to ask it.
#[derive(Debug)]
struct Log {
    file: File,
    before: u64,
}

impl Log {
    fn new(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        Ok(Self {
            before: file.metadata()?.len(),
            file,
        })
    }

    fn written(&self) -> u64 {
        self.file
            .metadata()
            .map_or(0, |metadata| metadata.len().saturating_sub(self.before))
    }
}

/// Watches the size of both log files.
#[derive(Debug)]
pub(super) struct LogWatch {
    watch: Option<OwnedFd>,
    stdout: Log,
    /// Absent when both streams are one file.
    stderr: Option<Log>,
    limit: u64,
    last_written: u64,
    last_look: Instant,
    resting_until: Option<Instant>,
}

impl LogWatch {
    pub(super) fn new(spec: &ShimSpec, stdout: &File, stderr: &File) -> io::Result<Self> {
        let name = |file: &File| {
            file.metadata()
                .map(|metadata| (metadata.dev(), metadata.ino()))
        };
        let same = name(stdout)? == name(stderr)?;
        let now = Instant::now();
        let watch = watch_files(spec).ok();
        Ok(Self {
            resting_until: watch.is_none().then(|| now + REST_WITHOUT_WATCH),
            watch,
            stdout: Log::new(stdout)?,
            stderr: if same { None } else { Some(Log::new(stderr)?) },
            limit: spec.log_limit_bytes,
            last_written: 0,
            last_look: now,
        })
    }

    /// What to wait for; nothing while resting.
    pub(super) fn pollable(&self) -> Option<BorrowedFd<'_>> {
        if self.resting_until.is_some() {
            None
        } else {
            self.watch.as_ref().map(AsFd::as_fd)
        }
    }

    /// When to come back without an event.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.resting_until
    }

    /// Call after each wake-up; `told` says whether the watch was readable. True when the limit is passed.
    pub(super) fn is_over(&mut self, told: bool, now: Instant) -> bool {
        let rested = self.resting_until.is_some_and(|until| until <= now);
        if rested {
            self.resting_until = None;
        }
        let is_time = told || (rested && self.watch.is_none());
        if !is_time {
            return false;
        }
        self.drain();
        let (stdout, stderr) = self.written();
        let written = stdout.saturating_add(stderr);
        let rest = match self.watch {
            Some(_) => rest(
                self.limit,
                self.last_written,
                written,
                now.saturating_duration_since(self.last_look),
            ),
            None => REST_WITHOUT_WATCH,
        };
        (self.last_written, self.last_look, self.resting_until) =
            (written, now, now.checked_add(rest));
        written > self.limit
    }

    /// Bytes of stdout and of stderr.
    pub(super) fn written(&self) -> (u64, u64) {
        (
            self.stdout.written(),
            self.stderr.as_ref().map_or(0, Log::written),
        )
    }

    fn drain(&self) {
        let mut buffer = [0u8; 4096];
        // What the events say does not matter, only that they are taken away.
        while let Some(watch) = &self.watch
            && rustix::io::read(watch, &mut buffer).is_ok_and(|count| count > 0)
        {}
    }
}

fn watch_files(spec: &ShimSpec) -> io::Result<OwnedFd> {
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    for path in [&spec.stdout, &spec.stderr] {
        inotify::add_watch(&watch, path.as_path(), WatchFlags::MODIFY)?;
    }
    Ok(watch)
}

/// A quarter of the time that is left at the present speed, within bounds.
fn rest(limit: u64, before: u64, now: u64, elapsed: Duration) -> Duration {
    let grown = now.saturating_sub(before);
    let left = limit.saturating_sub(now);
    if grown == 0 {
        return LONGEST_REST;
    }
    let quarter_ms = elapsed.as_millis().saturating_mul(u128::from(left)) / u128::from(grown) / 4;
    let quarter = Duration::from_millis(u64::try_from(quarter_ms).unwrap_or(u64::MAX));
    quarter.clamp(SHORTEST_REST, LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_shortens_as_the_limit_comes_nearer() {
        let second = Duration::from_secs(1);
        assert_eq!(rest(1000, 0, 0, second), LONGEST_REST);
        assert_eq!(rest(1000, 0, 1, second), LONGEST_REST);
        assert_eq!(rest(1000, 0, 940, second), Duration::from_millis(15));
        assert_eq!(rest(1000, 0, 999, second), SHORTEST_REST);
        assert_eq!(rest(1000, 0, 5000, second), SHORTEST_REST);
        assert_eq!(rest(u64::MAX, 0, 1, Duration::MAX), LONGEST_REST);
        assert_eq!(rest(1000, 500, 400, second), LONGEST_REST);
    }

    #[test]
    fn only_what_was_added_counts_and_one_file_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = ShimSpec::new(folder.path(), "/bin/true", "/");
        spec.stderr = spec.stdout.clone();
        spec.log_limit_bytes = 5;
        fs_err::write(&spec.stdout, "before").unwrap();
        let open = || {
            fs_err::OpenOptions::new()
                .append(true)
                .open(&spec.stdout)
                .unwrap()
                .into_parts()
                .0
        };
        let mut logs = LogWatch::new(&spec, &open(), &open()).unwrap();
        assert_eq!(logs.written(), (0, 0));
        std::io::Write::write_all(&mut open(), b"12345").unwrap();
        assert_eq!(logs.written(), (5, 0));
        assert!(!logs.is_over(true, Instant::now()));
        assert!(logs.pollable().is_none(), "it rests after a look");
        std::io::Write::write_all(&mut open(), b"6").unwrap();
        assert!(logs.is_over(true, Instant::now()));
    }
}
