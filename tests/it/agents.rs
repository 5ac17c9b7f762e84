//! The beads of the agents in the classic dialect: what they show while a run goes on, and that they are idle after it, however it ends.

use serde_json::{Value, json};

use crate::epic::assert_done;
use crate::fixture::{BD_0_47_1_GIT, Backends, FAKE_BD_0_47_1_GIT, Fixture, job, task};
use crate::log::wait_until;
use crate::script;

macro_rules! on_each_classic {
    ($($story:ident),* $(,)?) => {
        mod fake_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_0_47_1_GIT); })* }
        mod real_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::BD_0_47_1_GIT); })* }
    };
}

on_each_classic!(
    agents_show_what_they_work_on_and_how_it_went,
    a_killed_run_that_is_stopped_leaves_idle_agents,
    a_claim_that_stopped_half_way_goes_on,
);

/// What is on the hook of each agent, and its state, by the agent's name.
fn shown(fixture: &Fixture) -> Vec<(String, Option<String>, String)> {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let list = tracker.bd_json(&["list", "--all", "--json", "--limit", "0", "--type", "agent"]);
    let rows = list.as_array().expect("rows").iter();
    let show = |row: &Value| {
        let id = row["id"].as_str().expect("an id");
        let agent = tracker.bd_json(&["show", id, "--json"])[0].clone();
        let text = |name: &str| agent[name].as_str().map(str::to_owned);
        (
            text("title").expect("a name"),
            text("hook_bead"),
            text("agent_state").unwrap_or_default(),
        )
    };
    let mut agents: Vec<_> = rows.map(show).collect();
    agents.sort();
    agents
}

/// Whether exactly these are shown, agents apart.
fn are_shown(fixture: &Fixture, wanted: &[(Option<&str>, &str)]) -> bool {
    let mut found: Vec<(Option<String>, String)> = shown(fixture)
        .into_iter()
        .map(|(_, hook, state)| (hook, state))
        .collect();
    let mut wanted: Vec<(Option<String>, String)> = wanted
        .iter()
        .map(|(hook, state)| (hook.map(str::to_owned), (*state).to_owned()))
        .collect();
    found.sort();
    wanted.sort();
    found == wanted
}

#[track_caller]
fn wait_for(fixture: &Fixture, wanted: &[(Option<&str>, &str)]) {
    wait_until(
        "the beads of the agents",
        || are_shown(fixture, wanted),
        || format!("{:?}, wanted {wanted:?}", shown(fixture)),
    );
}

/// One is verified, one asks, one fails; a fourth works on meanwhile.
fn agents_show_what_they_work_on_and_how_it_went(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan(
        "Four",
        &[job("a", &[]), job("b", &[]), job("c", &[]), job("d", &[])],
    );
    let gate = fixture.env.dir().join("gate-c");
    fixture.script(&work, |job| match job.key.as_str() {
        "b" => json!({"1": [{"final": {"changed": "NO_DIFF:asked", "blockers": "which colour?"}}], "*": script::usual(&fixture, job, &[])}),
        "c" => json!({"1": [{"wait_for": gate}, {"require": "nothing.txt"}], "2": [{"require": "nothing.txt"}], "*": script::usual(&fixture, job, &[])}),
        "d" => script::usual(&fixture, job, &[script::gate(&fixture)]),
        _ => script::usual(&fixture, job, &[]),
    });
    let coordinator = fixture.start(&work, 4, &[]);
    let (c, d) = (work.id("c"), work.id("d"));
    wait_for(
        &fixture,
        &[
            (Some(c), "working"),
            (Some(d), "working"),
            (None, "done"),
            (None, "stuck"),
        ],
    );
    // Its second attempt is in the slot of the task that is done.
    fs_err::write(&gate, "").expect("a gate");
    wait_for(
        &fixture,
        &[
            (Some(d), "working"),
            (None, "stuck"),
            (None, "idle"),
            (None, "idle"),
        ],
    );
    fixture.open_gate();
    let report = coordinator.wait().exits(20).object();
    assert_eq!(
        task(&report, work.id("b"))["state"],
        "question",
        "{report:#}"
    );
    assert!(
        are_shown(&fixture, &[(None, "idle"); 4]),
        "{:?}",
        shown(&fixture)
    );

    for key in ["b", "c"] {
        fixture.mesh(&["retry", work.id(key)]).ends(0);
    }
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(&fixture, &work, &report);
    assert!(
        are_shown(&fixture, &[(None, "idle"); 4]),
        "{:?}",
        shown(&fixture)
    );
}

/// Nobody lives who could take the tasks off the hooks when their agents end.
fn a_killed_run_that_is_stopped_leaves_idle_agents(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    let working = [
        (Some(work.id("a")), "working"),
        (Some(work.id("b")), "working"),
    ];
    wait_for(&fixture, &working);
    coordinator.kill();
    assert!(are_shown(&fixture, &working), "{:?}", shown(&fixture));
    fixture.mesh(&["stop"]).ends(0);
    assert!(
        are_shown(&fixture, &[(None, "idle"); 2]),
        "{:?}",
        shown(&fixture)
    );
    for (id, (status, holder)) in fixture.tasks(&work) {
        assert_eq!((status.as_str(), holder), ("open", None), "{id}");
    }
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(&fixture, &work, &report);
}

/// The coordinator dies when the bead is claimed and before the agent's bead shows it: the next one takes both up.
fn a_claim_that_stopped_half_way_goes_on(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let first = fixture.plan("First", &[job("p", &[]), job("q", &[])]);
    fixture.script(&first, |job| script::usual(&fixture, job, &[]));
    fixture.run(&first, 2, &[]).ends(0);
    let run = fixture.only_run();
    let before = run.file_name().expect("a name").to_string_lossy();
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    // What is left of a run that is over: a claim, and a hook of another task.
    let claimant = format!("agent:mesh-2@{before}");
    tracker.bd_json(&[
        "update",
        work.id("a"),
        "--claim",
        "--json",
        "--actor",
        &claimant,
    ]);
    let listed = ["list", "--json", "--label", "agent:mesh-1", "--all"];
    let bead = tracker.bd_json(&listed)[0]["id"].clone();
    let bead = bead.as_str().expect("the agent's bead");
    tracker.bd_json(&["slot", "set", bead, "hook", work.id("b"), "--json"]);
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    assert_done(&fixture, &work, &report);
    assert!(
        are_shown(&fixture, &[(None, "idle"); 2]),
        "{:?}",
        shown(&fixture)
    );
}

/// What a task costs: the look, the claim, the hook and the state; comment, look, close; hook and state again. The agents' beads are found
/// and left idle once for each agent.
#[test]
fn a_task_takes_nine_calls_fake_bd_0_47_1_git() {
    let fixture = FAKE_BD_0_47_1_GIT.open().expect("fakes are there");
    let jobs = [
        job("a", &[]),
        job("b", &[]),
        job("c", &["a"]),
        job("d", &["b"]),
    ];
    let work = fixture.plan("Four", &jobs);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    fixture.configure("audit_level = \"minimal\"\n");
    fixture.run(&work, 2, &[]).ends(0);
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let ids: Vec<&str> = work.ids.values().map(String::as_str).collect();
    let calls: Vec<Vec<String>> = tracker
        .calls()
        .iter()
        .map(|call| serde_json::from_value(call["argv"].clone()).expect("words"))
        .collect();
    let of_task = |call: &&Vec<String>| {
        let named = call
            .iter()
            .filter(|word| ids.contains(&word.as_str()))
            .count();
        // A listing shows them all, and what it stands on is made by the story itself.
        named == 1 && call[0] == "--no-daemon"
    };
    let named = calls.iter().filter(of_task).count();
    assert_eq!(named, 6 * ids.len(), "{calls:#?}");
    let says = |call: &&Vec<String>, words: [&str; 2]| call.windows(2).any(|pair| pair == words);
    let of_agents = calls
        .iter()
        .filter(|call| says(call, ["agent", "state"]) || says(call, ["slot", "clear"]));
    assert!(of_agents.count() <= 3 * ids.len() + 2, "{calls:#?}");
}

/// bd dies in each of the calls: all is done once, and nothing is left on a hook.
#[test]
fn a_run_gets_over_a_bd_that_dies_fake_bd_0_47_1_git() {
    for on in [
        "show",
        "--claim",
        "--label",
        "create",
        "slot set",
        "agent state",
        "slot clear",
        "close",
        "list",
    ] {
        for applied in [true, false] {
            let fixture = FAKE_BD_0_47_1_GIT.open().expect("fakes are there");
            let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
            fixture.script(&work, |job| script::usual(&fixture, job, &[]));
            // What dies is to be a call of the run's own work.
            fixture.configure("[tracker]\nmolecule = false\n");
            // The opening is over when the first claim is made.
            let skip = if matches!(on, "show" | "list") { 3 } else { 0 };
            let tracker = fixture.tracker.as_ref().expect("a tracker");
            tracker.script(&json!([{ "on": on, "kind": "die", "applied": applied, "skip": skip }]));
            let said = fixture.run(&work, 2, &[]);
            assert_eq!(said.code, Some(0), "{on} {applied}: {}", said.stderr);
            assert_done(&fixture, &work, &said.object());
        }
    }
}
