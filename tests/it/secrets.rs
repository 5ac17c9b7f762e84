//! An agent that puts the key it was given into what it leaves: nothing that is kept, and nothing that anybody reads, holds it.

use std::path::Path;

use serde_json::{Value, json};

use crate::fixture::{
    BD_1_3_0_JJ, Backends, FAKE_BD_0_47_1_GIT, FAKE_BD_GIT, Fixture, ST_GIT, ST_JJ, Vcs, job, task,
};
use crate::script;

/// The key, and how it looks in base64 within a longer text.
const KEY: &str = "sk-planted-0123?>456789";
const ENCODED: &str = "c2stcGxhbnRlZC0wMTIzPz40NTY3OD";

macro_rules! on_backends {
    ($story:ident) => {
        mod st_git {
            #[test]
            fn $story() {
                super::$story(super::ST_GIT);
            }
        }
        mod st_jj_0_45_1 {
            #[test]
            fn $story() {
                super::$story(super::ST_JJ);
            }
        }
        mod fake_bd_1_3_0_git {
            #[test]
            fn $story() {
                super::$story(super::FAKE_BD_GIT);
            }
        }
        mod fake_bd_0_47_1_git {
            #[test]
            fn $story() {
                super::$story(super::FAKE_BD_0_47_1_GIT);
            }
        }
        mod real_bd_1_3_0_jj_0_45_1 {
            #[test]
            fn $story() {
                super::$story(super::BD_1_3_0_JJ);
            }
        }
    };
}

on_backends!(a_planted_key_is_in_nothing_that_is_kept_or_read);

/// Commits all that is there under this message.
fn commit(vcs: Vcs, message: &str) -> String {
    match vcs {
        Vcs::Git => format!("git add -A && git commit --quiet -m {message}"),
        Vcs::Jj => format!("jj commit --quiet -m {message}"),
    }
}

fn shell(command: &str) -> Value {
    json!({ "run": ["sh", "-c", command] })
}

fn a_planted_key_is_in_nothing_that_is_kept_or_read(backends: Backends) {
    let Some(mut fixture) = backends.open() else {
        return;
    };
    fixture.env.set("SOME_TOKEN", KEY);
    let command = json!(fixture.agent_command());
    fixture.configure(&format!(
        "[agents.fake]\ncommand = {command}\nenv_keep = [\"SOME_TOKEN\"]\n"
    ));
    let keys = [
        "file", "message", "between", "encoded", "block", "question", "output",
    ];
    let work = fixture.plan("Planted", &keys.map(|key| job(key, &[])));
    let vcs = backends.vcs;
    fixture.script(&work, |job| {
        let usual = |steps: &[Value]| script::usual(&fixture, job, steps);
        match job.key.as_str() {
            "file" => usual(&[shell("echo key=$SOME_TOKEN >sub.conf")]),
            "message" => usual(&[shell(&format!(
                "echo x >message.txt && {}",
                commit(vcs, "\"with $SOME_TOKEN\"")
            ))]),
            "between" => usual(&[shell(&format!(
                "echo $SOME_TOKEN >between.txt && {} && echo gone >between.txt && {}",
                commit(vcs, "one"),
                commit(vcs, "two")
            ))]),
            "encoded" => usual(&[json!({
                "write": { "path": "auth", "text": format!("dG9rZW46{ENCODED}k=\n") }
            })]),
            "block" => json!([
                { "print": format!("I have {KEY}") },
                { "write": { "path": "block.txt", "text": "x\n" } },
                { "final": { "changed": "block.txt", "pr": format!("https://example.com/?k={KEY}") } },
            ]),
            "question" => json!([
                { "final": { "changed": "NO_DIFF:asked", "blockers": format!("is {KEY} right?") } },
            ]),
            _ => json!([shell("echo \"refused: $SOME_TOKEN\" >&2"), { "exit": 3 }]),
        }
    });
    let said = fixture.run(&work, 3, &["--agent", "fake"]).exits(20);
    let report = said.object();
    for key in ["file", "message", "between", "encoded"] {
        let task = task(&report, work.id(key));
        let attempts = task["attempts"].as_array().expect("attempts");
        assert_eq!(attempts.len(), 1, "{key}: {task:#}");
        assert_eq!(attempts[0]["outcome"], "secret", "{key}: {task:#}");
        let kept = attempts[0]["workspace"].as_str().expect("a folder");
        assert!(Path::new(kept).is_dir(), "{kept}");
        let reason = task["reason"].to_string();
        assert!(reason.contains("SOME_TOKEN"), "{reason}");
    }
    let reason = task(&report, work.id("file"))["reason"].to_string();
    assert!(reason.contains("SOME_TOKEN in sub.conf"), "{reason}");
    assert_eq!(task(&report, work.id("block"))["state"], "verified");
    assert_eq!(task(&report, work.id("question"))["state"], "question");
    assert_eq!(task(&report, work.id("output"))["state"], "failed");

    let mut read = vec![said.stdout, said.stderr];
    for args in [&["report"][..], &["status"], &["status", "--json"]] {
        let said = fixture.mesh(args);
        read.extend([said.stdout, said.stderr]);
    }
    for key in keys {
        read.push(fixture.mesh(&["why", work.id(key)]).stdout);
        read.extend(fixture.comments(&work, key));
    }
    let run = fixture.only_run();
    for file in [
        "journal.jsonl",
        "mesh.log",
        "calls.jsonl",
        "report.md",
        "plan.json",
    ] {
        read.push(fs_err::read_to_string(run.join(file)).unwrap_or_default());
    }
    let results = fixture.repo.join(".mesh/results.jsonl");
    read.push(fs_err::read_to_string(results).expect("the results"));
    if fixture.tracker.is_none() {
        read.push(fs_err::read_to_string(&work.source).expect("the plan"));
    }
    assert!(read.iter().any(|text| text.contains("[SOME_TOKEN]")));
    for text in &read {
        assert!(!holds(text.as_bytes()), "{text}");
    }
    if let Some(tracker) = &fixture.tracker {
        assert_files_hold_none(&tracker.beads_dir());
    }
    assert_objects_hold_none(&fixture);
    fixture.assert_no_process();
}

fn holds(bytes: &[u8]) -> bool {
    let has = |text: &str| {
        let mut places = bytes.windows(text.len());
        places.any(|place| place == text.as_bytes())
    };
    has(KEY) || has(ENCODED)
}

/// All files of the tracker, the fake's among them and those of its audit.
fn assert_files_hold_none(folder: &Path) {
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_files_hold_none(&path);
        } else if path.is_file() {
            let bytes = fs_err::read(&path).unwrap_or_default();
            assert!(!holds(&bytes), "{}", path.display());
        }
    }
}

/// Every object that a ref or a `HEAD` of the repository reaches. jj keeps what its operations knew under refs of its own until
/// `jj util gc`; they are never pushed, and what jj shows is looked at instead.
fn assert_objects_hold_none(fixture: &Fixture) {
    let list = "git rev-list --objects --exclude='refs/jj/keep/*' --all --reflog | cut -d' ' -f1 | git cat-file --batch >objects.tmp";
    let said = fixture.env.must("sh", &["-c", list], &fixture.repo);
    let objects = fixture.repo.join("objects.tmp");
    let bytes = fs_err::read(&objects).expect("the objects");
    assert!(!bytes.is_empty() && !holds(&bytes), "{said:?}");
    fs_err::remove_file(objects).expect("our file");
    if fixture.backends.vcs == Vcs::Jj {
        let args = [
            "log",
            "--ignore-working-copy",
            "--no-graph",
            "--git",
            "-p",
            "-r",
            "all()",
        ];
        let said = fixture.env.must("jj", &args, &fixture.repo);
        assert!(!holds(said.as_bytes()), "{said}");
    }
}
