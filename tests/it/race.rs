//! People who change the tracker while a run works it.

use serde_json::json;

use crate::fixture::{
    BD_0_47_1_GIT, BD_1_3_0_GIT, Backends, FAKE_BD_0_47_1_GIT, FAKE_BD_GIT, Fixture, Job, Work,
    job, task,
};
use crate::log::wait_until;
use crate::script;

/// Twelve tasks, of which four run while somebody adds a child, closes a bead, takes one, makes two need each other (which bd
/// refuses) and writes another text: what is theirs is left to them, the rest is done, and `why` tells of each.
#[test]
fn a_person_changes_the_epic_in_the_midst_of_a_run_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let keys = ["a", "b", "c", "d"];
    let mut jobs: Vec<Job> = keys.map(|key| job(key, &[])).into();
    jobs.extend(["e", "f", "g", "i", "j", "k", "l"].map(|key| job(key, &["a"])));
    jobs.push(job("h", &["e"]));
    let work = fixture.plan("Twelve", &jobs);
    // One of the first four ends before the others, so that the tracker is read again while they run.
    let first = fixture.env.dir().join("first-gate");
    let wait = |job: &Job| match job.key.as_str() {
        "d" => json!({ "wait_for": first }),
        _ => script::gate(&fixture),
    };
    fixture.script(&work, |job| script::usual(&fixture, job, &[wait(job)]));
    let coordinator = fixture.start(&work, 4, &[]);
    fixture.log.wait_for("saw", 4);

    let epic = &work.source;
    let text = "Write m.txt.\n\nVerify: test -f m.txt";
    let added = tracker.create("task", "m", &["--parent", epic, "--description", text]);
    let anna = |args: &[&str]| tracker.bd(&[&["--actor", "anna"], args, &["--json"]].concat());
    let must = |args: &[&str]| {
        let output = anna(args);
        assert!(output.status.is_success(), "{args:?}: {output:?}");
    };
    must(&["close", work.id("e"), "--reason", "not needed", "--force"]);
    must(&["update", work.id("f"), "--claim"]);
    must(&["update", work.id("g"), "--description", "Something else."]);
    let cycle = anna(&["dep", "add", work.id("a"), work.id("i")]);
    assert!(!cycle.status.is_success(), "{cycle:?}");
    let all = Work {
        source: epic.clone(),
        jobs: vec![job("m", &[])],
        ids: [("m".to_owned(), added.clone())].into(),
    };
    fixture.script(&all, |job| script::usual(&fixture, job, &[]));
    fs_err::write(&first, "").expect("the gate");
    wait_until(
        "the changes to be noticed",
        || {
            let said = fixture.mesh(&["why", work.id("g")]).exits(0);
            said.stdout.contains("changed")
        },
        || coordinator.stderr(),
    );
    fixture.open_gate();
    let report = coordinator.wait().exits(21).object();

    let tasks = fixture.tasks(&work);
    let state = |key: &str| tasks[work.id(key)].clone();
    for key in ["a", "b", "c", "d", "i", "j", "k", "l"] {
        assert_eq!(state(key).0, "closed", "{key}: {report:#}");
    }
    assert_eq!(fixture.tasks(&all)[&added].0, "closed", "{report:#}");
    assert_eq!(state("e").0, "closed");
    assert_eq!(
        state("f"),
        ("in_progress".to_owned(), Some("anna".to_owned()))
    );
    assert_eq!(state("g"), ("open".to_owned(), None));
    assert_eq!(state("h"), ("open".to_owned(), None));
    let started = fixture.log.attempts("start");
    for key in ["e", "f", "g", "h"] {
        assert!(
            !started.contains(&work.attempt(key, 1)),
            "{key} was started"
        );
    }
    let why = |key: &str| fixture.mesh(&["why", work.id(key)]).exits(0).stdout;
    assert!(why("e").contains("closed"), "{}", why("e"));
    assert!(why("f").contains("anna"), "{}", why("f"));
    assert!(why("g").contains("changed"), "{}", why("g"));
    assert!(why("h").contains(work.id("e")), "{}", why("h"));
    fixture.assert_no_molecule_open();
    fixture.assert_no_process();
}

macro_rules! on_trackers {
    ($($story:ident),* $(,)?) => {
        mod fake_bd_1_3_0_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_GIT); })* }
        mod fake_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_0_47_1_GIT); })* }
        mod real_bd_1_3_0_git { $(#[test] fn $story() { super::$story(super::BD_1_3_0_GIT); })* }
        mod real_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::BD_0_47_1_GIT); })* }
    };
}

on_trackers!(
    a_cycle_that_is_taken_back_held_its_tasks_for_a_while,
    a_cycle_that_stays_is_named_at_the_end,
);

/// An epic below that of the work, with `d` in it, for the bd that needs one for a cycle.
fn inner_epic(fixture: &Fixture, work: &Work) -> Option<String> {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    tracker.tool().is_classic().then(|| {
        let inner = tracker.create("epic", "Inner", &["--parent", &work.source]);
        tracker.depend(work.id("d"), &inner, "parent-child");
        inner
    })
}

/// What `c` is made to need, so that it needs itself by way of `d`. Each bd refuses the plain way, and has one that it does not look
/// into: newer ones the edge `waits-for`, 0.47 an epic that a dependent is in.
fn make_cycle(fixture: &Fixture, work: &Work, inner: Option<String>) -> String {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let (c, d) = (work.id("c"), work.id("d"));
    // Calls of the run may have the older bd's database just then.
    let edge = |args: &[&str], wanted: &str| {
        let mut said = String::new();
        let add = || {
            let output = tracker.bd(&[&["dep", "add", c], args, &["--json"]].concat());
            said = [output.stdout, output.stderr]
                .map(|text| String::from_utf8_lossy(&text).into_owned())
                .concat();
            said.contains(wanted)
        };
        wait_until(wanted, add, || args.join(" "));
    };
    edge(&[d], "would create a cycle");
    let (needed, kind) = match inner {
        Some(inner) => (inner, "blocks"),
        None => (d.to_owned(), "waits-for"),
    };
    edge(&[&needed, "--type", kind], "\"added\"");
    needed
}

/// `a`, `x` and `e` wait at gates of their own; `c` needs `a`, `d` needs `c`, and then `c` needs `d`. Back when `a` is verified and `e`
/// runs.
fn with_a_cycle(
    backends: Backends,
) -> Option<(Fixture, Work, crate::coordinator::Coordinator, String)> {
    let fixture = backends.open()?;
    let jobs = [
        job("a", &[]),
        job("x", &[]),
        job("c", &["a"]),
        job("d", &["c"]),
        job("e", &["a"]),
    ];
    let work = fixture.plan("Cycle", &jobs);
    let gate = |key: &str| fixture.env.dir().join(format!("gate-{key}"));
    fixture.script(&work, |job| match job.key.as_str() {
        key @ ("a" | "x" | "e") => {
            script::usual(&fixture, job, &[json!({ "wait_for": gate(key) })])
        }
        _ => script::usual(&fixture, job, &[]),
    });
    let inner = inner_epic(&fixture, &work);
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    let needed = make_cycle(&fixture, &work, inner);
    fs_err::write(gate("x"), "").expect("a gate");
    let is_named = || {
        let said = fixture.mesh(&["why", work.id("c")]).exits(0).stdout;
        said.contains("cycle") && said.contains(work.id("d"))
    };
    wait_until("the cycle to be noticed", is_named, || coordinator.stderr());
    fs_err::write(gate("a"), "").expect("a gate");
    fixture.log.wait_for("saw", 3);
    assert_eq!(fixture.log.attempts("start")[2], work.attempt("e", 1));
    Some((fixture, work, coordinator, needed))
}

fn open_last_gate(fixture: &Fixture) {
    fs_err::write(fixture.env.dir().join("gate-e"), "").expect("a gate");
}

fn a_cycle_that_is_taken_back_held_its_tasks_for_a_while(backends: Backends) {
    let Some((fixture, work, coordinator, needed)) = with_a_cycle(backends) else {
        return;
    };
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let remove = || {
        let output = tracker.bd(&["dep", "remove", work.id("c"), &needed, "--json"]);
        output.status.is_success()
    };
    wait_until("the edge to be removed", remove, String::new);
    open_last_gate(&fixture);
    let report = coordinator.wait().exits(0).object();
    let wanted = ["c", "d"].map(|key| work.attempt(key, 1));
    assert_eq!(fixture.log.attempts("start")[3..], wanted, "{report:#}");
    for (id, (status, _)) in fixture.tasks(&work) {
        assert_eq!(status, "closed", "{id}: {report:#}");
    }
    fixture.assert_no_process();
}

fn a_cycle_that_stays_is_named_at_the_end(backends: Backends) {
    let Some((fixture, work, coordinator, _)) = with_a_cycle(backends) else {
        return;
    };
    open_last_gate(&fixture);
    let report = coordinator.wait().exits(21).object();
    for key in ["c", "d"] {
        let said = task(&report, work.id(key));
        assert!(said["reason"].to_string().contains("cycle"), "{report:#}");
        let why = fixture.mesh(&["why", work.id(key)]).exits(0).stdout;
        assert!(why.contains("cycle") && why.contains(work.id("c")), "{why}");
        let in_tracker = &fixture.tasks(&work)[work.id(key)];
        assert_eq!(*in_tracker, ("open".to_owned(), None));
    }
    for key in ["a", "x", "e"] {
        assert_eq!(fixture.tasks(&work)[work.id(key)].0, "closed");
    }
    assert_eq!(fixture.log.attempts("start").len(), 3);
    fixture.assert_no_process();
}
