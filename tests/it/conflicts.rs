//! Results that do not go together: at a landing, under a task that needs both, in the user's own working copy.

use serde_json::{Value, json};

use crate::fixture::{
    Backends, Fixture, Job, ST_JJ, Vcs, Work, job, on_each_vcs, on_main_backends, task,
};
use crate::script;
use crate::snapshot;

on_main_backends!(a_result_that_conflicts_with_what_landed_is_kept);
on_each_vcs!(
    what_needs_a_result_that_did_not_land_is_not_landed,
    a_target_that_is_not_there_is_refused,
    needs_that_conflict_are_the_agents_to_solve,
    a_conflict_that_an_agent_leaves_is_no_result,
    needs_that_conflict_are_refused_when_that_is_wanted,
);

/// `a` and `b` say different things in one line of a file that is there; others do what `rest` says.
pub fn rivals(
    backends: Backends,
    jobs: &[Job],
    rest: impl Fn(&Fixture, &Job) -> Value,
) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let work = fixture.plan("Rivals", jobs);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" | "b" => script::usual(&fixture, job, &[says(&job.key)]),
        _ => rest(&fixture, job),
    });
    Some((fixture, work))
}

pub fn says(text: &str) -> Value {
    json!({"write": {"path": "README.md", "text": format!("{text}\n")}})
}

/// The file as a commit has it.
pub fn readme(fixture: &Fixture, commit: &str) -> String {
    match fixture.backends.vcs {
        Vcs::Git => fixture.env.must(
            "git",
            &["show", &format!("{commit}:README.md")],
            &fixture.repo,
        ),
        Vcs::Jj => {
            let args = [
                "--ignore-working-copy",
                "--no-pager",
                "file",
                "show",
                "-r",
                commit,
                "README.md",
            ];
            fixture.env.must("jj", &args, &fixture.repo)
        }
    }
}

/// A branch or bookmark that is nowhere checked out.
pub fn make_target(fixture: &Fixture) {
    match fixture.backends.vcs {
        Vcs::Git => fixture.env.must("git", &["branch", "trunk"], &fixture.repo),
        Vcs::Jj => fixture.env.must(
            "jj",
            &["bookmark", "create", "trunk", "-r", "@-"],
            &fixture.repo,
        ),
    };
}

fn a_result_that_conflicts_with_what_landed_is_kept(backends: Backends) {
    let jobs = [job("a", &[]), job("b", &[])];
    let Some((fixture, work)) = rivals(backends, &jobs, |_, _| json!([])) else {
        return;
    };
    make_target(&fixture);
    fixture.configure("land = \"trunk\"\nretries = 0\n[tracker]\nclose = \"landed\"\n");
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    let of = |key: &str| task(&report, work.id(key));
    let (landed, lost): (Vec<&str>, Vec<&str>) = ["a", "b"]
        .into_iter()
        .partition(|key| of(key)["state"] == "landed");
    let (&[winner], &[loser]) = (&landed[..], &lost[..]) else {
        panic!("{report:#}");
    };
    assert_eq!(of(loser)["state"], "verified", "{report:#}");
    let wanted = "not landed: conflicts with trunk in README.md";
    let reason = of(loser)["reason"].as_str().expect("a reason");
    assert!(reason.contains(wanted), "{reason}");
    let said = fixture.mesh(&["report"]).exits(0);
    assert!(said.stdout.contains(wanted), "{}", said.stdout);
    // Both results are there, and the target has the one.
    assert_eq!(readme(&fixture, "trunk"), format!("{winner}\n"));
    for key in ["a", "b"] {
        let commit = of(key)["attempts"][0]["commit"].as_str();
        let commit = commit.expect("a commit");
        assert_eq!(readme(&fixture, commit), format!("{key}\n"));
    }
    if fixture.tracker.is_some() {
        let comments = fixture.comments(&work, loser).concat();
        assert!(comments.contains(wanted), "{comments}");
        let tasks = fixture.tasks(&work);
        assert_eq!(tasks[work.id(winner)].0, "closed");
        assert_eq!(tasks[work.id(loser)], ("open".to_owned(), None));
    }
    fixture.assert_nothing_left(&work);
}

/// The target never holds what stands on work that it does not hold.
fn what_needs_a_result_that_did_not_land_is_not_landed(backends: Backends) {
    let jobs = [
        job("a", &[]),
        job("b", &[]),
        job("c", &["a"]),
        job("d", &["b"]),
    ];
    let steps = |fixture: &Fixture, job: &Job| script::usual(fixture, job, &[]);
    let Some((fixture, work)) = rivals(backends, &jobs, steps) else {
        return;
    };
    make_target(&fixture);
    fixture.configure("land = \"trunk\"\nretries = 0\n");
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    let state = |key: &str| task(&report, work.id(key))["state"].clone();
    assert_ne!(state("a"), state("b"), "{report:#}");
    for (need, key) in [("a", "c"), ("b", "d")] {
        assert_eq!(state(need), state(key), "{report:#}");
        if state(need) == "verified" {
            let reason = task(&report, work.id(key))["reason"].to_string();
            let wanted = format!("{need}, which it needs, is not landed");
            assert!(reason.contains(&wanted), "{reason}");
        }
    }
    fixture.assert_nothing_left(&work);
}

fn a_target_that_is_not_there_is_refused(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let said = fixture.run(&work, 2, &["--land", "nowhere"]).exits(2);
    assert!(
        said.stderr
            .contains("`nowhere` does not exist: make it with"),
        "{}",
        said.stderr
    );
    assert_eq!(fixture.runs().len(), 0);
    // On git, nothing could land on what a working copy stands on, however well the night goes.
    if fixture.backends.vcs == Vcs::Git {
        let said = fixture.run(&work, 2, &["--land", "main"]).exits(2);
        assert!(
            said.stderr
                .contains("nothing could be landed on main: it is checked out in"),
            "{}",
            said.stderr
        );
        assert_eq!(fixture.runs().len(), 0);
    }
}

fn needs_that_conflict_are_the_agents_to_solve(backends: Backends) {
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a", "b"])];
    let steps = |fixture: &Fixture, job: &Job| {
        let prompt = json!({"copy_stdin": fixture.marks().join("prompt")});
        let marked = json!({"run": ["grep", "-q", "<<<<<<<", "README.md"]});
        script::then(
            json!([prompt, marked, says("both")]),
            &script::usual(fixture, job, &[]),
        )
    };
    let Some((fixture, work)) = rivals(backends, &jobs, steps) else {
        return;
    };
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    crate::epic::assert_done(&fixture, &work, &report);
    let prompt = fs_err::read_to_string(fixture.marks().join("prompt")).expect("the prompt");
    assert!(
        prompt.contains("README.md") && prompt.contains("conflict"),
        "{prompt}"
    );
    let commit = task(&report, "c")["attempts"][0]["commit"]
        .as_str()
        .expect("a commit")
        .to_owned();
    assert_eq!(readme(&fixture, &commit), "both\n");
}

fn a_conflict_that_an_agent_leaves_is_no_result(backends: Backends) {
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a", "b"])];
    let Some((fixture, work)) = rivals(backends, &jobs, |fixture, job| {
        script::usual(fixture, job, &[])
    }) else {
        return;
    };
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    conflicted(&fixture, &report, &["conflict", "conflict"]);
}

fn needs_that_conflict_are_refused_when_that_is_wanted(backends: Backends) {
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a", "b"])];
    let Some((fixture, work)) = rivals(backends, &jobs, |fixture, job| {
        script::usual(fixture, job, &[])
    }) else {
        return;
    };
    fixture.configure("base_conflict = \"fail\"\n");
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    conflicted(&fixture, &report, &["conflict", "conflict"]);
    assert_eq!(fixture.log.attempts("start").len(), 2, "c began");
}

/// `c` failed for the conflict, and what it needs is as it was.
#[track_caller]
fn conflicted(fixture: &Fixture, report: &Value, outcomes: &[&str]) {
    let c = task(report, "c");
    assert_eq!(c["state"], "failed", "{report:#}");
    let attempts = c["attempts"].as_array().expect("attempts");
    let found: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt["outcome"].as_str().unwrap_or("none"))
        .collect();
    assert_eq!(found, outcomes, "{report:#}");
    assert!(
        c["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("README.md")),
        "{c:#}"
    );
    for key in ["a", "b"] {
        assert_eq!(task(report, key)["state"], "verified", "{report:#}");
        let commit = task(report, key)["attempts"][0]["commit"]
            .as_str()
            .expect("a commit");
        assert_eq!(readme(fixture, commit), format!("{key}\n"));
    }
    fixture.assert_no_process();
}

/// An agent that merges by itself and leaves the conflict where it is.
#[test]
fn a_conflict_of_the_agents_own_making_is_no_result_st_jj_0_45_1() {
    let Some(fixture) = ST_JJ.open() else { return };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    let merge = "echo one > README.md; jj describe -m one; jj new @- -m two; echo two > README.md; \
                 jj new 'description(exact:\"one\\n\")' @ -m both; grep -q '<<<<<<<' README.md";
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&fixture, job, &[json!({"run": ["sh", "-c", merge]})]),
        _ => script::usual(&fixture, job, &[]),
    });
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    let a = task(&report, "a");
    assert_eq!(a["attempts"][1]["outcome"], "conflict", "{report:#}");
    assert!(
        a["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("README.md")),
        "{a:#}"
    );
    assert_eq!(task(&report, "b")["state"], "verified", "{report:#}");
    fixture.assert_no_process();
}

/// The user is in the middle of a merge: that is the user's, and the run stands on what is below it.
#[test]
fn a_conflict_in_the_users_working_copy_is_left_alone_st_jj_0_45_1() {
    let Some(fixture) = ST_JJ.open() else { return };
    let jj = |args: &[&str]| fixture.env.must("jj", args, &fixture.repo);
    for text in ["one", "two"] {
        jj(&["new", "main", "-m", text]);
        fs_err::write(fixture.repo.join("README.md"), format!("{text}\n")).expect("a file");
    }
    jj(&["rebase", "-r", "@", "-d", "description(exact:\"one\\n\")"]);
    let before = fs_err::read_to_string(fixture.repo.join("README.md")).expect("a file");
    assert!(before.contains("<<<<<<<"), "{before}");
    let snapshot = snapshot::of(&fixture);
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let said = fixture.run(&work, 2, &[]).exits(0);
    assert!(
        said.stderr.contains("the working copy has conflicts"),
        "{}",
        said.stderr
    );
    crate::epic::assert_done(&fixture, &work, &said.object());
    assert_eq!(snapshot, snapshot::of(&fixture));
}
