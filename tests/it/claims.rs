//! Beads that somebody else takes while their agents run.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::fixture::{
    BD_0_47_1_GIT, BD_1_0_5_JJ, BD_1_3_0_JJ, Backends, FAKE_BD_0_47_1_GIT, FAKE_BD_GIT, Fixture,
    ST_GIT, Work, job, task,
};
use crate::log::wait_until;
use crate::script;

macro_rules! on_each_tracker {
    ($($story:ident),* $(,)?) => {
        mod fake_bd_1_3_0_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_GIT); })* }
        mod fake_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_0_47_1_GIT); })* }
        mod real_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::BD_0_47_1_GIT); })* }
        mod real_bd_1_3_0_jj_0_45_1 { $(#[test] fn $story() { super::$story(super::BD_1_3_0_JJ); })* }
    };
}

on_each_tracker!(
    a_bead_that_is_taken_from_a_running_agent_is_not_closed,
    a_bead_that_is_taken_while_others_end_has_its_agent_stopped,
    the_plan_prints_the_claims_that_the_run_makes,
);

#[test]
fn a_bead_that_is_taken_from_a_running_agent_is_not_closed_real_bd_1_0_5_jj_0_45_1() {
    a_bead_that_is_taken_from_a_running_agent_is_not_closed(BD_1_0_5_JJ);
}

#[test]
fn a_bead_that_is_taken_while_others_end_has_its_agent_stopped_real_bd_1_0_5_jj_0_45_1() {
    a_bead_that_is_taken_while_others_end_has_its_agent_stopped(BD_1_0_5_JJ);
}

/// Two beads, each of whose agents waits at a gate of its own.
fn fixture(backends: Backends) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let work = fixture.plan("Taken", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| {
        let gate = json!({"wait_for": gate_of(&fixture, &job.key)});
        script::usual(&fixture, job, &[gate])
    });
    Some((fixture, work))
}

fn gate_of(fixture: &Fixture, key: &str) -> PathBuf {
    fixture.env.dir().join(format!("gate-{key}"))
}

fn open(fixture: &Fixture, key: &str) {
    fs_err::write(gate_of(fixture, key), "").expect("a gate");
}

/// Somebody takes the bead, as a person does who does not ask.
fn take(fixture: &Fixture, id: &str) {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let mut args = vec![
        "update",
        id,
        "--assignee",
        "ada",
        "--json",
        "--actor",
        "ada",
    ];
    if tracker.tool().has_leases() {
        // This bd wants to hear that the holder is gone.
        args.push("--force");
    }
    tracker.bd_json(&args);
}

#[track_caller]
fn is_adas(fixture: &Fixture, work: &Work, report: &Value) {
    assert_eq!(
        fixture.tasks(work)[work.id("a")],
        ("in_progress".to_owned(), Some("ada".to_owned())),
        "{report:#}"
    );
}

/// Nobody reads the tracker between the taking and the agent's end. The older bd closes it for whoever asks, so that only the newer
/// one is held to this.
fn a_bead_that_is_taken_from_a_running_agent_is_not_closed(backends: Backends) {
    let Some((fixture, work)) = fixture(backends) else {
        return;
    };
    let coordinator = fixture.start(&work, 1, &["--pick", work.id("a")]);
    fixture.log.wait_for("saw", 1);
    take(&fixture, work.id("a"));
    open(&fixture, "a");
    open(&fixture, "b");
    let said = coordinator.wait();
    for wanted in ["was not closed", work.id("a"), "ada has it"] {
        assert!(said.stderr.contains(wanted), "{}", said.stderr);
    }
    is_adas(&fixture, &work, &said.object());
    assert_eq!(
        task(&said.object(), work.id("b"))["state"],
        "verified",
        "{}",
        said.stdout
    );
    assert_eq!(fixture.log.attempts("start").len(), 2);
    fixture.assert_no_process();
}

/// The end of `b` makes mesh read the tracker again.
fn a_bead_that_is_taken_while_others_end_has_its_agent_stopped(backends: Backends) {
    let Some((fixture, work)) = fixture(backends) else {
        return;
    };
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    take(&fixture, work.id("a"));
    open(&fixture, "b");
    let report = coordinator.wait().exits(21).object();
    is_adas(&fixture, &work, &report);
    let a = task(&report, work.id("a"));
    assert_eq!(a["state"], "skipped", "{report:#}");
    let reason = a["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("a person changed it while it ran"),
        "{reason}"
    );
    // What its agent had done by then is there for whoever goes on.
    let kept = a["attempts"][0]["workspace"].as_str().expect("a folder");
    assert!(std::path::Path::new(kept).is_dir(), "{kept}");
    assert_eq!(
        fixture.log.attempts("end"),
        [work.attempt("b", 1)],
        "the agent of a went on"
    );
    assert_eq!(fixture.comments(&work, "a"), Vec::<String>::new());
    assert_eq!(fixture.tasks(&work)[work.id("b")].0, "closed");
    fixture.assert_no_process();
}

/// The plan file says something else than when it was last read: `b`, which `c` waits for, changes it as its last deed.
#[test]
fn what_a_person_says_of_an_item_before_it_is_claimed_stays_st_git() {
    for status in ["canceled", "deferred", "blocked", "completed"] {
        let fixture = ST_GIT.open().expect("git is enough");
        let work = fixture.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["b"])]);
        let event = format!(
            "seq=$(tail -n 1 {plan} | sed 's/.*\"seq\":\\([0-9]*\\).*/\\1/'); echo '{{\"v\":3,\"ts\":\"2026-01-01T00:00:01Z\",\"lane\":\"event\",\"seq\":'$((seq+1))',\"op\":\"set_status\",\"id\":\"c\",\"status\":\"{status}\"}}' >>{plan}",
            plan = work.source,
        );
        fixture.script(&work, |job| {
            let steps: &[Value] = match job.key.as_str() {
                "a" => &[script::gate(&fixture)],
                "b" => &[json!({"run": ["sh", "-c", event]})],
                _ => &[],
            };
            script::usual(&fixture, job, steps)
        });
        // The agent stands for a person here.
        let coordinator = fixture.start(&work, 2, &["--sandbox", "off"]);
        wait_until(
            "b to be written down",
            || fixture.tasks(&work)["b"].0 == "closed",
            || coordinator.stderr(),
        );
        fixture.open_gate();
        let report = coordinator.wait().exits(21).object();
        let expected = if status == "completed" {
            "closed"
        } else {
            status
        };
        assert_eq!(fixture.tasks(&work)["c"].0, expected, "{report:#}");
        assert_eq!(fixture.log.attempts("start").len(), 2, "{report:#}");
        let said = task(&report, "c")["reason"].to_string();
        assert!(
            said.contains(status) || said.contains("somebody else"),
            "{said}"
        );
    }
}

/// Run ids apart, which are made anew each time, and the id of an agent's bead, which is made by the run.
fn the_plan_prints_the_claims_that_the_run_makes(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Printed", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let without_run = |line: &str| {
        let words = line.split(' ').filter(|word| !word.contains("mesh.run="));
        let actor = |word: &str| word.split('@').next().unwrap_or(word).to_owned();
        words.map(actor).collect::<Vec<_>>().join(" ")
    };
    let is_of_a_claim = |line: &String| {
        let words = [
            " --claim ",
            " --label agent:",
            " create --type ",
            " slot set ",
            " working ",
        ];
        words.iter().any(|word| line.contains(word))
    };
    let plan = fixture
        .mesh(&["plan", &work.source, "-n", "1", "--json"])
        .exits(0)
        .object();
    let lines = plan["commands"].as_array().expect("the commands").iter();
    let printed: Vec<String> = lines
        .filter_map(Value::as_str)
        .map(without_run)
        .filter(is_of_a_claim)
        .collect();
    let _ = fixture.run(&work, 1, &[]).exits(0);
    let log = fs_err::read_to_string(fixture.only_run().join("calls.jsonl")).expect("the call log");
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let bead = tracker.tool().is_classic().then(|| {
        let listed = ["list", "--json", "--label", "agent:mesh-1", "--all"];
        tracker.bd_json(&listed)[0]["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    });
    let without_bead = |line: String| match &bead {
        Some(bead) => line.replace(bead, "BEAD-OF-mesh-1"),
        None => line,
    };
    let mut made: Vec<String> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .map(|call| {
            let words = call["argv"].as_array().expect("the arguments").iter();
            let words: Vec<&str> = words.filter_map(Value::as_str).collect();
            without_run(&mesh_proc::show::command(words[0], &words[1..]))
        })
        .map(without_bead)
        .filter(is_of_a_claim)
        .collect();
    let calls = if bead.is_some() { 2 + 2 + 4 } else { 2 };
    assert_eq!(printed.len(), calls, "{plan:#}");
    // What an agent's bead shows may come a moment later than the next claim, and is not written again when it is there.
    made.sort();
    made.dedup();
    let mut printed = printed;
    printed.sort();
    printed.dedup();
    assert_eq!(printed, made);
}
