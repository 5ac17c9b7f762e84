//! Where things are looked for: an agent's program, a plan, temporary files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use mesh_testkit::env::Said;

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::fixture::{Backends, Fixture, ST_GIT, job, on_each_vcs};
use crate::script;

on_each_vcs!(
    a_relative_agent_is_looked_for_where_the_user_stands,
    a_configured_agent_is_looked_for_from_the_repository,
);

/// The fake agent as a program in `folder`.
fn agent_in(fixture: &Fixture, folder: &Path) {
    fs_err::create_dir_all(folder).expect("a folder");
    let agent = folder.join("agent.sh");
    let text = format!("#!/bin/sh\nexec {}\n", fixture.agent_command());
    fs_err::write(&agent, text).expect("the agent");
    fs_err::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Also by the coordinator that takes the run up from somewhere else.
fn a_relative_agent_is_looked_for_where_the_user_stands(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let below = fixture.repo.join("be low");
    agent_in(&fixture, &below);
    let work = fixture.plan_file(
        "plan.jsonl",
        &[job("a", &[]), job("b", &[]), job("c", &["a"])],
    );
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
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
    let coordinator = Coordinator::start_in(&fixture, &below, &args, &[]);
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_done(&fixture, &work, &report);
}

fn a_configured_agent_is_looked_for_from_the_repository(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    agent_in(&fixture, &fixture.repo.join("tools"));
    let below = fixture.repo.join("below");
    fs_err::create_dir_all(&below).expect("a folder");
    let work = fixture.plan_file("plan.jsonl", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    fixture.configure("agent = \"mine\"\n[agents.mine]\ncommand = \"tools/agent.sh\"\n");
    let args = ["run", &work.source, "-n", "2", "--yes", "--json"].map(str::to_owned);
    let report = Coordinator::start_in(&fixture, &below, &args, &[])
        .wait()
        .exits(0);
    assert_done(&fixture, &work, &report.object());
}

#[test]
fn a_missing_folder_for_temporary_files_is_named_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let gone = [("TMPDIR", "/nowhere/at/all".into())];
    let with_gone =
        |args: &[String]| -> Said { Coordinator::start_with(&fixture, args, &gone).wait() };
    let names = |said: &Said| {
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(
            text.contains("/nowhere/at/all") && text.contains("set TMPDIR"),
            "{text}"
        );
    };
    names(&with_gone(&fixture.run_args(&work, 2, &[])).exits(14));
    names(&with_gone(&["doctor".to_owned()]).exits(14));
    assert!(!fixture.repo.join(".mesh/runs").exists());
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    names(&with_gone(&["resume".to_owned()]).exits(14));
    // What needs no temporary file works on, and agents are ended all the same.
    with_gone(&["status".to_owned()]).ends(0);
    names(&with_gone(&["stop".to_owned()]).exits(14));
    fixture.assert_no_process();
}
