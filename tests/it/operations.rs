//! Agents that use jj's operation log, which all workspaces of a repository share: through what they find as `jj` they are refused,
//! and what one does with the real jj by its path costs no other a file or a result.

use mesh_testkit::tools;
use serde_json::{Value, json};

use crate::fixture::{Backends, Fixture, Work, job, task};
use crate::script;

macro_rules! on_jj {
    ($($story:ident),* $(,)?) => {
        mod st_over_jj_0_45_1 {
            $(#[test] fn $story() { super::$story(crate::fixture::ST_JJ); })*
        }
    };
}

on_jj!(
    the_rail_refuses_and_says_what_to_do,
    an_undo_by_path_costs_a_sibling_nothing,
    an_op_restore_by_path_costs_nobody_anything,
    a_workspace_that_was_forgotten_is_recorded,
    what_reaches_beyond_a_workspace_is_the_doing_of_one,
    kept_workspaces_are_listed_and_removed_after_an_op_restore,
);

/// The real jj by its path, past the rail.
fn real_jj() -> String {
    let path = tools::path_in_cache("jj", tools::JJ_VERSION);
    path.to_str().expect("plain text").to_owned()
}

fn shell(script: &str) -> Value {
    json!({"run": ["/bin/sh", "-c", script]})
}

/// Tells the others that something has happened.
fn say(fixture: &Fixture, what: &str) -> Value {
    json!({"touch": fixture.marks().join(what)})
}

fn hear(fixture: &Fixture, what: &str) -> Value {
    json!({"wait_for": fixture.marks().join(what)})
}

fn operation(fixture: &Fixture) -> String {
    let args = [
        "--ignore-working-copy",
        "op",
        "log",
        "--no-graph",
        "-n",
        "1",
        "-T",
        "id",
    ];
    fixture
        .env
        .must("jj", &args, &fixture.repo)
        .trim()
        .to_owned()
}

/// All of `keys` are verified at the first attempt, and each result holds its file.
#[track_caller]
fn verified_at_once(fixture: &Fixture, work: &Work, report: &Value, keys: &[&str]) {
    for key in keys {
        let done = task(report, work.id(key));
        assert_eq!(done["state"], "verified", "{done:#}");
        assert_eq!(
            done["attempts"].as_array().expect("attempts").len(),
            1,
            "{done:#}"
        );
        let commit = done["attempts"][0]["commit"].as_str().expect("a commit");
        let file = format!("{commit}:{key}.txt");
        let text = fixture.env.must("git", &["show", &file], &fixture.repo);
        assert_eq!(text, format!("made by {key}\n"));
    }
}

fn the_rail_refuses_and_says_what_to_do(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.env.must(
        "jj",
        &["config", "set", "--repo", "aliases.back", "['undo']"],
        &fixture.repo,
    );
    let said = fixture.marks().join("said");
    fixture.script(&work, |job| {
        let calls = format!(
            "for call in undo 'op restore @' back '--quiet workspace forget' 'git push'; do jj $call 2>>'{0}'; echo \"code $?\" >>'{0}'; done; jj log -r @ >/dev/null && jj st",
            said.display()
        );
        let calls: &[Value] = if job.key == "a" { &[shell(&calls)] } else { &[] };
        script::usual(&fixture, job, calls)
    });
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    verified_at_once(&fixture, &work, &report, &["a", "b"]);
    let said = fs_err::read_to_string(said).expect("the agent tried");
    assert_eq!(said.matches("code 77\n").count(), 5, "{said}");
    assert_eq!(said.lines().count(), 10, "one line each: {said}");
    assert!(
        said.contains("mesh-jj: refused (undo)") && said.contains("jj restore"),
        "{said}"
    );
    fixture.assert_nothing_left(&work);
}

/// `a` does `harm` with the real jj after `b` has work that jj has seen; `b` goes on, and looks that its files are there.
fn harmed(fixture: &Fixture, harm: &str) -> Work {
    let jobs = [job("a", &[]), job("b", &[]), job("after", &["a", "b"])];
    let work = fixture.plan("Harm", &jobs);
    let harm = harm.replace("JJ", &real_jj());
    fixture.script(&work, |job| {
        let steps = match job.key.as_str() {
            // What the culprit's own attempt comes to is its own affair; the next one does no harm.
            "a" => vec![
                shell("jj st"),
                say(fixture, "ready"),
                hear(fixture, "recorded"),
                // The sandbox may refuse the last of it.
                shell(&format!("({harm}) || true")),
                say(fixture, "done"),
            ],
            "b" => vec![
                hear(fixture, "ready"),
                json!({"write": {"path": "b.txt", "text": "made by b\n"}}),
                shell("jj st"),
                say(fixture, "recorded"),
                hear(fixture, "done"),
                // It may fail: the workspace is stale. What is on disk stays.
                shell("jj st; test -s b.txt"),
            ],
            _ => Vec::new(),
        };
        json!({"1": script::usual(fixture, job, &steps), "*": script::usual(fixture, job, &[])})
    });
    work
}

fn an_undo_by_path_costs_a_sibling_nothing(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    // jj refuses to undo a merge of operations, which the coordinator's own calls beside those of agents may have left.
    let work = harmed(&fixture, "JJ undo || JJ st");
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    verified_at_once(&fixture, &work, &report, &["b", "after"]);
    let of_b = &task(&report, work.id("b"))["attempts"][0]["noticed"];
    assert!(!of_b.to_string().contains("took back"), "{of_b}");
    fixture.assert_nothing_left(&work);
}

fn an_op_restore_by_path_costs_nobody_anything(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let before = operation(&fixture);
    // The culprit's own workspace is gone from the view with the others.
    let work = harmed(&fixture, &format!("JJ op restore {before}"));
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    verified_at_once(&fixture, &work, &report, &["a", "b", "after"]);
    fixture.assert_nothing_left(&work);
}

fn a_workspace_that_was_forgotten_is_recorded(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = harmed(
        &fixture,
        "JJ workspace forget $(JJ workspace list -T 'name ++ \"\\n\"' | tr -d '\"' | grep '+b+')",
    );
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    verified_at_once(&fixture, &work, &report, &["a", "b", "after"]);
    fixture.assert_nothing_left(&work);
}

/// Three agents at once; what one does to bookmarks and to the user's own workspace is said of it alone, and bookmarks are put back.
fn what_reaches_beyond_a_workspace_is_the_doing_of_one(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let user = |args: &[&str]| fixture.env.must("jj", args, &fixture.repo);
    user(&["bookmark", "create", "one", "two", "-r", "@-"]);
    let bookmarks = ["--ignore-working-copy", "bookmark", "list", "one", "two"];
    let before = user(&bookmarks);
    let work = harmed(
        &fixture,
        "JJ bookmark set one -r @ --allow-backwards && JJ bookmark delete two && JJ workspace forget default",
    );
    // With the sandbox the last one is refused.
    let report = fixture.run(&work, 2, &["--sandbox", "off"]);
    let report = report.exits(0).object();
    verified_at_once(&fixture, &work, &report, &["a", "b", "after"]);
    let noticed = |key: &str| task(&report, work.id(key))["attempts"][0]["noticed"].clone();
    let of_a = noticed("a").to_string();
    for sentence in [
        "branch one moved from",
        "branch one was put back",
        "branch two was deleted",
        "branch two was put back",
        "worktree default was removed",
        "op revert",
    ] {
        assert!(of_a.contains(sentence), "{sentence}: {of_a}");
    }
    assert_eq!(noticed("b"), json!([]));
    assert_eq!(noticed("after"), json!([]));
    assert_eq!(user(&bookmarks), before);
}

fn kept_workspaces_are_listed_and_removed_after_an_op_restore(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let before = operation(&fixture);
    let work = fixture.plan("Kept", &[job("a", &[]), job("b", &[]).proof("false")]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    drop(fixture.run(&work, 2, &[]).exits(20));
    let listed = fixture.mesh(&["workspaces"]).exits(0).stdout;
    assert!(listed.contains("b"), "{listed}");
    fixture
        .env
        .must("jj", &["op", "restore", &before], &fixture.repo);
    let after = fixture.mesh(&["workspaces"]).exits(0).stdout;
    assert_eq!(after, listed, "the same folders are there");
    drop(fixture.mesh(&["clean", "--yes"]).exits(0));
    let left = fs_err::read_dir(fixture.workspaces()).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}
