//! Each kind of task list as a whole program, on a fresh git repository: worked side by side, checked, committed task by task, and taken
//! up after the coordinator, the driver of a task (the shim, where there is no strategy) and an agent were killed, one after another.

use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::fixture::{Fixture, Job, ST_GIT, Work, job, task};
use crate::kill::shim_of;
use crate::log::{AgentLog, wait_until};
use crate::script;
use crate::strategies::{answer, configure, driver, script_roles, turns};

/// Two tasks side by side, and one that needs both.
fn jobs() -> Vec<Job> {
    vec![job("a", &[]), job("b", &[]), job("c", &["a", "b"])]
}

fn work(source: PathBuf) -> Work {
    let jobs = jobs();
    let ids = jobs.iter().map(|job| (job.key.clone(), job.key.clone()));
    Work {
        source: source.display().to_string(),
        ids: ids.collect(),
        jobs,
    }
}

fn document(fixture: &Fixture, name: &str, task: impl Fn(&Job) -> String) -> Work {
    let path = fixture.repo.join(name);
    fs_err::create_dir_all(path.parent().expect("it has one")).expect("a folder");
    let text: String = jobs().iter().map(task).collect();
    fs_err::write(&path, text).expect("the list");
    work(path)
}

fn markdown(fixture: &Fixture) -> Work {
    document(fixture, "tasks.md", |job| {
        let (key, needs) = (&job.key, job.needs.join(", "));
        format!(
            "- Make {key}\n  - id: {key}\n  - status: todo\n  - depends_on: [{needs}]\n  - location: {key}.txt\n  - validation: test -f {key}.txt\n"
        )
    })
}

fn yaml(fixture: &Fixture) -> Work {
    document(fixture, "plan.yaml", |job| {
        let (key, needs) = (&job.key, job.needs.join(", "));
        format!(
            "- id: {key}\n  name: Make {key}\n  status: todo\n  depends_on: [{needs}]\n  scope: [{key}.txt]\n  validation: test -f {key}.txt\n"
        )
    })
}

fn st(fixture: &Fixture) -> Work {
    let made = fixture.plan("Three", &jobs());
    let path = fixture.repo.join(".step/st-plan.jsonl");
    fs_err::create_dir_all(path.parent().expect("it has one")).expect("a folder");
    fs_err::rename(&made.source, &path).expect("the plan");
    work(path)
}

const HEADER: &str = "id,objective,unit_scope,constraints,invariants,proof_command,delivery_mode,attempt,variant,budget_tier\n";

fn csv(fixture: &Fixture) -> Work {
    let work = document(fixture, "wave.csv", |job| {
        let key = &job.key;
        let header = if key == "a" { HEADER } else { "" };
        format!(
            "{header}{key},Make {key},{key}.txt,,,test -f {key}.txt,commit_first,1,wave,aware\n"
        )
    });
    let deps = fixture.repo.join("deps.csv");
    fs_err::write(deps, "id,depends_on\nc,a;b\n").expect("the table");
    work
}

/// Waits until the agents have said this word so often.
fn wait_for(log: &AgentLog, task: &str, is_meant: impl Fn(&str) -> bool, times: usize) {
    log.wait(&format!("{task} {times} times"), |events| {
        let said = events
            .iter()
            .filter(|event| event.task == task && is_meant(&event.what));
        said.count() >= times
    });
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).expect("it lives");
}

/// All is done, and each task has a commit that has its own file and those of the tasks that it needs.
#[track_caller]
fn assert_committed(fixture: &Fixture, work: &Work, report: &Value, before: &str) {
    assert_eq!(report["state"], "done", "{report:#}");
    let git = |args: &[&str]| fixture.env.must("git", args, &fixture.repo);
    for job in &work.jobs {
        let done = task(report, &job.key);
        assert_eq!(done["state"], "verified", "{done:#}");
        let attempts = done["attempts"].as_array().expect("attempts");
        let verified = |attempt: &&Value| attempt["outcome"] == "verified";
        assert_eq!(attempts.iter().filter(verified).count(), 1, "{done:#}");
        let commit = attempts.last().expect("one")["commit"].as_str();
        let commit = commit.expect("a commit");
        let of = |file: &str| git(&["show", &format!("{commit}:{file}.txt")]);
        assert_eq!(of(&job.key), format!("made by {}\n", job.key));
        for need in &job.needs {
            assert_eq!(of(need), format!("made by {need}\n"));
        }
        assert_eq!(
            attempts.last().expect("one")["changed"],
            json!([format!("{}.txt", job.key)])
        );
    }
    // Nothing was put onto the user's branch or into the working copy.
    assert_eq!(git(&["rev-parse", "HEAD"]), before);
    for job in &work.jobs {
        assert!(!fixture.repo.join(format!("{}.txt", job.key)).exists());
    }
    assert!(report["overlap"]["peak"].as_u64() >= Some(2), "{report:#}");
    fixture.assert_no_process();
}

/// Who is asked when the kills come.
struct Story {
    strategy: Option<&'static str>,
    /// The turn in which `a` and `b` wait, without the number of the ask.
    gated: &'static str,
    agents: u16,
    flags: Vec<String>,
}

/// Kills an agent of `a`, then what drives `a`, then the coordinator, and goes on. Gives the report.
#[track_caller]
fn survives_three_kills(fixture: &Fixture, work: &Work, story: &Story) -> Value {
    let before = fixture
        .env
        .must("git", &["rev-parse", "HEAD"], &fixture.repo);
    configure(fixture, "retries = 3\n");
    let is_gated = |what: &str| match story.strategy {
        Some(_) => what
            .strip_prefix(story.gated)
            .is_some_and(|rest| rest.starts_with('.')),
        None => what == "saw",
    };
    match story.strategy {
        None => fixture.script(work, |job| {
            script::usual(fixture, job, &[script::gate(fixture)])
        }),
        Some(_) => script_roles(fixture, work, |key, turn| {
            (is_gated(turn) && key != "c").then(|| {
                vec![
                    json!({"write_pid": fixture.pid_file("{attempt}")}),
                    script::event(fixture, "saw"),
                    script::gate(fixture),
                    json!({"print": answer(key, turn)}),
                ]
            })
        }),
    }
    let mut args = vec!["--agent", "scripted"];
    if let Some(strategy) = story.strategy {
        args.extend(["--strategy", strategy]);
    }
    args.extend(story.flags.iter().map(String::as_str));
    let coordinator = fixture.start(work, story.agents, &args);
    let at_gate = |task: &str, times: usize| {
        wait_for(&fixture.log, task, |what| what == "saw", times);
    };
    // Both are at work at once: neither goes on before the gate is open.
    at_gate("a", 1);
    at_gate("b", 1);
    let pid_of = |attempt: &str, not: Option<Pid>| {
        let read = || {
            let text = fs_err::read_to_string(fixture.pid_file(attempt)).unwrap_or_default();
            text.parse().ok().and_then(Pid::from_raw)
        };
        let is_other = || read().is_some_and(|pid| Some(pid) != not);
        wait_until("the agent's number", is_other, || coordinator.stderr());
        read().expect("it is there")
    };
    let first = pid_of("a#1", None);
    kill(first);
    at_gate("a", 2);
    // Without a strategy an agent that was killed is an attempt that has ended.
    let attempt = match story.strategy {
        Some(_) => {
            pid_of("a#1", Some(first));
            kill(driver(fixture));
            "a#2"
        }
        None => {
            kill(shim_of(fixture, "a#2"));
            "a#3"
        }
    };
    at_gate("a", 3);
    pid_of(attempt, None);
    coordinator.kill();
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_committed(fixture, work, &report, before.as_str());
    let count = |task: &str, what: &str| {
        let events = fixture.log.events().into_iter();
        events
            .filter(|event| event.task == task && event.what == what)
            .count()
    };
    // What had ended ran once; what was killed ran again.
    match story.strategy {
        Some(_) => {
            for turn in turns() {
                for job in &work.jobs {
                    let may_be = if job.key == "a" && is_gated(&turn) {
                        2
                    } else {
                        1
                    };
                    let found = count(&job.key, &turn);
                    assert!(
                        found <= may_be,
                        "{} was asked {found} times for {turn}",
                        job.key
                    );
                }
            }
            assert_eq!((count("a", "saw"), count("b", "saw")), (3, 1));
        }
        None => {
            assert_eq!(
                [
                    count("a", "start"),
                    count("b", "start"),
                    count("c", "start")
                ],
                [3, 1, 1]
            );
            assert_eq!(
                [count("a", "end"), count("b", "end"), count("c", "end")],
                [1, 1, 1]
            );
        }
    }
    report
}

#[test]
fn a_markdown_list_survives_three_kills_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = markdown(&fixture);
    let story = Story {
        strategy: None,
        gated: "",
        agents: 2,
        flags: vec!["--write".to_owned()],
    };
    let report = survives_three_kills(&fixture, &work, &story);
    assert_eq!(report["source"]["kind"], "list");
    let text = fs_err::read_to_string(&work.source).expect("the list");
    assert_eq!(text.matches("status: done").count(), 3, "{text}");
}

#[test]
fn a_yaml_list_with_patches_survives_three_kills_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = yaml(&fixture);
    let story = Story {
        strategy: Some("patch-first"),
        gated: "patch.1.worker",
        agents: 4,
        flags: vec!["--write".to_owned()],
    };
    let report = survives_three_kills(&fixture, &work, &story);
    assert_eq!(report["source"]["kind"], "list");
    let text = fs_err::read_to_string(&work.source).expect("the list");
    assert_eq!(text.matches("status: done").count(), 3, "{text}");
}

#[test]
fn a_plan_of_st_with_consensus_survives_three_kills_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = st(&fixture);
    let story = Story {
        strategy: Some("consensus"),
        gated: "critique.1.skeptic",
        agents: 10,
        flags: Vec::new(),
    };
    let report = survives_three_kills(&fixture, &work, &story);
    assert_eq!(report["source"]["kind"], "st");
    assert!(
        fixture
            .tasks(&work)
            .values()
            .all(|(status, _)| status == "closed")
    );
    let votes = task(&report, "c")["attempts"][0]["turns"].to_string();
    assert_eq!(votes.matches("vote: agree").count(), 5, "{votes}");
}

#[test]
fn a_wave_csv_with_a_pipeline_survives_three_kills_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = csv(&fixture);
    let path = |name: &str| fixture.repo.join(name).display().to_string();
    let story = Story {
        strategy: Some("pipeline"),
        gated: "patch.1.coder",
        agents: 2,
        flags: vec![
            "--output-csv".to_owned(),
            path("out.csv"),
            "--deps-csv".to_owned(),
            path("deps.csv"),
        ],
    };
    let report = survives_three_kills(&fixture, &work, &story);
    assert_eq!(report["source"]["kind"], "csv");
    let bytes = fs_err::read(fixture.repo.join("out.csv")).expect("the output");
    let (table, problems) = mesh_plan::csv::Table::read(&bytes);
    assert_eq!(problems, []);
    let column = |name: &str| table.column(name).expect("the column");
    let (status, result) = (column("status"), column("result_json"));
    for (row, key) in table.rows.iter().zip(["a", "b", "c"]) {
        assert_eq!(
            (row[0].text.as_str(), row[status].text.as_str()),
            (key, "completed")
        );
        let result: Value = serde_json::from_str(&row[result].text).expect("JSON");
        assert_eq!(result["decision"], "accept", "{result:#}");
    }
    assert_eq!(table.rows.len(), 3);
}

/// The first worker of `a` never answers; the second one does, and the first is ended.
#[test]
fn the_first_usable_patch_wins_and_the_loser_is_ended_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = markdown(&fixture);
    configure(&fixture, "[strategies.patch-first]\nsoft_limit = \"1s\"\n");
    let never = fixture.marks().join("never");
    script_roles(&fixture, &work, |key, turn| {
        if key != "a" {
            return None;
        }
        match turn {
            "patch.1.worker.1" => Some(vec![
                json!({"write_pid": fixture.pid_file("loser")}),
                json!({"wait_for": never}),
            ]),
            // Not before the first one is at work.
            "patch.2.worker.1" => Some(vec![
                json!({"wait_for": fixture.pid_file("loser")}),
                json!({"print": answer(key, turn)}),
            ]),
            _ => None,
        }
    });
    let before = fixture
        .env
        .must("git", &["rev-parse", "HEAD"], &fixture.repo);
    let args = ["--agent", "scripted", "--strategy", "patch-first"];
    let report = fixture.start(&work, 4, &args).wait().exits(0).object();
    assert_committed(&fixture, &work, &report, &before);
    let attempts = task(&report, "a")["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 1);
    let turns = attempts[0]["turns"].as_array().expect("turns");
    let outcome = |name: &str| {
        let turn = turns.iter().find(|turn| turn["turn"] == name);
        turn.unwrap_or_else(|| panic!("no {name} in {turns:#?}"))["outcome"].clone()
    };
    assert_eq!(outcome("patch.2.worker.1"), "answered");
    assert_eq!(outcome("patch.1.worker.1"), "superseded");
    let loser = fixture.pid("loser");
    assert!(
        rustix::process::test_kill_process(loser).is_err(),
        "it lives on"
    );
}
