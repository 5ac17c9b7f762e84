//! Task lists in documents.

use std::path::Path;

use serde_json::json;

use crate::fixture::{Backends, Fixture, ST_GIT, Work, job, on_each_vcs, task};
use crate::script;

on_each_vcs!(
    a_list_is_worked_and_its_statuses_are_written,
    a_list_goes_on_after_a_kill,
    a_failure_is_written_and_a_retry_takes_it_up,
    what_a_killed_coordinator_took_is_given_back,
    a_list_on_standard_input_goes_on_after_a_kill,
);

/// Three tasks, of which the last needs the first, as a person writes them; `more` follows.
fn list(fixture: &Fixture, more: &str) -> Work {
    let jobs = vec![job("a", &[]), job("b", &[]), job("c", &["a"])];
    let text = format!(
        "# Plan\r\n\
         \r\n\
         Some words about it.\r\n\
         \r\n\
         1. **a: first**\r\n\
         \x20  - id: a\r\n\
         \x20  - status: todo\r\n\
         \x20  - depends_on: []\r\n\
         \x20  - validation: `test -f a.txt`\r\n\
         2. second\r\n\
         \x20  - **id**: b\r\n\
         \x20  - **status**: todo\r\n\
         \x20  - depends on: []\r\n\
         \x20  - validation:\r\n\
         \x20    - test -f b.txt\r\n\
         3. third\r\n\
         \x20  - id: c\r\n\
         \x20  - status: todo\r\n\
         \x20  - depends_on: [a]\r\n\
         \x20  - validation: test -f a.txt -a -f c.txt\r\n\
         {more}"
    );
    let path = fixture.env.dir().join("tasks.md");
    fs_err::write(&path, text).expect("the document");
    Work {
        source: path.display().to_string(),
        ids: jobs
            .iter()
            .map(|job| (job.key.clone(), job.key.clone()))
            .collect(),
        jobs,
    }
}

fn document(work: &Work) -> String {
    fs_err::read_to_string(&work.source).expect("the document")
}

fn a_list_is_worked_and_its_statuses_are_written(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = list(&fixture, "\r\nWords behind it.\r\n");
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let before = document(&work);
    let report = fixture.run(&work, 2, &["--write"]).exits(0).object();
    assert_eq!(report["source"]["kind"], "list");
    assert_eq!(task(&report, "a")["attempts"][0]["changed"][0], "a.txt");
    // Nothing else has changed, not a byte.
    assert_eq!(document(&work), before.replace(": todo", ": done"));
    fixture.assert_no_process();
}

fn a_list_goes_on_after_a_kill(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = list(&fixture, "");
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let before = document(&work);
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    fixture.open_gate();
    let said = fixture.mesh(&["resume"]).exits(0);
    assert_eq!(document(&work), before, "it is not to be written");
    let updated = said
        .stdout
        .split("Updated task list\n")
        .nth(1)
        .expect("the list as it is now");
    assert_eq!(updated.matches("status: done").count(), 2, "{updated}");
    assert_eq!(updated.matches("**status**: done").count(), 1, "{updated}");
    assert_eq!(fixture.log.attempts("end").len(), 3);
    fixture.assert_no_process();
}

fn a_failure_is_written_and_a_retry_takes_it_up(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = list(&fixture, "");
    let good = fixture.marks().join("good");
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::then(json!({"require": good}), &script::usual(&fixture, job, &[])),
        _ => script::usual(&fixture, job, &[]),
    });
    let before = document(&work);
    fixture.run(&work, 2, &["--write"]).exits(20).object();
    let after = before
        .replacen("- status: todo", "- status: blocked", 1)
        .replacen("**status**: todo", "**status**: done", 1);
    assert_eq!(document(&work), after, "c was not begun");
    fs_err::write(good, "").expect("a file");
    fixture.mesh(&["retry", "a"]).ends(0);
    fixture.mesh(&["resume"]).ends(0);
    assert_eq!(document(&work), before.replace(": todo", ": done"));
}

#[test]
fn a_list_that_is_gone_when_its_tasks_end_leaves_the_run_incomplete_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let work = list(&fixture, "");
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&fixture, job, &[]),
        _ => script::usual(&fixture, job, &[script::gate(&fixture)]),
    });
    let before = document(&work);
    let coordinator = fixture.start(&work, 2, &["--write"]);
    fixture.log.wait_for("saw", 3);
    let elsewhere = fixture.env.dir().join("elsewhere.md");
    fs_err::rename(&work.source, &elsewhere).expect("it is there");
    fixture.open_gate();
    let said = coordinator.wait().exits(20);
    for task in ["b", "c"] {
        let wanted = format!("{task} is verified and was not closed in its source: ");
        assert!(said.stderr.contains(&wanted), "{}", said.stderr);
    }
    fs_err::rename(&elsewhere, &work.source).expect("it is there");
    fixture.mesh(&["resume"]).ends(0);
    assert_eq!(document(&work), before.replace(": todo", ": done"));
}

#[test]
fn where_nothing_is_left_to_do_what_was_done_is_written_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let work = list(&fixture, "");
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let before = document(&work);
    fixture.run(&work, 2, &[]).ends(0);
    assert_eq!(document(&work), before);
    let said = fixture.run(&work, 2, &["--write"]).exits(0);
    assert!(said.stderr.contains("nothing to do: 3 tasks"), "{said:?}");
    assert_eq!(document(&work), before.replace(": todo", ": done"));
}

#[test]
fn a_task_with_another_proof_is_worked_again_and_a_chain_is_worked_as_it_stands_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let path = fixture.env.dir().join("chain.md");
    let text = "- a\n  - id: a\n  - status: todo\n  - depends_on: []\n  - validation: test -f a.txt\n\
                - b\n  - id: b\n  - status: todo\n  - depends_on: [a]\n  - validation: test -f b.txt\n";
    fs_err::write(&path, text).expect("the document");
    let jobs = vec![job("a", &[]), job("b", &["a"])];
    let work = Work {
        source: path.display().to_string(),
        ids: jobs
            .iter()
            .map(|job| (job.key.clone(), job.key.clone()))
            .collect(),
        jobs,
    };
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    fixture.run(&work, 2, &[]).ends(0);
    fixture.run(&work, 2, &[]).ends(0);
    assert_eq!(
        fixture.log.attempts("end").len(),
        2,
        "nothing was to be done"
    );
    fs_err::write(&path, text.replace("test -f b.txt", "false")).expect("the document");
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    assert_eq!(task(&report, "a")["state"], "satisfied");
    assert_eq!(task(&report, "b")["state"], "failed");
}

fn what_a_killed_coordinator_took_is_given_back(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = list(&fixture, "");
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let before = document(&work);
    let coordinator = fixture.start(&work, 2, &["--write"]);
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    assert_eq!(document(&work).matches(": doing").count(), 2);
    fixture.mesh(&["stop", "--now"]).ends(0);
    assert_eq!(document(&work), before);
    fixture.assert_no_process();
}

#[test]
fn one_of_several_lists_is_chosen_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let other = "\r\n## Another\r\n\r\n- id: z\r\n  status: todo\r\n  depends_on: []\r\n";
    let work = list(&fixture, other);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let said = fixture.run(&work, 2, &[]).exits(10);
    for wanted in ["holds 2 task lists", "1: z", "2: a, b, c", " | - id: z"] {
        assert!(
            said.stderr.contains(wanted),
            "no {wanted:?} in {}",
            said.stderr
        );
    }
    let report = fixture.run(&work, 2, &["--pick", "2"]).exits(0).object();
    assert_eq!(task(&report, "c")["state"], "verified");
    let said = fixture.run(&work, 2, &["--ids", "z,a"]).exits(10);
    assert!(
        said.stderr.contains("no task list has all of z, a"),
        "{}",
        said.stderr
    );
}

#[test]
fn what_is_wrong_with_a_list_is_shown_with_its_lines_and_a_checklist_is_drafted_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let work = list(&fixture, "");
    let broken = document(&work)
        .replace("depends_on: [a]", "depends_on: [q]")
        .replacen("status: todo", "status: soon", 1);
    fs_err::write(&work.source, broken).expect("the document");
    let said = fixture.run(&work, 2, &[]).exits(10);
    for wanted in [
        "tasks.md:7:6: error: `status` is",
        "     7 |    - status: soon",
        "needs q",
    ] {
        assert!(
            said.stderr.contains(wanted),
            "no {wanted:?} in {}",
            said.stderr
        );
    }
    fs_err::write(&work.source, "- [ ] a\n- [x] b\n").expect("the document");
    let said = fixture.run(&work, 2, &[]).exits(10);
    assert!(said.stderr.contains("mesh draft"), "{}", said.stderr);
    assert!(
        said.stderr.contains("  - b\n    - id: T2\n"),
        "{}",
        said.stderr
    );
    let draft = fixture.mesh(&["draft", &work.source]).exits(0).stdout;
    assert!(
        draft.starts_with("- a\n  - id: T1\n  - status: todo\n  - depends_on: []\n- b\n"),
        "{draft}"
    );
}

/// What the run needs of it later is kept: the list is gone when the run is taken up.
fn a_list_on_standard_input_goes_on_after_a_kill(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let mut work = list(&fixture, "");
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let file = work.source.clone();
    work.source = "-".to_owned();
    let coordinator = fixture.start_reading(&work, 2, &[], Path::new(&file));
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    fs_err::remove_file(&file).expect("the document was there");
    fixture.open_gate();
    let said = fixture.mesh(&["resume"]).exits(0);
    assert_eq!(said.stdout.matches("status: done").count(), 2, "{said:?}");
    assert_eq!(fixture.log.attempts("end").len(), 3);
    fixture.assert_no_process();
}

#[test]
fn standard_input_is_not_written_to_and_leaves_nothing_when_no_run_begins_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let mut work = list(&fixture, "");
    let file = work.source.clone();
    work.source = "-".to_owned();
    let run = |more: &[&str]| {
        fixture
            .start_reading(&work, 2, more, Path::new(&file))
            .wait()
    };
    let said = run(&["--write"]).exits(2);
    assert!(said.stderr.contains("cannot be written to"), "{said:?}");
    let said = run(&["--source", "st"]).exits(2);
    assert!(said.stderr.contains("only a task list"), "{said:?}");
    let said = run(&["--format", "yaml"]).exits(10);
    assert!(said.stderr.contains("no list of tasks in YAML"), "{said:?}");
    let runs = fs_err::read_dir(fixture.repo.join(".mesh/runs")).expect("the folder of runs");
    assert_eq!(runs.count(), 0);
}

#[test]
fn the_plan_of_st_is_found_where_it_lies_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let mut work = fixture.plan("plan", &[job("a", &[]), job("b", &[])]);
    let plan = fs_err::read(&work.source).expect("the plan");
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let said = fixture.mesh(&["plan", "--source", "st"]).exits(10);
    for wanted in [
        "neither .codex/st-plan.jsonl nor .step/st-plan.jsonl",
        "init --file .step/st-plan.jsonl",
    ] {
        assert!(
            said.stderr.contains(wanted),
            "no {wanted:?} in {}",
            said.stderr
        );
    }
    let place = |folder: &str| {
        fs_err::create_dir_all(fixture.repo.join(folder)).expect("a folder");
        fs_err::write(fixture.repo.join(folder).join("st-plan.jsonl"), &plan).expect("a plan");
    };
    place(".step");
    // Nothing is named, and there is no tracker.
    let said = fixture.mesh(&["plan"]).exits(0);
    assert!(
        said.stdout.contains(".step/st-plan.jsonl"),
        "{}",
        said.stdout
    );
    work.source = fixture
        .repo
        .join(".step/st-plan.jsonl")
        .display()
        .to_string();
    let report = fixture
        .run(&work, 2, &["--ids", "b", "--allow-serial"])
        .exits(0)
        .object();
    assert_eq!(report["source"]["kind"], "st");
    assert_eq!(fixture.tasks(&work)["a"].0, "pending");
    assert_eq!(fixture.tasks(&work)["b"].0, "closed");
    let comment = fixture.comments(&work, "b").concat();
    assert!(
        comment.starts_with("[mesh] completed: verified"),
        "{comment}"
    );
    assert!(comment.contains("\nvalidation: `"), "{comment}");
    place(".codex");
    let said = fixture.mesh(&["plan"]).exits(2);
    assert!(
        said.stderr
            .contains("both .codex/st-plan.jsonl and .step/st-plan.jsonl"),
        "{}",
        said.stderr
    );
}
