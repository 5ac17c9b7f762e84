//! A child that comes, works and goes; and one that never comes.

use crate::support::{Attempt, MESH, is_alive, unique_run};
use mesh_proc::env::Env;
use mesh_proc::shim::{self, Cause, ChildEnd, Launcher, StartError};
use mesh_proc::tree;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn a_child_ends_by_itself_and_everything_about_it_is_told() {
    let mut attempt =
        Attempt::of_steps(json!([{"print": "out"}, {"print_err": "error"}, {"exit": 3}]));
    let report = attempt.run();
    assert_eq!(report.ending, ChildEnd::Exited { code: 3 });
    assert_eq!(report.cause, Cause::Ended);
    assert_eq!((report.killed.len(), report.killed_more), (0, 0));
    assert_eq!((report.stdout_bytes, report.stderr_bytes), (4, 6));
    assert_eq!(
        (attempt.text("stdout"), attempt.text("stderr")),
        ("out\n".into(), "error\n".into())
    );
    let child_started = report.child_started_at_unix_ms.unwrap();
    assert!(report.started_at_unix_ms <= child_started && child_started <= report.ended_at_unix_ms);
    let record = attempt.record();
    assert_eq!(record.identity, attempt.live.as_ref().unwrap().identity());
    assert_eq!(Some(record.boot_id), tree::boot_id());
    assert!(!is_alive(record.child.unwrap().identity.pid));
    assert_eq!(attempt.text("shim.log"), "");
    drop(shim::lock_attempt(&attempt.lock_path()).expect("the lock is free after the end"));
}

#[test]
fn a_signal_is_not_an_exit_code() {
    let report = Attempt::of_steps(json!([{"kill_self": 9}])).run();
    assert_eq!(
        (report.ending, report.cause),
        (ChildEnd::Signaled { signal: 9 }, Cause::Ended)
    );
}

#[test]
fn the_child_gets_exactly_the_environment_of_the_spec_and_the_markers() {
    let mut attempt = Attempt::of_steps(json!([{"dump_env": "DIR/env"}]));
    attempt.spec.env = Env::empty()
        .set("ONLY", "this")
        .set("MESH_ATTEMPT", "not this");
    assert_eq!(attempt.run().ending, ChildEnd::Exited { code: 0 });
    let text = attempt.text("env");
    let lines: BTreeSet<&str> = text.lines().collect();
    let run = format!("MESH_RUN={}", attempt.spec.run);
    assert_eq!(
        lines,
        BTreeSet::from(["ONLY=this", "MESH_ATTEMPT=demo/1", run.as_str()])
    );
}

#[test]
fn a_child_steps_back_behind_the_coordinator() {
    let nice = |text: &str| text.trim().parse::<i32>().expect("a nice value");
    let ours = Command::new("nice").output().expect("nice runs");
    let ours = nice(&String::from_utf8_lossy(&ours.stdout));
    let mut attempt = Attempt::of_shell("nice >\"$DIR/nice\"");
    assert_eq!(attempt.run().ending, ChildEnd::Exited { code: 0 });
    let most = 19;
    assert_eq!(
        nice(&attempt.text("nice")),
        (ours + shim::NICENESS).min(most)
    );
}

#[test]
fn the_prompt_is_what_the_child_reads_and_logs_are_appended_to() {
    let mut attempt = Attempt::of_steps(json!([{"copy_stdin": "DIR/read"}, {"print": "new"}]));
    fs_err::write(attempt.path("prompt.md"), "do it").unwrap();
    fs_err::write(attempt.path("stdout"), "old\n").unwrap();
    attempt.spec.stdin = Some(attempt.path("prompt.md"));
    let report = attempt.run();
    assert_eq!(attempt.text("read"), "do it");
    assert_eq!(attempt.text("stdout"), "old\nnew\n");
    assert_eq!(
        report.stdout_bytes, 4,
        "what was there before is not the child's"
    );
}

#[test]
fn a_child_without_stdin_reads_nothing_and_never_the_lock() {
    let mut attempt =
        Attempt::of_shell("cat >\"$DIR/read\"; readlink /proc/self/fd/* >\"$DIR/fds\"; exit 0");
    assert_eq!(attempt.run().ending, ChildEnd::Exited { code: 0 });
    assert_eq!(attempt.text("read"), "");
    assert!(
        !attempt.text("fds").contains("lock"),
        "{}",
        attempt.text("fds")
    );
}

#[test]
fn the_child_runs_in_its_folder_with_a_group_of_its_own_in_the_shims_session() {
    let mut attempt = Attempt::of_shell("pwd; exec cat /proc/self/stat");
    attempt.run();
    let text = attempt.text("stdout");
    let (folder, stat) = text.split_once('\n').unwrap();
    assert_eq!(
        folder,
        attempt.spec.cwd.canonicalize().unwrap().to_str().unwrap()
    );
    let stat = tree::parse_stat(stat.as_bytes()).unwrap();
    assert_eq!(stat.group, stat.pid);
    assert_eq!(stat.session, attempt.record().identity.pid);
    assert_eq!(stat.parent, stat.session);
}

#[test]
fn what_could_not_start_is_a_report_with_the_reason() {
    let check = |change: &dyn Fn(&mut Attempt), reason: &str| {
        let mut attempt = Attempt::of_steps(json!([]));
        change(&mut attempt);
        let report = attempt.run();
        match &report.ending {
            ChildEnd::CouldNotStart { reason: said } => assert!(said.contains(reason), "{said}"),
            other => panic!("{other:?} instead of: {reason}"),
        }
        assert_eq!(report.child_started_at_unix_ms, None);
        assert_eq!(attempt.record().child, None);
    };
    check(
        &|attempt| attempt.spec.program = "no-such-program".into(),
        "not on PATH",
    );
    check(
        &|attempt| attempt.spec.program = "/no/such/program".into(),
        "/no/such/program",
    );
    check(
        &|attempt| attempt.spec.cwd = "/no/such/folder".into(),
        "/no/such/folder",
    );
    check(
        &|attempt| attempt.spec.stdin = Some("/no/such/prompt".into()),
        "/no/such/prompt",
    );
    check(
        &|attempt| attempt.spec.stdout = "/no/such/log".into(),
        "/no/such/log",
    );
    let not_a_program = |attempt: &mut Attempt| {
        let path = attempt.path("tool");
        fs_err::write(&path, "\u{7f}ELF rubbish").unwrap();
        let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(&path, mode).unwrap();
        attempt.spec.program = path;
    };
    check(&not_a_program, "tool");
}

#[test]
fn a_relative_path_is_refused_before_anything_starts() {
    let mut attempt = Attempt::of_steps(json!([]));
    attempt.spec.report = "exit.json".into();
    let lock = shim::lock_attempt(&attempt.lock_path()).unwrap();
    let started = shim::start(
        &attempt.spec,
        &attempt.path("spec.json"),
        lock,
        &Launcher { exe: MESH.into() },
    );
    assert!(matches!(started, Err(StartError::RelativePath { .. })));
    drop(shim::lock_attempt(&attempt.lock_path()).expect("the lock came back"));
}

#[test]
fn a_launcher_that_is_missing_is_an_error_of_the_start() {
    let attempt = Attempt::of_steps(json!([]));
    let lock = shim::lock_attempt(&attempt.lock_path()).unwrap();
    let started = shim::start(
        &attempt.spec,
        &attempt.path("spec.json"),
        lock,
        &Launcher {
            exe: "/no/mesh".into(),
        },
    );
    assert!(matches!(started, Err(StartError::Spawn { .. })));
    drop(shim::lock_attempt(&attempt.lock_path()).expect("the lock came back"));
}

#[test]
fn a_spec_that_cannot_be_read_is_said_on_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("spec.json");
    let check = |content: Option<&str>, words: &str| {
        if let Some(content) = content {
            fs_err::write(&spec, content).unwrap();
        }
        let output = Command::new(MESH)
            .arg(shim::ARGUMENT)
            .arg(&spec)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(words), "{said}");
    };
    check(None, "no such spec");
    check(Some(""), "does not hold");
    check(Some("{\"schema\": 1}"), "program");
    check(Some("{\"schema\": 99}"), "newer version");
}

#[test]
fn a_report_that_cannot_be_written_is_said_in_the_log_and_nothing_is_left() {
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": {"steps": [{"write_pid": "DIR/pid"}, {"sleep_ms": 60_000}], "setsid": true}},
        {"wait_for": "DIR/pid"},
    ]));
    attempt.spec.report = attempt.path("gone").join("exit.json");
    let live = attempt.start();
    assert!(live.wait(crate::support::LONG));
    assert!(
        attempt
            .text("shim.log")
            .contains("the exit report could not be written"),
        "{}",
        attempt.text("shim.log")
    );
    assert!(!is_alive(attempt.pid("pid")));
    assert!(shim::read_report(&attempt.spec.report).unwrap().is_none());
}

#[test]
fn a_full_disk_at_the_report_leaves_no_half_report() {
    // A file size limit is the full disk that needs no rights: the write fails in the middle.
    let attempt = Attempt::of_steps(json!([{"exit": 4}]));
    let spec_path = attempt.path("spec.json");
    fs_err::write(&spec_path, serde_json::to_vec(&attempt.spec).unwrap()).unwrap();
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"",
            MESH,
            shim::ARGUMENT,
        ])
        .arg(&spec_path)
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(shim::read_report(&attempt.spec.report).unwrap(), None);
    let leftover = fs_err::read_dir(attempt.folder.path())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
        });
    assert_eq!(leftover.count(), 0);
}

#[test]
fn whoever_reads_while_the_report_is_written_sees_all_or_nothing() {
    for _ in 0..20 {
        let mut attempt = Attempt::of_steps(json!([{"print": "x"}]));
        let live = attempt.start();
        let report = loop {
            if let Some(report) = shim::read_report(&attempt.spec.report).expect("half a report") {
                break report;
            }
        };
        assert_eq!(report.ending, ChildEnd::Exited { code: 0 });
        assert!(live.wait(crate::support::LONG));
    }
}

#[test]
fn a_shim_within_a_marked_tree_carries_the_outer_markers_and_its_child_the_inner() {
    let outer = unique_run();
    let mut attempt = Attempt::of_steps(json!([{"write_pid": "DIR/pid"}, {"wait_for": "DIR/go"}]));
    attempt.start_from_dying_starter(&[
        ("MESH_RUN", &outer),
        ("MESH_ATTEMPT", "outer/1"),
        ("OTHER", "x"),
    ]);
    let live = attempt.adopt();
    let child = attempt.pid("pid");
    let of_shim = tree::environ(live.pid()).unwrap();
    assert_eq!(
        tree::parse_environ(&of_shim, "MESH_RUN"),
        Some(outer.as_bytes())
    );
    assert_eq!(
        tree::parse_environ(&of_shim, "MESH_ATTEMPT"),
        Some(&b"outer/1"[..])
    );
    assert_eq!(tree::parse_environ(&of_shim, "OTHER"), None);
    let of_child = tree::environ(child).unwrap();
    assert_eq!(
        tree::parse_environ(&of_child, "MESH_RUN"),
        Some(attempt.spec.run.as_bytes())
    );
    fs_err::write(attempt.path("go"), "").unwrap();
    assert_eq!(attempt.report().ending, ChildEnd::Exited { code: 0 });
}
