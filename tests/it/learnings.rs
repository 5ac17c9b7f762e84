//! What tasks and runs teach: written down once, found again, and told to later tasks.

use serde_json::{Value, json};

use crate::fixture::{Backends, FAKE_BD_GIT, Fixture, ST_GIT, Work, job, on_each_vcs, task};
use crate::script;

on_each_vcs!(what_a_task_teaches_is_written_once_and_told_to_later_tasks);

const SAID: &str = "When a.txt is written, make good.txt first because the check reads it";

/// A task whose proof fails until its third attempt, and one that nothing is wrong with.
fn hard(fixture: &Fixture, config: &str) -> Work {
    fixture.configure(&format!("retries = 3\n{config}"));
    let jobs = [job("a", &[]).proof("test -f good.txt"), job("b", &[])];
    let work = fixture.plan("Hard", &jobs);
    let end = |more: &[Value], last: Value| {
        let mut steps = vec![
            script::event(fixture, "start"),
            json!({"write": {"path": "a.txt", "text": "a\n"}}),
        ];
        steps.extend_from_slice(more);
        steps.push(json!({"final": last}));
        Value::Array(steps)
    };
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => {
            let bad = end(&[], json!({"changed": "a.txt"}));
            let good = json!({"write": {"path": "good.txt", "text": "good\n"}});
            let last = json!({"changed": "a.txt, good.txt", "learning": SAID});
            json!({"1": bad, "2": bad, "3": end(&[good], last)})
        }
        _ => script::usual(fixture, job, &[script::gate(fixture)]),
    });
    work
}

fn records(fixture: &Fixture) -> Vec<Value> {
    let own = fixture.repo.join(".learnings.jsonl");
    let of_mesh = fixture.repo.join(".mesh/learnings.jsonl");
    assert!(
        !own.exists() || !of_mesh.exists(),
        "there is one or the other"
    );
    let read = |file| fs_err::read_to_string(file).unwrap_or_default();
    (read(own) + &read(of_mesh))
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).expect("a record"))
        .collect()
}

/// A later run over one task that is to change `location`; its prompt.
fn later(fixture: &Fixture, id: &str, location: &str) -> String {
    let path = fixture.env.dir().join(format!("{id}.md"));
    let text = format!(
        "- later\n  - id: {id}\n  - status: todo\n  - depends_on: []\n  - location: {location}\n  - validation: test -f {id}.txt\n"
    );
    fs_err::write(&path, text).expect("the document");
    let work = Work {
        source: path.display().to_string(),
        jobs: vec![job(id, &[])],
        ids: [(id.to_owned(), id.to_owned())].into(),
    };
    fixture.script(&work, |job| script::usual(fixture, job, &[]));
    let report = fixture.run(&work, 1, &["--allow-serial"]).exits(0).object();
    let logs = task(&report, id)["attempts"][0]["logs"].clone();
    let prompt = std::path::Path::new(logs.as_str().expect("a folder")).join("prompt.md");
    fs_err::read_to_string(prompt).expect("the prompt")
}

fn what_a_task_teaches_is_written_once_and_told_to_later_tasks(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = hard(&fixture, "");
    // Somebody else keeps learnings there too, and was cut off in the middle of one.
    let file = fixture.repo.join(".learnings.jsonl");
    fs_err::write(&file, "{\"id\": \"lrn-torn").expect("the file");
    let coordinator = fixture.start(&work, 2, &[]);
    crate::log::wait_until(
        "a is finalized",
        || {
            fixture
                .comments(&work, "a")
                .iter()
                .any(|text| text.contains("learned: lrn-"))
        },
        || coordinator.stderr(),
    );
    coordinator.kill();
    fixture.open_gate();
    fixture.mesh(&["resume"]).ends(0);
    let text = fs_err::read_to_string(&file).expect("the file");
    assert!(text.starts_with("{\"id\": \"lrn-torn\n{"), "{text}");
    fs_err::write(&file, text.replacen("{\"id\": \"lrn-torn\n", "", 1)).expect("the file");
    let there = records(&fixture);
    assert_eq!(there.len(), 2, "{there:#?}");
    let of = |status: &str| {
        let found = there.iter().find(|record| record["status"] == status);
        found.unwrap_or_else(|| panic!("no {status} in {there:#?}"))
    };
    let (seen, said) = (of("do_more"), of("review_later"));
    assert_eq!(said["learning"], SAID);
    assert_eq!(said["context"]["paths"], json!(["a.txt", "good.txt"]));
    assert_eq!(said["context"]["task"], "a");
    let evidence = seen["evidence"].as_array().expect("a list");
    assert_eq!(
        evidence[0],
        "a#1: `test -f good.txt` ended with exit code 1"
    );
    assert_eq!(
        evidence[2],
        "a#3: `test -f good.txt` ended with exit code 0"
    );
    let comments = fixture.comments(&work, "a").join("\n");
    for record in &there {
        let id = record["id"].as_str().expect("an id");
        assert_eq!(comments.matches(id).count(), 1, "{comments}");
    }
    // No result has the file, and nobody is blamed for it.
    let report = fixture.mesh(&["report", "--json"]).exits(0).object();
    for key in ["a", "b"] {
        for attempt in task(&report, key)["attempts"].as_array().expect("attempts") {
            assert_eq!(attempt["noticed"], json!([]), "{report:#}");
            let commit = attempt["commit"].as_str().expect("a commit");
            let tree = ["ls-tree", "-r", "--name-only", commit];
            let files = fixture.env.must("git", &tree, &fixture.repo);
            assert!(!files.contains(".learnings"), "{files}");
        }
    }

    let listed = fixture.mesh(&["learnings"]).exits(0).stdout;
    assert!(
        listed.contains(SAID) && listed.contains("seen: a#1"),
        "{listed}"
    );
    let found = fixture
        .mesh(&["learnings", "check", "reads", "--json"])
        .exits(0)
        .object();
    assert_eq!(found["learnings"][0]["id"], said["id"], "{found:#}");
    assert_eq!(found["total"], 1);
    let found = fixture
        .mesh(&["learnings", "--path", "src", "--json"])
        .exits(0)
        .object();
    assert_eq!(found["total"], 0);

    let prompt = later(&fixture, "c", "\"*.txt\"");
    assert!(prompt.contains(&format!("- {SAID}\n")), "{prompt}");
    assert!(prompt.contains("\nLearning: When <condition>"), "{prompt}");
    let prompt = later(&fixture, "d", "src/**");
    assert!(!prompt.contains(SAID), "{prompt}");
    fixture.configure("[learnings]\nprompt = false\nwrite = false\n");
    let prompt = later(&fixture, "e", "a.txt");
    assert!(
        !prompt.contains(SAID) && !prompt.contains("Learning:"),
        "{prompt}"
    );
    assert_eq!(records(&fixture).len(), 2);
}

#[test]
fn nothing_is_written_where_it_is_not_wanted_and_poor_lines_are_named_st_git() {
    for wanted in [true, false] {
        let fixture = ST_GIT.open().expect("fakes are there");
        fixture.configure(&format!("[learnings]\nwrite = {wanted}\n"));
        let work = fixture.plan("One", &[job("a", &[]), job("b", &[])]);
        fixture.script(&work, |job| {
            let path = format!("{}.txt", job.key);
            let learning = match job.key.as_str() {
                "a" => "The tests here are slow",
                _ => "When b.txt is missing, make it with an empty line",
            };
            json!([
                {"write": {"path": path, "text": "x\n"}},
                {"final": {"changed": path, "learning": learning}}
            ])
        });
        let said = fixture.run(&work, 2, &[]).exits(0);
        assert!(!fixture.repo.join(".learnings.jsonl").exists());
        assert_eq!(records(&fixture).len(), usize::from(wanted));
        let named = said.stderr.contains("a#1: its line Learning is not kept");
        assert_eq!(named, wanted, "{}", said.stderr);
    }
}

#[test]
fn a_bead_names_what_was_learned_and_a_run_what_several_tasks_failed_of_fake_bd_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let jobs = ["a", "b"].map(|key| job(key, &[]).proof("test -f never.txt"));
    let work = fixture.plan("Two", &jobs);
    fixture.script(&work, |job| {
        Value::Array(script::result(&fixture, &job.key))
    });
    fixture.run(&work, 2, &[]).ends(20);
    let there = records(&fixture);
    let statuses: Vec<&Value> = there.iter().map(|record| &record["status"]).collect();
    assert_eq!(
        statuses,
        ["investigate_more", "investigate_more", "review_later"],
        "{there:#?}"
    );
    assert_eq!(there[2]["tags"], json!(["run", "verify-failed"]));
    assert!(there[2]["context"].get("task").is_none());
    for record in &there[..2] {
        let key = work.key(record["context"]["task"].as_str().expect("a task"));
        let id = record["id"].as_str().expect("an id");
        let comments = fixture.comments(&work, key).join("\n");
        assert_eq!(comments.matches(id).count(), 1, "{comments}");
    }
}
