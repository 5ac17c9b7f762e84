//! Every way in which an agent can lose work that it claims: whatever mesh takes for done passes its proof in a fresh clone.

use mesh_testkit::tools;
use serde_json::json;

use crate::fixture::{Backends, Fixture, ST_GIT, Vcs, job, on_each_vcs, task};
use crate::script;

on_each_vcs!(
    what_is_verified_passes_its_proof_in_a_fresh_clone,
    what_is_cleaned_away_is_saved,
);

/// A way to lose work: a name, what the agent does, what it claims, and the proof. `JJ` is the real jj, past the rail.
struct Way(&'static str, &'static str, &'static str, &'static str);

/// What fails where the version control is another one is let pass: then it is a control.
const WAYS: &[Way] = &[
    Way(
        "plain",
        "echo x >plain.txt",
        "plain.txt",
        "test -s plain.txt",
    ),
    Way(
        "nested",
        "git init -q pkg && echo x >pkg/a.c && git -C pkg add a.c && git -C pkg commit -qm x",
        "pkg/a.c",
        "test -s pkg/a.c",
    ),
    Way(
        "nested-unnamed",
        "echo x >seen.txt && git init -q lib && echo x >lib/a.c",
        "seen.txt",
        "cd lib && test -s a.c",
    ),
    Way(
        "submodule-commit",
        "git -c protocol.file.allow=always submodule --quiet update --init; mkdir -p sub; cd sub; echo more >lib.txt; git add lib.txt && git commit -qm more",
        "sub/lib.txt",
        "grep -q more sub/lib.txt",
    ),
    Way(
        "submodule-edit",
        "git -c protocol.file.allow=always submodule --quiet update --init; mkdir -p sub; echo edited >sub/lib.txt",
        "sub",
        "grep -q edited sub/lib.txt",
    ),
    Way(
        "ignored",
        "mkdir build && echo x >build/gen.js",
        "build/gen.js",
        "test -s build/gen.js",
    ),
    Way(
        "ignored-unnamed",
        "mkdir build && echo x >build/gen.js && echo x >why.txt",
        "why.txt",
        "cat build/gen.js",
    ),
    Way(
        "executable",
        "echo 'exit 0' >run.sh && chmod +x run.sh",
        "run.sh",
        "test -x run.sh",
    ),
    Way(
        "other-case",
        "mv base.txt BASE.txt && echo more >>BASE.txt",
        "BASE.txt",
        "grep -q more BASE.txt",
    ),
    Way(
        "ignored-by-a-script",
        "mkdir build && echo x >build/gen.js && echo 'cat build/gen.js' >check.sh",
        "check.sh",
        "sh check.sh",
    ),
    Way(
        "unnamed-folder",
        "mkdir bare && echo x >beside.txt",
        "beside.txt",
        "test -d bare",
    ),
    Way(
        "dependencies",
        "mkdir -p node_modules/x && echo x >node_modules/x/y && echo node_modules/ >.gitignore && echo x >made.personal && echo x >deps.txt",
        "deps.txt, .gitignore",
        "test -s deps.txt",
    ),
    Way(
        "user-ignored",
        "echo x >own.personal",
        "own.personal",
        "test -s own.personal",
    ),
    Way(
        "self-ignored",
        "echo /self.txt >.gitignore && echo x >self.txt",
        "self.txt, .gitignore",
        "test -s self.txt",
    ),
    Way(
        "stash",
        "echo x >stash.txt && git stash -q -u",
        "stash.txt",
        "test -s stash.txt",
    ),
    Way(
        "stash-and-apply",
        "echo x >applied.txt && git stash -q -u && git stash apply -q",
        "applied.txt",
        "test -s applied.txt",
    ),
    Way(
        "side-branch",
        "echo x >side.txt; if git checkout -q -b side; then git add side.txt && git commit -qm side && git checkout -q --detach HEAD~1; else jj commit --quiet -m side && jj new --quiet @--; fi",
        "side.txt",
        "test -s side.txt",
    ),
    Way(
        "on-a-branch",
        "echo x >branch.txt; if git checkout -q -b work; then git add branch.txt && git commit -qm work; else jj commit --quiet -m work && jj bookmark create --quiet work -r @-; fi",
        "branch.txt",
        "test -s branch.txt",
    ),
    Way(
        "orphan",
        "echo x >orphan.txt; if git checkout -q --orphan none; then git rm -rfq --cached . && git add orphan.txt && git commit -qm orphan; else jj new --quiet 'root()' && echo x >orphan.txt; fi",
        "orphan.txt",
        "test -s orphan.txt",
    ),
    Way(
        "no-store",
        "echo x >nostore.txt && rm -rf .git .jj",
        "nostore.txt",
        "test -s nostore.txt",
    ),
    Way(
        "new-store",
        "echo x >newstore.txt && rm -rf .git .jj && git init -q && git add -A && git commit -qm x",
        "newstore.txt",
        "test -s newstore.txt",
    ),
    Way(
        "no-folder",
        "rm -rf \"$PWD\"",
        "folder.txt",
        "true && test -d .",
    ),
    Way(
        "assumed",
        "git update-index --assume-unchanged README.md; echo assumed >>README.md",
        "README.md",
        "grep -q assumed README.md",
    ),
    Way(
        "skipped",
        "git update-index --skip-worktree base.txt; echo skipped >>base.txt",
        "base.txt",
        "grep -q skipped base.txt",
    ),
    Way(
        "untracked",
        "git rm -q --cached base.txt; echo base.txt >.gitignore",
        "base.txt",
        "test -s base.txt",
    ),
    Way(
        "empty-folder",
        "mkdir -p empty/below",
        "empty/below",
        "test -d empty/below",
    ),
    Way(
        "link-to-ignored",
        "mkdir -p build && echo x >build/aim.txt && ln -s build/aim.txt relative.txt",
        "relative.txt",
        "test -s relative.txt",
    ),
    Way(
        "link-to-workspace",
        "echo x >aim.txt && ln -s \"$PWD/aim.txt\" absolute.txt",
        "aim.txt, absolute.txt",
        "test -s absolute.txt",
    ),
    Way(
        "undo",
        "echo x >undo.txt && JJ st && JJ undo",
        "undo.txt",
        "test -s undo.txt",
    ),
    Way(
        "restore",
        "echo x >restore.txt && JJ st && JJ op restore @-",
        "restore.txt",
        "test -s restore.txt",
    ),
    Way(
        "abandon",
        "echo x >abandon.txt && JJ describe -m x && JJ abandon",
        "abandon.txt",
        "test -s abandon.txt",
    ),
];

fn what_is_verified_passes_its_proof_in_a_fresh_clone(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    lay_out(&fixture);
    fixture.configure("retries = 0\n");
    let jj = tools::path_in_cache("jj", tools::JJ_VERSION);
    let jobs: Vec<_> = WAYS
        .iter()
        .map(|Way(key, _, _, proof)| job(key, &[]).proof(proof))
        .collect();
    let work = fixture.plan("Ways to lose work", &jobs);
    fixture.script(&work, |job| {
        let way = WAYS.iter().find(|way| way.0 == job.key);
        let Way(_, command, claim, _) = way.expect("each job has its way");
        let command = format!(
            "{{ {}; }} || true",
            command.replace("JJ", &jj.display().to_string())
        );
        json!([
            script::event(&fixture, "start"),
            {"run": ["sh", "-c", command]},
            script::event(&fixture, "end"),
            {"final": {"changed": claim}},
        ])
    });
    let report = fixture.run(&work, 3, &[]).exits(20).object();
    let mut lost = Vec::new();
    let mut verified = Vec::new();
    for Way(key, _, _, proof) in WAYS {
        let found = task(&report, work.id(key));
        if found["state"] == "verified" {
            let attempts = found["attempts"].as_array().expect("attempts");
            let commit = attempts.last().expect("one")["commit"].as_str();
            if !passes_in_a_fresh_clone(&fixture, key, commit.expect("a commit"), proof) {
                lost.push(format!("{found:#}"));
            }
            verified.push(*key);
        }
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    for control in ["plain", "stash-and-apply", "executable", "other-case"] {
        assert!(verified.contains(&control), "{control}: {report:#}");
    }
    fixture.assert_no_process();
}

/// Agents that were stopped may have worked for hours, and `mesh resume` would start again.
fn what_is_cleaned_away_is_saved(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| {
        let half = json!({"write": {"path": "half.txt", "text": "hours of work\n"}});
        let started = script::event(&fixture, "half");
        script::usual(&fixture, job, &[half, started, script::gate(&fixture)])
    });
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("half", 2);
    fixture.mesh(&["stop", "--now"]).ends(0);
    coordinator.wait().ends(21);
    let said = fixture.mesh(&["clean", "--yes"]).exits(0).stdout;
    assert_eq!(said.matches("; its changes are in ").count(), 2, "{said}");
    for line in said.lines() {
        let (_, patch) = line.rsplit_once(" in ").expect("a place");
        let patch = fs_err::read_to_string(patch).expect("a patch");
        assert!(patch.contains("+hours of work"), "{patch}");
    }
    let held = fixture
        .env
        .must("git", &["for-each-ref", "refs/mesh"], &fixture.repo);
    assert_eq!(held.lines().count(), 2, "{held}");
    assert!(!fixture.workspaces().join("a").exists());
}

/// Something to lose: a submodule, ignored folders, and what the user alone ignores.
fn lay_out(fixture: &Fixture) {
    let upstream = fixture.env.dir().join("upstream");
    fs_err::create_dir_all(&upstream).expect("a folder");
    fs_err::write(upstream.join("lib.txt"), "first\n").expect("a file");
    for args in [
        &["init", "--quiet"][..],
        &["add", "lib.txt"],
        &["commit", "--quiet", "--message", "First"],
    ] {
        fixture.env.must("git", args, &upstream);
    }
    let url = upstream.display().to_string();
    let add = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        &url,
        "sub",
    ];
    fixture.env.must("git", &add, &fixture.repo);
    fs_err::write(fixture.repo.join(".gitignore"), "build/\n").expect("a file");
    fs_err::write(fixture.repo.join("base.txt"), "base\n").expect("a file");
    let own = fixture.env.home().join(".config/git/ignore");
    fs_err::create_dir_all(own.parent().expect("a parent")).expect("a folder");
    fs_err::write(own, "*.personal\n").expect("a file");
    fixture.env.must("git", &["add", "."], &fixture.repo);
    fixture.env.must(
        "git",
        &["commit", "--quiet", "--message", "Something to lose"],
        &fixture.repo,
    );
    // As in a repository that came from another machine.
    for (setting, value) in [("core.fileMode", "false"), ("core.ignoreCase", "true")] {
        let set = ["config", setting, value];
        fixture.env.must("git", &set, &fixture.repo);
    }
    if fixture.backends.vcs == Vcs::Jj {
        // Takes in what git did.
        fixture.env.must("jj", &["st"], &fixture.repo);
    }
}

fn passes_in_a_fresh_clone(fixture: &Fixture, key: &str, commit: &str, proof: &str) -> bool {
    let clone = fixture.env.dir().join("clones").join(key);
    let (from, to) = (
        fixture.repo.display().to_string(),
        clone.display().to_string(),
    );
    let allow = ["-c", "protocol.file.allow=always"];
    for args in [
        &[
            "clone",
            "--quiet",
            "--no-checkout",
            "--no-hardlinks",
            &from,
            &to,
        ][..],
        &["-C", &to, "fetch", "--quiet", "origin", commit],
        &["-C", &to, "checkout", "--quiet", commit],
    ] {
        fixture.env.must("git", args, &fixture.env.dir());
    }
    let modules = ["-C", &to, "submodule", "--quiet", "update", "--init"];
    let modules: Vec<&str> = allow.into_iter().chain(modules).collect();
    // A submodule whose commit is nowhere fails here, and the proof after it.
    drop(fixture.env.run("git", &modules, &fixture.env.dir()));
    fixture.env.run("sh", &["-c", proof], &clone).code == Some(0)
}

/// A retry of a question goes on in its workspace, and what the attempt before left there is no part of the result either.
#[test]
fn what_an_attempt_before_left_in_the_workspace_counts_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    lay_out(&fixture);
    fixture.configure("retries = 0\n");
    let jobs = [job("a", &[]).proof("sh check.sh"), job("b", &[])];
    let work = fixture.plan("Asked", &jobs);
    fixture.script(&work, |job| {
        if job.key == "b" {
            return script::usual(&fixture, job, &[]);
        }
        let write = |path: &str, text: &str| json!({"write": {"path": path, "text": text}});
        json!({
            "1": [
                write("build/made.txt", "x"),
                write("check.sh", "test -s build/made.txt\n"),
                {"final": {"changed": "check.sh", "blockers": "Which one?"}},
            ],
            "*": [{"final": {"changed": "check.sh"}}],
        })
    });
    let _ = fixture.run(&work, 2, &[]).exits(22);
    let _ = fixture.mesh(&["retry", "a"]).exits(0);
    let report = fixture.mesh(&["resume", "--json"]).exits(20).object();
    let found = task(&report, "a");
    assert_eq!(found["attempts"][1]["outcome"], "not-recorded", "{found:#}");
}
