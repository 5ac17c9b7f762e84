//! The swarm of an epic and the molecule of a run: made once, with the run's true values, and closed however the run ends.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::fixture::{BD_1_3_0_JJ, Backends, FAKE_BD_GIT, Fixture, Vcs, Work, job};
use crate::log::wait_until;
use crate::script;

mod fake_bd_1_3_0_git {
    #[test]
    fn a_run_has_one_molecule_and_its_epic_one_swarm() {
        super::a_run_has_one_molecule_and_its_epic_one_swarm(super::FAKE_BD_GIT);
    }
    #[test]
    fn a_molecule_is_poured_once_when_the_coordinator_dies() {
        super::a_molecule_is_poured_once_when_the_coordinator_dies(super::FAKE_BD_GIT);
    }
    #[test]
    fn an_arm_is_bonded_for_each_attempt_and_closed_with_it() {
        super::an_arm_is_bonded_for_each_attempt_and_closed_with_it(super::FAKE_BD_GIT);
    }
}

mod real_bd_1_3_0_jj_0_45_1 {
    #[test]
    fn a_run_has_one_molecule_and_its_epic_one_swarm() {
        super::a_run_has_one_molecule_and_its_epic_one_swarm(super::BD_1_3_0_JJ);
    }
    #[test]
    fn a_molecule_is_poured_once_when_the_coordinator_dies() {
        super::a_molecule_is_poured_once_when_the_coordinator_dies(super::BD_1_3_0_JJ);
    }
    #[test]
    fn an_arm_is_bonded_for_each_attempt_and_closed_with_it() {
        super::an_arm_is_bonded_for_each_attempt_and_closed_with_it(super::BD_1_3_0_JJ);
    }
}

/// All issues of the tracker, closed ones and gates too.
fn issues(fixture: &Fixture) -> Vec<Value> {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let args = [
        "list",
        "--all",
        "--json",
        "--limit",
        "0",
        "--include-gates",
        "--include-infra",
    ];
    tracker
        .bd_json(&args)
        .as_array()
        .cloned()
        .unwrap_or_default()
}

/// Status and title of the issues whose title begins like this.
fn titled(fixture: &Fixture, start: &str) -> Vec<(String, String)> {
    let text = |issue: &Value, key: &str| issue[key].as_str().unwrap_or("").to_owned();
    let issues = issues(fixture);
    let found = issues
        .iter()
        .filter(|issue| text(issue, "title").starts_with(start));
    let mut found: Vec<_> = found
        .map(|issue| (text(issue, "status"), text(issue, "title")))
        .collect();
    found.sort();
    found
}

fn statuses(fixture: &Fixture, start: &str) -> Vec<String> {
    let found = titled(fixture, start);
    found.into_iter().map(|(status, _)| status).collect()
}

fn calls_of(fixture: &Fixture, command: &[&str]) -> usize {
    let calls = fixture.tracker.as_ref().expect("a tracker").calls();
    let words = |call: &Value| -> Vec<String> {
        let argv = call["argv"].as_array().cloned().unwrap_or_default();
        let texts = argv
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned));
        texts.collect()
    };
    let is_it = |call: &&Value| {
        words(call)
            .windows(command.len())
            .any(|some| some == command)
    };
    calls.iter().filter(is_it).count()
}

/// What went wrong without changing a verdict, in the only run.
fn notes(fixture: &Fixture) -> String {
    fs_err::read_to_string(fixture.only_run().join("notes")).unwrap_or_default()
}

fn three(fixture: &Fixture) -> Work {
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a", "b"])];
    let work = fixture.plan("Three", &jobs);
    fixture.script(&work, |job| script::usual(fixture, job, &[]));
    work
}

/// The id of the run in a folder of it.
fn id_of(run: &std::path::Path) -> String {
    let name = run.file_name().expect("a name");
    name.to_string_lossy().into_owned()
}

fn a_run_has_one_molecule_and_its_epic_one_swarm(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = three(&fixture);
    let report = fixture
        .run(&work, 2, &["--audit-level", "minimal"])
        .exits(0)
        .object();
    fixture.assert_nothing_left(&work);
    assert_eq!(notes(&fixture), "", "{report:#}");

    let run = id_of(&fixture.only_run());
    let epic = &work.source;
    let backend = match backends.vcs {
        Vcs::Git => "worktree",
        Vcs::Jj => "jj",
    };
    let closed = |title: String| vec![("closed".to_owned(), title)];
    let steps = [
        format!("resolve-target: epic {epic} (run {run})"),
        format!("validate-target: {epic} (run {run})"),
        format!("run-waves: 2 at once, workspaces by {backend} (run {run})"),
        format!("closeout: audit minimal (run {run})"),
        format!("Gate: human target-{epic}"),
        format!("Gate: human scope-{epic}"),
        "mol-mesh-run".to_owned(),
        "Swarm: Three".to_owned(),
    ];
    for title in steps {
        assert_eq!(titled(&fixture, &title), closed(title));
    }
    // The tracker's own folder of formulas is the user's.
    assert!(
        !fixture
            .repo
            .join(".beads/formulas/mol-mesh-run.formula.json")
            .exists()
    );

    // A second run of the epic has a molecule of its own and the same swarm.
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let more = [
        "--parent",
        epic,
        "--description",
        "Write d.txt.\n\nVerify: test -f d.txt",
    ];
    let added = tracker.create("task", "d", &more);
    let work = Work {
        source: epic.clone(),
        jobs: vec![job("d", &[])],
        ids: [("d".to_owned(), added)].into(),
    };
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let _ = fixture.run(&work, 2, &[]).exits(0);
    fixture.assert_nothing_left(&work);
    assert_eq!(statuses(&fixture, "mol-mesh-run"), ["closed", "closed"]);
    assert_eq!(statuses(&fixture, "Swarm: "), ["closed"]);
}

fn a_molecule_is_poured_once_when_the_coordinator_dies(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a", "b"])];
    let work = fixture.plan("Three", &jobs);
    let wait = [script::gate(&fixture)];
    fixture.script(&work, |job| script::usual(&fixture, job, &wait));
    let coordinator = fixture.start(&work, 2, &[]);
    wait_until(
        "the molecule",
        || !titled(&fixture, "mol-mesh-run").is_empty(),
        || coordinator.stderr(),
    );
    // It may have closed the first steps, or not: it is all the same.
    coordinator.kill();
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    crate::epic::assert_done(&fixture, &work, &report);
    assert_eq!(statuses(&fixture, "mol-mesh-run"), ["closed"]);
    assert_eq!(statuses(&fixture, "resolve-target: "), ["closed"]);
    assert_eq!(statuses(&fixture, "Swarm: "), ["closed"]);
}

fn an_arm_is_bonded_for_each_attempt_and_closed_with_it(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = three(&fixture);
    fixture.configure("[tracker]\narms = true\n");
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    fixture.assert_nothing_left(&work);
    assert_eq!(notes(&fixture), "", "{report:#}");
    let run = id_of(&fixture.only_run());
    for key in ["a", "b", "c"] {
        let title = format!("arm: {} attempt 1 (run {run})", work.id(key));
        let wanted = vec![("closed".to_owned(), title.clone())];
        assert_eq!(titled(&fixture, &title), wanted);
    }
    assert_eq!(
        statuses(&fixture, "mol-mesh-arm"),
        ["closed", "closed", "closed"]
    );
    assert_eq!(statuses(&fixture, "mol-mesh-run"), ["closed"]);
}

/// A run that is stopped leaves its epic's swarm, which is not done, and nothing else.
#[test]
fn a_stopped_run_leaves_the_swarm_of_its_epic_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a", "b"])];
    let work = fixture.plan("Three", &jobs);
    let wait = [script::gate(&fixture)];
    fixture.script(&work, |job| script::usual(&fixture, job, &wait));
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    coordinator.signal(Signal::TERM);
    let _ = coordinator.wait().exits(143);
    fixture.assert_no_molecule_open();
    assert_eq!(statuses(&fixture, "mol-mesh-run"), ["closed"]);
    assert_eq!(statuses(&fixture, "Swarm: "), ["open"]);

    // Taken up again and done, it has no second molecule, and the swarm is closed.
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    crate::epic::assert_done(&fixture, &work, &report);
    assert_eq!(statuses(&fixture, "mol-mesh-run"), ["closed"]);
    assert_eq!(statuses(&fixture, "Swarm: "), ["closed"]);
}

/// What the tracker does not do of it is said in the report; the tasks are done all the same.
#[test]
fn bookkeeping_that_fails_is_a_note_fake_bd_1_3_0_git() {
    for (on, note) in [
        ("mol pour", "the run's molecule was not poured: bd mol pour"),
        (
            "swarm create",
            "the epic's swarm was not made: bd swarm create",
        ),
        (
            "swarm validate",
            "bd's view of the epic was not read: bd swarm validate",
        ),
    ] {
        let fixture = FAKE_BD_GIT.open().expect("fakes are there");
        let work = three(&fixture);
        let tracker = fixture.tracker.as_ref().expect("a tracker");
        tracker.script(&json!([{ "on": on, "kind": "exit-1", "times": 9 }]));
        let report = fixture.run(&work, 2, &[]).exits(0).object();
        crate::epic::assert_done(&fixture, &work, &report);
        let notes = notes(&fixture);
        assert!(notes.contains(note), "{on}: {notes}");
    }
}

/// A close that the tracker did not take, and one that only its answer did not tell of.
#[test]
fn a_molecule_is_closed_after_a_bad_answer_fake_bd_1_3_0_git() {
    for (on, applied) in [("batch", true), ("batch", false), ("mol pour", true)] {
        let fixture = FAKE_BD_GIT.open().expect("fakes are there");
        let work = three(&fixture);
        let tracker = fixture.tracker.as_ref().expect("a tracker");
        let fault = json!([{ "on": on, "kind": "die", "applied": applied, "times": 1 }]);
        tracker.script(&fault);
        let report = fixture.run(&work, 2, &[]).exits(0).object();
        crate::epic::assert_done(&fixture, &work, &report);
        assert_eq!(
            statuses(&fixture, "mol-mesh-run"),
            ["closed"],
            "{on} {applied}"
        );
    }
}

#[test]
fn a_run_can_do_without_a_molecule_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = three(&fixture);
    fixture.configure("[tracker]\nmolecule = false\n");
    let _ = fixture.run(&work, 2, &[]).exits(0);
    fixture.assert_nothing_left(&work);
    assert_eq!(titled(&fixture, "mol-mesh"), []);
    assert_eq!(statuses(&fixture, "Swarm: "), ["closed"]);
}

/// Neither the claim of the first tasks nor that of a later one comes after anything of it that had not begun.
#[test]
fn nothing_of_it_stands_before_the_first_claims_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = three(&fixture);
    let _ = fixture.run(&work, 2, &[]).exits(0);
    let calls = fixture.tracker.as_ref().expect("a tracker").calls();
    let at = |word: &str| {
        let has = |call: &Value| {
            let argv = call["argv"].as_array().cloned().unwrap_or_default();
            argv.iter().any(|one| one == word)
        };
        calls.iter().position(has).expect("the call was made")
    };
    assert!(at("--claim") < at("swarm"), "{calls:#?}");
    assert!(at("--claim") < at("pour"), "{calls:#?}");
    assert_eq!(calls_of(&fixture, &["mol", "pour"]), 1);
    assert_eq!(calls_of(&fixture, &["swarm", "create"]), 1);
    assert_eq!(calls_of(&fixture, &["mol", "burn"]), 0);
    assert_eq!(calls_of(&fixture, &["mol", "squash"]), 0);
}

/// A bead without an epic is wrapped once, whatever happens to the runs; the epic made for it is closed with it.
#[test]
fn a_single_bead_is_wrapped_once_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let more = ["--description", "Write a.txt.\n\nVerify: test -f a.txt"];
    let bead = tracker.create("task", "a", &more);
    let work = Work {
        source: bead.clone(),
        jobs: vec![job("a", &[])],
        ids: [("a".to_owned(), bead.clone())].into(),
    };
    let plan = fixture.mesh(&["plan", &bead, "--json"]).exits(0).object();
    assert_eq!(plan["order"], json!([bead]));
    assert_eq!(titled(&fixture, "Swarm"), [], "a plan writes nothing");

    // The first run fails.
    fixture.script(&work, |_| json!([{ "exit": 1 }]));
    let _ = fixture.run(&work, 1, &[]).exits(20);
    assert_eq!(statuses(&fixture, "Swarm Epic: a"), ["open"]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let report = fixture.run(&work, 1, &[]).exits(0).object();
    assert_eq!(report["state"], "done", "{report:#}");
    assert_eq!(statuses(&fixture, "Swarm Epic: a"), ["closed"]);
    assert_eq!(statuses(&fixture, "Swarm: "), ["closed"]);
    assert_eq!(calls_of(&fixture, &["swarm", "create"]), 1);
    let run = id_of(fixture.runs().last().expect("a run"));
    let step = titled(&fixture, "resolve-target: bead");
    assert!(
        step.iter()
            .any(|(_, title)| title.ends_with(&format!("(run {run})"))),
        "{step:?}"
    );
}

/// No words: the bead in progress names the epic. Several: they are listed.
#[test]
fn without_a_target_the_bead_in_progress_is_meant_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let said = fixture.mesh(&["plan"]).exits(10);
    assert!(
        said.stderr.contains("no bead is in progress"),
        "{}",
        said.stderr
    );
    let work = three(&fixture);
    let begin = |id: &str| {
        tracker.bd_json(&["--actor", "anna", "update", id, "--claim", "--json"]);
    };
    begin(work.id("a"));
    let plan = fixture.mesh(&["plan", "--json"]).exits(0).object();
    assert_eq!(plan["source"]["id"], work.source);
    let lone = tracker.create("task", "lone", &[]);
    begin(&lone);
    let said = fixture.mesh(&["plan"]).exits(10);
    assert!(
        said.stderr.contains("several beads are in progress")
            && said.stderr.contains(work.id("a"))
            && said.stderr.contains(&lone),
        "{}",
        said.stderr
    );
    let said = fixture.mesh(&["plan", work.id("b"), &lone]).exits(10);
    assert!(
        said.stderr.contains("have no epic in common"),
        "{}",
        said.stderr
    );
}

/// What the run is about to do is shown before it does it, also when nobody is asked.
#[test]
fn the_scope_is_shown_and_needs_a_yes_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = three(&fixture);
    let agent = fixture.agent_command();
    let args = ["run", &work.source, "-n", "2", "--agent-command", &agent];
    let said = fixture.mesh(&args).exits(2);
    assert!(said.stderr.contains("--yes"), "{}", said.stderr);
    let said = fixture.mesh(&[&args[..], &["--yes"]].concat()).exits(0);
    let epic = format!(
        "Three (bd {}): 3 of 3 tasks to do, at most 2 agents at once, expected parallelism 2",
        work.source
    );
    let ids = format!(
        "to do: {}, {}, {}",
        work.id("a"),
        work.id("b"),
        work.id("c")
    );
    assert!(said.stdout.contains(&epic), "{}", said.stdout);
    assert!(said.stdout.contains(&ids), "{}", said.stdout);
}

/// Children of an epic inside the epic count, and an open blocker outside is named before and after.
#[test]
fn nested_epics_and_blockers_outside_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let outer = tracker.create("epic", "Outer", &[]);
    let inner = tracker.create("epic", "Inner", &["--parent", &outer]);
    let text = |key: &str| format!("Write {key}.txt.\n\nVerify: test -f {key}.txt");
    let child = |key: &str, parent: &str| {
        tracker.create(
            "task",
            key,
            &["--parent", parent, "--description", &text(key)],
        )
    };
    let ids = [
        ("a", child("a", &outer)),
        ("b", child("b", &inner)),
        ("c", child("c", &inner)),
    ];
    let stranger = tracker.create("task", "stranger", &[]);
    tracker.depend(&ids[2].1, &stranger, "blocks");
    let work = Work {
        source: outer.clone(),
        jobs: vec![job("a", &[]), job("b", &[]), job("c", &[])],
        ids: ids.clone().map(|(key, id)| (key.to_owned(), id)).into(),
    };
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let said = fixture.mesh(&["plan", &outer]).exits(0);
    let line = format!(
        "not in a wave: {} (waiting for {stranger}, outside {outer})",
        work.id("c")
    );
    assert!(said.stdout.contains(&line), "{}", said.stdout);
    let report = fixture.run(&work, 2, &[]).exits(21).object();
    assert_eq!(notes(&fixture), "", "{report:#}");
    let why = fixture.mesh(&["why", work.id("c")]).exits(0);
    assert!(why.stdout.contains(&stranger), "{}", why.stdout);
    let tasks = fixture.tasks(&work);
    assert_eq!(tasks[work.id("b")].0, "closed");
    assert_eq!(tasks[work.id("c")], ("open".to_owned(), None));
    assert_eq!(statuses(&fixture, "mol-mesh-run"), ["closed"]);
    assert_eq!(statuses(&fixture, "Swarm: "), ["open"]);
}

/// The program of the tracker is asked; what is installed is the user's once it was changed.
#[test]
fn formulas_are_checked_and_installed_fake_bd_1_3_0_git() {
    formulas_are_checked_and_installed(FAKE_BD_GIT);
}

#[test]
fn formulas_are_checked_and_installed_real_bd_1_3_0_jj_0_45_1() {
    formulas_are_checked_and_installed(BD_1_3_0_JJ);
}

fn formulas_are_checked_and_installed(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let results = |said: Value| -> Vec<String> {
        let list = said["formulas"].as_array().cloned().unwrap_or_default();
        let result = |one: &Value| one["result"].as_str().unwrap_or("").to_owned();
        list.iter().map(result).collect()
    };
    let object = |args: &[&str], code: i32| {
        let args = [&["formulas"], args, &["--json"]].concat();
        results(fixture.mesh(&args).exits(code).object())
    };
    assert_eq!(object(&["check"], 0), ["ok", "ok"]);
    let folder = fixture.repo.join(".beads/formulas");
    assert!(!folder.exists(), "a check writes nothing");
    assert_eq!(object(&["install"], 0), ["installed", "installed"]);
    assert_eq!(object(&["install"], 0), ["unchanged", "unchanged"]);
    assert_eq!(object(&["check"], 0), ["ok", "ok", "ok", "ok"]);
    let file = folder.join("mol-mesh-arm.formula.json");
    fs_err::write(
        &file,
        r#"{"formula":"mol-mesh-arm","version":1,"steps":[{"id":"arm"}]}"#,
    )
    .expect("a formula");
    assert_eq!(object(&["check"], 10), ["ok", "ok", "ok", "refused"]);
    assert_eq!(object(&["install"], 10), ["unchanged", "changed"]);
    assert_eq!(
        object(&["install", "--force"], 0),
        ["unchanged", "installed"]
    );
    assert_eq!(object(&["check"], 0), ["ok", "ok", "ok", "ok"]);
}
