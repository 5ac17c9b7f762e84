//! The real `bd`: each passing example answers as the direct call does, and the issues stay as they were.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use mesh_bd_ro::table::RULES;
use mesh_bd_ro::view::{LOCK, READ_SLOT, beads_dir, copy_dir};

use crate::support::{WRAPPER, install, run, stderr, stdout};
use crate::tracker::{Tracker, real};

/// An answer in a form that two calls share. `mol show --parallel` lists groups in the order of a Go map, which differs
/// from call to call; every other answer is compared byte for byte.
fn comparable(example: &str, answer: &str) -> String {
    fn sorted(value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value::{Array, Object};
        match value {
            Array(items) => {
                let mut items: Vec<_> = items.into_iter().map(sorted).collect();
                items.sort_by_key(ToString::to_string);
                Array(items)
            }
            Object(fields) => Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, sorted(value)))
                    .collect(),
            ),
            other => other,
        }
    }
    if !example.starts_with("mol show -p") {
        return answer.to_string();
    }
    let value = serde_json::from_str(answer)
        .unwrap_or_else(|error| panic!("{example:?}: {error}: {answer}"));
    sorted(value).to_string()
}

/// A copy of the tracker in a view, made as the coordinator makes it.
fn view_of(tracker: &Tracker) -> PathBuf {
    let view = tracker.lab.path("view/task-1.1");
    fs_err::create_dir_all(copy_dir(&view, 1)).expect("folder");
    let live = tracker.root().join(".beads");
    mesh_bd::view::take(&live, &beads_dir(&view, 1), Duration::from_secs(60)).expect("a copy");
    for name in [LOCK.to_string(), format!("{READ_SLOT}0")] {
        fs_err::write(copy_dir(&view, 1).join(name), "").expect("own file");
    }
    view
}

/// The live tracker is gone while this reads: who answers has answered from the copy.
fn viewed(tracker: &Tracker, view: &Path, example: &str) -> Output {
    let (beads, away) = (tracker.root().join(".beads"), tracker.lab.path("away"));
    fs_err::rename(&beads, &away).expect("own folder");
    let mut command = tracker.wrapper(example);
    command.env("MESH_VIEW", view);
    let output = run(command);
    fs_err::rename(&away, &beads).expect("nobody made a new one");
    output
}

/// On the live tracker and on a view, from within the repository.
fn each_passing_example_answers_as_the_direct_call(tracker: &Tracker, version: &str) {
    let view = view_of(tracker);
    let mut compared = 0;
    for rule in &RULES {
        let mut worked = false;
        for example in rule.passes {
            let plain = tracker.plain(example);
            let text = comparable(example, &stdout(&plain));
            for (what, wrapped) in [
                ("live", tracker.wrapped(example)),
                ("view", viewed(tracker, &view, example)),
            ] {
                let what = format!("bd {version}, {what}, {example:?}: {}", stderr(&wrapped));
                assert_eq!(wrapped.status.code(), plain.status.code(), "{what}");
                assert_eq!(comparable(example, &stdout(&wrapped)), text, "{what}");
            }
            worked |= plain.status.success() && !example.contains("--help");
            compared += 1;
        }
        assert!(
            worked,
            "no example of {} works on bd {version}",
            rule.name()
        );
    }
    println!(
        "bd {version}: {compared} examples answer as the direct call does, live and on a view"
    );
}

fn as_bd_first_on_path(tracker: &Tracker, version: &str) {
    install(WRAPPER.as_ref(), &tracker.lab.path("agent/bd"));
    let agent = tracker.lab.path("agent").display().to_string();
    let real = tracker.bd.parent().expect("a program lies in a folder");
    let with_path = |path: &str, line: &str| {
        let mut command = tracker.direct(Path::new("/bin/sh"));
        command.args(["-c", line]).env("PATH", path);
        run(command)
    };
    let shell = |line: &str| with_path(&format!("{agent}:{}:/usr/bin:/bin", real.display()), line);
    let read = shell("bd show bd-123");
    assert!(
        read.status.success() && stdout(&read).contains("Task one"),
        "bd {version}: {}",
        stderr(&read)
    );
    for write in [
        "bd update bd-123 --status closed",
        "bd ready --claim",
        "bd close bd-123",
        "bd dep bd-123 --blocks bd-789",
    ] {
        let output = shell(write);
        assert_eq!(
            output.status.code(),
            Some(77),
            "bd {version}, {write}: {}",
            stdout(&output)
        );
    }
    let alone = with_path(&format!("{agent}:/usr/bin:/bin"), "bd show bd-123");
    assert_eq!(alone.status.code(), Some(127), "{}", stderr(&alone));
}

fn reads_answer_and_issues_stay(bd: &Path, version: &str) {
    let tracker = Tracker::new(bd);
    let before = tracker.issues();
    each_passing_example_answers_as_the_direct_call(&tracker, version);
    as_bd_first_on_path(&tracker, version);
    assert_eq!(
        tracker.issues(),
        before,
        "bd {version}: reads changed issues"
    );
}

fn on_real(version: &str) {
    if let Some(bd) = real(version) {
        reads_answer_and_issues_stay(&bd, version);
    }
}

#[test]
fn on_bd_0_47_1_reads_answer_as_the_direct_call_and_issues_stay() {
    on_real("0.47.1");
}

#[test]
fn on_bd_1_0_5_reads_answer_as_the_direct_call_and_issues_stay() {
    on_real("1.0.5");
}

#[test]
fn on_bd_1_3_0_reads_answer_as_the_direct_call_and_issues_stay() {
    on_real("1.3.0");
}
