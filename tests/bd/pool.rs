//! The beads of the agents: found before they are made, one task on a hook, nothing left at the end.

use mesh_bd::{AgentState, Tracker};
use mesh_core::id::TaskId;
use mesh_core::issue::IssueKind;
use mesh_testkit::tracker::Bd;
use serde_json::{Value, json};

use crate::support::{FAKE, Heard, TrackerRepo, id, on_each_classic_bd, open};

on_each_classic_bd!(
    an_agent_gets_one_bead_and_keeps_it,
    a_hook_holds_one_task_and_is_cleared,
    a_bead_that_lacks_a_label_or_is_closed_is_taken_up,
    what_a_dead_run_left_on_hooks_is_taken_off,
    agents_of_others_are_left_alone,
);

const AGENT: &str = "agent:mesh-1";

/// Beads of an agent, as bd shows them.
fn beads(repo: &TrackerRepo, agent: &str) -> Vec<Value> {
    let listed = repo.bd_json(&["list", "--label", agent, "--all", "--limit", "0", "--json"]);
    let ids = listed.as_array().expect("rows").iter();
    let show = |row: &Value| {
        repo.bd_json(&["show", row["id"].as_str().expect("an id"), "--json"])[0].clone()
    };
    ids.map(show).collect()
}

/// Hook and state of the only bead of the agent.
#[track_caller]
fn shown(repo: &TrackerRepo, agent: &str) -> (Option<String>, String) {
    let beads = beads(repo, agent);
    assert_eq!(beads.len(), 1, "{beads:?}");
    let text = |name: &str| beads[0][name].as_str().map(str::to_owned);
    (text("hook_bead"), text("agent_state").unwrap_or_default())
}

fn two_tasks(bd: &Bd) -> (TrackerRepo, TaskId, TaskId) {
    let repo = TrackerRepo::new(bd);
    let (a, b) = (repo.create("task", "a", &[]), repo.create("task", "b", &[]));
    (repo, id(&a), id(&b))
}

/// How many calls `act` makes.
fn calls(heard: &Heard, act: impl FnOnce()) -> Vec<String> {
    let before = heard.lines().len();
    act();
    heard.lines().split_off(before)
}

fn an_agent_gets_one_bead_and_keeps_it(bd: &Bd) {
    let (repo, a, b) = two_tasks(bd);
    let (tracker, heard) = open(&repo);
    let made = calls(&heard, || tracker.hook(AGENT, &a).expect("a hook"));
    assert_eq!(made.len(), 4, "looked for, made, hooked, working: {made:?}");
    assert!(
        made[0].contains("list --json --label agent:mesh-1 --all --limit 0"),
        "{made:?}"
    );
    assert_eq!(shown(&repo, AGENT), (Some(a.to_string()), "working".into()));
    let bead = &beads(&repo, AGENT)[0];
    assert_eq!(bead["title"], "mesh-1");
    assert_eq!(
        bead["labels"],
        json!(["agent", "agent:mesh-1", "gt:agent", "role:polecat"])
    );

    let again = calls(&heard, || tracker.hook(AGENT, &a).expect("harmless"));
    assert_eq!(again, [] as [&str; 0]);
    tracker.unhook(&a, AgentState::Done).expect("done");
    let next = calls(&heard, || tracker.hook(AGENT, &b).expect("a hook"));
    assert_eq!(next.len(), 2, "{next:?}");

    // Another coordinator finds it: by its labels, or in the listing that it reads first.
    let (other, heard) = open(&repo);
    let found = calls(&heard, || other.hook(AGENT, &b).expect("it is there"));
    assert_eq!(found.len(), 2, "looked for and shown: {found:?}");
    let (other, heard) = open(&repo);
    let listing = other.listing().expect("a listing");
    let bead = listing.get(&id(beads(&repo, AGENT)[0]["id"].as_str().expect("an id")));
    assert_eq!(
        bead.expect("the bead").kind,
        IssueKind::Bookkeeping("agent".into())
    );
    let found = calls(&heard, || other.hook(AGENT, &b).expect("it is there"));
    assert_eq!(found, [] as [&str; 0]);
}

fn a_hook_holds_one_task_and_is_cleared(bd: &Bd) {
    let (repo, a, b) = two_tasks(bd);
    let (tracker, heard) = open(&repo);
    tracker.hook(AGENT, &a).expect("a hook");
    tracker.hook(AGENT, &b).expect("the next task");
    assert_eq!(shown(&repo, AGENT), (Some(b.to_string()), "working".into()));
    // The word of the task before comes late.
    let late = calls(&heard, || {
        tracker.unhook(&a, AgentState::Done).expect("nothing to do")
    });
    assert_eq!(late, [] as [&str; 0]);
    assert_eq!(shown(&repo, AGENT), (Some(b.to_string()), "working".into()));
    for (state, word) in [(AgentState::Stuck, "stuck"), (AgentState::Done, "done")] {
        tracker.hook(AGENT, &b).expect("a hook");
        let made = calls(&heard, || tracker.unhook(&b, state).expect("cleared"));
        assert_eq!(made.len(), 2, "{made:?}");
        assert_eq!(shown(&repo, AGENT), (None, word.into()));
    }
}

fn a_bead_that_lacks_a_label_or_is_closed_is_taken_up(bd: &Bd) {
    let (repo, a, _) = two_tasks(bd);
    let labels = "agent,agent:mesh-1,role:polecat";
    let bead = repo.create("agent", "mesh-1", &["--labels", labels]);
    repo.bd_json(&["close", &bead, "--reason", "tidy", "--json"]);
    let (tracker, _) = open(&repo);
    tracker.hook(AGENT, &a).expect("a hook");
    assert_eq!(shown(&repo, AGENT), (Some(a.to_string()), "working".into()));
    let found = &beads(&repo, AGENT)[0];
    assert_eq!(
        (&found["id"], &found["status"]),
        (&json!(bead), &json!("open"))
    );
}

fn what_a_dead_run_left_on_hooks_is_taken_off(bd: &Bd) {
    let (repo, a, b) = two_tasks(bd);
    let (dead, _) = open(&repo);
    dead.hook(AGENT, &a).expect("a hook");
    dead.hook("agent:mesh-2", &b).expect("a hook");
    drop(dead);

    let (tracker, _) = open(&repo);
    tracker.listing().expect("a listing");
    tracker.unhook(&a, AgentState::Idle).expect("cleared");
    assert_eq!(shown(&repo, AGENT), (None, "idle".into()));
    let (tracker, _) = open(&repo);
    tracker.idle_agents().expect("cleared");
    assert_eq!(shown(&repo, "agent:mesh-2"), (None, "idle".into()));
}

fn agents_of_others_are_left_alone(bd: &Bd) {
    let (repo, a, b) = two_tasks(bd);
    let bead = repo.create(
        "agent",
        "witness",
        &["--labels", "agent,agent:witness,gt:agent"],
    );
    repo.bd_json(&["slot", "set", &bead, "hook", b.as_str(), "--json"]);
    repo.bd_json(&["agent", "state", &bead, "running", "--json"]);
    let (tracker, _) = open(&repo);
    tracker.listing().expect("a listing");
    tracker.hook(AGENT, &a).expect("a hook");
    tracker.unhook(&b, AgentState::Done).expect("not ours");
    tracker.idle_agents().expect("ours alone");
    assert_eq!(
        shown(&repo, "agent:witness"),
        (Some(b.to_string()), "running".into())
    );
    assert_eq!(shown(&repo, AGENT), (None, "idle".into()));
}

/// After each silent end a step is found if it happened, and a hook that stopped half-way goes on.
#[test]
fn each_step_of_a_hook_is_looked_for_fake_0_47_1() {
    for on in ["create", "slot set", "agent state", "list"] {
        for kind in ["die", "rubbish", "cut", "empty", "exit-1", "busy"] {
            for applied in [true, false] {
                let (repo, a, _) = two_tasks(&Bd::fake(FAKE, "0.47.1"));
                let (tracker, heard) = open(&repo);
                repo.script(&json!([{ "on": on, "kind": kind, "applied": applied }]));
                let about = format!("{on} {kind} {applied}");
                if tracker.hook(AGENT, &a).is_err() {
                    tracker
                        .hook(AGENT, &a)
                        .unwrap_or_else(|error| panic!("{about}: {error}"));
                }
                assert_eq!(
                    shown(&repo, AGENT),
                    (Some(a.to_string()), "working".into()),
                    "{about}"
                );
                let lines = heard.lines();
                let made = lines
                    .iter()
                    .filter(|line| line.contains(&format!(" {on} ")));
                assert!(made.count() <= 4, "{about}: {lines:?}");
            }
        }
    }
}

/// Without a pool nothing is called.
#[test]
fn the_modern_dialect_has_no_beads_of_agents_fake_1_3_0() {
    let (repo, a, _) = two_tasks(&Bd::fake(FAKE, "1.3.0"));
    let (tracker, heard) = open(&repo);
    let act = |tracker: &dyn Tracker| {
        tracker.hook(AGENT, &a)?;
        tracker.unhook(&a, AgentState::Done)?;
        tracker.idle_agents()
    };
    assert_eq!(act(&*tracker), Ok(()));
    assert_eq!(heard.lines(), [] as [&str; 0]);
}
