//! mesh that is called by what mesh runs: an agent may look, and may not change the run that it is part of. Without a sandbox, which
//! would keep it from any of that.

use serde_json::json;

use crate::epic::assert_done;
use crate::fixture::{Backends, MESH, job, on_each_vcs, task};
use crate::log::wait_until;
use crate::script;

on_each_vcs!(an_attempt_changes_no_run_of_its_repository);

fn an_attempt_changes_no_run_of_its_repository(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    let (said, repo) = (fixture.marks().join("said"), fixture.repo.display());
    let other = fixture.plan_file("other.jsonl", &[job("x", &[]), job("y", &[])]);
    let run = format!("run {} -n 2 --yes --agent-command true", other.source);
    let commands = [
        "stop",
        "stop --now",
        "resume",
        "retry b",
        "skip b",
        "clean --all --yes",
        &run,
    ];
    // Once from the workspace with all that an agent has, once with a cleared environment, from the repository and in a
    // session of its own.
    let clear = format!(
        "setsid -w env -i PATH=\"$PATH\" HOME={}",
        fixture.env.home().display()
    );
    let mut script = format!("exec >{} 2>&1\n", said.display());
    for command in commands {
        script += &format!("{MESH} {command}; echo \"code $?\"\n");
        script += &format!("{clear} {MESH} -C '{repo}' {command}; echo \"code $?\"\n");
    }
    // Looking is allowed, and so is working in a repository of its own.
    let nested = fixture.env.dir().join("nested");
    let from = fixture.repo.display().to_string();
    let clone = ["clone", "--quiet", &from, &nested.display().to_string()];
    fixture.env.must("git", &clone, &fixture.env.dir());
    let nested = format!(
        "{MESH} -C {} run {} -n 2 --yes --agent-command '{}'",
        nested.display(),
        other.source,
        fixture.agent_command()
    );
    script +=
        &format!("{MESH} -C '{repo}' status | head -1; {nested} >/dev/null; echo \"nested $?\"\n");
    fixture.script(&other, |job| script::usual(&fixture, job, &[]));
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&fixture, job, &[json!({"run": ["sh", "-c", script]})]),
        _ => script::usual(&fixture, job, &[script::gate(&fixture)]),
    });
    let coordinator = fixture.start(&work, 2, &["--sandbox", "off"]);
    wait_until(
        "the agent to have tried everything",
        || fixture.log.attempts("end").contains(&work.attempt("a", 1)),
        || fs_err::read_to_string(&said).unwrap_or_default(),
    );
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    let said = fs_err::read_to_string(&said).expect("what mesh said");
    let lines: Vec<&str> = said.lines().collect();
    let count = |wanted: &str| lines.iter().filter(|line| line.contains(wanted)).count();
    assert_eq!(count("an attempt may not change the run"), 14, "{said}");
    assert_eq!(count("code 2"), 14, "{said}");
    assert_eq!(count("inside attempt a#1 of run "), 7, "{said}");
    assert_eq!(count(": running, "), 1, "{said}");
    assert_eq!(count("nested 0"), 1, "{said}");
    assert_eq!(task(&report, "b")["state"], "verified");
    assert_done(&fixture, &work, &report);
}
