//! People who change the tracker while a run works it.

use serde_json::json;

use crate::fixture::{FAKE_BD_GIT, Job, Work, job};
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
