//! Agents that reach beyond their workspace, one for each way that was seen: in the sandbox nothing of it happens, without one it is in
//! the report, and a task whose agent did nothing of the kind is none the worse for it.

use mesh_testkit::tools;
use serde_json::{Value, json};

use crate::fixture::{
    BD_0_47_1_GIT, BD_1_3_0_GIT, Backends, Fixture, Job, ST_GIT, ST_JJ, Vcs, Work, job, task,
};
use crate::log::wait_until;
use crate::script;
use crate::snapshot;

/// What one agent does beside its task.
struct Deed {
    /// Its task.
    key: &'static str,
    /// What it runs.
    command: &'static str,
    /// What the report says of it where it is not prevented.
    said: &'static str,
    /// Whether the sandbox prevents it on jj, whose store agents have to write.
    on_jj: OnJj,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OnJj {
    /// As on git.
    Prevented,
    /// It happens, and is named.
    Named,
    /// It is a matter of git alone.
    Nothing,
}

/// Of what shows in the attempt that it is done to alone.
const NO_TRACE: &str = "it is said of the other attempt";

/// `$MESH_ROOT` is the user's own checkout. Each is tried with all that an attempt has in its environment.
const DEEDS: &[Deed] = &[
    Deed {
        key: "copy",
        command: "echo x >>\"$MESH_ROOT/README.md\"; echo x >\"$MESH_ROOT/new-file\"",
        said: "README.md",
        on_jj: OnJj::Prevented,
    },
    Deed {
        key: "config",
        command: "echo '[workspace]' >>\"$MESH_ROOT/.mesh/config.toml\"",
        said: ".mesh/config.toml was changed",
        on_jj: OnJj::Prevented,
    },
    Deed {
        key: "results",
        command: "echo '{}' >>\"$MESH_ROOT/.mesh/results.jsonl\"",
        said: ".mesh/results.jsonl was changed by somebody else",
        on_jj: OnJj::Prevented,
    },
    Deed {
        key: "sibling",
        command: "echo x >\"$MESH_WORKSPACE/../victim/planted.txt\"",
        said: "what its agent does not name, and in no sandbox another attempt can have written it: planted.txt",
        on_jj: OnJj::Prevented,
    },
    Deed {
        key: "push",
        command: "git commit -q --allow-empty -m pushed; git push -q \"$MESH_ROOT\" HEAD:refs/heads/pushed",
        said: "branch pushed was made",
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "checkout",
        command: "git -C \"$MESH_ROOT\" checkout -q --ignore-other-worktrees other",
        said: " stands on ",
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "move",
        command: "git -C \"$MESH_ROOT\" update-ref refs/heads/main \"$(git -C \"$MESH_ROOT\" commit-tree -m x 'HEAD^{tree}')\"",
        said: "branch main",
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "settings",
        command: "git -C \"$MESH_ROOT\" config mesh.planted yes",
        said: "config mesh.planted was set",
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "hooks",
        command: "printf '#!/bin/sh\\n' >\"$MESH_ROOT/.git/hooks/post-merge\"",
        said: "hook post-merge",
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "stash",
        command: "git -C \"$MESH_ROOT\" stash drop -q",
        said: "stash",
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "side",
        command: "git -C \"$MESH_ROOT\" branch side",
        said: "branch side was made",
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "admin",
        command: "own=$(sed 's/^gitdir: //' \"$MESH_WORKSPACE/../victim/.git\"); rm -rf \"${own%/agent.git}\"",
        said: NO_TRACE,
        on_jj: OnJj::Nothing,
    },
    Deed {
        key: "bookmark",
        command: "\"$MESH_JJ\" bookmark set main -r 'root()' --allow-backwards --ignore-working-copy",
        said: "main",
        on_jj: OnJj::Named,
    },
];

fn deeds(vcs: Vcs) -> impl Iterator<Item = &'static Deed> {
    DEEDS.iter().filter(move |deed| match vcs {
        Vcs::Git => deed.on_jj != OnJj::Named,
        Vcs::Jj => deed.on_jj != OnJj::Nothing,
    })
}

/// A repository with something of the user's everywhere, and a run in which every deed is tried while `victim` works; its report.
fn all_at_once(
    backends: Backends,
    mode: &str,
    is_tried: impl Fn(&Deed) -> bool,
    before_run: impl FnOnce(&Fixture),
) -> Option<(Fixture, Work, Value)> {
    let deeds = |vcs| deeds(vcs).filter(|deed| is_tried(deed));
    let fixture = backends.open()?;
    let git = |args: &[&str]| fixture.env.must("git", args, &fixture.repo);
    if backends.vcs == Vcs::Git {
        git(&["branch", "other"]);
        fixture.make_dirty();
        git(&["stash", "push", "-q", "--include-untracked"]);
        git(&["checkout", "-q", "-b", "mine"]);
    }
    fixture.make_dirty();
    fixture.configure("retries = 0\n");
    fs_err::write(fixture.repo.join(".mesh/.gitignore"), "*\n").expect("a file");
    before_run(&fixture);
    let jobs: Vec<Job> = deeds(backends.vcs)
        .map(|deed| job(deed.key, &[]))
        .chain([job("victim", &[])])
        .collect();
    let work = fixture.plan("Misbehaving", &jobs);
    fixture.script(&work, |job| {
        let deed = deeds(backends.vcs).find(|deed| deed.key == job.key);
        let Some(deed) = deed else {
            return script::usual(&fixture, job, &[script::gate(&fixture)]);
        };
        // What one of them does to the store would keep another from starting.
        let all = work.jobs.iter().map(|job| work.attempt(&job.key, 1));
        let mut steps: Vec<Value> = all
            .map(|attempt| json!({"wait_for": fixture.pid_file(&attempt)}))
            .collect();
        let said = fixture.marks().join(format!("said-{}", deed.key));
        let command = format!(
            "exec >'{}' 2>&1; {} || echo refused",
            said.display(),
            deed.command
        );
        steps.push(json!({"run": ["/bin/sh", "-c", command]}));
        script::usual(&fixture, job, &steps)
    });
    let concurrency = u16::try_from(jobs.len()).expect("a few");
    let coordinator = fixture.start(&work, concurrency, &["--sandbox", mode]);
    let others = jobs.len() - 1;
    wait_until(
        "all agents but one to end",
        || fixture.log.attempts("end").len() >= others,
        || format!("{:#?}", fixture.log.events()),
    );
    fixture.open_gate();
    let report = coordinator.wait().object();
    Some((fixture, work, report))
}

/// All sentences on what became different.
fn noticed(report: &Value) -> String {
    let tasks = report["tasks"].as_array().expect("tasks");
    let attempts = tasks
        .iter()
        .flat_map(|task| task["attempts"].as_array().expect("attempts"));
    let sentences = attempts.flat_map(|attempt| attempt["noticed"].as_array().expect("a list"));
    let lines: Vec<&str> = sentences.map(|text| text.as_str().expect("text")).collect();
    lines.join("\n")
}

fn in_the_sandbox(backends: Backends) {
    if !tools::sandbox() {
        return;
    }
    let mut before = None;
    let Some((fixture, work, report)) = all_at_once(
        backends,
        "require",
        |_| true,
        |fixture| {
            before = Some(snapshot::of(fixture));
        },
    ) else {
        return;
    };
    let said = noticed(&report);
    for deed in deeds(backends.vcs) {
        let is_named = backends.vcs == Vcs::Jj && deed.on_jj == OnJj::Named;
        assert_eq!(said.contains(deed.said), is_named, "{}: {said}", deed.key);
        let done = task(&report, work.id(deed.key));
        assert_eq!(done["state"], "verified", "{done:#}");
    }
    assert_eq!(
        task(&report, work.id("victim"))["state"],
        "verified",
        "{report:#}"
    );
    if backends.vcs == Vcs::Git {
        assert_eq!(before, Some(snapshot::of(&fixture)));
        let stash = fixture.env.must("git", &["stash", "list"], &fixture.repo);
        assert_eq!(stash.lines().count(), 1, "{stash}");
    }
}

fn without_a_sandbox(backends: Backends, is_tried: impl Fn(&Deed) -> bool) {
    let Some((_fixture, work, report)) = all_at_once(backends, "off", &is_tried, |_| ()) else {
        return;
    };
    let said = noticed(&report);
    for deed in deeds(backends.vcs).filter(|deed| is_tried(deed)) {
        assert!(said.contains(deed.said), "{}: {said}", deed.key);
    }
    // What lies in its workspace is its result: nobody can tell who wrote it, and the report names it. Settings that an agent may
    // have changed stop whatever has to do with the store until a person has looked.
    if deeds(backends.vcs).all(|deed| deed.key != "settings" || !is_tried(deed)) {
        let victim = task(&report, work.id("victim"));
        assert_eq!(victim["state"], "verified", "{report:#}");
    }
}

#[test]
fn what_reaches_out_of_the_sandbox_does_not_happen_st_git() {
    in_the_sandbox(ST_GIT);
}

#[test]
fn what_reaches_out_of_the_sandbox_does_not_happen_or_is_named_st_jj_0_45_1() {
    in_the_sandbox(ST_JJ);
}

#[test]
fn without_a_sandbox_all_of_it_is_named_st_git() {
    without_a_sandbox(ST_GIT, |deed| !["settings", "admin"].contains(&deed.key));
    without_a_sandbox(ST_GIT, |deed| deed.key == "settings");
}

#[test]
fn without_a_sandbox_an_attempt_whose_git_folder_is_gone_says_so_st_git() {
    let (_fixture, work, report) =
        all_at_once(ST_GIT, "off", |deed| deed.key == "admin", |_| ()).expect("fakes are there");
    let victim = &task(&report, work.id("victim"))["attempts"][0];
    let failure = victim["failure"].as_str().unwrap_or_default();
    assert!(
        failure.contains("by the agent itself, or by another one"),
        "{report:#}"
    );
    let other = task(&report, work.id("admin"));
    assert_eq!(other["state"], "verified", "{report:#}");
}

#[test]
fn without_a_sandbox_all_of_it_is_named_st_jj_0_45_1() {
    // jj tells of the user's files only after it has recorded them, which is the user's to do.
    without_a_sandbox(ST_JJ, |deed| deed.key != "copy");
}

/// Otherwise a task would be done for the tracker that nobody verified.
fn another_task_is_not_closed(backends: Backends) {
    if !tools::sandbox() {
        return;
    }
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Closed", &[job("a", &[]), job("b", &[]), job("c", &["b"])]);
    let said = fixture.marks().join("said");
    fixture.script(&work, |job| {
        let close = match &fixture.tracker {
            Some(_) => format!("\"$MESH_BD\" close {} --reason x", work.id("b")),
            None => format!("echo '{{}}' >>'{}'", work.source),
        };
        let command = format!("{{ {close}; }} >'{}' 2>&1; true", said.display());
        let close = [json!({"run": ["/bin/sh", "-c", command]})];
        let steps: &[Value] = if job.key == "a" { &close } else { &[] };
        let gate = [json!({"wait_for": said})];
        script::usual(&fixture, job, if job.key == "b" { &gate } else { steps })
    });
    let sandbox = ["--sandbox", "require"];
    let report = fixture.run(&work, 2, &sandbox).exits(0).object();
    for key in ["a", "b", "c"] {
        let done = task(&report, work.id(key));
        assert_eq!(done["state"], "verified", "{done:#}");
        assert_eq!(done["attempts"][0]["noticed"], json!([]), "{done:#}");
    }
}

#[test]
fn another_task_is_not_closed_st_git() {
    another_task_is_not_closed(ST_GIT);
}

#[test]
fn another_task_is_not_closed_real_bd_1_3_0_git() {
    another_task_is_not_closed(BD_1_3_0_GIT);
}

#[test]
fn another_task_is_not_closed_real_bd_0_47_1_git() {
    another_task_is_not_closed(BD_0_47_1_GIT);
}
