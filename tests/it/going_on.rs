//! Attempts that go on from the one before: in its workspace after a failure and after a question, in its agent's session where the
//! program can take one up.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::epic::assert_done;
use crate::fixture::{Backends, Fixture, ST_GIT, Work, job, on_each_vcs, task};
use crate::known_agents;
use crate::log::wait_until;
use crate::script;

on_each_vcs!(
    a_retry_finds_what_the_attempt_before_left,
    a_retry_starts_afresh_when_it_is_told_to,
    an_answer_reaches_the_agent_while_the_run_waits_for_it,
    an_answer_to_a_run_that_has_ended_is_taken_up_by_a_resume,
    a_workspace_in_which_a_later_attempt_works_is_not_cleaned_away,
);

/// Task `a` whose proof wants two files, of which the first attempt writes one and the second the other; `rest` follows in the second.
fn half_done(backends: Backends, rest: impl Fn(&Fixture) -> Vec<Value>) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let proof = "test -f half.txt && test -f a.txt";
    let work = fixture.plan("Two", &[job("a", &[]).proof(proof), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => json!({
            "1": [{"write": {"path": "half.txt", "text": "half done\n"}}, {"final": {"changed": "half.txt"}}],
            "*": script::then(
                json!({"copy_stdin": fixture.marks().join("second-prompt")}),
                &script::usual(&fixture, job, &rest(&fixture)),
            ),
        }),
        _ => script::usual(&fixture, job, &[]),
    });
    Some((fixture, work))
}

fn second_prompt(fixture: &Fixture) -> String {
    fs_err::read_to_string(fixture.marks().join("second-prompt")).expect("the prompt")
}

fn outcomes(task: &Value) -> Vec<&str> {
    let attempts = task["attempts"].as_array().expect("attempts").iter();
    attempts
        .map(|attempt| attempt["outcome"].as_str().unwrap_or("none"))
        .collect()
}

fn a_retry_finds_what_the_attempt_before_left(backends: Backends) {
    let Some((fixture, work)) = half_done(backends, |_| Vec::new()) else {
        return;
    };
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["verify-failed", "verified"], "{a:#}");
    assert_eq!(a["attempts"][1]["changed"], json!(["a.txt", "half.txt"]));
    let prompt = second_prompt(&fixture);
    let told = "Its changes are still in your workspace.";
    assert!(prompt.contains(told), "{prompt}");
    fixture.assert_nothing_left(&work);
}

fn a_retry_starts_afresh_when_it_is_told_to(backends: Backends) {
    let Some((fixture, work)) = half_done(backends, |_| Vec::new()) else {
        return;
    };
    fixture.configure("[retry]\nmode = \"fresh\"\n");
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["verify-failed", "verify-failed"], "{a:#}");
    assert_eq!(a["attempts"][1]["changed"], json!(["a.txt"]));
}

/// Task `a` asks, and has left a file; with the answer it is good.
fn asking(backends: Backends) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let proof = "test -f half.txt && test -f a.txt";
    let work = fixture.plan("Two", &[job("a", &[]).proof(proof), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => json!({
            "1": [
                {"write": {"path": "half.txt", "text": "half done\n"}},
                {"final": {"changed": "half.txt", "blockers": "which colour?"}},
            ],
            "*": script::then(
                json!({"copy_stdin": fixture.marks().join("second-prompt")}),
                &script::usual(&fixture, job, &[]),
            ),
        }),
        _ => script::usual(&fixture, job, &[]),
    });
    Some((fixture, work))
}

#[track_caller]
fn is_listed(fixture: &Fixture, work: &Work) {
    let listed = fixture.mesh(&["questions", "--json"]).exits(0).object();
    let wanted = json!([{"task": work.id("a"), "attempt": 1, "text": "which colour?"}]);
    assert_eq!(listed["questions"], wanted);
    let said = fixture.mesh(&["questions"]).exits(0).stdout;
    let line = format!("{}#1: which colour?", work.id("a"));
    assert!(said.contains(&line), "{said}");
}

fn an_answer_reaches_the_agent_while_the_run_waits_for_it(backends: Backends) {
    let Some((fixture, work)) = asking(backends) else {
        return;
    };
    let coordinator = fixture.start(&work, 2, &["--wait-for-answers", "2h"]);
    wait_until(
        "the run to wait for answers",
        || {
            coordinator
                .stderr()
                .contains("nothing but questions is left")
        },
        || coordinator.stderr(),
    );
    is_listed(&fixture, &work);
    let said = fixture.mesh(&["answer", work.id("b"), "blue"]).exits(2);
    assert!(
        said.stderr.contains("has no open question"),
        "{}",
        said.stderr
    );
    fixture
        .mesh(&["answer", work.id("a"), "blue,", "always"])
        .ends(0);
    let report = coordinator.wait().exits(0).object();
    let a = task(&report, work.id("a"));
    assert_eq!(outcomes(a), ["question", "verified"], "{a:#}");
    let prompt = second_prompt(&fixture);
    assert!(prompt.contains("blue, always"), "{prompt}");
    assert_done(&fixture, &work, &report);
}

fn an_answer_to_a_run_that_has_ended_is_taken_up_by_a_resume(backends: Backends) {
    let Some((fixture, work)) = asking(backends) else {
        return;
    };
    fixture.run(&work, 2, &[]).ends(22);
    is_listed(&fixture, &work);
    fixture.mesh(&["answer", work.id("a"), ""]).ends(2);
    let said = fixture.mesh(&["answer", work.id("a"), "blue"]).exits(0);
    assert!(said.stdout.contains("mesh resume"), "{}", said.stdout);
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert!(second_prompt(&fixture).contains("blue"));
    assert_done(&fixture, &work, &report);
}

fn a_workspace_in_which_a_later_attempt_works_is_not_cleaned_away(backends: Backends) {
    let Some((fixture, work)) = half_done(backends, |fixture| vec![script::gate(fixture)]) else {
        return;
    };
    let coordinator = fixture.start(&work, 2, &[]);
    let second = work.attempt("a", 2);
    fixture.log.wait("the second attempt", |events| {
        let waits = |event: &crate::log::Event| event.what == "saw" && event.attempt == second;
        events.iter().any(waits)
    });
    coordinator.kill();
    // It says what it leaves and why, whatever its exit code.
    let said = fixture.mesh(&["clean", "--all", "--yes"]);
    assert!(!said.stdout.contains("removed"), "{}", said.stdout);
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_eq!(
        task(&report, work.id("a"))["attempts"][1]["changed"],
        json!(["a.txt", "half.txt"])
    );
    assert_done(&fixture, &work, &report);
}

/// The stream that the first call plays names the session; the second is told to take it up, and hears what is new.
#[test]
fn a_known_program_takes_its_session_up_again_st_git() {
    for (name, session, wanted) in [
        ("claude", claude_session(), "--resume SESSION"),
        ("codex", codex_session(), "resume SESSION -"),
    ] {
        let fixture = ST_GIT.open().expect("fakes are there");
        let work = fixture.plan(
            "Hello",
            &[job("hello", &[]).proof("grep -q twice hello.txt")],
        );
        let dir = fixture.marks();
        let script = format!(
            "echo \"$@\" >> '{0}/noted'; if [ -f hello.txt ]; then echo twice >> hello.txt; else echo once > hello.txt; fi",
            dir.display()
        );
        known_agents::install(&fixture, name, &script, &format!("{name}-ok"));
        let report = fixture
            .run(&work, 1, &["--agent", name, "--allow-serial"])
            .exits(0)
            .object();
        let hello = task(&report, "hello");
        assert_eq!(outcomes(hello), ["verify-failed", "verified"], "{hello:#}");
        let noted = fs_err::read_to_string(dir.join("noted")).expect("the program ran");
        let lines: Vec<&str> = noted.lines().collect();
        let [first, second] = lines.as_slice() else {
            panic!("{noted}");
        };
        let wanted = wanted.replace("SESSION", &session);
        assert!(!first.contains(&session), "{noted}");
        assert!(second.ends_with(&wanted), "{noted}");
        let logs = hello["attempts"][1]["logs"].as_str().expect("a folder");
        let prompt = fs_err::read_to_string(std::path::Path::new(logs).join("prompt.md"));
        assert!(
            prompt
                .expect("a prompt")
                .starts_with("Go on with task hello")
        );
    }
}

fn claude_session() -> String {
    named_in("claude-ok", "session_id")
}

fn codex_session() -> String {
    named_in("codex-ok", "thread_id")
}

/// The first value of `key` in a recorded stream.
fn named_in(stream: &str, key: &str) -> String {
    let text = fs_err::read_to_string(known_agents::stream(stream)).expect("a stream");
    let mut events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let id = events.find_map(|event| event[key].as_str().map(str::to_owned));
    id.expect("it names its session")
}

#[test]
fn an_answer_is_typed_where_the_run_shows_on_a_terminal_st_git() {
    let script = Path::new("/usr/bin/script");
    if !script.is_file() {
        eprintln!("there is no {}, which makes terminals", script.display());
        return;
    }
    let (fixture, work) = asking(ST_GIT).expect("fakes are there");
    let args = fixture.run_args(&work, 2, &["--wait-for-answers", "2h"]);
    let words = std::iter::once(crate::fixture::MESH).chain(args.iter().map(String::as_str));
    let words: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    let shown = fixture.env.dir().join("terminal");
    let out = fs_err::File::create(&shown).expect("a file").into_file();
    let mut terminal = fixture.env.command(script, &fixture.repo);
    terminal
        .args(["-qefc", &words.join(" "), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(out);
    let mut terminal = terminal.spawn().expect("it starts");
    let text = || fs_err::read_to_string(&shown).unwrap_or_default();
    let asks = format!("{}#1 waits for an answer: type it here", work.id("a"));
    wait_until("the question", || text().contains(&asks), text);
    let mut stdin = terminal.stdin.take().expect("a pipe");
    stdin.write_all(b"blue, always\n").expect("it reads");
    let mut status = None;
    let ended = || {
        status = terminal.try_wait().expect("our child");
        status.is_some()
    };
    wait_until("the run to end", ended, text);
    assert!(status.is_some_and(|status| status.success()), "{}", text());
    assert!(second_prompt(&fixture).contains("blue, always"));
    assert_eq!(text().matches(&asks).count(), 1, "{}", text());
}
