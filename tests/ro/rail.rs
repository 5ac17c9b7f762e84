//! `mesh-jj` as a program, under a `jj` that writes down how it was called.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::support::{Lab, TRACE, install, run, stderr, stdout};

/// The rail as built for this package.
const RAIL: &str = env!("CARGO_BIN_EXE_mesh-jj-dup");
const PROGRAMS: [&str; 4] = ["copy", "link", "hard", "again"];

/// A lab in which `jj` traces.
fn lab() -> Lab {
    let lab = Lab::new();
    install(TRACE.as_ref(), &lab.path("real/jj"));
    lab
}

/// Puts a script where `below` names it. It is copied by a child: see [`install`].
fn script(lab: &Lab, below: &str, text: &str) {
    let draft = lab.path("draft");
    fs_err::write(&draft, text).expect("own file");
    install(&draft, &lab.path(below));
}

fn rail(lab: &Lab, line: &str) -> Command {
    let mut command = lab.command(RAIL);
    command.args(line.split_whitespace());
    command
}

#[test]
fn as_jj_first_on_path_it_refuses_what_reaches_further_and_nothing_else() {
    let lab = lab();
    install(RAIL.as_ref(), &lab.path("agent/jj"));
    let shell = |line: &str| {
        let mut command = lab.command("/bin/sh");
        let folders = ["agent", "real"].map(|name| lab.path(name).display().to_string());
        let path = format!("{}:/usr/bin:/bin", folders.join(":"));
        command.args(["-c", line]).env("PATH", path);
        run(command)
    };
    for rule in mesh_jj::table::RULES {
        for example in rule.examples {
            let refused = shell(&format!("jj {example}"));
            assert_eq!(refused.status.code(), Some(77), "{example}");
            assert_eq!(stderr(&refused), format!("mesh-jj: {}\n", rule.line()));
            assert!(refused.stdout.is_empty(), "{example}");
        }
    }
    assert!(lab.calls().is_empty(), "nothing is started");
    let passed = shell("jj log -r undo && jj git fetch");
    assert_eq!(
        (passed.status.code(), stdout(&passed).as_str()),
        (Some(0), "answer\nanswer\n")
    );
    let calls = lab.calls();
    assert_eq!(calls[0].args[1..], ["log", "-r", "undo"]);
    assert_eq!(calls[1].args[1..], ["git", "fetch"]);
}

#[test]
fn jj_takes_the_rails_place_with_all_that_it_was_given() {
    let lab = lab();
    fs_err::write(lab.home().join("exit"), "3").expect("own file");
    let mut command = rail(&lab, "--config a=b describe -m");
    command
        .args(["", "a b\n\"c\"'$x", "--", "-x"])
        .env("GIT_DIR", "/nowhere")
        .env("JJ_CONFIG", "/x.toml");
    let path = lab.path("input");
    fs_err::write(&path, "typed").expect("own file");
    command.stdin(fs_err::File::open(path).expect("own file").into_parts().0);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let pid = child.id();
    assert_eq!(
        child.wait_with_output().expect("it ends").status.code(),
        Some(3)
    );
    let call = &lab.calls()[0];
    assert_eq!(call.pid, pid, "signals and the terminal are jj's own");
    assert_eq!(
        call.args[1..],
        [
            "--config",
            "a=b",
            "describe",
            "-m",
            "",
            "a b\n\"c\"'$x",
            "--",
            "-x"
        ]
    );
    assert_eq!(call.stdin.as_deref(), Some("typed"));
    let mut env = call.env.clone();
    assert_eq!(env.remove("MESH_JJ_DEPTH").as_deref(), Some("1"));
    let kept: Vec<&str> = env.keys().map(String::as_str).collect();
    assert_eq!(kept, ["GIT_DIR", "HOME", "JJ_CONFIG", "PATH"]);
}

#[test]
fn bytes_that_are_no_text_arrive_as_they_are() {
    let lab = lab();
    script(
        &lab,
        "real/jj",
        "#!/bin/sh\nprintf %s \"$2\" >\"$HOME/bytes\"\n",
    );
    let odd = vec![b'a', 0xff, b'\n', 0x80];
    let mut command = rail(&lab, "undo");
    command.arg(OsString::from_vec(odd.clone()));
    assert_eq!(
        run(command).status.code(),
        Some(0),
        "jj takes no such argument and says so itself"
    );
    assert_eq!(
        fs_err::read(lab.home().join("bytes")).expect("it was called"),
        odd
    );
}

#[test]
fn there_is_no_loop_when_every_jj_is_the_rail() {
    let lab = lab();
    for name in PROGRAMS {
        fs_err::create_dir(lab.path(name)).expect("folder");
    }
    install(RAIL.as_ref(), &lab.path("copy/jj"));
    install(RAIL.as_ref(), &lab.path("again/jj"));
    symlink(lab.path("copy/jj"), lab.path("link/jj")).expect("symlink");
    fs_err::hard_link(lab.path("copy/jj"), lab.path("hard/jj")).expect("hard link");
    let all = PROGRAMS
        .map(|name| lab.path(name).display().to_string())
        .join(":");
    for own in PROGRAMS.map(|name| lab.path(name).join("jj")) {
        let mut command = lab.command(&own);
        command.arg("log").env("PATH", &all);
        let output = run(command);
        assert_eq!(output.status.code(), Some(127), "{}", stderr(&output));
        assert_eq!(stderr(&output).matches("is this wrapper").count(), 4);
        let mut command = lab.command(&own);
        command
            .arg("log")
            .env("PATH", &all)
            .env("MESH_JJ", lab.path("link/jj"));
        assert_eq!(run(command).status.code(), Some(127));
        let mut command = lab.command(&own);
        command
            .arg("log")
            .env("PATH", format!("{all}:{}", lab.path("real").display()));
        assert_eq!(
            run(command).status.code(),
            Some(0),
            "the real one behind them all is found"
        );
    }
}

#[test]
fn a_script_that_leads_back_is_given_up() {
    let lab = lab();
    install(RAIL.as_ref(), &lab.path("agent/jj"));
    script(
        &lab,
        "script/jj",
        "#!/bin/sh\necho x >>\"$HOME/rounds\"\nexec jj \"$@\"\n",
    );
    let mut command = lab.command(lab.path("agent/jj"));
    command
        .arg("log")
        .env("MESH_JJ", lab.path("script/jj"))
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", lab.path("agent").display()),
        );
    let output = run(command);
    assert_eq!(output.status.code(), Some(126), "{}", stderr(&output));
    assert!(stderr(&output).contains("MESH_JJ"), "{}", stderr(&output));
    let rounds = fs_err::read_to_string(lab.home().join("rounds")).expect("it went round");
    assert_eq!(rounds.lines().count(), 16);
}

#[test]
fn only_the_attempts_own_repository_is_judged() {
    let lab = lab();
    for folder in [
        "own/.jj/repo",
        "own/sub",
        "space/.jj",
        "other/.jj/repo",
        "none",
    ] {
        fs_err::create_dir_all(lab.path(folder)).expect("folder");
    }
    fs_err::write(lab.path("space/.jj/repo"), "../../own/.jj/repo").expect("own file");
    let undo = |folder: &str, named: &str, workspace: Option<&str>| {
        let mut command = rail(&lab, named);
        command.arg("undo").current_dir(lab.path(folder));
        if let Some(workspace) = workspace {
            command.env("MESH_WORKSPACE", lab.path(workspace));
        }
        run(command).status.code()
    };
    for (folder, named, workspace, code) in [
        ("own", "", Some("space"), 77),
        ("own/sub", "", Some("space"), 77),
        ("space", "", Some("space"), 77),
        ("other", "", Some("space"), 0),
        ("other", "", None, 77),
        ("other", "", Some("none"), 77),
        ("none", "", Some("space"), 77),
        ("other", "-R ../own", Some("space"), 77),
        ("space", "-R ../other", Some("space"), 0),
        (
            "space",
            "--repository=../other -R ../space",
            Some("space"),
            77,
        ),
    ] {
        assert_eq!(
            undo(folder, named, workspace),
            Some(code),
            "{folder} {named} {workspace:?}"
        );
    }
}

/// Each workspace of the attempt's repository but its own is another's: a sibling's, and the user's.
#[test]
fn other_workspaces_of_the_attempts_repository_are_left_alone() {
    let lab = lab();
    for folder in ["own/.jj/repo", "other/.jj/repo", "none"] {
        fs_err::create_dir_all(lab.path(folder)).expect("folder");
    }
    for space in ["space", "sibling"] {
        fs_err::create_dir_all(lab.path(space).join(".jj")).expect("folder");
        fs_err::create_dir_all(lab.path(space).join("sub")).expect("folder");
        fs_err::write(lab.path(space).join(".jj/repo"), "../../own/.jj/repo").expect("own file");
    }
    symlink(lab.path("sibling"), lab.path("link")).expect("a link");
    symlink(lab.path("sibling/.jj"), lab.path("space/sub/.jj")).expect("a link");
    for (folder, line, code) in [
        ("space", "new root()", 0),
        ("space", "-R . new", 0),
        ("space", "-R ../sibling new root()", 77),
        ("space", "-R../sibling new", 77),
        ("space", "-R=../sibling new", 77),
        ("space", "--repository=../sibling new", 77),
        ("space", "new --repository ../sibling", 77),
        ("space", "--quiet --color never new -R ../own", 77),
        ("space", "-R ../sibling", 77),
        ("space", "-R ../link st", 77),
        ("space/sub", "new", 77),
        ("sibling", "new", 77),
        ("sibling/sub", "log", 77),
        ("sibling", "--ignore-working-copy new", 77),
        ("own", "commit -m x", 77),
        ("sibling", "-R ../space new", 0),
        ("sibling", "log --ignore-working-copy", 0),
        ("space", "-R ../own diff --ignore-working-copy", 0),
        ("space", "-R ../sibling --help", 0),
        ("other", "new", 0),
        ("none", "new", 0),
        ("sibling", "-R ../other new", 0),
        ("space", "new -- -R ../sibling", 0),
    ] {
        let mut command = rail(&lab, line);
        command.current_dir(lab.path(folder));
        command.env("MESH_WORKSPACE", lab.path("space"));
        let output = run(command);
        assert_eq!(output.status.code(), Some(code), "{folder}: {line}");
        if code == 77 {
            assert_eq!(
                stderr(&output),
                format!("mesh-jj: {}\n", mesh_jj::table::OTHER_WORKSPACE.line())
            );
        }
    }
    let mut command = rail(&lab, "-R ../sibling new");
    command.current_dir(lab.path("space"));
    assert_eq!(
        run(command).status.code(),
        Some(0),
        "no workspace is its own"
    );
}

#[test]
fn without_a_real_jj_it_says_so() {
    let lab = lab();
    for (named, path, code) in [
        (None, "/nowhere".to_owned(), 127),
        (
            Some("jj".to_owned()),
            lab.path("real").display().to_string(),
            127,
        ),
        (
            Some(lab.path("gone").display().to_string()),
            lab.path("real").display().to_string(),
            127,
        ),
    ] {
        let mut command = rail(&lab, "log");
        command.env("PATH", path);
        if let Some(named) = named {
            command.env("MESH_JJ", named);
        }
        let output = run(command);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1);
    }
}
