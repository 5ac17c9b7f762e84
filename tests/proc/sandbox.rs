//! What a child in a sandbox can do, and what it cannot.

use crate::support::{Attempt, is_alive};
use mesh_proc::sandbox::{Protection, Sandbox};
use mesh_proc::shim::{self, Cause, ChildEnd};
use mesh_testkit::tools;
use std::os::unix::net::UnixListener;
use std::process::Command;

/// A shell in a sandbox in which its workspace is writable, and `$DIR` is not; `None` where there is none to be had.
fn inside(text: &str) -> Option<Attempt> {
    if !tools::sandbox() {
        return None;
    }
    let mut attempt = Attempt::of_shell(text);
    attempt.spec.sandbox = Some(Sandbox {
        write: vec![attempt.spec.cwd.clone()],
    });
    fs_err::write(attempt.path("outside"), "as it was\n").unwrap();
    fs_err::create_dir(attempt.path("folder")).unwrap();
    Some(attempt)
}

#[track_caller]
fn ends_with(attempt: &mut Attempt, code: i32) {
    let report = attempt.run();
    assert_eq!(
        report.ending,
        ChildEnd::Exited { code },
        "{}{}",
        attempt.text("stdout"),
        attempt.text("stderr")
    );
}

#[test]
fn it_works_in_its_workspace_as_ever() {
    let Some(mut attempt) = inside(
        "set -e
        mkdir -p a/b && echo x >a/b/file && ln -s b a/link && ln a/b/file a/same && mv a/b/file moved && rm -r a && : >moved
        cat \"$DIR/outside\" && ls \"$DIR\" >/dev/null && echo out >/dev/stdout && echo err >/dev/stderr && mkfifo pipe
        dd if=/dev/zero of=/dev/null bs=1 count=1 2>/dev/null && ( trap 'exit 0' TERM; kill -TERM $BASHPID ) && echo end",
    ) else {
        return;
    };
    attempt.spec.program = "bash".into();
    ends_with(&mut attempt, 0);
    let text = attempt.text("stdout");
    assert!(text.ends_with("end\n"), "{text:?}");
    assert!(attempt.text("stderr").contains("err"));
}

#[test]
fn nothing_outside_is_written_made_removed_renamed_or_cut() {
    let attempts = [
        "echo x >>\"$DIR/outside\"",
        ": >\"$DIR/outside\"",
        "truncate -s 0 \"$DIR/outside\"",
        "rm \"$DIR/outside\"",
        "mv \"$DIR/outside\" .",
        "mv \"$DIR/outside\" \"$DIR/other\"",
        "ln \"$DIR/outside\" here",
        "ln -s x \"$DIR/link\"",
        "touch \"$DIR/new\"",
        "mkdir \"$DIR/new\"",
        "rmdir \"$DIR/folder\"",
        "mkfifo \"$DIR/folder/pipe\"",
        "touch in && mv in \"$DIR/folder\"",
        "ln -s \"$DIR/outside\" way && echo x >>way",
        "echo x >\"$DIR/../mesh-must-not-be\"",
        "mknod zero c 1 5",
    ];
    for text in attempts {
        // Whatever it says of itself.
        let Some(mut attempt) = inside(&format!("({text}) && exit 3; exit 0")) else {
            return;
        };
        ends_with(&mut attempt, 0);
        assert_eq!(attempt.text("outside"), "as it was\n", "{text}");
        let names = fs_err::read_dir(attempt.path("folder")).unwrap().count();
        assert_eq!(names, 0, "{text}");
        for name in ["new", "other", "link"] {
            assert!(!attempt.path(name).exists(), "{text}");
        }
    }
}

#[test]
fn it_signals_nobody_outside_and_is_signalled_itself() {
    let Some(mut attempt) =
        inside("kill -9 $PPID; kill -TERM $OUTSIDE; echo $$ >pid; while :; do sleep 60; done")
    else {
        return;
    };
    let mut outside = Command::new("sleep").arg("60").spawn().unwrap();
    attempt.spec.env.insert("OUTSIDE", outside.id().to_string());
    let shim = attempt.start();
    attempt.pid("workspace/pid");
    assert!(is_alive(shim.pid()) && is_alive(outside.id()));
    let refused = attempt.text("stderr");
    assert_eq!(refused.matches("not permitted").count(), 2, "{refused}");
    shim.request_stop();
    let report = attempt.report();
    assert_eq!(report.cause, Cause::Stopped);
    assert_eq!(report.ending, ChildEnd::Signaled { signal: 15 });
    outside.kill().unwrap();
    outside.wait().unwrap();
}

#[test]
fn what_cleared_its_environment_and_left_its_session_cannot_end_its_shim_and_ends_with_it() {
    let Some(mut attempt) = inside(
        "env -i setsid sh -c 'cd / && trap \"\" TERM HUP && kill -9 '$PPID'; kill -9 '$$'; sleep 60' &
        echo $! >pid; wait",
    ) else {
        return;
    };
    attempt.start();
    let stray = attempt.pid("workspace/pid");
    let report = attempt.report();
    assert_eq!(report.ending, ChildEnd::Signaled { signal: 9 });
    assert!(!is_alive(stray), "{:?}", report.killed);
}

#[test]
fn no_abstract_socket_of_outside_is_reached() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("mesh-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let Some(mut attempt) = inside(
        "import os, socket, sys
try:
    socket.socket(socket.AF_UNIX).connect('\\0' + os.environ['NAME'])
except PermissionError:
    sys.exit(7)",
    ) else {
        return;
    };
    attempt.spec.program = "python3".into();
    attempt.spec.env.insert("NAME", &name);
    ends_with(&mut attempt, 7);
}

#[test]
fn what_is_enforced_is_in_the_record_with_the_paths_that_are_not_there() {
    let Some(mut attempt) = inside("exit 0") else {
        return;
    };
    let missing = attempt.path("nowhere");
    let sandbox = attempt.spec.sandbox.as_mut().unwrap();
    sandbox.write.push(missing.clone());
    ends_with(&mut attempt, 0);
    let enforced = attempt.record().sandbox.expect("it is recorded");
    assert!(enforced.protections.contains(&Protection::Writes));
    assert_eq!(enforced.missing, [missing]);

    let mut open = Attempt::of_shell("echo x >\"$DIR/new\"");
    ends_with(&mut open, 0);
    assert_eq!(open.record().sandbox, None);
    assert_eq!(open.text("new"), "x\n");
}

#[test]
fn a_program_that_is_not_there_is_told_as_ever() {
    let Some(mut attempt) = inside("") else {
        return;
    };
    attempt.spec.program = "/nowhere/agent".into();
    let report = attempt.run();
    assert!(
        matches!(report.ending, ChildEnd::CouldNotStart { .. }),
        "{report:?}"
    );
    drop(shim::lock_attempt(&attempt.lock_path()).expect("the lock is free after the end"));
}
