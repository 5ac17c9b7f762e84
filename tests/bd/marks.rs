//! Comments and audit entries.

use std::collections::BTreeSet;

use mesh_bd::audit::{MAX_INLINE_BYTES, text_or_reference, trail_bytes};
use mesh_bd::{AuditEntry, BdError};
use mesh_testkit::tracker::Bd;

use crate::support::{TrackerRepo, id, on_each_bd, open};

on_each_bd!(
    comments_come_back_as_they_were_written,
    a_comment_is_written_once,
    audit_entries_land_in_the_trail,
    an_entry_like_another_is_told_apart_and_can_be_labelled,
    long_texts_fit_on_the_command_line,
);

fn comments_come_back_as_they_were_written(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, _) = open(&repo);
    let long = format!(
        "{}\n(mesh r1 {task}#3)",
        "sixty thousand bytes of äöü ".repeat(2200)
    );
    assert!(long.len() > 60 * 1024);
    let texts = [
        "plain",
        "-x --json looks like flags",
        "--help",
        "two\nlines\n\n- \"quoted\" 'single' `back` $HOME \\n",
        "ünïcode ✓ 日本 <&>",
        &long,
    ];
    for text in texts {
        let written = tracker
            .comment(&task, "mesh", text)
            .unwrap_or_else(|e| panic!("{text:.40}: {e}"));
        assert_eq!(
            (written.text.as_str(), written.author.as_str()),
            (text, "mesh")
        );
    }
    let found = tracker.comments(&task).expect("comments");
    assert_eq!(found.len(), texts.len());
    for text in texts {
        assert!(found.iter().any(|c| c.text == text), "{text:.40}");
    }
    assert!(found.iter().all(|c| !c.id.is_empty()));
    for bad in ["", " \n", "a\0b"] {
        assert!(
            matches!(
                tracker.comment(&task, "mesh", bad),
                Err(BdError::BadArgument { .. })
            ),
            "{bad:?}"
        );
    }
    let none = id("t-none");
    assert_eq!(
        tracker.comment(&none, "mesh", "x"),
        Err(BdError::NotFound { id: none })
    );
}

fn a_comment_is_written_once(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, _) = open(&repo);
    let marker = "(mesh r1 t-1#1)";
    let first = tracker
        .comment_once(&task, "mesh", "Verified.\n(mesh r1 t-1#1)", marker)
        .expect("written");
    let second = tracker
        .comment_once(&task, "mesh", "Other words.\n(mesh r1 t-1#1)", marker)
        .expect("found");
    assert_eq!(first.id, second.id);
    tracker
        .comment_once(&task, "mesh", "Next.\n(mesh r1 t-1#12)", "(mesh r1 t-1#12)")
        .expect("written");
    assert_eq!(tracker.comments(&task).expect("comments").len(), 2);
}

fn audit_entries_land_in_the_trail(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, heard) = open(&repo);
    let payload = "{\"ok\":false,\"error\":\"it said \\\"no\\\"\"}";
    let entries = [
        AuditEntry::LlmPrompt {
            issue: task.clone(),
            model: "command:fake".into(),
            prompt: "--do \"this\"\nand ünïcode".into(),
        },
        AuditEntry::LlmResponse {
            issue: task.clone(),
            model: "command:fake".into(),
            response: "-done".into(),
        },
        AuditEntry::ToolCall {
            issue: task.clone(),
            tool_name: "mesh.attempt".into(),
            exit_code: 0,
            payload: "{\"ok\":true}".into(),
        },
        AuditEntry::ToolCall {
            issue: task.clone(),
            tool_name: "mesh.attempt".into(),
            exit_code: 1,
            payload: payload.into(),
        },
    ];
    let mut ids = Vec::new();
    for entry in &entries {
        assert_eq!(tracker.find_audit(entry, 0, &BTreeSet::new()), Ok(None));
        ids.push(
            tracker
                .audit(entry, "mesh")
                .unwrap_or_else(|e| panic!("{entry:?}: {e}")),
        );
    }
    assert_eq!(heard.lines().len(), entries.len(), "one call each");
    for (entry, written) in entries.iter().zip(&ids) {
        assert_eq!(
            tracker.find_audit(entry, 0, &BTreeSet::new()).as_ref(),
            Ok(&Some(written.clone())),
            "{entry:?}"
        );
    }
    let trail =
        fs_err::read_to_string(repo.beads_dir().join("interactions.jsonl")).expect("the trail");
    let line = |written: &str| -> serde_json::Value {
        let line = trail
            .lines()
            .find(|line| line.contains(written))
            .unwrap_or_else(|| panic!("no {written} in {trail}"));
        serde_json::from_str(line).expect("a line of JSON")
    };
    let prompt = line(&ids[0]);
    let wanted = [
        ("kind", "llm_call"),
        ("actor", "mesh"),
        ("issue_id", task.as_str()),
        ("model", "command:fake"),
    ];
    for (key, value) in wanted {
        assert_eq!(prompt[key], value, "{key}");
    }
    assert_eq!(prompt["prompt"], "--do \"this\"\nand ünïcode");
    assert_eq!(line(&ids[1])["response"], "-done");
    let failed = line(&ids[3]);
    assert_eq!(
        (&failed["tool_name"], &failed["exit_code"]),
        (&"mesh.attempt".into(), &1.into())
    );
    assert_eq!(failed["error"], payload);
    assert_eq!(line(&ids[2])["exit_code"], 0);
}

fn an_entry_like_another_is_told_apart_and_can_be_labelled(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, heard) = open(&repo);
    let entry = AuditEntry::LlmResponse {
        issue: task,
        model: "m".into(),
        response: "same".into(),
    };
    let first = tracker.audit(&entry, "mesh").expect("an entry");
    let after = trail_bytes(&repo.beads_dir());
    let none = BTreeSet::new();
    assert_eq!(tracker.find_audit(&entry, after, &none), Ok(None));
    let known = BTreeSet::from([first.clone()]);
    assert_eq!(tracker.find_audit(&entry, 0, &known), Ok(None));
    let second = tracker.audit(&entry, "mesh").expect("an entry");
    assert_eq!(
        tracker.find_audit(&entry, after, &none),
        Ok(Some(second.clone()))
    );
    assert_eq!(
        tracker.find_audit(&entry, 0, &known),
        Ok(Some(second.clone()))
    );
    assert_eq!(
        tracker.find_audit(&entry, u64::MAX, &none),
        Ok(Some(first)),
        "a trail that was cut is read from its beginning"
    );

    let find = || tracker.find_audit_label(&second, "needs_review", 0);
    assert_eq!(find(), Ok(None));
    let label = tracker
        .audit_label(&second, "needs_review", "-odd \"answer\"", "mesh")
        .expect("a label");
    assert_eq!(find(), Ok(Some(label)));
    assert_eq!(heard.lines().len(), 3, "one call each: {:?}", heard.lines());
}

fn long_texts_fit_on_the_command_line(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, heard) = open(&repo);
    let stored_at = repo.home().join("prompt.md");
    let entry = |prompt: String| AuditEntry::LlmPrompt {
        issue: task.clone(),
        model: "m".into(),
        prompt,
    };
    let fits = entry(text_or_reference(&"x".repeat(MAX_INLINE_BYTES), &stored_at));
    tracker.audit(&fits, "mesh").expect("96 KiB");
    assert!(
        tracker
            .find_audit(&fits, 0, &BTreeSet::new())
            .expect("a readable trail")
            .is_some()
    );

    let too_long = "y".repeat(MAX_INLINE_BYTES + 1);
    let refused = tracker.audit(&entry(too_long.clone()), "mesh");
    assert!(
        matches!(refused, Err(BdError::BadArgument { .. })),
        "{refused:?}"
    );
    assert_eq!(heard.lines().len(), 1, "nothing was called");
    let referred = entry(text_or_reference(&too_long, &stored_at));
    tracker.audit(&referred, "mesh").expect("a reference");
    let trail =
        fs_err::read_to_string(repo.beads_dir().join("interactions.jsonl")).expect("the trail");
    assert!(
        trail.contains("prompt.md bytes=98305 sha256="),
        "the entry names file and hash"
    );
    assert!(!trail.contains("yyyy"));
}
