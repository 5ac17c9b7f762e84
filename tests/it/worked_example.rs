//! The worked example of the contract: an epic of three beads, the third on the second, two at once, in waves. What is printed,
//! commented and audited is compared with the example line by line; ids are those that the tracker gave.

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::fixture::{Backends, Fixture, Work, job, on_each_backend};
use crate::log::wait_until;
use crate::script;

on_each_backend!(three_beads_in_waves_of_two);

/// Its wave status, before anything ran.
const WAVE_STATUS: &str = "\
Wave status
- Ready: mesh-1, mesh-2
- Blocked: mesh-3 -> mesh-2
- Active: (none)
- Completed: (none)
- Recommended wave: mesh-1, mesh-2 (cap: 2; heuristic: priority -> unlocks -> checkpoints -> manual)
";

/// The comment on its first bead; what comes after the notes tells mesh's comments apart.
const CHECKPOINT: &str = "\
Checkpoint: verified: TITLE
- PR: https://example.com/pr/101
- Verify: test -f mesh-1.txt  # pass
- Notes: changed mesh-1.txt
";

/// The comment on the epic when its first wave is over.
const SWARM_STATUS: &str = "\
Swarm status
- Completed: COMPLETED
- Active: (none)
- Blocked: (none)
- Next wave: mesh-3
";

/// Who opened which pull request.
const PULL_REQUESTS: [(&str, &str); 3] = [
    ("mesh-1", "https://example.com/pr/101"),
    ("mesh-2", "https://example.com/pr/102"),
    ("mesh-3", "https://example.com/pr/103"),
];

fn three_beads_in_waves_of_two(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let jobs = [
        job("mesh-1", &[]),
        job("mesh-2", &[]),
        job("mesh-3", &["mesh-2"]),
    ];
    let work = fixture.plan("The worked example", &jobs);
    fixture.script(&work, |job| {
        let mut steps = script::usual(&fixture, job, &[]);
        let pr = PULL_REQUESTS.iter().find(|(key, _)| *key == job.key);
        let last = steps.as_array_mut().and_then(|steps| steps.last_mut());
        last.expect("the block")["final"]["pr"] = json!(pr.expect("each has one").1);
        steps
    });
    let mut args = fixture.run_args(&work, 2, &["--dispatch", "waves", "--rank", "seed"]);
    // The person who runs the example names the first wave, in this order.
    args.retain(|arg| arg != "--yes");
    let first = [work.id("mesh-1"), work.id("mesh-2")].join(",");
    args.extend(["--pick".to_owned(), first]);
    let coordinator = Coordinator::start(&fixture, &args);
    let asked = "wave 2 waits to be confirmed";
    wait_until(
        asked,
        || coordinator.stderr().contains(asked),
        || coordinator.stderr(),
    );
    printed(&coordinator.stderr(), &with_ids(&work, WAVE_STATUS));
    fixture.mesh(&["pick"]).ends(0);
    let said = coordinator.wait().exits(0);
    assert_done(&fixture, &work, &said.object());
    let third = "- Recommended wave: mesh-3 (cap: 2; heuristic: priority -> unlocks -> checkpoints -> manual)\n";
    printed(&said.stderr, &with_ids(&work, third));
    if fixture.tracker.is_some() {
        commented(&fixture, &work);
        audited(&fixture, &work);
    }
}

/// A text of the example with the ids that the tracker gave.
fn with_ids(work: &Work, text: &str) -> String {
    let is_of_an_id = |c: char| c.is_alphanumeric() || c == '-';
    let parts = text.split_inclusive(|c| !is_of_an_id(c));
    let with_id = |part: &str| {
        let word = part.trim_end_matches(|c| !is_of_an_id(c));
        match work.ids.get(word) {
            Some(id) => part.replacen(word, id, 1),
            None => part.to_owned(),
        }
    };
    parts.map(with_id).collect()
}

/// Fails unless these lines stand in `text`, one after the other.
#[track_caller]
fn printed(text: &str, wanted: &str) {
    let (lines, wanted): (Vec<&str>, Vec<&str>) =
        (text.lines().collect(), wanted.lines().collect());
    let found = lines.windows(wanted.len()).any(|some| some == wanted);
    assert!(found, "{wanted:#?} is not in\n{text}");
}

fn commented(fixture: &Fixture, work: &Work) {
    let of_bead = fixture.comments(work, "mesh-1");
    assert_eq!(of_bead.len(), 1, "{of_bead:#?}");
    let title = title(fixture, work.id("mesh-1"));
    // The proof and the file have the name of the job, whatever the tracker called it.
    printed(&of_bead[0], &CHECKPOINT.replace("TITLE", &title));
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let list = tracker.bd_json(&["comments", &work.source, "--json"]);
    let list = list.as_array().expect("a list");
    let texts: Vec<&str> = list.iter().filter_map(|one| one["text"].as_str()).collect();
    let of_wave = |wave: u32| -> Vec<&&str> {
        let marker = format!(" wave-{wave})");
        texts.iter().filter(|text| text.contains(&marker)).collect()
    };
    let (first, second) = (of_wave(1), of_wave(2));
    assert_eq!((first.len(), second.len()), (1, 1), "{texts:#?}");
    // They stand in the order of the tracker's listing, whose ids are random.
    let done = [
        "mesh-1 -> https://example.com/pr/101",
        "mesh-2 -> https://example.com/pr/102",
    ];
    let [one, other] = done.map(|one| with_ids(work, one));
    let wanted = with_ids(work, SWARM_STATUS);
    let (first, orders) = (
        first[0],
        [format!("{one}, {other}"), format!("{other}, {one}")],
    );
    let fits = orders.iter().find(|order| first.contains(*order));
    let completed = fits.unwrap_or(&orders[0]);
    printed(first, &wanted.replace("COMPLETED", completed));
    printed(second[0], "- Next wave: (none)\n");
}

fn title(fixture: &Fixture, id: &str) -> String {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let shown = tracker.bd_json(&["show", id, "--json"]);
    let shown = shown.get(0).unwrap_or(&shown);
    shown["title"].as_str().expect("a title").to_owned()
}

/// One tool call for each wave, in the form of the contract.
fn audited(fixture: &Fixture, work: &Work) {
    let is_wave = |line: &Value| line["kind"] == "tool_call" && line["tool_name"] == "mesh.wave";
    let waves: Vec<Value> = fixture.interactions().into_iter().filter(is_wave).collect();
    let payload = |line: &Value| -> Value {
        let text = line["error"].as_str().expect("a payload");
        serde_json::from_str(text).expect("JSON")
    };
    let payloads: Vec<Value> = waves.iter().map(payload).collect();
    assert_eq!(payloads.len(), 2, "{waves:#?}");
    for (payload, wave, keys) in [
        (&payloads[0], 1, &["mesh-1", "mesh-2"][..]),
        (&payloads[1], 2, &["mesh-3"]),
    ] {
        let ids: Vec<&str> = keys.iter().map(|key| work.id(key)).collect();
        assert_eq!(payload["ok"], true, "{payload:#}");
        assert_eq!(payload["input"]["wave"], wave, "{payload:#}");
        assert_eq!(payload["input"]["tasks"], json!(ids), "{payload:#}");
    }
}
