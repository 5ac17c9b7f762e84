//! Short commands: that hang, flood, lie or die.

use crate::support::{KillOnDrop, is_alive, until};
use mesh_proc::env::Env;
use mesh_proc::find::FindError;
use mesh_proc::run::{
    Command, Direct, Limits, Observed, Output, RunError, Runner, Status, Stream, run,
};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

fn sh(text: &str) -> Command {
    Command::new("sh")
        .args(["-c", text])
        .env(Env::keep(&["PATH"]))
}

fn in_folder(text: &str, folder: &Path) -> Command {
    let command = sh(text);
    let env = command.env.clone().set("DIR", folder);
    command.env(env)
}

fn short(command: Command) -> Command {
    let limits = Limits {
        timeout: Duration::from_millis(500),
        grace: Duration::from_millis(200),
        ..command.limits
    };
    command.limits(limits)
}

#[track_caller]
fn pid(path: &Path) -> u32 {
    let read = || {
        fs_err::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
    };
    until("a number", || read().is_some());
    read().unwrap()
}

#[test]
fn an_answer_is_an_answer_whatever_its_code() {
    let output = run(&sh("echo out; echo error >&2; exit 3")).unwrap();
    assert_eq!(output.status, Status::Exited(3));
    assert!(!output.status.is_success());
    assert_eq!(
        (output.stdout_text(), output.stderr_text()),
        ("out\n".into(), "error\n".into())
    );
    assert_eq!(run(&sh("kill -9 $$")).unwrap().status, Status::Signaled(9));
    assert!(run(&sh("exit 0")).unwrap().status.is_success());
}

#[test]
fn output_that_is_no_text_comes_back_byte_for_byte() {
    let output = run(&sh("printf '\\377\\000\\376'; printf '\\001\\200' >&2")).unwrap();
    assert_eq!(output.stdout, [0xff, 0, 0xfe]);
    assert_eq!(output.stderr, [1, 0x80]);
}

#[test]
fn the_environment_is_exactly_what_was_given() {
    let env = Env::keep(&["PATH"]).set("A", "1");
    let output = run(&Command::new("env").env(env.clone())).unwrap();
    let expected: Vec<String> = env
        .iter()
        .map(|(name, value)| format!("{}={}", name.display(), value.display()))
        .collect();
    let stdout = output.stdout_text();
    let mut lines: Vec<&str> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, expected);
}

#[test]
fn bytes_are_read_to_their_end_or_not_at_all() {
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|number| (number % 251) as u8)
        .collect();
    assert_eq!(
        run(&sh("cat").stdin_bytes(bytes.clone())).unwrap().stdout,
        bytes
    );
    assert!(
        run(&sh("exit 0").stdin_bytes(bytes))
            .unwrap()
            .status
            .is_success(),
        "nobody has to read"
    );
    assert_eq!(run(&sh("cat")).unwrap().stdout, b"");
}

#[test]
fn a_missing_program_and_a_missing_folder_are_told_apart() {
    let program = run(&Command::new("no-such-program").env(Env::keep(&["PATH"]))).unwrap_err();
    assert!(
        matches!(
            &program,
            RunError::NotFound {
                problem: FindError::NotOnPath { .. }
            }
        ),
        "{program}"
    );
    let program = run(&Command::new("/no/such/program")).unwrap_err();
    assert!(
        matches!(
            &program,
            RunError::NotFound {
                problem: FindError::NoFile { .. }
            }
        ),
        "{program}"
    );
    let folder = run(&sh("true").cwd("/no/such/folder")).unwrap_err();
    assert!(matches!(&folder, RunError::NoFolder { .. }), "{folder}");
    assert_eq!(folder.elapsed(), Duration::ZERO);
    let here = tempfile::tempdir().unwrap();
    let output = run(&sh("pwd").cwd(here.path())).unwrap();
    assert_eq!(
        Path::new(output.stdout_text().trim()),
        here.path().canonicalize().unwrap()
    );
}

#[test]
fn a_file_that_is_no_program_is_an_error_that_names_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool");
    fs_err::write(&path, "#!/no/such/interpreter\n").unwrap();
    let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&path, mode).unwrap();
    let error = run(&Command::new(&path).arg("two words")).unwrap_err();
    assert!(matches!(error, RunError::Io { .. }));
    assert!(error.to_string().contains("'two words'"), "{error}");
}

#[test]
fn a_command_that_hangs_is_ended_with_all_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = "echo $$ >\"$DIR/own\"; setsid sh -c 'echo $$ >\"$DIR/left\"; sleep 60' & sleep 60 & echo so far; echo why >&2; wait";
    let error = run(&short(in_folder(text, folder.path()))).unwrap_err();
    match &error {
        RunError::TimedOut {
            stdout,
            stderr,
            elapsed,
            ..
        } => {
            assert_eq!(
                (stdout.as_slice(), stderr.as_slice()),
                (&b"so far\n"[..], &b"why\n"[..])
            );
            assert!(*elapsed >= Duration::from_millis(500));
        }
        other => panic!("{other}"),
    }
    assert!(
        error.to_string().ends_with("its last words: why"),
        "{error}"
    );
    for name in ["own", "left"] {
        let pid = pid(&folder.path().join(name));
        until("its end", || !is_alive(pid));
    }
}

#[test]
fn who_ignores_the_request_is_killed_whether_the_command_itself_does_or_not() {
    for prefix in ["trap '' TERM; ", ""] {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "{prefix}setsid sh -c 'trap \"\" TERM; echo $$ >\"$DIR/left\"; sleep 60; sleep 60' & \
             echo $$ >\"$DIR/own\"; wait; sleep 60"
        );
        let error = run(&short(in_folder(&text, folder.path()))).unwrap_err();
        assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
        for name in ["own", "left"] {
            let pid = pid(&folder.path().join(name));
            until("its end", || !is_alive(pid));
        }
    }
}

#[test]
fn a_flood_is_ended_while_it_runs() {
    let limits = Limits {
        stdout_bytes: 100_000,
        stderr_bytes: 10,
        ..Limits::default()
    };
    let check = |text: &str, wanted: Stream| match run(&sh(text).limits(limits)).unwrap_err() {
        RunError::TooMuchOutput {
            stream,
            stdout,
            stderr,
            limit_bytes,
            ..
        } => {
            assert_eq!(stream, wanted);
            assert!(stdout.len() <= 100_000 && stderr.len() <= 10);
            assert!([100_000, 10].contains(&limit_bytes));
        }
        other => panic!("{other}"),
    };
    check("cat /dev/zero", Stream::Stdout);
    check("trap '' TERM; cat /dev/zero >&2", Stream::Stderr);
    check("echo 0123456789 >&2", Stream::Stderr);
    assert_eq!(
        run(&sh("printf 0123456789 >&2").limits(limits))
            .unwrap()
            .stderr,
        b"0123456789"
    );
}

#[test]
fn a_grandchild_that_keeps_the_streams_does_not_keep_us() {
    for prefix in ["", "setsid "] {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{prefix}sh -c 'echo $$ >\"$DIR/left\"; exec sleep 60' & echo done");
        let output = run(&in_folder(&text, folder.path())).unwrap();
        assert_eq!(output.stdout_text(), "done\n");
        let left = KillOnDrop(pid(&folder.path().join("left")));
        assert!(
            is_alive(left.0),
            "what a command leaves on purpose is left alone"
        );
    }
}

#[test]
fn a_command_is_not_in_our_group() {
    let output = run(&sh("exec cat /proc/self/stat")).unwrap();
    let stat = mesh_proc::tree::parse_stat(&output.stdout).unwrap();
    assert_eq!(stat.group, stat.pid);
}

#[test]
fn whoever_keeps_a_call_log_is_told_of_every_call() {
    let calls = Mutex::new(Vec::new());
    let observe = |command: &Command, result: &Result<Output, RunError>| {
        calls
            .lock()
            .unwrap()
            .push((command.shown(), result.is_ok()));
    };
    let runner = Observed {
        runner: Direct,
        observe,
    };
    runner.run(&sh("exit 1")).unwrap();
    runner
        .run(&Command::new("/no/such/program").arg("a b"))
        .unwrap_err();
    let calls = calls.into_inner().unwrap();
    assert_eq!(
        calls,
        [
            ("sh -c 'exit 1'".to_string(), true),
            ("/no/such/program 'a b'".to_string(), false)
        ]
    );
}

#[test]
fn many_at_once_do_not_mix() {
    std::thread::scope(|scope| {
        for number in 0..16 {
            scope.spawn(move || {
                let output = run(&sh(&format!("echo {number}; exit {number}"))).unwrap();
                assert_eq!(output.status, Status::Exited(number));
                assert_eq!(output.stdout_text(), format!("{number}\n"));
            });
        }
    });
}
