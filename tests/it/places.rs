//! Where things are looked for: an agent's program, a plan, temporary files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mesh_testkit::env::Said;

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::script;
use crate::stage::{ST_GIT, Scene, Stage, job, on_each_vcs};

on_each_vcs!(
    a_relative_agent_is_looked_for_where_the_user_stands,
    a_configured_agent_is_looked_for_from_the_repository,
);

/// The fake agent as a program in `folder`.
fn agent_in(scene: &Scene, folder: &Path) {
    fs_err::create_dir_all(folder).expect("a folder");
    let agent = folder.join("agent.sh");
    let text = format!("#!/bin/sh\nexec {}\n", scene.agent_command());
    fs_err::write(&agent, text).expect("the agent");
    fs_err::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Also by the coordinator that takes the run up from somewhere else.
fn a_relative_agent_is_looked_for_where_the_user_stands(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let below = scene.repo.join("be low");
    agent_in(&scene, &below);
    let work = scene.plan_file(
        "plan.jsonl",
        &[job("a", &[]), job("b", &[]), job("c", &["a"])],
    );
    scene.script(&work, |job| {
        script::usual(&scene, job, &[script::gate(&scene)])
    });
    let plan = "../../plan.jsonl";
    let args = [
        "run",
        plan,
        "-n",
        "2",
        "--yes",
        "--json",
        "--agent-command",
        "./agent.sh",
    ];
    let args = args.map(str::to_owned);
    let coordinator = Coordinator::start_in(&scene, &below, &args, &[]);
    scene.log.wait_for("saw", 2);
    coordinator.kill();
    scene.open_gate();
    let report = scene.mesh(&["resume", "--json"]).exits(0).object();
    assert_done(&scene, &work, &report);
}

fn a_configured_agent_is_looked_for_from_the_repository(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    agent_in(&scene, &scene.repo.join("tools"));
    let below = scene.repo.join("below");
    fs_err::create_dir_all(&below).expect("a folder");
    let work = scene.plan_file("plan.jsonl", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| script::usual(&scene, job, &[]));
    scene.configure("agent = \"mine\"\n[agents.mine]\ncommand = \"tools/agent.sh\"\n");
    let args = ["run", &work.source, "-n", "2", "--yes", "--json"].map(str::to_owned);
    let report = Coordinator::start_in(&scene, &below, &args, &[])
        .wait()
        .exits(0);
    assert_done(&scene, &work, &report.object());
}

#[test]
fn a_missing_folder_for_temporary_files_is_named_st_git() {
    let scene = ST_GIT.open().expect("git is enough");
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| {
        script::usual(&scene, job, &[script::gate(&scene)])
    });
    let gone = [("TMPDIR", "/nowhere/at/all".into())];
    let with_gone =
        |args: &[String]| -> Said { Coordinator::start_with(&scene, args, &gone).wait() };
    let names = |said: &Said| {
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(
            text.contains("/nowhere/at/all") && text.contains("set TMPDIR"),
            "{text}"
        );
    };
    names(&with_gone(&scene.run_args(&work, 2, &[])).exits(14));
    names(&with_gone(&["doctor".to_owned()]).exits(14));
    assert!(!scene.repo.join(".mesh/runs").exists());
    let coordinator = scene.start(&work, 2, &[]);
    scene.log.wait_for("saw", 2);
    coordinator.kill();
    names(&with_gone(&["resume".to_owned()]).exits(14));
    // What needs no temporary file works on, and agents are ended all the same.
    with_gone(&["status".to_owned()]).ends(0);
    names(&with_gone(&["stop".to_owned()]).exits(14));
    scene.assert_no_process();
}
