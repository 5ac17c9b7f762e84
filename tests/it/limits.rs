//! Limits of providers and budgets. A stand-in has a quota of its own: its first call uses that up, and it refuses until the moment that it
//! names then.

use serde_json::Value;

use crate::fixture::{Fixture, Job, ST_GIT, Work, job, task};
use crate::log::wait_until;

use super::known_agents::install;

/// A program that refuses for `seconds` from its first call on, and says until when; it notes each call.
fn with_quota(fixture: &Fixture, name: &str, seconds: u64) -> String {
    let marks = fixture.marks();
    let (quota, calls) = (
        marks.join(format!("{name}.quota")),
        marks.join(format!("{name}.calls")),
    );
    let text = format!(
        r#"cat > /dev/null
(set -C; echo $(($(date +%s) + {seconds})) > '{quota}') 2> /dev/null
until=$(cat '{quota}')
if [ "$(date +%s)" -lt "$until" ]; then
    echo "refused $MESH_ATTEMPT" >> '{calls}'
    echo "usage limit reached, resets_at=$until" >&2
    exit 1
fi
echo "served $MESH_ATTEMPT" >> '{calls}'
echo done > "$MESH_TASK.txt"
printf 'PR: none\nVerify: test -f %s.txt\nChanged: %s.txt\nBlockers: none\n' "$MESH_TASK" "$MESH_TASK"
"#,
        quota = quota.display(),
        calls = calls.display(),
    );
    let script = fixture.env.dir().join(format!("{name}.sh"));
    fs_err::write(&script, text).expect("a script");
    format!("[agents.{name}]\ncommand = \"sh {}\"\n", script.display())
}

/// How often the program was called and refused, or served.
fn calls(fixture: &Fixture, name: &str, what: &str) -> usize {
    let calls = fixture.marks().join(format!("{name}.calls"));
    let text = fs_err::read_to_string(calls).unwrap_or_default();
    text.lines().filter(|line| line.starts_with(what)).count()
}

fn many(fixture: &Fixture, count: usize) -> Work {
    let jobs: Vec<Job> = (1..=count)
        .map(|at| job(&format!("t{at:03}"), &[]))
        .collect();
    fixture.plan("Many", &jobs)
}

/// Every task is verified; attempts that ended on a limit are all that came to nothing, and nothing is charged for them.
fn assert_all_verified(report: &Value, refused: usize) {
    let tasks = report["tasks"].as_array().expect("tasks");
    let attempts = tasks.iter().flat_map(|task| {
        assert_eq!(task["state"], "verified", "{task:#}");
        task["attempts"].as_array().expect("attempts")
    });
    let outcomes = attempts.map(|attempt| attempt["outcome"].as_str().expect("an outcome"));
    let other: Vec<&str> = outcomes.filter(|outcome| *outcome != "verified").collect();
    assert_eq!(other, vec!["limit"; refused]);
}

#[test]
fn a_quota_that_is_gone_fails_no_task_of_a_hundred_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    fixture.configure(&with_quota(&fixture, "one", 3));
    let work = many(&fixture, 100);
    let report = fixture.run(&work, 4, &["--agent", "one"]).exits(0).object();
    let refused = calls(&fixture, "one", "refused");
    // Nothing started after the first answers, and the one that was to show that it is over was served.
    assert!((1..=4).contains(&refused), "{refused} were refused");
    assert_eq!(calls(&fixture, "one", "served"), 100);
    assert_all_verified(&report, refused);
}

#[test]
fn a_run_that_is_killed_while_it_waits_goes_on_at_the_same_time_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    fixture.configure(&with_quota(&fixture, "one", 6));
    let work = many(&fixture, 6);
    let coordinator = fixture.start(&work, 2, &["--agent", "one"]);
    let refused = || calls(&fixture, "one", "refused");
    wait_until(
        "a refusal",
        || refused() > 0 || calls(&fixture, "one", "served") > 0,
        || coordinator.stderr(),
    );
    coordinator.kill();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert!((1..=2).contains(&refused()), "{} were refused", refused());
    assert_all_verified(&report, refused());
}

#[test]
fn the_other_agent_works_on_and_why_names_the_limit_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let config = [
        "agent = [\"one\", \"two\"]\n",
        &with_quota(&fixture, "one", 86_400),
        &with_quota(&fixture, "two", 0),
    ];
    fixture.configure(&config.concat());
    let work = many(&fixture, 12);
    let report = fixture
        .run(&work, 3, &["--agent", "one,two"])
        .exits(0)
        .object();
    let refused = calls(&fixture, "one", "refused");
    assert!((1..=3).contains(&refused), "{refused} were refused");
    assert_eq!(calls(&fixture, "two", "served"), 12);
    assert_all_verified(&report, refused);
    let limit = &report["limits"][0];
    assert_eq!(limit["account"], "one", "{report:#}");
    assert!(limit["until"].is_string(), "{limit}");
    let last = task(&report, "t001")["attempts"]
        .as_array()
        .and_then(|all| all.last().cloned());
    assert_eq!(last.expect("an attempt")["agent"], "two");
}

#[test]
fn the_other_of_two_agents_works_on_with_a_hundred_tasks_queued_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let agents = [
        with_quota(&fixture, "one", 4),
        with_quota(&fixture, "two", 0),
        with_quota(&fixture, "three", 0),
    ];
    fixture.configure(&agents.concat());
    // Ten wait for the agent that is out, ten name one that the run would not have otherwise, the others take who may be used.
    let named = |at: usize| match at % 10 {
        1 => job(&format!("t{at:03}"), &[]).agent("one"),
        2 => job(&format!("t{at:03}"), &[]).agent("one, three"),
        _ => job(&format!("t{at:03}"), &[]),
    };
    let jobs: Vec<Job> = (1..=100).map(named).collect();
    let work = fixture.plan("Many", &jobs);
    let both = ["--agent", "one", "--agent", "two"];
    let report = fixture.run(&work, 4, &both).exits(0).object();
    let refused = calls(&fixture, "one", "refused");
    assert!((1..=4).contains(&refused), "{refused} were refused");
    let served = |name: &str| calls(&fixture, name, "served");
    assert_eq!(served("one") + served("two") + served("three"), 100);
    assert!(served("one") >= 10, "{}", served("one"));
    assert_all_verified(&report, refused);
    for job in &jobs {
        let attempts = task(&report, &job.key)["attempts"].as_array().cloned();
        let last = attempts.and_then(|all| all.last().cloned()).expect("one");
        let agent = last["agent"].as_str().expect("a name");
        let may = match &job.agent {
            Some(names) => names.contains(agent),
            None => agent != "three",
        };
        assert!(may, "{} was worked by {agent}", job.key);
    }
}

#[test]
fn agents_that_nobody_has_are_refused_all_at_once_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    fixture.configure(&with_quota(&fixture, "one", 0));
    let jobs = [
        job("a", &[]).agent("clade"),
        job("b", &[]).agent("one, nobody"),
    ];
    let work = fixture.plan("Wrong", &jobs);
    let refused = fixture.run(&work, 2, &["--agent", "one"]);
    let said = refused.stderr.clone();
    refused.ends(10);
    for part in [
        "there is no agent clade (did you mean claude?)",
        "there is no agent nobody",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(calls(&fixture, "one", "served"), 0);
}

#[test]
fn a_run_that_waits_says_so_and_can_be_stopped_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    fixture.configure(&with_quota(&fixture, "one", 86_400));
    let work = many(&fixture, 4);
    let coordinator = fixture.start(&work, 2, &["--agent", "one"]);
    let why = || {
        let said = fixture.mesh(&["why", "t004", "--json"]);
        said.stdout
    };
    wait_until(
        "the limit is told",
        || why().contains("the provider's limit of account one is reached"),
        why,
    );
    fixture.mesh(&["stop"]).ends(0);
    let report = coordinator.wait().exits(21).object();
    let states: Vec<&Value> = report["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| &task["state"])
        .collect();
    assert_eq!(states, vec!["held"; 4]);
}

#[test]
fn a_budget_ends_a_run_and_a_higher_one_goes_on_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let jobs = ["a", "b", "c", "d"].map(|key| job(key, &[]).proof("test -f hello.txt"));
    let work = fixture.plan("Four", &jobs);
    install(
        &fixture,
        "claude",
        "echo hello > hello.txt",
        "claude-2.1.332-first",
    );
    let args = ["--agent", "claude", "--allow-serial", "--max-cost", "0.005"];
    let report = fixture.run(&work, 1, &args).exits(23).object();
    let verified = |report: &Value| {
        let tasks = report["tasks"].as_array().expect("tasks");
        tasks
            .iter()
            .filter(|task| task["state"] == "verified")
            .count()
    };
    // The second one brought it over the bound.
    assert_eq!(verified(&report), 2, "{report:#}");
    assert_eq!(report["usage"]["cost_usd"], 0.00618);
    let report = fixture
        .mesh(&["resume", "--max-cost", "1", "--json"])
        .exits(0)
        .object();
    assert_eq!(verified(&report), 4, "{report:#}");
    assert_eq!(report["usage"]["cost_usd"], 0.01236);
    assert_eq!(report["usage"]["tokens"]["output"], 280);
}
