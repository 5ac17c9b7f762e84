//! The fake answers as the recordings of the real programs do: same exit codes, same streams, same keys and types, same words.
//!
//! A recording is replayed step by step on the fake. Ids differ, so those that the fake gives are put in the place of the
//! recorded ones, and texts are compared with ids masked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mesh_proc::env::Env;
use mesh_proc::run::{Command, Output, Status, run};
use serde_json::Value;

use crate::support::FAKE;

/// Steps of the recordings that use what the fake does not imitate: no part of mesh calls it.
const NOT_IMITATED: &[&str] = &[
    "context",
    "info",
    "swarm-validate-v",
    "swarm-list",
    "ready",
    "ready-parent",
    "blocked",
    "children",
    "dep-list",
    "dep-tree",
    "dep-cycles",
    "epic-status",
    "label-list",
    "unclaim",
    "reclaim",
    "comment",
    "audit-record-nokind",
    "audit-stdin",
    "type-agent",
    "types",
    "config-types",
    "type-agent-custom",
    "list-agent",
    "agent-state",
    "slot-set",
    "slot-show",
    "slot-clear",
    "merge-slot-create",
    "merge-slot-acquire",
    "merge-slot-check",
    "merge-slot-release",
    "set-state",
    "state",
    "formula-list",
    "formula-show",
    "cook-json",
    "cook-toml",
    "cook-missing",
    "mol-pour",
    "mol-pour-novar",
    "mol-pour-dry",
    "mol-bond",
    "show-bonded",
    "mol-show",
    "mol-progress",
    "mol-current",
    "mol-wisp",
    "mol-burn",
    "show-after-burn",
    "reopen",
    "close-force",
    "reopen-force",
    "close-again",
    "swarm-status-after",
    "epic-close-eligible",
    "list-end",
    "time-list",
    "time-ready",
    "time-comment",
    "create-epic2",
    "create-child2",
];

/// Steps that only the classic dialect answers, and that mesh calls there.
const OF_CLASSIC: &[&str] = &[
    "type-agent",
    "type-agent-custom",
    "agent-state",
    "slot-set",
    "slot-clear",
];

struct Replay {
    version: &'static str,
    folder: tempfile::TempDir,
    /// Recorded ids and the fake's for the same things.
    ids: BTreeMap<String, String>,
    compared: usize,
}

impl Replay {
    fn new(version: &'static str) -> Replay {
        let folder = tempfile::TempDir::new().expect("a temporary folder");
        fs_err::create_dir(folder.path().join("repo")).expect("a folder");
        let graph = include_bytes!("../../fixtures/bd/graph.json");
        fs_err::write(folder.path().join("graph.json"), graph).expect("the graph");
        let formulas = folder.path().join("formulas/.beads/formulas");
        fs_err::create_dir_all(&formulas).expect("a folder");
        for formula in mesh_plan::formula::ALL {
            fs_err::write(formulas.join(formula.file_name), formula.text).expect("a formula");
        }
        let broken = r#"{"formula":"mol-broken","version":1,"steps":[{"id":"a"}]}"#;
        fs_err::write(folder.path().join("broken.formula.json"), broken).expect("a formula");
        Replay {
            version,
            folder,
            ids: BTreeMap::new(),
            compared: 0,
        }
    }

    fn play(&mut self, recording: &str) {
        for line in recording.lines() {
            let step: Value = serde_json::from_str(line).expect("a line of a recording");
            let name = step["step"].as_str().expect("a name");
            // Some lines note the state of the folder; they are no calls.
            let is_call = step["argv"].is_array();
            if name == "set-state" {
                // All that later answers show of it is its label.
                let issue = self.own(step["argv"][1].as_str().expect("an id"));
                let args = ["label", "add", &issue, "mesh:running", "--json"].map(str::to_owned);
                assert_eq!(self.fake(&args, "").status, Status::Exited(0));
            }
            if name == "init2" {
                // What it prints for people is not imitated.
                self.fake(&["init", "--prefix", "t", "--quiet"].map(str::to_owned), "");
                continue;
            }
            let is_imitated = !NOT_IMITATED.contains(&name)
                || self.version.starts_with("0.") && OF_CLASSIC.contains(&name);
            if is_call && is_imitated && !name.starts_with("ro:") {
                self.compare(name, &step);
                self.compared += 1;
            }
        }
    }

    fn compare(&mut self, name: &str, step: &Value) {
        let text = |key: &str| step[key].as_str().unwrap_or("");
        let argv: Vec<String> = step["argv"]
            .as_array()
            .expect("arguments")
            .iter()
            .map(|a| self.own(a.as_str().unwrap_or("")))
            .collect();
        let stdin = self.own_ids(text("stdin"));
        let output = self.fake(&argv, &stdin);
        let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
        let about = format!("{} {name} {argv:?}", self.version);
        assert_eq!(
            output.status,
            Status::Exited(step["rc"].as_i64().expect("a code") as i32),
            "{about}: {stdout} {stderr}"
        );
        match serde_json::from_str::<Value>(text("stdout")) {
            Ok(recorded) => {
                let fake: Value = serde_json::from_str(&stdout)
                    .unwrap_or_else(|cause| panic!("{cause}: {about}"));
                self.learn(&recorded, &fake);
                same(&shape(&fake), &shape(&recorded), "shape", &about);
                same(
                    &self.mask(&words(&fake)),
                    &self.mask(&words(&recorded)),
                    "words",
                    &about,
                );
            }
            // A text for people, of which only the first line is imitated.
            Err(_) if name == "cook-run" => assert!(text("stdout").starts_with(&*stdout)),
            Err(_) => assert_eq!(
                self.mask(&stdout),
                self.mask(text("stdout")),
                "{about}: {stderr}"
            ),
        }
        // The usage that follows an unknown flag is not imitated.
        let said = |text: &str| {
            text.split("\nUsage:")
                .next()
                .unwrap_or("")
                .trim_end()
                .to_owned()
        };
        assert_eq!(
            self.mask(&said(&stderr)),
            self.mask(&said(text("stderr"))),
            "{about}"
        );
    }

    fn fake(&self, argv: &[String], stdin: &str) -> Output {
        let root = self.folder.path().join("repo");
        let env = Env::keep(&["PATH"])
            .set("FAKE_BD_VERSION", self.version)
            .set("GT_ROOT", self.folder.path().join("formulas"))
            .set("BD_AUDIT_ENABLED", "1");
        let command = Command::new(Path::new(FAKE)).args(argv).cwd(root).env(env);
        let command = command.stdin_bytes(stdin);
        run(&command).unwrap_or_else(|failure| panic!("{argv:?}: {failure}"))
    }

    /// `argument` with the fake's ids and folder.
    fn own(&self, argument: &str) -> String {
        let argument = argument.replace("$WORK", &self.folder.path().display().to_string());
        // A value of a variable may be an id as well.
        if let Some((name, value)) = argument.split_once('=')
            && let Some(id) = self.ids.get(value)
        {
            return format!("{name}={id}");
        }
        self.ids.get(&argument).cloned().unwrap_or(argument)
    }

    /// `text` with the fake's ids in the place of the recorded words.
    fn own_ids(&self, text: &str) -> String {
        let own = |word: &str| self.ids.get(word).cloned().unwrap_or(word.to_owned());
        text.split(' ').map(own).collect::<Vec<_>>().join(" ")
    }

    /// Pairs the ids that an answer which makes something names.
    fn learn(&mut self, recorded: &Value, fake: &Value) {
        for key in ["id", "swarm_id", "epic_id", "existing_id"] {
            if let (Some(theirs), Some(ours)) = (recorded[key].as_str(), fake[key].as_str()) {
                self.ids
                    .entry(theirs.to_owned())
                    .or_insert_with(|| ours.to_owned());
            }
        }
        for made in ["ids", "id_mapping"] {
            for (key, theirs) in recorded[made].as_object().into_iter().flatten() {
                let (theirs, ours) = (
                    theirs.as_str().expect("an id"),
                    fake[made][key].as_str().expect("an id"),
                );
                self.ids.insert(theirs.to_owned(), ours.to_owned());
            }
        }
    }

    /// `text` with every id as `ID`, folders as `$WORK`, and ids in a row in no order.
    fn mask(&self, text: &str) -> String {
        let mut text = text.replace(&self.folder.path().display().to_string(), "$WORK");
        let mut ids: Vec<&String> = self
            .ids
            .iter()
            .flat_map(|(theirs, ours)| [theirs, ours])
            .collect();
        ids.sort_by_key(|id| std::cmp::Reverse(id.len()));
        for id in ids {
            text = text.replace(id.as_str(), "ID");
        }
        text
    }
}

/// Compares line by line and shows only what differs.
fn same(fake: &str, recorded: &str, what: &str, about: &str) {
    let only = |one: &str, other: &str| {
        let mut left: Vec<&str> = one.lines().collect();
        for line in other.lines() {
            if let Some(at) = left.iter().position(|l| *l == line) {
                left.remove(at);
            }
        }
        left.join("\n")
    };
    assert!(
        fake == recorded,
        "{about}: the {what} differs\n-- only in the fake's:\n{}\n-- only in the recording's:\n{}",
        only(fake, recorded),
        only(recorded, fake)
    );
}

/// The keys and types of a value; the elements of an array are joined to the set of their shapes.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(list) => {
            let shapes: BTreeSet<String> = list.iter().map(shape).collect();
            format!(
                "[{}]×{}\n",
                shapes.into_iter().collect::<Vec<_>>().join("\n | "),
                list.len()
            )
        }
        Value::Object(map) => {
            // Maps whose keys are ids have one shape for all.
            let keyed_by_ids = map.keys().any(|key| key.starts_with("t-"));
            let mut fields: Vec<String> = map
                .iter()
                .map(|(key, value)| {
                    format!("{}:{}", if keyed_by_ids { "ID" } else { key }, shape(value))
                })
                .collect();
            fields.sort();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// The texts and numbers of an answer that must be the same, one a line and sorted: all but times and ids of random kind.
fn words(value: &Value) -> String {
    fn walk(key: &str, value: &Value, lines: &mut Vec<String>) {
        const VARY: [&str; 10] = [
            "last_activity",
            "created_at",
            "updated_at",
            "started_at",
            "closed_at",
            "lease_expires_at",
            "heartbeat_at",
            "revision",
            "metadata",
            "hint",
        ];
        // Metadata of an edge is a text that varies; of an issue it is an object and compared.
        if VARY.contains(&key) && !value.is_object() {
            return;
        }
        match value {
            Value::Array(list) => list.iter().for_each(|one| walk(key, one, lines)),
            Value::Object(map) => map.iter().for_each(|(name, one)| walk(name, one, lines)),
            // Ids of comments and audit entries; which of two parents `parent` names.
            Value::String(text) if key == "id" && !text.starts_with("t-") => {}
            _ if key == "parent" => {}
            other => lines.push(format!("{key}={other}")),
        }
    }
    let mut lines = Vec::new();
    walk("", value, &mut lines);
    lines.sort();
    lines.join("\n")
}

#[test]
fn the_fake_answers_as_1_3_0_did() {
    let mut flow = Replay::new("1.3.0");
    flow.play(include_str!("../../fixtures/bd/1.3.0.jsonl"));
    assert!(flow.compared > 35, "{} steps", flow.compared);
    let mut more = Replay::new("1.3.0");
    more.play(include_str!("../../fixtures/bd/1.3.0-more.jsonl"));
    assert!(more.compared > 40, "{} steps", more.compared);
    let mut molecule = Replay::new("1.3.0");
    molecule.play(include_str!("../../fixtures/bd/1.3.0-molecule.jsonl"));
    assert!(molecule.compared > 15, "{} steps", molecule.compared);
}

#[test]
fn the_fake_answers_as_1_0_5_did() {
    let mut flow = Replay::new("1.0.5");
    flow.play(include_str!("../../fixtures/bd/1.0.5.jsonl"));
    assert!(flow.compared > 35, "{} steps", flow.compared);
    let mut more = Replay::new("1.0.5");
    more.play(include_str!("../../fixtures/bd/1.0.5-more.jsonl"));
    assert!(more.compared > 40, "{} steps", more.compared);
    let mut molecule = Replay::new("1.0.5");
    molecule.play(include_str!("../../fixtures/bd/1.0.5-molecule.jsonl"));
    assert!(molecule.compared > 15, "{} steps", molecule.compared);
}

#[test]
fn the_fake_answers_as_0_47_1_did() {
    let mut flow = Replay::new("0.47.1");
    flow.play(include_str!("../../fixtures/bd/0.47.1.jsonl"));
    assert!(flow.compared > 35, "{} steps", flow.compared);
    let mut more = Replay::new("0.47.1");
    more.fake(&["init", "--prefix", "t", "--quiet"].map(str::to_owned), "");
    more.play(include_str!("../../fixtures/bd/0.47.1-more.jsonl"));
    let mut molecule = Replay::new("0.47.1");
    molecule.play(include_str!("../../fixtures/bd/0.47.1-molecule.jsonl"));
    assert!(molecule.compared > 15, "{} steps", molecule.compared);
    assert!(more.compared > 40, "{} steps", more.compared);
}
