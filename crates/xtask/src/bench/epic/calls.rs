//! What a run's calls of the tracker cost, by kind, from its call log.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;

/// Calls of one kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Cost {
    calls: u64,
    total_ms: u64,
}

/// The lines of a table of all calls of `bd` in the log, and their sum a task.
pub(super) fn table(log: &str, tasks: usize) -> Vec<String> {
    let mut kinds: BTreeMap<String, Cost> = BTreeMap::new();
    let mut all = Cost::default();
    for line in log.lines() {
        let Ok(call) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let argv = call["argv"].as_array().into_iter().flatten();
        let words: Vec<&str> = argv.filter_map(Value::as_str).collect();
        let Some((program, words)) = words.split_first() else {
            continue;
        };
        if Path::new(program)
            .file_name()
            .is_none_or(|name| name != "bd")
        {
            continue;
        }
        let ms = call["elapsed_ms"].as_u64().unwrap_or(0);
        for cost in [kinds.entry(kind(words)).or_default(), &mut all] {
            cost.calls += 1;
            cost.total_ms += ms;
        }
    }
    let row = |name: &str, cost: &Cost| {
        let mean = cost.total_ms / cost.calls.max(1);
        format!(
            "  {name:<18} {:>5} calls {:>8.1} s {mean:>6} ms each",
            cost.calls,
            cost.total_ms as f64 / 1000.0
        )
    };
    let mut lines: Vec<String> = kinds.iter().map(|(name, cost)| row(name, cost)).collect();
    lines.push(row("all", &all));
    lines.push(format!(
        "  a task: {:.1} calls, {:.2} s",
        all.calls as f64 / tasks as f64,
        all.total_ms as f64 / 1000.0 / tasks as f64
    ));
    lines
}

/// The command with its subcommand, and what tells its uses apart.
fn kind(words: &[&str]) -> String {
    const GROUPS: [&str; 7] = ["comments", "audit", "swarm", "mol", "gate", "agent", "slot"];
    let mut rest = words.iter().copied();
    let mut command = String::new();
    while let Some(word) = rest.next() {
        match word {
            "--actor" => {
                rest.next();
            }
            flag if flag.starts_with('-') => {}
            word => {
                word.clone_into(&mut command);
                break;
            }
        }
    }
    if words.contains(&"--help") {
        return "help".to_owned();
    }
    if words.contains(&"--claim") {
        return "claim".to_owned();
    }
    match rest.next() {
        Some(subcommand) if GROUPS.contains(&command.as_str()) && !subcommand.contains('-') => {
            format!("{command} {subcommand}")
        }
        _ => command,
    }
}

/// The call log of the only run below `root`.
pub(super) fn log_of_run(root: &Path) -> Outcome<String> {
    let mut text = String::new();
    for log in super::find_files(&root.join(".mesh/runs"), "calls.jsonl")? {
        text.push_str(&fs_err::read_to_string(log)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_kind() {
        let line = |words: &[&str], ms: u64| {
            let argv: Vec<&str> = ["/opt/bd"]
                .into_iter()
                .chain(words.iter().copied())
                .collect();
            serde_json::json!({ "argv": argv, "elapsed_ms": ms }).to_string()
        };
        let log = [
            line(
                &["--actor", "agent:mesh-1", "update", "t-1", "--claim"],
                400,
            ),
            line(&["--actor", "mesh", "audit", "record", "--readonly"], 100),
            line(&["--actor", "mesh", "audit", "record", "--readonly"], 200),
            line(&["comments", "t-1", "--json"], 50),
            line(&["--no-daemon", "close", "t-1"], 250),
            "{\"argv\":[\"/opt/jj\"],\"elapsed_ms\":9}".to_owned(),
            "torn".to_owned(),
        ];
        let table = table(&log.join("\n"), 2);
        let row = |name: &str| {
            let mut rows = table
                .iter()
                .filter(|row| row.trim_start().starts_with(name));
            rows.next().cloned().unwrap_or_default()
        };
        assert!(row("claim").contains("1 calls"), "{table:?}");
        assert!(row("audit record").contains("150 ms each"), "{table:?}");
        assert!(row("close").contains("1 calls"), "{table:?}");
        assert!(row("comments").contains("1 calls"), "{table:?}");
        assert_eq!(row("a task"), "  a task: 2.5 calls, 0.50 s");
    }
}
