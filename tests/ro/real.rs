//! The real `bd`: each passing example answers as the direct call does, and the issues stay as they were.

use std::path::Path;
use std::process::Command;

use mesh_bd_ro::table::RULES;

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

fn each_passing_example_answers_as_the_direct_call(tracker: &Tracker, version: &str) {
    let mut compared = 0;
    for rule in &RULES {
        let mut worked = false;
        for example in rule.passes {
            let plain = tracker.plain(example);
            let wrapped = tracker.wrapped(example);
            assert_eq!(
                wrapped.status.code(),
                plain.status.code(),
                "bd {version}, {example:?}: {}",
                stderr(&wrapped)
            );
            let [plain_text, wrapped_text] =
                [&plain, &wrapped].map(|output| comparable(example, &stdout(output)));
            assert_eq!(wrapped_text, plain_text, "bd {version}, {example:?}");
            worked |= plain.status.success() && !example.contains("--help");
            compared += 1;
        }
        assert!(
            worked,
            "no example of {} works on bd {version}",
            rule.name()
        );
    }
    println!("bd {version}: {compared} examples answer as the direct call does");
}

fn as_bd_first_on_path(tracker: &Tracker, version: &str) {
    install(WRAPPER.as_ref(), &tracker.lab.path("agent/bd"));
    let shell = |line: &str| {
        let mut command = tracker.direct(Path::new("/bin/sh"));
        let real = tracker
            .bd
            .parent()
            .expect("a program lies in a folder")
            .display();
        let path = format!(
            "{}:{real}:/usr/bin:/bin",
            tracker.lab.path("agent").display()
        );
        command.args(["-c", line]).env("PATH", path);
        run(command)
    };
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
}

/// A copy of the tracker in a view answers as the live one does, from any folder, and the live one is not opened for it.
fn a_view_answers_as_the_live_tracker(tracker: &Tracker, version: &str) {
    let view = tracker.lab.path("view");
    fs_err::create_dir_all(mesh_bd_ro::view::copy_dir(&view, 1)).expect("folder");
    // `cp -a` keeps the times, which 0.47.1 compares.
    let mut copy = Command::new("cp");
    copy.arg("-a")
        .arg(tracker.root().join(".beads"))
        .arg(mesh_bd_ro::view::beads_dir(&view, 1));
    assert!(copy.status().expect("cp").success());
    fs_err::write(mesh_bd_ro::view::copy_dir(&view, 1).join("lock"), "").expect("lock");
    let examples = [
        "show bd-123 --json",
        "list --json --all --limit 0",
        "dep tree bd-456 --json",
        "swarm status bd-epic-1 --json",
    ];
    let live = examples.map(|example| stdout(&tracker.plain(example)));
    // Gone for the time of the reads: who answers now has answered from the copy.
    let (beads, away) = (tracker.root().join(".beads"), tracker.root().join("away"));
    fs_err::rename(&beads, &away).expect("own folder");
    let viewed = examples.map(|example| {
        let mut command = tracker.lab.wrapper(example);
        command
            .env("MESH_BD", &tracker.bd)
            .env("USER", "tester")
            .env("MESH_VIEW", &view);
        stdout(&run(command))
    });
    fs_err::rename(&away, &beads).expect("own folder");
    assert_eq!(viewed, live, "bd {version}");
}

fn reads_answer_and_issues_stay(bd: &Path, version: &str) {
    let tracker = Tracker::new(bd);
    let before = tracker.issues();
    each_passing_example_answers_as_the_direct_call(&tracker, version);
    as_bd_first_on_path(&tracker, version);
    a_view_answers_as_the_live_tracker(&tracker, version);
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
