//! `mesh.log`: what mesh did beside its decisions, for people.

use serde_json::json;

use crate::fixture::{Fixture, ST_GIT, job};
use crate::log::wait_until;
use crate::script;

/// The log of the only run.
fn log_of(fixture: &Fixture) -> String {
    let run = fixture.only_run();
    fs_err::read_to_string(run.join("mesh.log")).unwrap_or_default()
}

/// An agent puts a file into the control folder that is no request, under a name made for terminals.
#[test]
fn what_mesh_meets_is_in_the_log_and_harms_no_terminal_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    let name = "x$(printf '\\033[31mred ERROR not true\\342\\200\\256').json";
    let rubbish = format!("echo no >\"$(dirname \"$MESH_PROMPT_FILE\")/../../../control/{name}\"");
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&fixture, job, &[json!({"run": ["sh", "-c", rubbish]})]),
        _ => script::usual(&fixture, job, &[script::gate(&fixture)]),
    });
    let coordinator = fixture.start(&work, 2, &["--sandbox", "off"]);
    wait_until(
        "the log to tell",
        || !fixture.runs().is_empty() && log_of(&fixture).contains("is no request"),
        || coordinator.stderr(),
    );
    fixture.open_gate();
    let said = coordinator.wait().exits(0);
    let log = log_of(&fixture);
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
    let report = fixture.mesh(&["report"]).exits(0).stdout;
    assert!(report.contains("mesh.log"), "{report}");
}

#[test]
fn the_variable_shows_the_log_and_a_wrong_one_is_an_error_st_git() {
    let mut fixture = ST_GIT.open().expect("git is enough");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    fixture.env.set("MESH_LOG", "mesh_engine=info");
    let said = fixture.run(&work, 2, &[]).exits(0);
    assert!(said.stderr.contains("the run begins"), "{}", said.stderr);
    assert!(log_of(&fixture).contains("the run begins"));
    fixture.env.set("MESH_LOG", "mesh_engine=loudly");
    let said = fixture.mesh(&["status"]).exits(11);
    assert!(said.stderr.contains("MESH_LOG"), "{}", said.stderr);
}

/// No log, no harm: neither a folder in its place nor anything else about it ends a run.
#[test]
fn a_log_that_cannot_be_written_stops_no_run_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    let take_its_place = "log=\"$(dirname \"$MESH_PROMPT_FILE\")/../../../mesh.log\"; rm -f \"$log\"; mkdir \"$log\"";
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(
            &fixture,
            job,
            &[
                json!({"run": ["sh", "-c", take_its_place]}),
                script::gate(&fixture),
            ],
        ),
        _ => script::usual(&fixture, job, &[script::gate(&fixture)]),
    });
    let coordinator = fixture.start(&work, 2, &["--sandbox", "off"]);
    fixture.log.wait_for("saw", 2);
    wait_until(
        "the folder",
        || fixture.only_run().join("mesh.log").is_dir(),
        || coordinator.stderr(),
    );
    coordinator.kill();
    fixture.open_gate();
    fixture.mesh(&["resume", "--json"]).ends(0);
}
