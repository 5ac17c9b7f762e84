//! What a killed shim leaves is found and ended; what is a person's is not.

use crate::support::{AGENT, Attempt, KillOnDrop, LONG, is_alive, sleeper, unique_run, until};
use mesh_proc::orphans::{self, Marked, Search, WorkFolder};
use mesh_proc::shim::ShimHandle;
use mesh_proc::tree::Identity;
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Duration;

/// An agent whose shim is killed when all `names` are up, and the shim's identity.
fn orphaned(steps: Value, names: &[&str]) -> (Attempt, Identity, Vec<u32>) {
    let mut attempt = Attempt::of_steps(steps);
    let live: ShimHandle = attempt.start();
    let pids: Vec<u32> = names.iter().map(|name| attempt.pid(name)).collect();
    live.kill();
    assert!(live.wait(LONG));
    assert!(
        pids.iter().all(|pid| is_alive(*pid)),
        "killing a shim leaves its tree"
    );
    (attempt, live.identity(), pids)
}

const NOBODY: [u32; 0] = [];

fn found(search: &Search<'_>) -> Vec<u32> {
    orphans::find(search)
        .iter()
        .map(|stray| stray.identity.pid)
        .collect()
}

fn workspace(attempt: &Attempt) -> WorkFolder {
    WorkFolder {
        path: attempt.spec.cwd.clone(),
        since_unix_ms: 0,
    }
}

#[test]
fn a_tree_is_found_by_its_markers_and_ended() {
    let (attempt, _, pids) = orphaned(
        json!([
            {"grandchild": {"steps": sleeper("grandchild"), "setsid": true}},
            {"ignore_term": true}, {"write_pid": "DIR/child"}, {"sleep_ms": 60_000},
        ]),
        &["child", "grandchild"],
    );
    let search = Search::new(&attempt.spec.run, Marked::Attempt("demo/1"));
    let killed = orphans::end(&search, LONG).unwrap();
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert!(
        pids.iter()
            .all(|pid| killed.iter().any(|killed| killed.pid == *pid)),
        "{killed:?}"
    );
    assert_eq!(orphans::end(&search, LONG).unwrap(), []);
}

#[test]
fn another_attempt_or_run_is_not_meant() {
    let (attempt, _, pids) = orphaned(sleeper("child"), &["child"]);
    let run = attempt.spec.run.as_str();
    assert_eq!(found(&Search::new(run, Marked::Attempt("demo/2"))), NOBODY);
    assert_eq!(found(&Search::new(run, Marked::Attempt("demo/"))), NOBODY);
    assert_eq!(found(&Search::new(run, Marked::NoAttempt)), NOBODY);
    assert_eq!(found(&Search::new(&unique_run(), Marked::Any)), NOBODY);
    assert_eq!(found(&Search::new(run, Marked::Any)), pids);
    // The workspace does not make the marked process of another run ours.
    let other = unique_run();
    let folders = [workspace(&attempt)];
    assert_eq!(
        found(&Search {
            folders: &folders,
            ..Search::new(&other, Marked::Any)
        }),
        NOBODY
    );
}

#[test]
fn a_tool_with_a_cleared_environment_is_found_below_its_marked_parent() {
    let (attempt, _, pids) = orphaned(
        json!([
            {"grandchild": {"steps": sleeper("grandchild"), "setsid": true, "clear_env": true}},
            {"write_pid": "DIR/child"}, {"sleep_ms": 60_000},
        ]),
        &["child", "grandchild"],
    );
    let search = Search::new(&attempt.spec.run, Marked::Attempt("demo/1"));
    let mut expected = pids.clone();
    expected.sort_unstable();
    assert_eq!(found(&search), expected);
}

/// Ends the only process that is found and is none of `others`.
fn end_agent(search: &Search<'_>, others: &[u32]) {
    let mut agents = found(search).into_iter();
    let agent = agents.find(|pid| !others.contains(pid)).unwrap();
    drop(KillOnDrop(agent));
    until("the agent's end", || !is_alive(agent));
}

#[test]
fn an_orphan_without_markers_is_found_by_the_session_of_its_dead_shim() {
    let (attempt, shim, pids) = orphaned(
        json!([{"grandchild": {"steps": sleeper("orphan"), "clear_env": true}}, {"wait_for": "DIR/orphan"},
            {"sleep_ms": 60_000}]),
        &["orphan"],
    );
    let by_marker = Search::new(&attempt.spec.run, Marked::Attempt("demo/1"));
    // Its parent, the agent, goes first: nothing but the session is left as a sign.
    end_agent(&by_marker, &pids);
    assert_eq!(found(&by_marker), NOBODY);
    let shims = [shim];
    let search = Search {
        shims: &shims,
        ..by_marker.clone()
    };
    assert_eq!(found(&search), pids);
    let earlier = [Identity {
        start_ticks: u64::MAX,
        ..shim
    }];
    assert_eq!(
        found(&Search {
            shims: &earlier,
            ..by_marker
        }),
        NOBODY,
        "what is older than the shim is not its child"
    );
    orphans::end(&search, LONG).unwrap();
    assert!(!is_alive(pids[0]));
}

/// It has cleared its environment, left its session and lost its parent.
#[test]
fn an_orphan_without_any_sign_is_found_by_the_control_group_of_its_tree() {
    let mut attempt = Attempt::of_steps(
        json!([{"grandchild": {"steps": sleeper("orphan"), "clear_env": true, "setsid": true}},
            {"wait_for": "DIR/orphan"}, {"sleep_ms": 60_000}]),
    );
    let live = attempt.start();
    let orphan = KillOnDrop(attempt.pid("orphan"));
    let Some(group) = attempt.record().group.filter(|group| group.exists()) else {
        eprintln!("NOT TESTED: this user may make no control groups");
        return;
    };
    let members = || fs_err::read_to_string(group.join("cgroup.procs")).unwrap();
    let is_in = || members().lines().any(|line| line == orphan.0.to_string());
    until("the group to have it", is_in);
    live.kill();
    assert!(live.wait(LONG));
    let shims = [live.identity()];
    let by_signs = Search {
        shims: &shims,
        ..Search::new(&attempt.spec.run, Marked::Attempt("demo/1"))
    };
    end_agent(&by_signs, &[orphan.0]);
    assert_eq!(found(&by_signs), NOBODY, "nothing else shows whose it is");
    let groups = [group.clone()];
    let search = Search {
        groups: &groups,
        ..by_signs
    };
    assert_eq!(found(&search), [orphan.0]);
    assert_eq!(orphans::end(&search, LONG).unwrap().len(), 1);
    assert!(!is_alive(orphan.0));
    assert!(!group.exists(), "the group goes with its last member");
}

#[test]
fn a_shim_removes_the_control_group_of_its_tree() {
    let mut attempt = Attempt::of_steps(json!([]));
    attempt.run();
    assert!(attempt.record().group.is_none_or(|group| !group.exists()));
}

/// An orphan in its own session, without markers, in the attempt's workspace.
fn daemon_in_workspace(attempt: &Attempt, variables: &[(&str, &str)]) -> KillOnDrop {
    let folder = attempt.folder.path().to_str().unwrap();
    let sleeper = sleeper("daemon").to_string().replace("DIR", folder);
    let parent = json!([{"grandchild": {"steps": serde_json::from_str::<Value>(&sleeper).unwrap(), "setsid": true}}]);
    let mut command = Command::new(AGENT);
    command
        .args(["--steps", &parent.to_string()])
        .env_clear()
        .envs(variables.iter().copied());
    command.current_dir(&attempt.spec.cwd).stdin(Stdio::null());
    assert!(command.status().unwrap().success());
    KillOnDrop(attempt.pid("daemon"))
}

#[test]
fn an_orphan_without_any_sign_is_found_by_its_workspace() {
    let attempt = Attempt::of_steps(json!([]));
    let daemon = daemon_in_workspace(&attempt, &[]);
    let by_marker = Search::new(&attempt.spec.run, Marked::Any);
    assert_eq!(found(&by_marker), NOBODY);
    let folders = [workspace(&attempt)];
    let search = Search {
        folders: &folders,
        ..by_marker.clone()
    };
    assert_eq!(found(&search), [daemon.0]);
    let later = [WorkFolder {
        since_unix_ms: u64::MAX,
        ..workspace(&attempt)
    }];
    assert_eq!(
        found(&Search {
            folders: &later,
            ..by_marker.clone()
        }),
        NOBODY,
        "it is older than the attempt"
    );
    let elsewhere = [WorkFolder {
        path: attempt.path("works"),
        since_unix_ms: 0,
    }];
    assert_eq!(
        found(&Search {
            folders: &elsewhere,
            ..by_marker.clone()
        }),
        NOBODY,
        "a name is not a folder"
    );
    let root = [WorkFolder {
        path: "/".into(),
        since_unix_ms: 0,
    }];
    assert_eq!(
        found(&Search {
            folders: &root,
            ..by_marker
        }),
        NOBODY,
        "the root folder is no workspace"
    );
    assert_eq!(orphans::end(&search, LONG).unwrap().len(), 1);
    assert!(!is_alive(daemon.0));
}

#[test]
fn an_orphan_is_found_although_its_workspace_was_deleted() {
    let attempt = Attempt::of_steps(json!([]));
    let daemon = daemon_in_workspace(&attempt, &[]);
    let path = attempt.spec.cwd.canonicalize().unwrap();
    fs_err::remove_dir(&attempt.spec.cwd).unwrap();
    let folders = [WorkFolder {
        path,
        since_unix_ms: 0,
    }];
    let search = Search {
        folders: &folders,
        ..Search::new(&attempt.spec.run, Marked::Any)
    };
    assert_eq!(found(&search), [daemon.0]);
}

#[test]
fn a_person_in_the_workspace_is_left_alone() {
    let attempt = Attempt::of_steps(json!([]));
    let folders = [workspace(&attempt)];
    let search = Search {
        folders: &folders,
        ..Search::new(&attempt.spec.run, Marked::Any)
    };
    // A shell: its parent lives.
    let mut shell = Command::new("sleep")
        .arg("60")
        .current_dir(&attempt.spec.cwd)
        .env_clear()
        .spawn()
        .unwrap();
    // Something that was put into the background of a login session, whose shell is gone.
    let background = daemon_in_workspace(&attempt, &[("SSH_CONNECTION", "a 1 b 2")]);
    let killed = orphans::end(&search, LONG).unwrap();
    assert_eq!(killed, []);
    assert!(is_alive(background.0) && is_alive(shell.id()));
    shell.kill().unwrap();
    shell.wait().unwrap();
}

#[test]
fn a_spared_tree_is_left_alone_whatever_it_carries() {
    let mut attempt = Attempt::of_steps(json!([
        {"grandchild": {"steps": sleeper("grandchild"), "setsid": true}},
        {"wait_for": "DIR/grandchild"}, {"write_pid": "DIR/child"}, {"sleep_ms": 60_000},
    ]));
    let live = attempt.start();
    let (child, grandchild) = (attempt.pid("child"), attempt.pid("grandchild"));
    let spare = [live.identity()];
    let search = Search {
        spare: &spare,
        ..Search::new(&attempt.spec.run, Marked::Any)
    };
    assert_eq!(orphans::end(&search, LONG).unwrap(), []);
    assert!(is_alive(child) && is_alive(grandchild));
    // A number with another start time is another process, and spares nobody.
    let stale = [Identity {
        start_ticks: 1,
        ..live.identity()
    }];
    let search = Search {
        spare: &stale,
        ..search
    };
    assert_eq!(found(&search).len(), 2);
}

#[test]
fn a_write_in_flight_is_given_its_time() {
    let run = unique_run();
    let folder = tempfile::tempdir().unwrap();
    let (go, done) = (folder.path().join("go"), folder.path().join("done"));
    let steps = json!([{"wait_for": go}, {"touch": done}]).to_string();
    let mut writer = Command::new(AGENT)
        .args(["--steps", &steps])
        .env("MESH_RUN", &run)
        .spawn()
        .unwrap();
    let search = Search::new(&run, Marked::NoAttempt);
    until("the writer", || found(&search) == [writer.id()]);
    let reaper = std::thread::spawn(move || writer.wait().unwrap());
    fs_err::write(&go, "").unwrap();
    assert_eq!(orphans::wait_then_end(&search, LONG, LONG).unwrap(), []);
    assert!(done.exists());
    assert!(reaper.join().unwrap().success());
}

#[test]
fn a_write_that_hangs_is_killed_when_its_time_is_over() {
    let run = unique_run();
    let mut writer = Command::new("sleep")
        .arg("60")
        .env("MESH_RUN", &run)
        .spawn()
        .unwrap();
    let search = Search::new(&run, Marked::NoAttempt);
    until("the writer", || found(&search) == [writer.id()]);
    let killed = orphans::wait_then_end(&search, Duration::from_millis(50), LONG).unwrap();
    assert_eq!(killed.len(), 1);
    assert!(killed[0].command.contains("sleep 60"));
    writer.wait().unwrap();
}

#[test]
fn a_tree_that_goes_on_forking_is_ended() {
    let mut attempt = Attempt::of_shell(
        "echo 'touch \"$DIR/up\"; sleep 0.01; setsid sh \"$0\" & exit' >\"$DIR/chain\"; sh \"$DIR/chain\"; sleep 60",
    );
    let live = attempt.start();
    until("the chain", || attempt.path("up").exists());
    live.kill();
    assert!(live.wait(LONG));
    let search = Search::new(&attempt.spec.run, Marked::Any);
    orphans::end(&search, LONG).unwrap();
    fs_err::remove_file(attempt.path("up")).unwrap();
    assert_eq!(found(&search), NOBODY);
    assert!(!attempt.path("up").exists());
}
