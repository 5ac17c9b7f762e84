//! The wrapper as a program: its names, its environment, what it runs, and what it writes down.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::support::{Lab, WRAPPER, install, run, stderr, stdout};

#[test]
fn as_bd_first_on_path_reads_work_and_writes_are_refused() {
    let lab = Lab::new();
    install(WRAPPER.as_ref(), &lab.path("agent/bd"));
    let shell = |line: &str| {
        let mut command = lab.command("/bin/sh");
        let path = format!(
            "{}:{}:/usr/bin:/bin",
            lab.path("agent").display(),
            lab.path("real").display()
        );
        command.args(["-c", line]).env("PATH", path);
        run(command)
    };
    let read = shell("bd show bd-123");
    assert_eq!(
        (read.status.code(), stdout(&read).as_str()),
        (Some(0), "answer\n"),
        "{}",
        stderr(&read)
    );
    let write = shell("bd update bd-123 --status closed");
    assert_eq!(write.status.code(), Some(77));
    assert!(stderr(&write).contains("coordinator"), "{}", stderr(&write));
    let both = shell("bd show bd-123; bd close bd-123");
    assert_eq!(both.status.code(), Some(77));
    let calls = lab.calls();
    assert_eq!(calls.len(), 2, "only the reads reach bd");
    assert!(
        calls
            .iter()
            .all(|call| call.args[1..] == ["--readonly", "--sandbox", "show", "--", "bd-123"])
    );
}

#[test]
fn there_is_no_loop_when_every_bd_on_path_is_the_wrapper() {
    let lab = Lab::new();
    for name in ["copy", "link", "hard", "again"] {
        fs_err::create_dir(lab.path(name)).expect("folder");
    }
    install(WRAPPER.as_ref(), &lab.path("copy/bd"));
    install(WRAPPER.as_ref(), &lab.path("again/bd"));
    symlink(lab.path("copy/bd"), lab.path("link/bd")).expect("symlink");
    fs_err::hard_link(lab.path("copy/bd"), lab.path("hard/bd")).expect("hard link");
    let all = ["copy", "link", "hard", "again"].map(|name| lab.path(name).display().to_string());
    for own in ["copy/bd", "link/bd", "hard/bd"] {
        for entries in all
            .iter()
            .map(String::as_str)
            .chain([all.join(":").as_str()])
        {
            let mut command = lab.command(lab.path(own));
            command.args(["show", "bd-123"]).env("PATH", entries);
            let output = run(command);
            assert_eq!(
                output.status.code(),
                Some(127),
                "{own} with {entries}: {}",
                stderr(&output)
            );
            assert!(
                stderr(&output).contains("is this wrapper"),
                "{}",
                stderr(&output)
            );
            assert_eq!(stderr(&output).lines().count(), 1);
        }
        // With a real one behind them all, that one is found.
        let mut command = lab.command(lab.path(own));
        command.args(["show", "bd-123"]).env(
            "PATH",
            format!("{}:{}", all.join(":"), lab.path("real").display()),
        );
        assert_eq!(run(command).status.code(), Some(0), "{own}");
    }
    // A wrapper of another build is not known by its bytes; it refuses the flags that this one puts in front.
    let mut command = lab.wrapper("show bd-123");
    install(WRAPPER.as_ref(), &lab.path("other/bd"));
    let mut bytes = fs_err::OpenOptions::new()
        .append(true)
        .open(lab.path("other/bd"))
        .expect("own file");
    bytes.write_all(b"another build").expect("own file");
    drop(bytes);
    command.env("PATH", lab.path("other"));
    assert_eq!(run(command).status.code(), Some(77));
}

#[test]
fn bd_takes_the_wrappers_place_with_its_own_exit_code() {
    let lab = Lab::new();
    fs_err::write(lab.home().join("exit"), "3").expect("own file");
    let mut command = lab.wrapper("show bd-123");
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the wrapper starts");
    let pid = child.id();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        lab.calls()[0].pid,
        pid,
        "a process of its own would need somebody to wait for it"
    );
}

#[test]
fn mesh_bd_beats_path_and_must_be_absolute() {
    let lab = Lab::new();
    install(lab.path("real/bd").as_path(), &lab.path("elsewhere/bd-9"));
    let mut command = lab.wrapper("list");
    command
        .env("MESH_BD", lab.path("elsewhere/bd-9"))
        .env("PATH", "/nowhere");
    assert_eq!(run(command).status.code(), Some(0));
    assert!(lab.calls()[0].args[0].ends_with("elsewhere/bd-9"));
    for bad in [
        "real/bd",
        "./real/bd",
        "/nowhere/bd",
        "/",
        "/etc/passwd",
        WRAPPER,
    ] {
        let mut command = lab.wrapper("list");
        command.env("MESH_BD", bad);
        let output = run(command);
        assert_eq!(
            output.status.code(),
            Some(127),
            "{bad}: {}",
            stderr(&output)
        );
        assert!(stderr(&output).contains("MESH_BD"), "{}", stderr(&output));
    }
    assert_eq!(
        lab.calls().len(),
        1,
        "with a bad MESH_BD nothing is run, not even the bd on PATH"
    );
}

#[test]
fn a_file_that_cannot_be_executed_gives_126() {
    let lab = Lab::new();
    // A script whose interpreter is there and not executable.
    fs_err::write(lab.path("script"), "#!/etc/passwd\n").expect("own file");
    install(&lab.path("script"), &lab.path("broken/bd"));
    let mut command = lab.wrapper("list");
    command.env("PATH", lab.path("broken"));
    let output = run(command);
    assert_eq!(output.status.code(), Some(126), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn only_named_variables_and_no_input_reach_bd() {
    let lab = Lab::new();
    fs_err::create_dir(lab.path("tracker")).expect("folder");
    let mut command = lab.wrapper("list");
    for name in [
        "BD_DB",
        "BD_ACTOR",
        "BD_READONLY",
        "BD_PAGER",
        "BEADS_DB",
        "BEADS_ACTOR",
        "BEADS_DOLT_SERVER_HOST",
        "PAGER",
        "EDITOR",
        "GIT_DIR",
        "DOLT_REMOTE_USER",
        "LD_LIBRARY_PATH",
        "GT_ROOT",
        "MESH_ANYTHING",
        "CLAUDECODE",
        "OTEL_TRACES_EXPORTER",
    ] {
        command.env(name, "/there");
    }
    command
        .env("BD_DISABLE_METRICS", "0")
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .env("BEADS_DIR", lab.path("tracker"));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("the wrapper starts");
    // The wrapper may be gone before it is written: then nobody read it either.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(b"close bd-123\n");
    assert!(child.wait().expect("it ends").success());
    let call = &lab.calls()[0];
    assert_eq!(call.stdin.as_deref(), Some(""));
    let mut wanted: Vec<&str> = mesh_bd_ro::env::SET.iter().map(|(name, _)| *name).collect();
    wanted.extend(["HOME", "PATH", "LC_ALL", "TZ", "BEADS_DIR"]);
    wanted.sort_unstable();
    assert_eq!(
        call.env.keys().map(String::as_str).collect::<Vec<_>>(),
        wanted
    );
    for (name, value) in mesh_bd_ro::env::SET {
        assert_eq!(call.env[name], value, "{name}");
    }
}

#[test]
fn a_beads_dir_that_is_not_an_absolute_folder_is_left_out_with_a_note() {
    let lab = Lab::new();
    for bad in ["tracker", "/nowhere/.beads"] {
        let mut command = lab.wrapper("list");
        command.env("BEADS_DIR", bad);
        let output = run(command);
        assert_eq!(output.status.code(), Some(0));
        assert!(
            stderr(&output).starts_with("mesh-bd-ro: note: BEADS_DIR"),
            "{}",
            stderr(&output)
        );
    }
    assert!(
        lab.calls()
            .iter()
            .all(|call| !call.env.contains_key("BEADS_DIR"))
    );
}

#[test]
fn the_log_gets_one_line_a_call() {
    let lab = Lab::new();
    let log = lab.path("ro.log");
    for example in [
        "show bd-123 --json",
        "search 'two words' -q",
        "update bd-123 --status closed",
        "--help",
    ] {
        let mut command = lab.wrapper(example);
        command.env("MESH_BD_RO_LOG", &log);
        run(command);
    }
    let text = fs_err::read_to_string(&log).expect("the log is there");
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let told: Vec<(&str, &str)> = lines.iter().map(|line| (line[1], line[2])).collect();
    assert_eq!(
        told,
        [
            ("allowed", "bd --readonly --sandbox show --json -- bd-123"),
            (
                "allowed",
                "bd --readonly --sandbox search --quiet -- 'two words'"
            ),
            (
                "refused:command",
                r#""update" "bd-123" "--status" "closed""#
            ),
            ("allowed", "--help"),
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| line.len() == 3 && line[0].ends_with('Z') && line[0].len() == 24),
        "{text}"
    );
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let lab = Lab::new();
    let pipe = lab.path("pipe");
    assert!(
        lab.command("mkfifo")
            .arg(&pipe)
            .status()
            .expect("mkfifo")
            .success()
    );
    let cases = [
        lab.home(),
        lab.path("no/such/folder/log"),
        pipe,
        "relative.log".into(),
        "/dev/full".into(),
        "".into(),
    ];
    for log in &cases {
        let mut command = lab.wrapper("list");
        command.env("MESH_BD_RO_LOG", log);
        let output = run(command);
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), "remark\n"),
            "{}",
            log.display()
        );
    }
    assert_eq!(lab.calls().len(), cases.len());
    assert!(!lab.path("relative.log").exists());
}

#[test]
fn help_is_the_tables_and_starts_nothing() {
    let lab = Lab::new();
    for example in ["--help", "-h"] {
        let output = run(lab.wrapper(example));
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(0), mesh_bd_ro::help::text())
        );
    }
    assert!(lab.calls().is_empty());
}
