//! Each way in which an agent can fail, with the verdict that it gets.

use serde_json::{Value, json};

use crate::fixture::{Backends, Fixture, Job, Vcs, Work, job, on_each_vcs, task};
use crate::script;

on_each_vcs!(
    an_agent_without_a_word_has_no_result,
    words_that_are_no_final_block_have_no_result,
    a_crash_is_tried_once_more,
    a_failed_proof_is_shown_to_the_next_attempt,
    the_workspace_of_a_failed_attempt_goes_when_a_later_one_is_verified,
    the_workspace_of_a_failed_attempt_is_kept_when_it_is_asked_for,
    a_workspace_that_holds_what_no_commit_does_is_kept,
    a_flood_is_cut_off_and_not_tried_again,
    a_silent_agent_is_hung,
    a_silent_agent_that_works_is_not_hung,
    an_agent_beyond_the_hard_limit_is_ended,
    what_an_agent_leaves_running_is_ended,
    nothing_to_change_is_a_result,
    nothing_changed_without_a_reason_is_none,
    a_question_waits_for_a_person,
    a_path_of_a_group_that_is_not_held_is_a_breach,
    a_task_without_any_proof_is_not_done,
    a_proof_that_only_the_agent_names_is_marked,
    a_proof_that_proves_nothing_is_refused,
    an_agent_that_cannot_start_pauses_the_run,
);

/// The story's fixture: `a`, whose agent does as it is told, and `b`, whose agent is good.
struct Pair {
    fixture: Fixture,
    work: Work,
}

/// Sets it up; `steps` are those of `a`, by attempt or for all.
fn pair(backends: Backends, a: Job, steps: impl Fn(&Fixture, &Job) -> Value) -> Option<Pair> {
    let fixture = backends.open()?;
    let work = fixture.plan("Two", &[a, job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => steps(&fixture, job),
        _ => script::usual(&fixture, job, &[]),
    });
    Some(Pair { fixture, work })
}

impl Pair {
    /// Runs it: `b` is always done, nothing runs on, and of `a` the report is given.
    #[track_caller]
    fn run(&self, code: i32, more: &[&str]) -> Value {
        let report = self.fixture.run(&self.work, 2, more).exits(code).object();
        self.fixture.assert_no_process();
        assert_eq!(task(&report, "b")["state"], "verified", "{report:#}");
        task(&report, "a").clone()
    }

    /// As [`Pair::run`], with the fake agent as the profile `fake` with these limits.
    #[track_caller]
    fn run_limited(&self, code: i32, limits: &str) -> Value {
        let command = json!(self.fixture.agent_command());
        self.fixture
            .configure(&format!("[agents.fake]\ncommand = {command}\n{limits}\n"));
        self.run(code, &["--agent", "fake"])
    }
}

/// The outcomes of all attempts.
fn outcomes(task: &Value) -> Vec<&str> {
    let attempts = task["attempts"].as_array().expect("attempts");
    attempts
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap_or("none"))
        .collect()
}

#[track_caller]
fn check(task: &Value, state: &str, wanted: &[&str]) {
    assert_eq!(outcomes(task), wanted, "{task:#}");
    assert_eq!(task["state"], state, "{task:#}");
}

fn an_agent_without_a_word_has_no_result(backends: Backends) {
    let Some(pair) = pair(
        backends,
        job("a", &[]),
        |_, _| json!([{"write": {"path": "a.txt", "text": "x"}}]),
    ) else {
        return;
    };
    check(&pair.run(20, &[]), "failed", &["no-result", "no-result"]);
}

fn words_that_are_no_final_block_have_no_result(backends: Backends) {
    let block = "PR: none\nVerify: test -f a.txt\nChanged: a.txt\nBlockers: none";
    let quoted = format!("the last run said:\n```\na line of its log\n{block}\n```");
    let twice = format!("{block}\n\n{block}\nand so I am done");
    let missing_line = "PR: none\nVerify: test -f a.txt\nChanged: a.txt";
    for text in [&quoted, &twice, missing_line] {
        let steps = |_: &Fixture, _: &Job| json!([{"write": {"path": "a.txt", "text": "x"}}, {"print": text}]);
        let Some(pair) = pair(backends, job("a", &[]), steps) else {
            return;
        };
        check(&pair.run(20, &[]), "failed", &["no-result", "no-result"]);
    }
    // Two blocks of which the last one stands at the end: the last message counts, and it is one block.
    let steps = |_: &Fixture, _: &Job| json!([{"write": {"path": "a.txt", "text": "x"}}, {"print": block}, {"final": {"changed": "a.txt"}}]);
    let Some(pair) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    check(&pair.run(0, &[]), "verified", &["verified"]);
}

fn a_crash_is_tried_once_more(backends: Backends) {
    let steps = |fixture: &Fixture, job: &Job| json!({"1": [{"print": "oh"}, {"exit": 3}], "*": script::usual(fixture, job, &[])});
    let Some(p) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    check(&p.run(0, &[]), "verified", &["crashed", "verified"]);
    // The block of an agent that ends with another code counts for nothing.
    let steps = |_: &Fixture, _: &Job| json!([{"write": {"path": "a.txt", "text": "x"}}, {"final": {"changed": "a.txt"}}, {"exit": 3}]);
    let Some(p) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    let a = p.run(20, &[]);
    check(&a, "failed", &["crashed", "crashed"]);
    assert_eq!(a["attempts"][0]["exit_code"], 3);
}

fn a_failed_proof_is_shown_to_the_next_attempt(backends: Backends) {
    let proof = "echo the proof is not amused; grep -q 'made by a' a.txt";
    let steps = |fixture: &Fixture, job: &Job| {
        json!({
            "1": [{"write": {"path": "a.txt", "text": "wrong\n"}}, {"final": {"changed": "a.txt"}}],
            "*": script::then(json!({"copy_stdin": fixture.marks().join("second-prompt")}), &script::usual(fixture, job, &[])),
        })
    };
    let Some(pair) = pair(backends, job("a", &[]).proof(proof), steps) else {
        return;
    };
    let a = pair.run(0, &[]);
    check(&a, "verified", &["verify-failed", "verified"]);
    assert_eq!(a["attempts"][0]["verify"]["exit_code"], 1);
    let prompt =
        fs_err::read_to_string(pair.fixture.marks().join("second-prompt")).expect("the prompt");
    assert!(prompt.contains("the proof is not amused"), "{prompt}");
}

/// The first attempt leaves text and a snapshot and crashes, and so does what `more` makes; the second is good.
fn crashes_first(backends: Backends, more: Value) -> Option<Pair> {
    pair(backends, job("a", &[]), |fixture, job| {
        let first = json!([
            {"write": {"path": "half.txt", "text": "half done\n"}},
            {"run": ["sh", "-c", "printf '\\000\\001\\377' >snapshot"]},
        ]);
        let first = script::then(first, &more);
        json!({
            "1": script::then(first, &json!([{"exit": 3}])),
            "*": script::usual(fixture, job, &[]),
        })
    })
}

/// The folder of the first attempt of `a` in the latest run.
fn first_attempt(a: &Value) -> std::path::PathBuf {
    a["attempts"][0]["logs"].as_str().expect("a path").into()
}

fn the_workspace_of_a_failed_attempt_goes_when_a_later_one_is_verified(backends: Backends) {
    let Some(pair) = crashes_first(backends, json!([])) else {
        return;
    };
    pair.fixture.configure("[retry]\nmode = \"fresh\"\n");
    let a = pair.run(0, &[]);
    check(&a, "verified", &["crashed", "verified"]);
    pair.fixture.assert_nothing_left(&pair.work);
    // What it had done is still there.
    let patch = first_attempt(&a).join("patch");
    let folder = pair.fixture.marks().join("again");
    fs_err::create_dir_all(&folder).expect("a folder");
    let patch = patch.display().to_string();
    pair.fixture.env.must("git", &["apply", &patch], &folder);
    let read = |name: &str| fs_err::read(folder.join(name)).expect("a file");
    assert_eq!(read("half.txt"), b"half done\n");
    assert_eq!(read("snapshot"), b"\x00\x01\xff");
    assert!(first_attempt(&a).join("stdout").exists());
}

fn the_workspace_of_a_failed_attempt_is_kept_when_it_is_asked_for(backends: Backends) {
    let Some(pair) = crashes_first(backends, json!([])) else {
        return;
    };
    pair.fixture
        .configure("[retry]\nmode = \"fresh\"\n[workspace]\nkeep = \"failed\"\n");
    let a = pair.run(0, &[]);
    check(&a, "verified", &["crashed", "verified"]);
    let kept = a["attempts"][0]["workspace"].as_str().expect("it is there");
    let half = std::path::Path::new(kept).join("half.txt");
    assert_eq!(fs_err::read_to_string(half).expect("a file"), "half done\n");
}

fn a_workspace_that_holds_what_no_commit_does_is_kept(backends: Backends) {
    let nested = json!([{"run": ["sh", "-c", "mkdir app && cd app && git init -q && echo x >x"]}]);
    let Some(pair) = crashes_first(backends, nested) else {
        return;
    };
    pair.fixture.configure("[retry]\nmode = \"fresh\"\n");
    let a = pair.run(0, &[]);
    let kept = a["attempts"][0]["workspace"].as_str().expect("it is there");
    assert!(std::path::Path::new(kept).join("app/x").exists());
    let report = pair.fixture.mesh(&["report"]).exits(0).stdout;
    assert!(report.contains("the workspace of a#1 is kept"), "{report}");
}

fn a_flood_is_cut_off_and_not_tried_again(backends: Backends) {
    let Some(pair) = pair(
        backends,
        job("a", &[]),
        |_, _| json!([{"flood": {"bytes": 0}}]),
    ) else {
        return;
    };
    check(
        &pair.run_limited(20, "log_limit = \"1MiB\""),
        "failed",
        &["flood"],
    );
}

fn a_silent_agent_is_hung(backends: Backends) {
    let steps = |fixture: &Fixture, job: &Job| json!({"1": [{"sleep_ms": 60000}], "*": script::usual(fixture, job, &[])});
    let Some(pair) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    check(
        &pair.run_limited(0, "silence_limit = \"1s\"\ngrace = \"1s\""),
        "verified",
        &["hung", "verified"],
    );
}

fn a_silent_agent_that_works_is_not_hung(backends: Backends) {
    let works = [
        // By itself.
        "end=$((SECONDS+6)); while [ $SECONDS -lt $end ]; do :; done",
        // Through children, of which each is short.
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.5; done",
    ];
    for work in works {
        let steps = |fixture: &Fixture, job: &Job| {
            script::usual(fixture, job, &[json!({"run": ["bash", "-c", work]})])
        };
        let Some(pair) = pair(backends, job("a", &[]), steps) else {
            return;
        };
        let a = pair.run_limited(0, "silence_limit = \"2s\"");
        check(&a, "verified", &["verified"]);
    }
}

fn an_agent_beyond_the_hard_limit_is_ended(backends: Backends) {
    // It shows that it lives all the time, and SIGTERM means nothing to it.
    let busy = "while true; do echo busy; sleep 0.1; done";
    let steps = |fixture: &Fixture, job: &Job| json!({"1": [{"ignore_term": true}, {"run": ["sh", "-c", busy]}], "*": script::usual(fixture, job, &[])});
    let Some(pair) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    check(
        &pair.run_limited(0, "hard_limit = \"3s\"\ngrace = \"1s\""),
        "verified",
        &["hung", "verified"],
    );
}

fn what_an_agent_leaves_running_is_ended(backends: Backends) {
    let steps = |fixture: &Fixture, job: &Job| {
        let leave = |name: &str, clear: bool| json!({"grandchild": {"setsid": true, "clear_env": clear, "steps": [{"write_pid": fixture.pid_file(name)}, {"sleep_ms": 60000}]}});
        let wait = |name: &str| json!({"wait_for": fixture.pid_file(name)});
        script::usual(
            fixture,
            job,
            &[
                leave("one", false),
                leave("two", true),
                wait("one"),
                wait("two"),
            ],
        )
    };
    let Some(pair) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    check(&pair.run(0, &[]), "verified", &["verified"]);
    for name in ["one", "two"] {
        let pid = pair.fixture.pid(name);
        assert!(
            rustix::process::test_kill_process(pid).is_err(),
            "{name} is still there"
        );
    }
}

fn nothing_to_change_is_a_result(backends: Backends) {
    let Some(pair) = pair(
        backends,
        job("a", &[]).proof("test -f README.md"),
        |_, _| json!([{"final": {"changed": "NO_DIFF:it is right already"}}]),
    ) else {
        return;
    };
    let a = pair.run(0, &[]);
    check(&a, "verified", &["verified"]);
    assert_eq!(a["attempts"][0]["changed"], json!([]));
    // The proof decides all the same.
    let Some(pair) = self::pair(
        backends,
        job("a", &[]).proof("test -f absent"),
        |_, _| json!([{"final": {}}]),
    ) else {
        return;
    };
    check(
        &pair.run(20, &[]),
        "failed",
        &["verify-failed", "verify-failed"],
    );
}

fn nothing_changed_without_a_reason_is_none(backends: Backends) {
    let Some(pair) = pair(
        backends,
        job("a", &[]).proof("test -f README.md"),
        |_, _| json!([{"final": {"changed": "a.txt"}}]),
    ) else {
        return;
    };
    check(&pair.run(20, &[]), "failed", &["no-change", "no-change"]);
}

fn a_question_waits_for_a_person(backends: Backends) {
    let steps = |fixture: &Fixture, job: &Job| json!({"1": [{"final": {"changed": "NO_DIFF:asked", "blockers": "which colour is it to have?"}}], "*": script::usual(fixture, job, &[])});
    let Some(pair) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    let a = pair.run(22, &[]);
    check(&a, "question", &["question"]);
    assert!(
        a["reason"]
            .as_str()
            .is_some_and(|text| text.contains("which colour")),
        "{a:#}"
    );
}

fn a_path_of_a_group_that_is_not_held_is_a_breach(backends: Backends) {
    let steps = |fixture: &Fixture, job: &Job| {
        script::usual(
            fixture,
            job,
            &[json!({"write": {"path": "shared/x", "text": "x"}})],
        )
    };
    let Some(pair) = pair(backends, job("a", &[]), steps) else {
        return;
    };
    pair.fixture
        .configure("[locks.groups]\nshared = [\"shared/\"]\n");
    let a = pair.run(20, &[]);
    check(&a, "failed", &["scope"]);
    assert!(
        a["reason"]
            .as_str()
            .is_some_and(|text| text.contains("shared/x")),
        "{a:#}"
    );
    // Whoever holds the group may.
    let Some(pair) = self::pair(backends, job("a", &[]).lock("shared"), steps) else {
        return;
    };
    pair.fixture
        .configure("[locks.groups]\nshared = [\"shared/\"]\n");
    check(&pair.run(0, &[]), "verified", &["verified"]);
}

fn a_task_without_any_proof_is_not_done(backends: Backends) {
    let steps = |_: &Fixture, _: &Job| json!([{"write": {"path": "a.txt", "text": "x"}}, {"final": {"changed": "a.txt", "verify": "none"}}]);
    let Some(p) = pair(backends, job("a", &[]).unproved(), steps) else {
        return;
    };
    check(&p.run(20, &[]), "failed", &["missing-proof"]);
    let Some(p) = pair(backends, job("a", &[]).unproved(), steps) else {
        return;
    };
    check(
        &p.run(0, &["--allow-no-validation"]),
        "verified",
        &["verified"],
    );
}

fn a_proof_that_only_the_agent_names_is_marked(backends: Backends) {
    let steps = |fixture: &Fixture, job: &Job| script::usual(fixture, job, &[]);
    let Some(pair) = pair(backends, job("a", &[]).unproved(), steps) else {
        return;
    };
    let a = pair.run(0, &[]);
    check(&a, "verified", &["verified"]);
    assert_eq!(
        a["attempts"][0]["verify"],
        json!({"command": "test -f a.txt", "exit_code": 0, "self_checked": true})
    );
}

fn a_proof_that_proves_nothing_is_refused(backends: Backends) {
    let steps = |_: &Fixture, _: &Job| json!([{"write": {"path": "a.txt", "text": "x"}}, {"final": {"changed": "a.txt", "verify": "true  # pass"}}]);
    let Some(pair) = pair(backends, job("a", &[]).unproved(), steps) else {
        return;
    };
    check(&pair.run(20, &[]), "failed", &["missing-proof"]);
}

/// The program goes after the run has begun: nothing can start, and that is the machine's fault, not the tasks'.
fn an_agent_that_cannot_start_pauses_the_run(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan(
        "Three",
        &[job("a", &[]), job("b", &["a"]), job("c", &["a"])],
    );
    let program = fixture.marks().join("agent");
    fs_err::copy(crate::fixture::AGENT, &program).expect("a copy");
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[json!({"delete": program})])
    });
    let command = json!(
        fixture
            .agent_command()
            .replace(crate::fixture::AGENT, &program.display().to_string())
    );
    fixture.configure(&format!(
        "start_pause = \"1s\"\n[agents.fake]\ncommand = {command}\n"
    ));
    let report = fixture
        .run(&work, 2, &["--agent", "fake"])
        .exits(21)
        .object();
    assert_eq!(task(&report, "a")["state"], "verified", "{report:#}");
    fixture.assert_no_process();
    // Put right, it goes on.
    fs_err::copy(crate::fixture::AGENT, &program).expect("a copy");
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_eq!(report["state"], "done", "{report:#}");
}

#[test]
fn commits_of_others_cannot_be_rewritten_jj_0_45_1() {
    let Some(pair) = pair(crate::fixture::ST_JJ, job("a", &[]), |fixture, job| {
        let rewrite = "if jj describe -m mine @- 2> refused; then exit 9; fi; grep -q immutable refused && rm refused";
        script::usual(fixture, job, &[json!({"run": ["sh", "-c", rewrite]})])
    }) else {
        return;
    };
    check(&pair.run(0, &[]), "verified", &["verified"]);
}

#[test]
fn a_head_beside_the_result_fails_jj_0_45_1() {
    let backends = Backends {
        vcs: Vcs::Jj,
        ..crate::fixture::ST_JJ
    };
    let Some(pair) = pair(backends, job("a", &[]), |fixture, job| {
        let stray = "echo x > stray.txt; jj commit -m stray; jj new main";
        script::usual(fixture, job, &[json!({"run": ["sh", "-c", stray]})])
    }) else {
        return;
    };
    check(
        &pair.run(20, &[]),
        "failed",
        &["stray-commits", "stray-commits"],
    );
}
