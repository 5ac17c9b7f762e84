//! Text of others stays text: no title, path or word of an agent reaches a terminal, a commit message, a report, a comment or the
//! frame of a prompt with what a terminal would obey.

use mesh_core::id::TaskId;
use mesh_core::text::is_control;
use mesh_plan::st::{self, StItem};
use serde_json::json;

use crate::fixture::{Fixture, ST_GIT, Work, job};

const HOSTILE: &str = "Do \u{1b}]0;owned\u{7}\rit x\u{202e}\u{9b}31m";

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    let found = text
        .chars()
        .find(|c| is_control(*c) && !matches!(c, '\n' | '\t'));
    assert_eq!(found, None, "{what}: {text:?}");
}

/// `a` is verified, `b` asks, `c` fails, all in hostile words.
fn hostile() -> (Fixture, Work) {
    let fixture = ST_GIT.open().expect("git is enough");
    let jobs = [job("a", &[]), job("b", &[]), job("c", &[])];
    let items: Vec<StItem> = jobs
        .iter()
        .map(|job| StItem::pending(TaskId::new(&*job.key).expect("an id"), HOSTILE))
        .collect();
    let mut work = fixture.plan_file("plan.jsonl", &jobs);
    let path = fixture.env.dir().join("hostile.jsonl");
    fs_err::write(&path, st::new_plan("2026-01-01T00:00:00Z", &items)).expect("the plan");
    work.source = path.display().to_string();
    let file = "x\u{1b}[2J\u{202e}.txt";
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => json!([{"write": {"path": file, "text": "x"}}, {"final": {"changed": file, "verify": "ls"}}]),
        "b" => json!([{"final": {"changed": "none", "verify": "ls", "blockers": "which \u{1b}[31m\u{202e}port?"}}]),
        _ => json!([{"print_err": HOSTILE}, {"exit": 1}]),
    });
    (fixture, work)
}

#[test]
fn no_text_of_others_is_obeyed_st_git() {
    let (fixture, work) = hostile();
    let agent = fixture.agent_command();
    let more = ["-n", "2", "--agent-command", &agent];
    let plan = fixture
        .mesh(&[&["plan", work.source.as_str()][..], &more].concat())
        .exits(0);
    assert_clean("plan", &plan.stdout);
    assert!(
        plan.stdout
            .contains("a  Do \\u{1b}]0;owned\\u{7} it x\\u{202e}"),
        "{}",
        plan.stdout
    );
    let run = fixture
        .mesh(&[&["run", work.source.as_str(), "--yes"][..], &more].concat())
        .exits(20);
    assert_clean("run", &run.stdout);
    assert_clean("run", &run.stderr);
    for args in [
        &["status"][..],
        &["report"],
        &["why", "a"],
        &["why", "b"],
        &["why", "c"],
        &["workspaces"],
    ] {
        let said = fixture.mesh(args).exits(0);
        assert_clean(&args.join(" "), &said.stdout);
        assert_clean(&args.join(" "), &said.stderr);
    }
    let latest = fs_err::read_dir(fixture.repo.join(".mesh/runs"))
        .expect("runs")
        .next()
        .expect("one")
        .expect("it")
        .path();
    for name in [
        "report.md",
        "mesh.log",
        "attempts/a/1/prompt.md",
        "attempts/c/2/prompt.md",
    ] {
        let text = fs_err::read_to_string(latest.join(name)).unwrap_or_default();
        assert_clean(name, &text);
    }
    let messages = fixture
        .env
        .must("git", &["log", "--all", "--format=%B"], &fixture.repo);
    assert_clean("commit messages", &messages);
    let subject = messages
        .lines()
        .find(|line| line.starts_with("a: "))
        .expect("the commit of a");
    assert!(subject.contains("it x\\u{202e}"), "{messages}");
    for comment in fixture.comments(&work, "c") {
        assert_clean("comment", &comment);
    }
}

#[test]
fn json_keeps_the_exact_text_and_escapes_it_st_git() {
    let (fixture, work) = hostile();
    let said = fixture
        .mesh(&["plan", &work.source, "-n", "2", "--json"])
        .exits(0);
    assert_clean("plan --json", &said.stdout);
    assert_eq!(said.object()["tasks"][0]["title"], HOSTILE);
}
