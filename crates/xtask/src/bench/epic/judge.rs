//! What an epic must have looked like, from the agents' own log, the tracker, the repository and the process table.

use std::collections::BTreeSet;

use mesh_core::task::Task;
use serde_json::Value;

use super::{CONCURRENCY, Kill, Stage};
use crate::Outcome;

impl Stage {
    pub(super) fn judge(&self, report: &Value, kill: Kill) -> Outcome<Vec<String>> {
        let mut problems = Vec::new();
        let entries = self.entries()?;
        let bars = bars(&entries, &mut problems, kill);
        if bars.len() < self.tasks.len() {
            problems.push(format!(
                "the agents' log has {} attempts of {} tasks",
                bars.len(),
                self.tasks.len()
            ));
        }
        let peak = peak(&bars);
        if peak > usize::from(CONCURRENCY) {
            problems.push(format!("{peak} agents overlapped, not {CONCURRENCY}"));
        }
        println!("overlap peak by the agents' own log: {peak}");
        self.judge_locks(&bars, &mut problems);
        self.judge_needs(&entries, &mut problems);
        self.judge_tracker(&mut problems);
        self.judge_leftovers(report, kill, &mut problems)?;
        Ok(problems)
    }

    fn judge_locks(&self, bars: &[Bar], problems: &mut Vec<String>) {
        let groups = |id: &str| {
            let mut tasks = self.tasks.iter();
            let task = tasks.find(|task| self.epic.task(task.id.as_str()) == id);
            task.map(|task| task.locks.groups()).unwrap_or_default()
        };
        for (at, one) in bars.iter().enumerate() {
            for other in &bars[at + 1..] {
                let overlap = one.from < other.to && other.from < one.to;
                if overlap && one.task == other.task {
                    problems.push(format!("{} ran twice at once", one.task));
                }
                if overlap && !groups(&one.task).is_disjoint(&groups(&other.task)) {
                    problems.push(format!(
                        "{} and {} held a lock group at once",
                        one.task, other.task
                    ));
                }
            }
        }
    }

    fn judge_needs(&self, entries: &[Entry], problems: &mut Vec<String>) {
        for Task { id, needs, .. } in &self.tasks {
            let task = self.epic.task(id.as_str());
            for start in entries
                .iter()
                .filter(|entry| entry.what == "start" && entry.task == task)
            {
                let seen: BTreeSet<&str> = start.rest.split(',').collect();
                for need in needs.iter().filter(|need| !seen.contains(need.as_str())) {
                    problems.push(format!("{id} started without the file of {need}"));
                }
            }
        }
    }

    fn judge_tracker(&self, problems: &mut Vec<String>) {
        let listed = self
            .tracker
            .bd_json(&["list", "--json", "--all", "--limit", "0"]);
        for issue in listed
            .as_array()
            .into_iter()
            .flatten()
            .filter(|issue| issue["issue_type"] == "task")
        {
            if issue["status"] != "closed" {
                problems.push(format!(
                    "{} is {} in the tracker",
                    issue["id"], issue["status"]
                ));
            }
        }
        let audit = fs_err::read_to_string(self.tracker.beads_dir().join("interactions.jsonl"))
            .unwrap_or_default();
        let lines: Vec<Value> = audit
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        for key in self.tasks.iter().map(|task| task.id.as_str()) {
            let of = |field: &str| {
                lines
                    .iter()
                    .filter(|line| {
                        line["issue_id"] == self.epic.task(key) && line[field].is_string()
                    })
                    .count()
            };
            if of("prompt") == 0 || of("response") == 0 {
                problems.push(format!("the audit lacks prompt or response of {key}"));
            }
        }
    }

    fn judge_leftovers(
        &self,
        report: &Value,
        kill: Kill,
        problems: &mut Vec<String>,
    ) -> Outcome<()> {
        let run = report["run"].as_str().unwrap_or_default();
        for process in fs_err::read_dir("/proc")? {
            let environ = fs_err::read(process?.path().join("environ")).unwrap_or_default();
            let marked = environ
                .split(|byte| *byte == 0)
                .any(|entry| entry == format!("MESH_RUN={run}").as_bytes());
            if marked {
                problems.push("a process of the run is left".to_owned());
            }
        }
        let workspaces = self
            .tracker
            .root()
            .with_file_name("workspaces")
            .join("repo");
        let left = fs_err::read_dir(&workspaces)
            .map(|entries| entries.count())
            .unwrap_or(0);
        // A failed attempt's workspace is kept on purpose.
        if left > usize::from(kill == Kill::Shim) {
            problems.push(format!(
                "{left} workspaces are left in {}",
                workspaces.display()
            ));
        }
        Ok(())
    }
}

/// A line of the agents' own log.
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) what: String,
    task: String,
    attempt: String,
    pid: String,
    rest: String,
}

impl Entry {
    pub(super) fn parse(line: &str) -> Option<Entry> {
        let mut words = line.split(' ');
        Some(Entry {
            at: words.next()?.parse().ok()?,
            what: words.next()?.to_owned(),
            task: words.next()?.to_owned(),
            attempt: words.next()?.to_owned(),
            pid: words.next()?.to_owned(),
            rest: words.next().unwrap_or_default().to_owned(),
        })
    }
}

/// One execution of an agent.
struct Bar {
    task: String,
    from: u64,
    to: u64,
}

fn bars(entries: &[Entry], problems: &mut Vec<String>, kill: Kill) -> Vec<Bar> {
    let mut bars = Vec::new();
    for start in entries.iter().filter(|entry| entry.what == "start") {
        let end = entries.iter().find(|entry| {
            entry.what == "end" && entry.pid == start.pid && entry.attempt == start.attempt
        });
        match end {
            Some(end) => bars.push(Bar {
                task: start.task.clone(),
                from: start.at,
                to: end.at,
            }),
            None if kill == Kill::Shim => println!("{} was ended in the middle", start.attempt),
            None => problems.push(format!("{} started and never ended", start.attempt)),
        }
    }
    let mut attempts: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.what == "start")
        .map(|entry| entry.attempt.as_str())
        .collect();
    attempts.sort_unstable();
    if attempts.windows(2).any(|pair| pair[0] == pair[1]) {
        problems.push("an attempt was started twice".to_owned());
    }
    bars
}

fn peak(bars: &[Bar]) -> usize {
    bars.iter()
        .map(|bar| {
            bars.iter()
                .filter(|other| other.from <= bar.from && bar.from < other.to)
                .count()
        })
        .max()
        .unwrap_or(0)
}
