//! The adapter against programs that hang, flood, lie, die or are killed in the middle, and the fake against the recording.

use crate::on_both;
use crate::world::World;
use mesh_proc::run::Direct;
use mesh_testkit::record_jj::{self, Call, Walk};
use mesh_testkit::tools;
use mesh_vcs::{Backend, CallLimits, NewWorkspace, RepositorySetup, Tools, VcsError};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

on_both!(
    an_add_that_is_killed_in_the_middle_can_be_repeated,
    an_add_that_takes_too_long_leaves_nothing_behind,
    a_program_that_misbehaves_in_an_add,
);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/jj")
        .join(name)
}

fn recorded_calls() -> Vec<Call> {
    let text = fs_err::read_to_string(fixture("jj-0.45.1.jsonl")).unwrap();
    text.lines()
        .map(|line| Call {
            ms: 0,
            ..serde_json::from_str(line).unwrap()
        })
        .collect()
}

fn recorded_words() -> Vec<String> {
    fs_err::read_to_string(fixture("jj-0.45.1.said"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A walk on the fake under `rules`: what it said, and which calls it got.
struct FakeWalk {
    _temp: tempfile::TempDir,
    said: Vec<String>,
    log: Vec<Vec<String>>,
    work: PathBuf,
}

fn fake_walk(rules: &serde_json::Value, until: Option<&str>) -> FakeWalk {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().canonicalize().unwrap();
    let (bin, work) = (folder.join("bin"), folder.join("work"));
    fs_err::create_dir_all(&bin).unwrap();
    fs_err::create_dir_all(&work).unwrap();
    let jj = bin.join("jj");
    fs_err::copy(env!("CARGO_BIN_EXE_fake-jj"), &jj).unwrap();
    let recording = fixture("jj-0.45.1.jsonl").canonicalize().unwrap();
    let state = json!({ "work": work, "recording": recording, "rules": rules });
    fs_err::write(bin.join("fake-jj.json"), state.to_string()).unwrap();
    let limits = CallLimits {
        short: Duration::from_secs(2),
        long: Duration::from_secs(2),
        grace: Duration::from_millis(100),
        stdout_bytes: 1 << 20,
        ..CallLimits::default()
    };
    let said = record_jj::walk(&Walk {
        work: &work,
        jj: &jj,
        runner: Arc::new(Direct),
        on_step: &|_| (),
        limits,
        until,
    });
    let log = fs_err::read_to_string(bin.join("fake-jj.log")).unwrap();
    let log = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    FakeWalk {
        _temp: temp,
        said,
        log,
        work,
    }
}

/// An operation records its arguments, the temporary folder among them, and its id hashes that. Commit ids stay.
fn without_operation_ids(call: Call) -> Call {
    let hidden = |text: &str| {
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\n']) {
            if c.is_ascii_hexdigit() {
                word.push(c);
                continue;
            }
            out.push_str(if matches!(word.len(), 12 | 128) {
                "<id>"
            } else {
                &word
            });
            out.push(c);
            word.clear();
        }
        out
    };
    Call {
        ms: 0,
        step: call.step,
        argv: call.argv.iter().map(|arg| hidden(arg)).collect(),
        rc: call.rc,
        stdout: hidden(&call.stdout),
        stderr: hidden(&call.stderr),
    }
}

#[test]
fn the_real_jj_gives_the_recording() {
    let Some(jj) = tools::real("jj", tools::JJ_VERSION) else {
        return;
    };
    let (calls, said) = record_jj::calls(&jj);
    let comparable = |calls: Vec<Call>| {
        calls
            .into_iter()
            .map(without_operation_ids)
            .collect::<Vec<_>>()
    };
    let (calls, recorded) = (comparable(calls), comparable(recorded_calls()));
    for (number, (call, recorded)) in calls.iter().zip(&recorded).enumerate() {
        assert_eq!(call, recorded, "call {number}");
    }
    assert_eq!(calls.len(), recorded.len());
    assert_eq!(said, recorded_words());
}

#[test]
fn the_fake_takes_the_same_walk() {
    let walk = fake_walk(&json!([]), None);
    assert_eq!(walk.said, recorded_words());
    let recorded: Vec<Vec<String>> = recorded_calls().into_iter().map(|call| call.argv).collect();
    assert_eq!(walk.log, recorded);
}

#[test]
fn the_fake_fails_loudly_on_what_it_does_not_know() {
    let walk = fake_walk(&json!([]), Some("detect"));
    let output = Command::new(walk.work.join("../bin/jj"))
        .args(["undo"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(97));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no answer was recorded"));
}

/// Each command of the walk that matters, misbehaving in each way. Whatever happens, no step panics, nothing half-made stays, and
/// the target moves only when jj itself says so.
#[test]
fn jj_misbehaves() {
    let commands: [(&[&str], &str); 8] = [
        (&["--version"], "detect"),
        (&["workspace", "add", "empty"], "hub"),
        (&["workspace", "add", "mesh-rec+one+1"], "add one"),
        (&["new"], "snapshot one"),
        (&["diff", "--from"], "snapshot one"),
        (&["workspace", "forget", "mesh-rec+one+1"], "forget"),
        (&["duplicate"], "land two unproved"),
        (&["op", "integrate"], "land two unproved"),
    ];
    std::thread::scope(|scope| {
        for (words, step) in commands {
            scope.spawn(move || {
                for act in ["hang", "flood", "garbage", "nothing", "crash", "fail"] {
                    misbehave(words, step, act);
                }
            });
        }
    });
}

fn misbehave(words: &[&str], step: &str, act: &str) {
    let walk = fake_walk(
        &json!([{ "when": words, "nth": 1, "act": act }]),
        Some(step),
    );
    let at = format!("{words:?} with {act}");
    let line = walk
        .said
        .iter()
        .find(|line| line.starts_with(&format!("{step}:")))
        .unwrap_or_else(|| panic!("{at}: {:?}", walk.said));
    // An empty or odd answer of a command whose stdout nobody reads is none of our business, if what it does is done.
    let reads_nothing = ["forget", "integrate"]
        .iter()
        .any(|word| words.contains(word));
    let quiet = act == "nothing" && words.contains(&"diff");
    let expected = match act {
        "hang" => "TimedOut",
        "flood" => "Flooded",
        "crash" | "fail" => "Failed",
        _ if reads_nothing || quiet => "Ok(",
        // jj is asked for what it did not tell of its own accord; that it was not asked in the recorded walk shows.
        _ if words.contains(&"new") || words.contains(&"mesh-rec+one+1") => {
            "no answer was recorded"
        }
        _ => "Unreadable",
    };
    let gone = act != "hang" && line.contains("WorkspaceGone");
    assert!(line.contains(expected) || gone, "{at}: {line}");
    if words.contains(&"add") && !line.contains("Ok(") {
        let folder = walk.work.join(if step == "hub" {
            "workspaces/repo/.hub-rec"
        } else {
            "workspaces/repo/one"
        });
        assert!(!folder.exists(), "{at} leaves its folder");
        assert!(
            walk.log
                .iter()
                .any(|argv| argv.contains(&"forget".to_owned())),
            "{at} leaves its name"
        );
    }
}

#[test]
fn a_target_that_jj_does_not_move_did_not_move() {
    for act in ["hang", "flood", "garbage", "nothing", "crash", "fail"] {
        // The target is read before and after; the recorded answers after it are those of a move, so the set is made the last call
        // that is answered, and what follows says that nothing moved.
        let walk = fake_walk(
            &json!([
                { "when": ["bookmark", "set"], "nth": 1, "act": act },
                { "when": ["log", "--revisions=bookmarks(exact:\"trunk\")"], "nth": 3, "act": "nothing" },
            ]),
            Some("land one"),
        );
        let line = walk
            .said
            .iter()
            .find(|line| line.starts_with("land one:"))
            .unwrap();
        assert!(!line.contains("Ok(Moved"), "{act}: {line}");
    }
}

#[test]
fn an_old_jj_is_refused_with_the_way_out() {
    for (text, old) in [
        ("jj 0.40.0", true),
        ("jj 0.9.0", true),
        ("jj 0.41.0", false),
        ("rubbish", true),
    ] {
        let temp = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(temp.path().join(".jj/repo")).unwrap();
        let jj = script(
            temp.path(),
            "jj",
            &format!("case \"$*\" in *--version*) echo '{text}';; *) exit 1;; esac"),
        );
        let env = mesh_proc::env::Env::empty().set("PATH", "/usr/bin:/bin");
        let found = Backend::detect(
            temp.path(),
            &RepositorySetup::new(
                Tools {
                    jj: Some(jj),
                    git: None,
                },
                env,
            ),
        );
        match found {
            Ok(_) => assert!(!old, "{text}"),
            Err(VcsError::TooOld { .. } | VcsError::Unreadable { .. }) => assert!(old, "{text}"),
            Err(other) => panic!("{text}: {other}"),
        }
    }
}

fn script(folder: &Path, name: &str, body: &str) -> PathBuf {
    let path = folder.join(name);
    fs_err::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

/// A repository whose checkout takes a moment.
fn fill(world: &World) -> mesh_vcs::CommitId {
    let workspace = world.add("fill", &world.base());
    for folder in 0..40 {
        fs_err::create_dir(workspace.path.join(format!("d{folder}"))).unwrap();
        for file in 0..50 {
            fs_err::write(
                workspace.path.join(format!("d{folder}/f{file}")),
                format!("{folder} {file}\n"),
            )
            .unwrap();
        }
    }
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    world.end(&workspace, &snapshot, "fill");
    snapshot.commit
}

fn whole(new: &NewWorkspace) -> bool {
    (0..40).all(|folder| (0..50).all(|file| new.path.join(format!("d{folder}/f{file}")).is_file()))
}

/// The coordinator and the program die together at different moments; a later coordinator makes the same workspace again.
fn an_add_that_is_killed_in_the_middle_can_be_repeated(world: &World) {
    let base = vec![fill(world)];
    let moments: [fn(&Path) -> bool; 4] = [
        |_| true,
        |at| at.exists(),
        |at| at.join(".jj/working_copy").exists() || at.join(".git").exists(),
        |at| at.join("d1").exists(),
    ];
    for (number, moment) in moments.into_iter().enumerate() {
        let new = world.new_workspace(&format!("k{number}"), 1, &base);
        let commands = world.backend.describe(crate::world::RUN, &new);
        let add = commands
            .iter()
            .find(|command| {
                command.contains(&"add".to_owned()) && !command.contains(&"empty".to_owned())
            })
            .unwrap();
        let mut child = Command::new(&add[0])
            .args(&add[1..])
            .current_dir(&world.repo)
            .env_clear()
            .envs(world.env.iter())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while !moment(&new.path) && child.try_wait().unwrap().is_none() && Instant::now() < end {
            std::thread::yield_now();
        }
        // The whole group, as a run's end does it: `worktree add` leaves the files to a child of its own.
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        child.wait().unwrap();
        let later = world.later_process();
        assert_eq!(later.workspace(&new.name).unwrap(), None, "moment {number}");
        later
            .add_workspace(&new)
            .unwrap_or_else(|error| panic!("moment {number}: {error}"));
        assert!(whole(&new), "moment {number}");
        assert!(
            later
                .snapshot(&later.workspace(&new.name).unwrap().unwrap(), &[])
                .unwrap()
                .no_change
        );
    }
}

fn an_add_that_takes_too_long_leaves_nothing_behind(world: &World) {
    let base = vec![fill(world)];
    let mut ended_early = 0;
    for (number, millis) in [1, 5, 10, 20, 40].into_iter().enumerate() {
        let mut setup = world.setup();
        setup.limits.long = Duration::from_millis(millis);
        setup.limits.grace = Duration::ZERO;
        let hasty = Backend::detect(&world.repo, &setup).unwrap();
        hasty.open_hub(crate::world::RUN).unwrap();
        let new = world.new_workspace(&format!("h{number}"), 1, &base);
        match hasty.add_workspace(&new) {
            Ok(_) => assert!(whole(&new)),
            Err(error) => {
                assert!(matches!(error, VcsError::TimedOut { .. }), "{error}");
                ended_early += 1;
                assert!(!new.path.exists());
                assert!(
                    world
                        .backend
                        .list_workspaces()
                        .unwrap()
                        .iter()
                        .all(|listed| listed.name != new.name)
                );
                world.backend.add_workspace(&new).unwrap();
                assert!(whole(&new));
            }
        }
    }
    assert!(ended_early > 0, "no limit was short enough");
}

/// The real program behind a script that misbehaves in `workspace add` and `worktree add` alone.
fn a_program_that_misbehaves_in_an_add(world: &World) {
    let base = world.base();
    let real = if world.is_jj {
        &world.tools.jj
    } else {
        &world.tools.git
    };
    let real = real.as_deref().unwrap().display().to_string();
    let acts = [
        ("hang", "exec sleep 100"),
        ("flood", "exec head -c 9000000 /dev/zero"),
        ("lie", "echo done; exit 0"),
        (
            "halfway",
            "last=; for last; do case $last in /*) at=$last;; esac; done; mkdir -p \"$at/.jj\"; echo x > \"$at/.git\"; exit 0",
        ),
        ("die", "kill -9 $$"),
        (
            "fail",
            "echo 'fatal: No space left on device' >&2; exit 128",
        ),
    ];
    for (name, body) in acts {
        let folder = world.dir.join(format!("bin-{name}"));
        fs_err::create_dir(&folder).unwrap();
        let case =
            format!("case \"$*\" in *' add '*mesh-r1+t+1*) {body};; *) exec {real} \"$@\";; esac");
        let program = script(&folder, "program", &case);
        let mut setup = world.setup();
        let slot = if world.is_jj {
            &mut setup.tools.jj
        } else {
            &mut setup.tools.git
        };
        *slot = Some(program);
        setup.limits.long = Duration::from_secs(3);
        setup.limits.grace = Duration::from_millis(50);
        setup.limits.stdout_bytes = 1 << 20;
        let backend = Backend::detect(&world.repo, &setup).unwrap();
        backend.open_hub(crate::world::RUN).unwrap();
        let new = world.new_workspace("t", 1, &base);
        let error = backend.add_workspace(&new).unwrap_err();
        let fits = match name {
            "hang" => matches!(error, VcsError::TimedOut { .. }),
            "flood" => matches!(error, VcsError::Flooded { .. }),
            "lie" | "halfway" => matches!(error, VcsError::Unreadable { .. }),
            _ => matches!(error, VcsError::Failed { .. }),
        };
        assert!(fits, "{name}: {error:?}");
        assert!(!new.path.exists(), "{name}");
    }
    world.add("t", &base);
}

/// Killed between making a file and writing it, `git worktree add` leaves what keeps every later `worktree list` from working.
#[test]
fn a_torn_worktree_of_ours_does_not_keep_git_from_listing() {
    let world = World::git();
    let new = world.new_workspace("t", 1, &world.base());
    let torn = world.repo.join(".git/worktrees/t");
    fs_err::create_dir_all(&torn).unwrap();
    for (file, text) in [
        ("locked", format!("mesh workspace {}", new.name)),
        ("gitdir", format!("{}/.git\n", new.path.display())),
        ("commondir", String::new()),
    ] {
        fs_err::write(torn.join(file), text).unwrap();
    }
    let later = world.later_process();
    later.list_workspaces().unwrap();
    later.add_workspace(&new).unwrap();
    assert!(new.path.join("a.txt").is_file());
}
