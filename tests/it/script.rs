//! Scripts for the fake agent.

use serde_json::{Value, json};

use crate::fixture::{Fixture, Job};

/// The usual agent of a job: says that it started, looks for what its needs made, works, writes its file, says that it ended.
pub fn usual(fixture: &Fixture, job: &Job, work: &[Value]) -> Value {
    let mut steps = vec![
        event(fixture, "start"),
        json!({"write_pid": fixture.pid_file("{attempt}")}),
    ];
    for need in job.sees() {
        steps.push(json!({"require": format!("{need}.txt")}));
    }
    steps.push(event(fixture, "saw"));
    steps.extend_from_slice(work);
    steps.extend(result(fixture, &job.key));
    Value::Array(steps)
}

/// The good end of an agent: its file, the log, the block.
pub fn result(fixture: &Fixture, key: &str) -> Vec<Value> {
    let path = format!("{key}.txt");
    vec![
        json!({"write": {"path": path, "text": format!("made by {key}\n")}}),
        event(fixture, "end"),
        json!({"final": {"changed": path}}),
    ]
}

/// A line in the shared log.
pub fn event(fixture: &Fixture, what: &str) -> Value {
    json!({"log_event": {"file": fixture.log.0, "event": what}})
}

/// Waits until the test opens the gate.
pub fn gate(fixture: &Fixture) -> Value {
    json!({"wait_for": fixture.gate()})
}

/// One script after the other.
pub fn then(first: Value, rest: &Value) -> Value {
    let mut steps = first.as_array().cloned().unwrap_or_else(|| vec![first]);
    steps.extend(rest.as_array().expect("a list of steps").iter().cloned());
    Value::Array(steps)
}
