//! Why an attempt failed: what its processes wrote last is shown wherever somebody looks, and secrets in it are not.

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::fixture::{Backends, FAKE_BD_GIT, Fixture, ST_GIT, Work, job, task};
use crate::script;

/// Two tasks; `steps` are those of `a`.
fn two(backends: Backends, steps: impl Fn(&Fixture) -> Value) -> (Fixture, Work) {
    let fixture = backends.open().expect("git and fakes are there");
    let work = fixture.plan("Two", &[job("a", &[]).proof("echo proved"), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => steps(&fixture),
        _ => script::usual(&fixture, job, &[]),
    });
    (fixture, work)
}

fn the_reason_is_shown_everywhere(backends: Backends) {
    let (fixture, work) = two(backends, |fixture| {
        json!({
            "1": [{"print": "working"}, {"print_err": "\u{1b}[31mno such model: o9\u{1b}[0m\r"}, {"exit": 1}],
            "*": [{"copy_stdin": fixture.marks().join("prompt")}, {"print_err": "authentication failed\u{202e}: run login"}, {"kill_self": 9}],
        })
    });
    let said = fixture.run(&work, 2, &[]).exits(20);
    for live in [
        "crashed: the agent ended with exit code 1: no such model: o9; it is tried again",
        "crashed: the agent was ended by signal 9: authentication failed: run login; given up",
    ] {
        assert!(said.stderr.contains(live), "{}", said.stderr);
    }
    let a = task(&said.object(), work.id("a")).clone();
    assert_eq!(
        a["attempts"][0]["failure"],
        "the agent ended with exit code 1\nno such model: o9"
    );
    let reason = a["reason"].as_str().expect("a text");
    assert!(
        reason.ends_with("signal 9\nauthentication failed: run login"),
        "{reason}"
    );
    let prompt = fs_err::read_to_string(fixture.marks().join("prompt")).expect("the prompt");
    assert!(prompt.contains("\nno such model: o9\n"), "{prompt}");
    let id = work.id("a");
    let shown = |args: &[&str]| fixture.mesh(args).exits(0).stdout;
    let last = "authentication failed: run login";
    for text in [
        shown(&["why", id]),
        shown(&["status"]),
        shown(&["report"]),
        fixture.comments(&work, "a").join("\n"),
    ] {
        assert!(text.contains(last), "{text}");
    }
    let report = shown(&["report"]);
    assert!(report.contains("        no such model: o9\n"), "{report}");
}

#[test]
fn the_reason_is_shown_everywhere_st_git() {
    the_reason_is_shown_everywhere(ST_GIT);
}

#[test]
fn the_reason_is_shown_everywhere_fake_bd_1_3_0_git() {
    the_reason_is_shown_everywhere(FAKE_BD_GIT);
}

#[test]
fn without_a_final_block_the_last_words_are_shown_st_git() {
    let (fixture, work) = two(
        ST_GIT,
        |_| json!([{"print": "I may not do this.\nGood bye."}]),
    );
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    let reason = task(&report, "a")["reason"].as_str().expect("a text");
    assert!(
        reason.ends_with("\nI may not do this.\nGood bye."),
        "{reason}"
    );
}

#[test]
fn a_hung_agent_is_quoted_st_git() {
    let (fixture, work) = two(
        ST_GIT,
        |fixture| json!([{"print_err": "waiting for a password"}, script::gate(fixture)]),
    );
    let command = json!(fixture.agent_command());
    fixture.configure(&format!(
        "retries = 0\n[agents.fake]\ncommand = {command}\nsilence_limit = \"2s\"\n"
    ));
    let report = fixture
        .run(&work, 2, &["--agent", "fake"])
        .exits(20)
        .object();
    let reason = task(&report, "a")["reason"].as_str().expect("a text");
    assert!(
        reason.contains("no sign of life") && reason.ends_with("\nwaiting for a password"),
        "{reason}"
    );
}

#[test]
fn only_the_end_of_much_output_is_quoted_st_git() {
    let (fixture, work) = two(ST_GIT, |_| {
        let lines: Vec<String> = (0..500)
            .map(|n| format!("line {n} {}", "x".repeat(300)))
            .collect();
        json!([{"print_err": lines.join("\n")}, {"exit": 1}])
    });
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    let reason = task(&report, "a")["reason"].as_str().expect("a text");
    assert!(reason.len() < 2300, "{} bytes", reason.len());
    assert!(
        reason.contains("\nline 499 xxx") && !reason.contains("line 480"),
        "{reason}"
    );
}

#[test]
fn a_secret_that_the_agent_was_given_is_not_quoted_st_git() {
    let print =
        json!({"run": ["sh", "-c", "echo \"refused: $SOME_TOKEN of $REGION\" >&2; exit 1"]});
    let (fixture, work) = two(ST_GIT, |_| json!([print]));
    let command = json!(fixture.agent_command());
    fixture.configure(&format!(
        "[agents.fake]\ncommand = {command}\nenv_set = {{ SOME_TOKEN = \"open-sesame\", REGION = \"north\" }}\n"
    ));
    let said = fixture.run(&work, 2, &["--agent", "fake"]).exits(20);
    let why = fixture.mesh(&["why", "a"]).exits(0).stdout;
    assert!(why.contains("refused: [SOME_TOKEN] of north"), "{why}");
    for text in [&said.stdout, &said.stderr, &why] {
        assert!(!text.contains("open-sesame"), "{text}");
    }
}

#[test]
fn logs_show_both_streams_setup_and_proof_st_git() {
    let (fixture, work) = two(ST_GIT, |fixture| {
        script::then(
            json!([{"print": "out"}, {"print_err": "err"}]),
            &Value::Array(script::result(fixture, "a")),
        )
    });
    fixture.configure("[workspace]\nsetup = \"echo prepared >&2\"\n");
    let _ = fixture.run(&work, 2, &[]).exits(0);
    let logs = |more: &[&str]| {
        let args = [&["logs", "a"][..], more].concat();
        fixture.mesh(&args).exits(0).stdout
    };
    let out = "out\nPR: none\nVerify: test -f a.txt  # pass\nChanged: a.txt\nBlockers: none\n";
    assert_eq!(
        logs(&[]),
        format!("==> stdout <==\n{out}==> stderr <==\nerr\n")
    );
    assert_eq!(logs(&["-f"]), logs(&[]));
    assert_eq!(logs(&["--stdout"]), out);
    assert_eq!(logs(&["--stderr"]), "err\n");
    assert_eq!(logs(&["--setup"]), "prepared\n");
    assert_eq!(logs(&["--proof"]), "proved\n");
    let nothing = fixture.mesh(&["logs", "b", "--stderr"]).exits(0);
    assert!(
        nothing.stderr.contains("has written nothing"),
        "{}",
        nothing.stderr
    );
}

#[test]
fn logs_that_are_followed_show_both_streams_as_they_grow_st_git() {
    let (fixture, work) = two(ST_GIT, |fixture| {
        let first = json!([{"print": "out 1"}, {"print_err": "err 1"}, script::event(fixture, "told"), script::gate(fixture), {"print": "out 2"}]);
        script::then(first, &Value::Array(script::result(fixture, "a")))
    });
    let run = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("told", 1);
    let args = ["logs", "a", "-f"].map(str::to_owned);
    let logs = Coordinator::start(&fixture, &args);
    fixture.open_gate();
    let logs = logs.wait().exits(0).stdout;
    let _ = run.wait().exits(0);
    let at = |text: &str| {
        logs.find(text)
            .unwrap_or_else(|| panic!("no {text:?} in {logs}"))
    };
    assert!(at("out 1\n") < at("==> stderr <==\nerr 1\n"), "{logs}");
    assert!(
        at("out 1\n") < at("out 2\n") && at("out 2\n") < at("Blockers: none\n"),
        "{logs}"
    );
}

#[test]
fn the_proof_in_a_fresh_workspace_is_shown_and_why_leads_to_it_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    fixture.configure("retries = 0\n[proof]\nwhere = \"clean\"\n");
    let jobs = [
        job("a", &[]).proof("echo seen by the proof; false"),
        job("b", &[]),
    ];
    let work = fixture.plan("Two", &jobs);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let _ = fixture.run(&work, 2, &[]).exits(20);
    let logs = fixture.mesh(&["logs", "a", "--proof"]).exits(0).stdout;
    assert_eq!(logs, "seen by the proof\n");
    let why = fixture.mesh(&["why", "a"]).exits(0).stdout;
    assert!(why.contains("`mesh logs a --proof`"), "{why}");
}
