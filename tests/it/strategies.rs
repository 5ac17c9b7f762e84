//! Strategies: several agents that read and answer, while mesh alone changes the workspace. The agents of the roles are scripted, by the
//! turn that they are asked for.

use std::path::PathBuf;

use mesh_testkit::model::{Model, Reply, Turn};
use mesh_testkit::tools;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};

use crate::coordinator::Coordinator;
use crate::fixture::{Backends, Fixture, ST_GIT, ST_JJ, Work, job, on_each_vcs, task};
use crate::log::{Event, wait_until};
use crate::real_agents;
use crate::script;

on_each_vcs!(
    patch_first_applies_what_its_agent_answers,
    a_pipeline_applies_what_its_fixer_accepts,
    a_consensus_applies_what_its_roles_vote_for,
);

/// A patch that makes the job's file.
fn diff(key: &str) -> String {
    format!(
        "diff --git a/{key}.txt b/{key}.txt\nnew file mode 100644\n--- /dev/null\n+++ b/{key}.txt\n@@ -0,0 +1 @@\n+made by {key}\n"
    )
}

fn patch_answer(key: &str) -> String {
    format!(
        "1) Summary\n- {key}\n3) Patch\n```diff\n{}```\n4) Notes: none",
        diff(key)
    )
}

fn verdict(key: &str, patch: Option<String>) -> String {
    let mut object = json!({"id": key, "decision": "accept", "proof_status": "skipped"});
    if let Some(patch) = patch {
        object["patch"] = json!(patch);
    }
    object.to_string()
}

/// What a role answers in a turn when all goes well.
pub(crate) fn answer(key: &str, turn: &str) -> String {
    let words: Vec<&str> = turn.split('.').collect();
    match (words[0], words[2]) {
        ("patch", "worker") => patch_answer(key),
        ("patch", "coder") => verdict(key, Some(diff(key))),
        ("review", _) => verdict(key, None),
        ("hydrate_meta", _) => format!(
            "1) Plan\n```mesh\nscope:\n  - \"{key}.txt\"\nacceptance:\n  - \"{key}.txt is there\"\nvalidation:\n  - \"test -f {key}.txt\"\n```\n"
        ),
        ("proposal", _) => {
            format!("1) Plan\n- write {key}.txt\n2) Assumptions: none\n3) Risks: low")
        }
        ("critique", _) => "1) Findings\n- none\n2) Must-fix: none\n4) low".to_owned(),
        ("synthesis", _) => format!(
            "1) Decision log\n- nothing was raised\n2) Patch\n```diff\n{}```\n3) Validation\n```sh\ntest -f {key}.txt\n```\n4) Residual risk: low\n",
            diff(key)
        ),
        ("vote", _) => "vote: agree\nreason: it does the task".to_owned(),
        _ => panic!("no answer for {turn}"),
    }
}

const CONSENSUS: [&str; 5] = ["proposer", "critic_a", "critic_b", "skeptic", "synthesizer"];

/// The turns that a story may ask for.
pub(crate) fn turns() -> Vec<String> {
    let mut turns = Vec::new();
    for ask in 1..=2 {
        for round in 1..=3 {
            let mut add =
                |stage: &str, role: &str| turns.push(format!("{stage}.{round}.{role}.{ask}"));
            add("patch", "worker");
            add("patch", "coder");
            add("review", "fixer");
            add("hydrate_meta", "proposer");
            add("proposal", "proposer");
            for role in ["critic_a", "critic_b", "skeptic"] {
                add("critique", role);
            }
            add("synthesis", "synthesizer");
            for role in CONSENSUS {
                add("vote", role);
            }
        }
    }
    turns
}

/// Scripts the roles of all jobs: each says its turn in the log and answers, with `special` steps in place of the answer.
pub(crate) fn script_roles(
    fixture: &Fixture,
    work: &Work,
    special: impl Fn(&str, &str) -> Option<Vec<Value>>,
) {
    fixture.script(work, |job| {
        let steps = |turn: &String| {
            let usual = || vec![json!({"print": answer(&job.key, turn)})];
            let mut steps = vec![script::event(fixture, turn)];
            steps.extend(special(&job.key, turn).unwrap_or_else(usual));
            (turn.clone(), Value::Array(steps))
        };
        let by_turn: Map<String, Value> = turns().iter().map(steps).collect();
        Value::Object(by_turn)
    });
}

/// The scripted agent as one with a name, which may write where the stories look.
pub(crate) fn configure(fixture: &Fixture, more: &str) {
    let command = fixture.agent_command();
    let marks = fixture.marks();
    let table =
        |name: &str| format!("[agents.{name}]\ncommand = {command:?}\nwrite = [{marks:?}]\n");
    fixture.configure(&format!("{more}\n{}{}", table("scripted"), table("other")));
}

fn start(
    fixture: &Fixture,
    work: &Work,
    strategy: &str,
    agents: u16,
    more: &[&str],
) -> Coordinator {
    let mut args = vec!["--agent", "scripted", "--strategy", strategy];
    args.extend(more);
    fixture.start(work, agents, &args)
}

/// Three tasks, one on the two others.
fn three(backends: Backends, more: &str) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a", "b"])];
    let work = fixture.plan("Three", &jobs);
    configure(&fixture, more);
    Some((fixture, work))
}

#[test]
fn a_task_says_how_its_consensus_is_found_st_git() {
    let (fixture, work) = two("");
    let notes = "```mesh\nswarm:\n  roles: 3\n```";
    let line = json!({
        "v": 3, "ts": "2026-03-01T10:00:00Z", "lane": "event", "seq": 2,
        "op": "set_notes", "id": work.id("a"), "notes": notes,
    });
    let mut plan = fs_err::read_to_string(&work.source).expect("the plan");
    plan.push_str(&format!("{line}\n"));
    fs_err::write(&work.source, plan).expect("written");
    script_roles(&fixture, &work, |_, _| None);
    let report = start(&fixture, &work, "consensus", 5, &[]).wait().exits(0);
    let report = report.object();
    assert_worked(&fixture, &work, &report, "consensus");
    for (key, votes) in [("a", 3), ("b", 5)] {
        let attempt = &task(&report, work.id(key))["attempts"][0];
        let turns = attempt["turns"].as_array().expect("turns").iter();
        let agree = turns.filter(|turn| turn["outcome"] == "vote: agree");
        assert_eq!(agree.count(), votes, "{attempt:#}");
    }
}

/// One task and another one beside it.
fn two(more: &str) -> (Fixture, Work) {
    let fixture = ST_GIT.open().expect("fakes are there");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    configure(&fixture, more);
    (fixture, work)
}

/// How often a task was asked for each turn.
fn asked(fixture: &Fixture, task: &str, turn: &str) -> usize {
    let events = fixture.log.events().into_iter();
    events
        .filter(|event| event.task == task && event.what == turn)
        .count()
}

#[track_caller]
fn assert_worked(fixture: &Fixture, work: &Work, report: &Value, strategy: &str) {
    assert_eq!(report["state"], "done", "{report:#}");
    assert_eq!(report["strategy"], strategy);
    for job in &work.jobs {
        let done = task(report, work.id(&job.key));
        let attempts = done["attempts"].as_array().expect("attempts");
        let last = attempts.last().expect("an attempt");
        assert_eq!(last["outcome"], "verified", "{done:#}");
        assert_eq!(last["changed"], json!([format!("{}.txt", job.key)]));
        assert!(last["commit"].is_string(), "{done:#}");
    }
    for (id, (status, _)) in fixture.tasks(work) {
        assert_eq!(status, "closed", "{id}: {report:#}");
    }
    fixture.assert_nothing_left(work);
}

fn outcomes(report: &Value, id: &str) -> Vec<String> {
    let attempts = task(report, id)["attempts"].as_array().expect("attempts");
    let word = |attempt: &Value| attempt["outcome"].as_str().unwrap_or("none").to_owned();
    attempts.iter().map(word).collect()
}

fn patch_first_applies_what_its_agent_answers(backends: Backends) {
    let Some((fixture, work)) = three(backends, "") else {
        return;
    };
    script_roles(&fixture, &work, |_, _| None);
    let said = start(&fixture, &work, "patch-first", 4, &[])
        .wait()
        .exits(0);
    let line = "strategy patch-first: 4 agents: 2 tasks x 2 roles at once";
    assert!(said.stderr.contains(line), "{}", said.stderr);
    assert_worked(&fixture, &work, &said.object(), "patch-first");
}

fn a_pipeline_applies_what_its_fixer_accepts(backends: Backends) {
    let Some((fixture, work)) = three(
        backends,
        "strategy = \"pipeline\"\n[strategies.pipeline.roles]\nfixer = \"other\"",
    ) else {
        return;
    };
    script_roles(&fixture, &work, |_, _| None);
    let args = ["--agent", "scripted"];
    let said = fixture.start(&work, 2, &args).wait().exits(0);
    let report = said.object();
    assert_worked(&fixture, &work, &report, "pipeline");
    let turns = &task(&report, work.id("a"))["attempts"][0]["turns"];
    let told = |at: usize| {
        [
            &turns[at]["role"],
            &turns[at]["agent"],
            &turns[at]["outcome"],
        ]
    };
    assert_eq!(told(0), ["coder", "scripted", "answered"], "{turns:#}");
    assert_eq!(told(1), ["fixer", "other", "answered"], "{turns:#}");
}

fn a_consensus_applies_what_its_roles_vote_for(backends: Backends) {
    let Some((fixture, work)) = three(backends, "") else {
        return;
    };
    // Both tasks are at work at once: each waits for the other's proposal.
    let mark = |key: &str| fixture.marks().join(format!("proposes-{key}"));
    script_roles(&fixture, &work, |key, turn| {
        let other = match key {
            "a" => "b",
            "b" => "a",
            _ => return None,
        };
        (turn == "proposal.1.proposer.1").then(|| {
            vec![
                json!({"touch": mark(key)}),
                json!({"wait_for": mark(other)}),
                json!({"print": answer(key, turn)}),
            ]
        })
    });
    let said = start(&fixture, &work, "consensus", 12, &[]).wait().exits(0);
    let line = "strategy consensus: 12 agents: 2 tasks x 5 roles at once";
    assert!(said.stderr.contains(line), "{}", said.stderr);
    let report = said.object();
    assert_worked(&fixture, &work, &report, "consensus");
    let attempt = &task(&report, work.id("c"))["attempts"][0];
    let turns = attempt["turns"].as_array().expect("turns");
    let votes = turns.iter().filter(|turn| turn["outcome"] == "vote: agree");
    assert_eq!(votes.count(), 5, "{attempt:#}");
    // What the proposers added to the tasks is in the plan from now on.
    let plan = fs_err::read_to_string(&work.source).expect("the plan");
    for key in ["a", "b", "c"] {
        let notes = format!(
            r#""op":"set_notes","id":"{}","notes":"```mesh"#,
            work.id(key)
        );
        assert_eq!(plan.matches(&notes).count(), 1, "{plan}");
    }
    let tally = "cycle 1: 5 of 5 agree, 4 needed";
    assert_eq!(plan.matches(tally).count(), 3, "{plan}");
    let telemetry = fixture.mesh(&["report", "--report-format", "swarm"]);
    let telemetry = telemetry.exits(0).stdout;
    let wanted = format!("- {}: 1 attempt, 5 of 5 votes agree", work.id("c"));
    assert!(telemetry.contains(&wanted), "{telemetry}");
    let shown = fixture.mesh(&["report"]).exits(0).stdout;
    assert!(
        shown.contains("vote.1.skeptic.1 by scripted: vote: agree"),
        "{shown}"
    );
    let roles = PathBuf::from(attempt["logs"].as_str().expect("a folder")).join("roles");
    for name in [
        "transcript.jsonl",
        "vote.1.skeptic.1/prompt.md",
        "vote.1.skeptic.1/stdout",
    ] {
        assert!(roles.join(name).is_file(), "{name}");
    }
}

/// The skeptic's first critique of `a` waits at the gate, and has said who it is.
fn at_the_gate(more: &[&str]) -> (Fixture, Work, Coordinator) {
    let (fixture, work) = two("");
    script_roles(&fixture, &work, |key, turn| {
        (key == "a" && turn == GATED).then(|| {
            vec![
                json!({"write_pid": fixture.pid_file("skeptic")}),
                script::gate(&fixture),
                json!({"print": answer(key, turn)}),
            ]
        })
    });
    let coordinator = start(&fixture, &work, "consensus", 10, more);
    let transcript = || {
        let path = fixture
            .only_run()
            .join("attempts/a/1/roles/transcript.jsonl");
        fs_err::read_to_string(path).unwrap_or_default()
    };
    let is_there = || {
        let text = transcript();
        fixture.pid_file("skeptic").exists()
            && ["critic_a", "critic_b"].iter().all(|role| {
                let entry = format!("\"stage\":\"critique\",\"round\":1,\"role\":\"{role}\"");
                text.contains(&entry)
            })
    };
    wait_until(
        "the skeptic of a to be the last of its round",
        || !fixture.runs().is_empty() && is_there(),
        || coordinator.stderr(),
    );
    (fixture, work, coordinator)
}

const GATED: &str = "critique.1.skeptic.1";

/// No turn of a finished round was asked for twice, and the one that was interrupted as often as said.
#[track_caller]
fn assert_asked(fixture: &Fixture, times: usize) {
    for turn in turns() {
        let wanted = if turn == GATED { times } else { 1 };
        let found = asked(fixture, "a", &turn);
        assert!(found <= wanted, "{turn} was asked for {found} times");
    }
    assert_eq!(asked(fixture, "a", GATED), times);
    assert_eq!(asked(fixture, "a", "vote.1.skeptic.1"), 1);
}

/// The driver of `a#1`.
pub(crate) fn driver(fixture: &Fixture) -> Pid {
    let is_driver = |pid: &i32| {
        let read = |name: &str| fs_err::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let has = |bytes: &[u8], word: &str| {
            bytes
                .split(|byte| *byte == 0)
                .any(|one| one == word.as_bytes())
        };
        let run = fixture.only_run();
        let run = run.file_name().expect("a name").to_string_lossy();
        has(&read("cmdline"), "__strategy")
            && has(&read("environ"), "MESH_ATTEMPT=a#1")
            && has(&read("environ"), &format!("MESH_RUN={run}"))
    };
    let all = fs_err::read_dir("/proc").expect("it is there").flatten();
    let mut all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let pid = all.find(is_driver).expect("a driver at work");
    Pid::from_raw(pid).expect("not 0")
}

#[test]
fn a_killed_coordinator_costs_no_turn_st_git() {
    let (fixture, work, coordinator) = at_the_gate(&[]);
    coordinator.kill();
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_worked(&fixture, &work, &report, "consensus");
    assert_eq!(outcomes(&report, "a"), ["verified"]);
    assert_asked(&fixture, 1);
}

#[test]
fn a_killed_driver_costs_the_turns_that_had_not_ended_st_git() {
    let (fixture, work, coordinator) = at_the_gate(&[]);
    kill_process(driver(&fixture), Signal::KILL).expect("it lives");
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_worked(&fixture, &work, &report, "consensus");
    assert_eq!(outcomes(&report, "a"), ["crashed", "verified"]);
    assert_asked(&fixture, 2);
}

#[test]
fn a_stopped_run_goes_on_with_the_rounds_that_had_ended_st_git() {
    let (fixture, work, coordinator) = at_the_gate(&[]);
    fixture.mesh(&["stop", "--now"]).ends(0);
    coordinator.wait().ends(21);
    fixture.assert_no_process();
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_worked(&fixture, &work, &report, "consensus");
    assert_eq!(outcomes(&report, "a"), ["interrupted", "verified"]);
    assert_asked(&fixture, 2);
}

#[test]
fn a_killed_role_is_asked_once_more_st_git() {
    let (fixture, work, coordinator) = at_the_gate(&[]);
    kill_process(fixture.pid("skeptic"), Signal::KILL).expect("it lives");
    let report = coordinator.wait().exits(0).object();
    assert_worked(&fixture, &work, &report, "consensus");
    assert_eq!(outcomes(&report, "a"), ["verified"]);
    assert_eq!(asked(&fixture, "a", GATED), 1);
    assert_eq!(asked(&fixture, "a", "critique.1.skeptic.2"), 1);
    let turns = task(&report, "a")["attempts"][0]["turns"].to_string();
    assert!(turns.contains("no answer: signal 9 ended it"), "{turns}");
}

#[test]
fn a_signal_to_the_driver_ends_its_roles_st_git() {
    let (fixture, work, coordinator) = at_the_gate(&[]);
    kill_process(driver(&fixture), Signal::TERM).expect("it lives");
    // Not before: a skeptic that answers in this moment has answered.
    fixture.log.wait("the skeptic to be asked again", |events| {
        let is_again = |event: &Event| event.attempt == "a#2" && event.what == GATED;
        events.iter().any(is_again)
    });
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_worked(&fixture, &work, &report, "consensus");
    assert_eq!(outcomes(&report, "a"), ["crashed", "verified"]);
    assert_asked(&fixture, 2);
}

#[test]
fn roles_that_disagree_block_their_task_st_git() {
    let (fixture, work) = two("[strategies.consensus]\nretries = 1\n");
    script_roles(&fixture, &work, |key, turn| {
        let is_against =
            turn.starts_with("vote.") && (turn.contains("critic_a") || turn.contains("skeptic"));
        (key == "a" && is_against)
            .then(|| vec![json!({"print": "vote: disagree\nreason: an edge case"})])
    });
    let report = start(&fixture, &work, "consensus", 10, &[])
        .wait()
        .exits(22)
        .object();
    let a = task(&report, "a");
    assert_eq!(a["state"], "question", "{a:#}");
    let reason = a["reason"].as_str().expect("a text");
    assert!(reason.contains("no_consensus"), "{reason}");
    assert_eq!(asked(&fixture, "a", "vote.2.skeptic.1"), 1);
    assert_eq!(asked(&fixture, "a", "vote.3.skeptic.1"), 0);
    let turns = a["attempts"][0]["turns"].to_string();
    assert_eq!(turns.matches("vote: disagree").count(), 4, "{turns}");
    assert_eq!(outcomes(&report, "b"), ["verified"]);
}

#[test]
fn a_patch_that_does_not_apply_is_asked_for_once_more_st_git() {
    let (fixture, work) = two("");
    let second = fixture.marks().join("second-prompt");
    script_roles(&fixture, &work, |key, turn| match (key, turn) {
        ("a", "patch.1.worker.1") => {
            let other = "diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-not there\n+made by a\n";
            Some(vec![
                json!({"print": format!("3) Patch\n```diff\n{other}```\n")}),
            ])
        }
        ("a", "patch.1.worker.2") => Some(vec![
            json!({"copy_stdin": second}),
            json!({"print": answer(key, turn)}),
        ]),
        _ => None,
    });
    let report = start(&fixture, &work, "patch-first", 4, &[])
        .wait()
        .exits(0)
        .object();
    assert_worked(&fixture, &work, &report, "patch-first");
    assert_eq!(outcomes(&report, "a"), ["verified"]);
    let prompt = fs_err::read_to_string(second).expect("it was asked again");
    assert!(prompt.contains("does not apply"), "{prompt}");
}

#[test]
fn a_proof_that_fails_is_told_to_the_next_attempt_whose_workspace_is_clean_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let jobs = [job("a", &[]).proof("grep -q better a.txt"), job("b", &[])];
    let work = fixture.plan("Two", &jobs);
    configure(&fixture, "");
    let better = patch_answer("a").replace("made by a", "better");
    let second = fixture.marks().join("second-prompt");
    script_roles(&fixture, &work, |_, _| None);
    fixture.script(&work, |job| {
        let first = json!([script::event(&fixture, "first"), {"print": answer(&job.key, "patch.1.worker.1")}]);
        let then = json!([{"copy_stdin": second}, {"require": "README.md"}, {"print": better}]);
        match job.key.as_str() {
            "a" => json!({"1": first, "2": then}),
            _ => json!({"*": first}),
        }
    });
    let report = start(&fixture, &work, "patch-first", 4, &[])
        .wait()
        .exits(0)
        .object();
    assert_worked(&fixture, &work, &report, "patch-first");
    assert_eq!(outcomes(&report, "a"), ["verify-failed", "verified"]);
    let prompt = fs_err::read_to_string(second).expect("it was asked again");
    assert!(prompt.contains("verify-failed"), "{prompt}");
}

#[test]
fn a_question_of_a_role_is_that_of_the_task_st_git() {
    let (fixture, work) = two("");
    let second = fixture.marks().join("second-prompt");
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => json!({
            "1": [{"print": "4) Notes\nHUMAN INPUT REQUIRED\nQuestion: which colour?\nRecommended default: red\n"}],
            "*": [{"copy_stdin": second}, {"print": answer("a", "patch.1.worker.1")}],
        }),
        key => json!([{"print": answer(key, "patch.1.worker.1")}]),
    });
    start(&fixture, &work, "patch-first", 4, &[])
        .wait()
        .ends(22);
    let listed = fixture.mesh(&["questions", "--json"]).exits(0).object();
    let text = listed["questions"][0]["text"].as_str().expect("a question");
    assert!(
        text.contains("which colour?") && text.contains("red"),
        "{text}"
    );
    fixture.mesh(&["answer", "a", "blue"]).ends(0);
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_worked(&fixture, &work, &report, "patch-first");
    let prompt = fs_err::read_to_string(second).expect("it was asked again");
    assert!(prompt.contains("blue"), "{prompt}");
}

#[test]
fn a_role_cannot_write_to_the_workspace_st_git() {
    let (fixture, work) = two("retries = 0\n");
    let tried = fixture.marks().join("tried");
    script_roles(&fixture, &work, |key, _| {
        (key == "a").then(|| {
            vec![
                json!({"touch": tried}),
                json!({"run": ["sh", "-c", "echo bad > \"$TMPDIR/own\" && ! echo bad > README.md && ! echo bad > new.txt"]}),
                json!({"print": answer(key, "patch.1.worker.1")}),
            ]
        })
    });
    let said = start(&fixture, &work, "patch-first", 4, &["--sandbox", "on"]).wait();
    assert!(tried.exists(), "{}", said.stderr);
    let report = said.object();
    if task(&report, "a")["attempts"][0]["sandbox"].is_null() {
        println!("not tried: this kernel has no sandbox");
        return;
    }
    assert_worked(&fixture, &work, &report, "patch-first");
}

#[test]
fn without_a_sandbox_what_a_role_changed_is_refused_st_git() {
    let (fixture, work) = two("");
    script_roles(&fixture, &work, |key, turn| {
        (key == "a").then(|| {
            vec![
                json!({"write": {"path": "{workspace}/sly.txt", "text": "sly\n"}}),
                json!({"print": answer(key, turn)}),
            ]
        })
    });
    let report = start(&fixture, &work, "patch-first", 4, &["--sandbox", "off"])
        .wait()
        .exits(20)
        .object();
    let a = task(&report, "a");
    assert_eq!(a["state"], "failed", "{a:#}");
    let reason = a["reason"].as_str().expect("a text");
    assert!(reason.contains("worker changed the workspace"), "{reason}");
    assert_eq!(asked(&fixture, "a", "patch.1.worker.1"), 1);
    assert_eq!(outcomes(&report, "b"), ["verified"]);
}

#[test]
fn what_a_strategy_is_stands_in_the_plan_st_jj() {
    let Some(fixture) = ST_JJ.open() else { return };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    configure(
        &fixture,
        "strategy = \"consensus\"\n[strategies.consensus.roles]\nskeptic = \"other\"\n",
    );
    let args = [
        "plan",
        &work.source,
        "--agent",
        "scripted",
        "--concurrency",
        "4",
        "--json",
    ];
    let plan = fixture.mesh(&args).exits(0).object();
    let strategy = &plan["strategy"];
    // There is no room for five.
    assert_eq!(strategy["agents_at_once"], 3, "{strategy:#}");
    assert_eq!(strategy["tasks_at_once"], 1, "{strategy:#}");
    assert_eq!(strategy["roles"]["skeptic"], "other", "{strategy:#}");
    assert_eq!(strategy["roles"]["proposer"], "scripted", "{strategy:#}");
    fixture.configure("[strategies.consensus.roles]\nsceptic = \"x\"\nskeptic = \"nobody\"\n");
    let said = fixture.mesh(&args).exits(11).stderr;
    assert!(
        said.contains("did you mean") && said.contains("skeptic"),
        "{said}"
    );
    assert!(said.contains("there is no agent `nobody`"), "{said}");
}

/// What the model answers to a role: first it looks around, and tries to write, then it says what the role says.
fn model_of_roles(turn: &Turn) -> Reply {
    let is_role = |prompt: &&String| prompt.starts_with("You are ");
    let prompt = turn.prompts.iter().rfind(is_role);
    let prompt = prompt.map_or("", String::as_str);
    if turn.step == 0 {
        return Reply::Shell("cat README.md; echo bad > README.md; echo bad > bad.txt".to_owned());
    }
    let id = prompt.lines().find_map(|line| {
        let name = line.strip_prefix("- id: ");
        name.or_else(|| line.strip_prefix("- task_id: "))
    });
    let kinds = [
        ("You are the $mesh proposer", "proposal.1.proposer.1"),
        ("You are one $mesh critic", "critique.1.skeptic.1"),
        ("You are the $mesh synthesizer", "synthesis.1.synthesizer.1"),
        ("You are one $mesh voter", "vote.1.skeptic.1"),
        ("You are implementing one task", "patch.1.worker.1"),
    ];
    let kind = kinds.iter().find(|(start, _)| prompt.starts_with(start));
    match (id, kind) {
        (Some(id), Some(_)) if prompt.contains("step: hydrate_meta") => {
            Reply::Text(answer(id, "hydrate_meta.1.proposer.1"))
        }
        (Some(id), Some((_, kind))) => Reply::Text(answer(id, kind)),
        _ => Reply::Text("nobody asked".to_owned()),
    }
}

fn real(agent: &str) -> Option<(Fixture, Model, Work)> {
    let (fixture, model) = real_agents::open(agent, ST_GIT, model_of_roles)?;
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    Some((fixture, model, work))
}

#[test]
fn real_agents_answer_with_patches_st_git() {
    for agent in ["claude", "codex"] {
        let Some((fixture, _model, work)) = real(agent) else {
            return;
        };
        let args = ["--agent", agent, "--strategy", "patch-first"];
        let report = fixture.start(&work, 4, &args).wait().exits(0).object();
        assert_worked(&fixture, &work, &report, "patch-first");
        let attempt = &task(&report, "a")["attempts"][0];
        assert_eq!(attempt["tokens"]["output"], 20, "{attempt:#}");
    }
}

#[test]
fn real_claude_and_codex_find_consensus_st_git() {
    let Some((fixture, _model, work)) = real("claude") else {
        return;
    };
    let Some(codex) = tools::agent("codex") else {
        return;
    };
    fixture.env.add_program("codex", &codex);
    fixture.configure("[strategies.consensus.roles]\ncritic_a = \"codex\"\nskeptic = \"codex\"\n");
    let args = ["--agent", "claude", "--strategy", "consensus"];
    let report = fixture.start(&work, 5, &args).wait().exits(0).object();
    assert_worked(&fixture, &work, &report, "consensus");
    let turns = task(&report, "a")["attempts"][0]["turns"].clone();
    let by = |agent: &str| {
        let turns = turns.as_array().expect("turns").iter();
        turns.filter(|turn| turn["agent"] == agent).count()
    };
    assert_eq!((by("claude"), by("codex")), (7, 4), "{turns:#}");
}
