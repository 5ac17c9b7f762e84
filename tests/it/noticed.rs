//! What agents leave in the repository that everybody shares is in the report, and what could run in calls of mesh is not used.

use serde_json::{Value, json};

use crate::fixture::{Backends, Fixture, ST_GIT, Work, job, on_each_vcs, task};
use crate::log::wait_until;
use crate::script;

on_each_vcs!(results_survive_an_agent_that_deletes_refs_and_collects);

/// One task whose agent runs `command` beside its work.
fn one(command: &str) -> (Fixture, Work) {
    let fixture = ST_GIT.open().expect("git and fakes are there");
    let work = fixture.plan("One", &[job("a", &[])]);
    fixture.script(&work, |job| {
        let shell = json!({"run": ["sh", "-c", command]});
        script::usual(&fixture, job, &[shell])
    });
    (fixture, work)
}

#[test]
fn what_an_agent_leaves_in_the_store_is_reported_st_git() {
    let (fixture, work) = one(
        "cd \"$MESH_ROOT\" && git branch agents-branch && git config user.email secret@example.org && echo x > tmp && git stash push -q -u -- tmp",
    );
    let said = fixture
        .run(&work, 1, &["--allow-serial", "--sandbox", "off"])
        .exits(0);
    let noticed = task(&said.object(), work.id("a"))["attempts"][0]["noticed"].to_string();
    let report = fixture.mesh(&["report"]).exits(0).stdout;
    for sentence in [
        "branch agents-branch was made at",
        "config user.email was",
        "stash entry added",
    ] {
        assert!(noticed.contains(sentence), "{noticed}");
        assert!(
            report.contains(&format!("    while it ran: {sentence}")),
            "{report}"
        );
    }
    assert!(
        !noticed.contains("secret") && !report.contains("secret"),
        "{report}"
    );
}

/// What it does in the repository of its workspace is its own: nothing of it is the user's, and what of its work is left there and
/// not in its result is named.
#[test]
fn what_an_agent_leaves_in_its_own_repository_is_reported_st_git() {
    let (fixture, work) = one(
        "git branch idle && git config user.email secret@example.org && echo x > tmp && git stash push -q -u -m later -- tmp && \
         git update-ref refs/heads/aside $(git commit-tree -m aside HEAD^{tree})",
    );
    let before = fixture.env.must("git", &["for-each-ref"], &fixture.repo);
    let said = fixture.run(&work, 1, &["--allow-serial"]).exits(0);
    let noticed = task(&said.object(), work.id("a"))["attempts"][0]["noticed"].to_string();
    for sentence in ["it left aside at ", "it left a stash entry", "later"] {
        assert!(noticed.contains(sentence), "{noticed}");
    }
    for silent in ["idle", "secret", "config"] {
        assert!(!noticed.contains(silent), "{noticed}");
    }
    let refs = fixture.env.must("git", &["for-each-ref"], &fixture.repo);
    let of_people: Vec<&str> = refs
        .lines()
        .filter(|line| !line.contains("refs/mesh/"))
        .collect();
    assert_eq!(of_people, before.lines().collect::<Vec<_>>());
}

/// A run without anything to say says nothing, also where the plan file, the journal and the workspaces lie in the repository.
#[test]
fn what_mesh_writes_itself_is_no_news_st_git() {
    let (fixture, work) = one("true");
    let said = fixture
        .run(&work, 1, &["--allow-serial", "--sandbox", "off"])
        .exits(0);
    let attempt = task(&said.object(), work.id("a"))["attempts"][0].clone();
    assert_eq!(attempt["noticed"], json!([]), "{attempt}");
}

/// The filter would be run by `git add`, outside of everything that holds an agent.
#[test]
fn a_planted_filter_is_named_and_does_not_run_st_git() {
    let (fixture, work) = one(
        "git -C \"$MESH_ROOT\" config filter.x.clean 'touch \"$HOME/ran\"; cat' && echo '*.txt filter=x' > .gitattributes",
    );
    let said = fixture
        .run(&work, 1, &["--allow-serial", "--sandbox", "off"])
        .exits(21);
    let object = said.object();
    let found = task(&object, work.id("a"));
    assert_ne!(found["state"], "verified", "{found}");
    // What it left waits in its workspace until the configuration is as it was.
    let reason = found["reason"].to_string();
    assert!(
        reason.contains("filter.x.clean") && reason.contains(".git/config"),
        "{found}"
    );
    let noticed = found["attempts"][0]["noticed"].to_string();
    assert!(noticed.contains("config filter.x.clean was set"), "{found}");
    assert!(!fixture.env.home().join("ran").exists());
}

/// What it says there would be run for every task of the next run.
#[test]
fn a_planted_configuration_of_mesh_is_named_st_git() {
    let (fixture, work) = one(
        "mkdir -p \"$MESH_ROOT/.mesh\" && printf '[workspace]\\nsetup = \"true\"\\n' > \"$MESH_ROOT/.mesh/config.toml\"",
    );
    let said = fixture
        .run(&work, 1, &["--allow-serial", "--sandbox", "off"])
        .exits(0);
    let noticed = task(&said.object(), work.id("a"))["attempts"][0]["noticed"].to_string();
    assert!(
        noticed.contains(".mesh/config.toml was changed"),
        "{noticed}"
    );
}

/// Nobody claimed it and no proof needs it; it goes with the workspace all the same.
#[test]
fn what_no_commit_holds_is_named_st_git() {
    let (fixture, work) = one(
        "echo /build/ > .gitignore && mkdir -p build/deep node_modules && touch build/a build/deep/b node_modules/c",
    );
    let said = fixture
        .run(&work, 1, &["--allow-serial", "--sandbox", "off"])
        .exits(0);
    let attempt = task(&said.object(), work.id("a"))["attempts"][0].clone();
    let expected = json!("the agent wrote files that no commit holds: build/ (2 files)");
    let noticed = attempt["noticed"].as_array().expect("a list");
    assert!(noticed.contains(&expected), "{attempt}");
}

/// An agent tidies up what it does not know: the result of its sibling, whose workspace is gone, must not go with it.
fn results_survive_an_agent_that_deletes_refs_and_collects(backends: Backends) {
    for how in ["delete %(refname)", "update %(refname) BASE"] {
        let Some(fixture) = backends.open() else {
            return;
        };
        let base = fixture
            .env
            .must("git", &["rev-parse", "HEAD"], &fixture.repo);
        let how = how.replace("BASE", base.trim());
        let harm = format!(
            "cd \"$MESH_ROOT\" && git for-each-ref --format='{how}' refs/mesh | git update-ref --stdin && git reflog expire --expire=now --all && git gc -q --prune=now"
        );
        let work = fixture.plan("Two", &[job("a", &[]), job("b", &[]), job("c", &["b"])]);
        fixture.script(&work, |job| {
            let harm = [script::gate(&fixture), json!({"run": ["sh", "-c", harm]})];
            let steps: &[Value] = if job.key == "a" { &harm } else { &[] };
            script::usual(&fixture, job, steps)
        });
        let coordinator = fixture.start(&work, 2, &["--sandbox", "off"]);
        wait_until(
            "c to be written down",
            || fixture.tasks(&work)["c"].0 == "closed",
            || coordinator.stderr(),
        );
        fixture.open_gate();
        let report = coordinator.wait().exits(0).object();
        for key in ["b", "c"] {
            let commit = task(&report, key)["attempts"][0]["commit"].clone();
            let file = format!("{}:{key}.txt", commit.as_str().expect("a commit"));
            fixture.env.must("git", &["show", &file], &fixture.repo);
        }
        let refs = ["for-each-ref", "--format=%(objectname)", "refs/mesh"];
        let refs = fixture.env.must("git", &refs, &fixture.repo);
        assert_eq!(refs.lines().count(), 3, "{refs}");
        assert!(!refs.contains(base.trim()), "{refs}");
        let noticed = task(&report, "a")["attempts"][0]["noticed"].to_string();
        assert!(noticed.contains("put back"), "{noticed}");
    }
}
