//! `mesh.log`: what mesh did beside its decisions, for people.

use serde_json::json;

use crate::log::wait_until;
use crate::script;
use crate::stage::{ST_GIT, Scene, job};

/// The log of the only run.
fn log_of(scene: &Scene) -> String {
    let run = scene.only_run();
    fs_err::read_to_string(run.join("mesh.log")).unwrap_or_default()
}

/// An agent puts a file into the control folder that is no request, under a name made for terminals.
#[test]
fn what_mesh_meets_is_in_the_log_and_harms_no_terminal_st_git() {
    let scene = ST_GIT.open().expect("git is enough");
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    let name = "x$(printf '\\033[31mred ERROR not true\\342\\200\\256').json";
    let rubbish = format!("echo no >\"$(dirname \"$MESH_PROMPT_FILE\")/../../../control/{name}\"");
    scene.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&scene, job, &[json!({"run": ["sh", "-c", rubbish]})]),
        _ => script::usual(&scene, job, &[script::gate(&scene)]),
    });
    let coordinator = scene.start(&work, 2, &[]);
    wait_until(
        "the log to tell",
        || !scene.runs().is_empty() && log_of(&scene).contains("is no request"),
        || coordinator.stderr(),
    );
    scene.open_gate();
    let said = coordinator.wait().exits(0);
    let log = log_of(&scene);
    assert!(
        log.contains("\\u{1b}[31mred ERROR not true\\u{202e}") || log.contains("\\x1b[31mred"),
        "{log}"
    );
    for line in log.lines() {
        assert!(line.starts_with("20") && line.contains('Z'), "{log}");
        assert!(!line.chars().any(char::is_control), "{log:?}");
    }
    assert!(
        log.contains(" INFO ") && log.contains("the run begins"),
        "{log}"
    );
    assert!(!said.stderr.contains("is no request"), "{}", said.stderr);
    let report = scene.mesh(&["report"]).exits(0).stdout;
    assert!(report.contains("mesh.log"), "{report}");
}

#[test]
fn the_variable_shows_the_log_and_a_wrong_one_is_an_error_st_git() {
    let mut scene = ST_GIT.open().expect("git is enough");
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| script::usual(&scene, job, &[]));
    scene.env.set("MESH_LOG", "mesh_engine=info");
    let said = scene.run(&work, 2, &[]).exits(0);
    assert!(said.stderr.contains("the run begins"), "{}", said.stderr);
    assert!(log_of(&scene).contains("the run begins"));
    scene.env.set("MESH_LOG", "mesh_engine=loudly");
    let said = scene.mesh(&["status"]).exits(11);
    assert!(said.stderr.contains("MESH_LOG"), "{}", said.stderr);
}

/// No log, no harm: neither a folder in its place nor anything else about it ends a run.
#[test]
fn a_log_that_cannot_be_written_stops_no_run_st_git() {
    let scene = ST_GIT.open().expect("git is enough");
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    let take_its_place = "log=\"$(dirname \"$MESH_PROMPT_FILE\")/../../../mesh.log\"; rm -f \"$log\"; mkdir \"$log\"";
    scene.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(
            &scene,
            job,
            &[
                json!({"run": ["sh", "-c", take_its_place]}),
                script::gate(&scene),
            ],
        ),
        _ => script::usual(&scene, job, &[script::gate(&scene)]),
    });
    let coordinator = scene.start(&work, 2, &[]);
    scene.log.wait_for("saw", 2);
    wait_until(
        "the folder",
        || scene.only_run().join("mesh.log").is_dir(),
        || coordinator.stderr(),
    );
    coordinator.kill();
    scene.open_gate();
    scene.mesh(&["resume", "--json"]).ends(0);
}
