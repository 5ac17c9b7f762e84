//! The agents' own log: who started, saw what it needs, and ended, in the agents' words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything that is waited for may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unix time in milliseconds.
    pub at: u64,
    /// The task's id.
    pub task: String,
    /// `<task>#<number>`.
    pub attempt: String,
    /// `start`, `saw`, `end`, or a word of the script.
    pub what: String,
}

/// The log's file.
#[derive(Debug, Clone)]
pub struct AgentLog(pub PathBuf);

impl AgentLog {
    /// What has been written so far.
    pub fn events(&self) -> Vec<Event> {
        let text = fs_err::read_to_string(&self.0).unwrap_or_default();
        let parse = |line: &str| {
            let mut words = line.split(' ');
            let mut next = || words.next().expect("a log line has four words").to_owned();
            Event {
                at: next().parse().expect("a time"),
                task: next(),
                attempt: next(),
                what: next(),
            }
        };
        // The last line may be in the making.
        text.split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .map(parse)
            .collect()
    }

    /// Attempts that wrote `what`, in the order of the log.
    pub fn attempts(&self, what: &str) -> Vec<String> {
        let events = self.events().into_iter();
        events
            .filter(|event| event.what == what)
            .map(|event| event.attempt)
            .collect()
    }

    /// Waits until the log shows what is wanted.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&[Event]) -> bool) {
        wait_until(
            what,
            || wanted(&self.events()),
            || format!("{:#?}", self.events()),
        );
    }

    /// Waits until so many attempts have written `what`.
    #[track_caller]
    pub fn wait_for(&self, what: &str, count: usize) {
        self.wait(&format!("{count} times {what}"), |events| {
            events.iter().filter(|event| event.what == what).count() >= count
        });
    }

    /// From start to end of each attempt that wrote both.
    pub fn spans(&self) -> BTreeMap<String, (String, u64, u64)> {
        let events = self.events();
        let mut spans = BTreeMap::new();
        for start in events.iter().filter(|event| event.what == "start") {
            let end = events
                .iter()
                .find(|event| event.what == "end" && event.attempt == start.attempt);
            let end = end.map_or(start.at, |end| end.at);
            let known = spans.insert(start.attempt.clone(), (start.task.clone(), start.at, end));
            assert_eq!(known, None, "{} started twice: {events:#?}", start.attempt);
        }
        spans
    }

    /// Most attempts that were between start and end at the same time.
    pub fn peak(&self) -> usize {
        let spans = self.spans();
        let at = |moment: u64| {
            spans
                .values()
                .filter(|(_, start, end)| *start <= moment && moment <= *end)
                .count()
        };
        spans
            .values()
            .map(|(_, start, _)| at(*start))
            .max()
            .unwrap_or(0)
    }

    /// Fails when two attempts of tasks that `clash` were between start and end at the same time.
    #[track_caller]
    pub fn assert_apart(&self, why: &str, clash: impl Fn(&str, &str) -> bool) {
        let spans: Vec<_> = self.spans().into_iter().collect();
        for (index, (one, (task, start, end))) in spans.iter().enumerate() {
            for (other, (other_task, other_start, other_end)) in &spans[index + 1..] {
                let overlap = start < other_end && other_start < end;
                assert!(
                    !(overlap && clash(task, other_task)),
                    "{why}: {one} and {other}: {spans:#?}"
                );
            }
        }
    }
}

/// Polls until `is_there`, with a deadline.
#[track_caller]
pub fn wait_until(what: &str, mut is_there: impl FnMut() -> bool, shown: impl FnOnce() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(
            Instant::now() < deadline,
            "waited in vain for {what}\n{}",
            shown()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a file is there.
#[track_caller]
pub fn wait_for_file(path: &Path) {
    wait_until(&path.display().to_string(), || path.exists(), String::new);
}
