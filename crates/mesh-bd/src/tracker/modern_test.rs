//! Each call as it was recorded on the real programs, and what is read of each recorded answer.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use mesh_core::issue::{EdgeKind, IssueKind};
use mesh_proc::run::{Command, Output, RunError, Status, Stdin};
use serde_json::{Value, json};

use super::*;

const RECORDED: [(&str, [&str; 2]); 2] = [
    (
        "1.3.0",
        [
            include_str!("../../../../fixtures/bd/1.3.0-more.jsonl"),
            include_str!("../../../../fixtures/bd/1.3.0-molecule.jsonl"),
        ],
    ),
    (
        "1.0.5",
        [
            include_str!("../../../../fixtures/bd/1.0.5-more.jsonl"),
            include_str!("../../../../fixtures/bd/1.0.5-molecule.jsonl"),
        ],
    ),
];

/// Steps that are still to be asked for, in order.
type Steps = Arc<Mutex<VecDeque<Value>>>;

/// Answers the expected calls, and no others, as they were answered.
struct Replay {
    version: &'static str,
    expected: Steps,
}

impl Runner for Replay {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let argv: Vec<_> = command.args.iter().map(|a| a.to_str()).collect();
        let step = self.expected.lock().expect("no panic").pop_front();
        let step = step.unwrap_or_else(|| panic!("one call too many: {argv:?}"));
        assert_eq!(
            json!(argv),
            step["argv"],
            "{} {}",
            self.version,
            step["step"]
        );
        if let Some(text) = step["stdin"].as_str() {
            assert_eq!(command.stdin, Stdin::Bytes(text.into()));
        }
        let bytes = |stream: &str| step[stream].as_str().expect("a text").into();
        Ok(Output {
            status: Status::Exited(step["rc"].as_i64().expect("a code") as i32),
            stdout: bytes("stdout"),
            stderr: bytes("stderr"),
            elapsed: Duration::ZERO,
        })
    }
}

/// A tracker that answers as the recording does.
struct Recorded {
    version: &'static str,
    steps: Vec<Value>,
    expected: Steps,
    tracker: Modern,
}

impl Recorded {
    fn both() -> impl Iterator<Item = Recorded> {
        RECORDED.into_iter().map(|(version, recordings)| {
            let steps = recordings
                .into_iter()
                .flat_map(str::lines)
                .map(|line| serde_json::from_str(line).expect("a step"));
            let expected = Steps::default();
            let runner = Replay {
                version,
                expected: Arc::clone(&expected),
            };
            let is_new = version == "1.3.0";
            let about = About {
                dialect: crate::Dialect::Modern,
                version: version.to_owned(),
                beads_dir: "/no/such/.beads".into(),
                has_leases: is_new,
            };
            let features = Features {
                leases: is_new,
                guarded: is_new,
            };
            let tracker = Modern::new(Transport::answered_by(runner), about, features);
            Recorded {
                version,
                steps: steps.collect(),
                expected,
                tracker,
            }
        })
    }

    fn step(&self, name: &str) -> Value {
        let found = self.steps.iter().find(|step| step["step"] == name);
        found
            .unwrap_or_else(|| panic!("{}: no step {name}", self.version))
            .clone()
    }

    /// The issue that the recorded graph calls `key`.
    fn id(&self, key: &str) -> TaskId {
        let ids: Value =
            serde_json::from_str(self.step("graph")["stdout"].as_str().expect("a text"))
                .expect("the graph's answer");
        TaskId::new(ids["ids"][key].as_str().unwrap_or("t-none")).expect("an id")
    }

    /// What `ask` makes of the answers to exactly the calls `steps`; `show KEY in STEP` is an answer to `show` with the issues of
    /// another step.
    fn check<T>(&self, steps: &[&str], ask: impl FnOnce(&Modern) -> T) -> T {
        let expected = steps.iter().map(|name| match name.split_once(" in ") {
            Some((key, step)) => {
                let id = self.id(key.trim_start_matches("show "));
                let mut step = self.step(step);
                step["argv"] = json!(["show", id.as_str(), "--json"]);
                step
            }
            None => self.step(name),
        });
        *self.expected.lock().expect("no panic") = expected.collect();
        let answer = ask(&self.tracker);
        let left = self.expected.lock().expect("no panic").len();
        assert_eq!(
            left, 0,
            "{} {steps:?}: calls that were not made",
            self.version
        );
        answer
    }

    /// As [`Recorded::check`]; a bd without guards is asked first by `look`.
    fn check_looked<T>(&self, look: &str, steps: &[&str], ask: impl FnOnce(&Modern) -> T) -> T {
        let look = (!self.tracker.features.guarded).then_some(look);
        let steps: Vec<&str> = look.into_iter().chain(steps.iter().copied()).collect();
        self.check(&steps, ask)
    }
}

fn reason<T: std::fmt::Debug>(answer: Result<T, BdError>) -> RefusalReason {
    match answer {
        Err(BdError::Refused(refusal)) => refusal.reason,
        other => panic!("no refusal: {other:?}"),
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    list.iter().map(owned).collect()
}

fn mesh_1() -> RefusalReason {
    RefusalReason::HeldBy("mesh-1".to_owned())
}

#[test]
fn claims() {
    for bd in Recorded::both() {
        let (a, none) = (bd.id("a"), bd.id("none"));
        let metadata = pairs(&[("mesh.run", "r1"), ("mesh.n", "1e5")]);
        let steps = bd.tracker.claim_steps(&a, "mesh-1", &metadata);
        let shown: Vec<&[String]> = steps.iter().map(ClaimStep::command_line).collect();
        let recorded = bd.step("claim-meta");
        assert_eq!(shown.len(), 1);
        assert_eq!(
            (shown[0][0].as_str(), json!(shown[0][1..])),
            ("bd", recorded["argv"].clone())
        );
        let claimed = bd.check(&["claim-meta"], |bd| bd.claim(&a, "mesh-1", &metadata));
        assert_eq!(
            claimed.map(|claim| claim.is_leased),
            Ok(bd.version == "1.3.0")
        );
        let other = pairs(&[("mesh.run", "r2")]);
        let refused = bd.check(&["claim-meta-other"], |bd| bd.claim(&a, "mesh-2", &other));
        assert_eq!(reason(refused), mesh_1());
        let refused = bd.check(&["claim-closed"], |bd| bd.claim(&a, "mesh-1", &[]));
        assert_eq!(reason(refused), RefusalReason::Status(IssueStatus::Closed));
        let missing = bd.check(&["claim-missing"], |bd| bd.claim(&none, "mesh-1", &[]));
        assert_eq!(missing, Err(not_found(&none)));
        for bad in ["mesh-run", "", "1st"] {
            let refused = bd.check(&[], |bd| bd.claim(&a, "mesh-1", &pairs(&[(bad, "x")])));
            assert!(matches!(refused, Err(BdError::BadArgument { .. })), "{bad}");
        }
    }
}

#[test]
fn listings_issues_and_edges() {
    for bd in Recorded::both() {
        let (a, b, epic) = (bd.id("a"), bd.id("b"), bd.id("epic"));
        let listing = bd
            .check(&["list-claimed"], |bd| bd.listing())
            .expect("a listing");
        assert_eq!(listing.issues.len(), 6);
        assert_eq!(listing.issues[&a].assignee.as_deref(), Some("mesh-1"));
        assert_eq!(listing.issues[&a].labels, ["mesh-lock:core"]);
        assert_eq!(listing.issues[&epic].kind, IssueKind::Epic);
        let gated = bd
            .check(&["list-gated"], |bd| bd.listing())
            .expect("a listing");
        let is_gate = |issue: &&Issue| issue.kind == IssueKind::Bookkeeping("gate".to_owned());
        assert_eq!(gated.issues.values().filter(is_gate).count(), 1);
        // `show` writes edges in another form.
        let shown = bd
            .check(&["show-commented"], |bd| bd.show(&b))
            .expect("an issue");
        let mut edges: Vec<_> = shown
            .edges
            .iter()
            .map(|edge| (edge.kind, &edge.to))
            .collect();
        edges.sort();
        assert_eq!(edges, [(EdgeKind::Gates, &a), (EdgeKind::Parent, &epic)]);
    }
}

#[test]
fn releases() {
    for bd in Recorded::both() {
        let a = bd.id("a");
        let held = "show a in claim-meta";
        let (plain, by_other): (_, &[&str]) = match bd.version {
            "1.3.0" => ("release-guarded", &["release-guard-other", held]),
            _ => ("release", &[held]),
        };
        let released = bd.check_looked(held, &[plain], |bd| bd.release(&a, "mesh-1"));
        assert_eq!(released, Ok(()));
        let refused = bd.check(by_other, |bd| bd.release(&a, "mesh-2"));
        assert_eq!(reason(refused), mesh_1());
        // The guard says only that it did not hold; the look says why.
        let open: &[&str] = match bd.version {
            "1.3.0" => &["release-guard-open", "show a in release-guarded"],
            _ => &["show a in release"],
        };
        assert_eq!(bd.check(open, |bd| bd.release(&a, "mesh-1")), Ok(()));
        assert_eq!(
            bd.tracker.release_by_hand(&[&a, &a]),
            format!("bd update {a} {a} --status open --assignee ''")
        );
    }
}

#[test]
fn leases_are_renewed_where_there_are_any() {
    for bd in Recorded::both() {
        let (a, d, none) = (bd.id("a"), bd.id("d"), bd.id("none"));
        if !bd.tracker.features.leases {
            let renewed = bd.check(&[], |bd| bd.renew(&a, "mesh-1"));
            assert_eq!(renewed, Ok(Renewal::NoLeases));
            continue;
        }
        let renewed = bd.check(&["heartbeat-mine"], |bd| bd.renew(&a, "mesh-1"));
        assert_eq!(renewed, Ok(Renewal::Renewed));
        let refused = |answer| match answer {
            Ok(Renewal::Refused(refusal)) => refusal.reason,
            other => panic!("{other:?}"),
        };
        let lost = bd.check(&["heartbeat-other"], |bd| bd.renew(&a, "mesh-2"));
        assert_eq!(refused(lost), mesh_1());
        let lost = bd.check(&["heartbeat-open"], |bd| bd.renew(&d, "mesh-1"));
        assert_eq!(refused(lost), RefusalReason::Status(IssueStatus::Open));
        let missing = bd.check(&["heartbeat-missing"], |bd| bd.renew(&none, "mesh-1"));
        assert_eq!(missing, Err(not_found(&none)));
    }
}

#[test]
fn closes() {
    for bd in Recorded::both() {
        let (a, c, epic, none) = (bd.id("a"), bd.id("c"), bd.id("epic"), bd.id("none"));
        let closed = bd.check_looked("show a in claim-meta", &["close-mine"], |bd| {
            bd.close(&a, "mesh-1", "-dash reason")
        });
        assert_eq!(closed, Ok(()));
        let again: &[&str] = match bd.version {
            "1.3.0" => &["close-mine-again"],
            _ => &["show a in close-mine"],
        };
        assert_eq!(
            bd.check(again, |bd| bd.close(&a, "mesh-1", "again")),
            Ok(())
        );
        let gated = bd.check_looked("show c in list-gated", &["close-gated"], |bd| {
            bd.close(&c, "mesh", "x")
        });
        assert!(
            matches!(reason(gated), RefusalReason::BlockedBy(text) if text.contains(bd.id("b").as_str()))
        );
        let epic = bd.check_looked(
            "show epic in list-gated",
            &["close-epic-open-children"],
            |bd| bd.close(&epic, "mesh", "x"),
        );
        assert!(
            matches!(reason(epic), RefusalReason::Other(text) if text.contains("2 open child issue(s)"))
        );
        if bd.tracker.features.guarded {
            let missing = bd.check(&["close-missing"], |bd| bd.close(&none, "mesh-1", "x"));
            assert_eq!(missing, Err(not_found(&none)));
        }
    }
}

#[test]
fn comments_whatever_they_begin_with() {
    for bd in Recorded::both() {
        let (b, c, none) = (bd.id("b"), bd.id("c"), bd.id("none"));
        let odd = "-x --json\n\"two\" lines, ünïcode <&>  \n";
        let written = bd
            .check(&["comment-odd"], |bd| bd.comment(&b, "mesh-1", odd))
            .expect("written");
        assert_eq!(
            (written.author.as_str(), written.text.as_str()),
            ("mesh-1", odd)
        );
        let found = bd.check(&["comments-odd"], |bd| bd.comments(&b));
        assert_eq!(found, Ok(vec![written]));
        assert_eq!(
            bd.check(&["comments-none"], |bd| bd.comments(&c)),
            Ok(Vec::new())
        );
        let missing = bd.check(&["comments-missing"], |bd| bd.comments(&none));
        assert_eq!(missing, Err(not_found(&none)));
        let missing = bd.check(&["comment-missing"], |bd| bd.comment(&none, "mesh-1", "x"));
        assert_eq!(missing, Err(not_found(&none)));
    }
}

#[test]
fn audit_entries_are_flags_only() {
    for bd in Recorded::both() {
        let prompt = AuditEntry::LlmPrompt {
            issue: bd.id("a"),
            model: "m".to_owned(),
            prompt: "p \"q\"\nz".to_owned(),
        };
        let tool = AuditEntry::ToolCall {
            issue: bd.id("a"),
            tool_name: "mesh.attempt".to_owned(),
            exit_code: 0,
            payload: "{\"ok\":true}".to_owned(),
        };
        for (step, entry) in [("audit-prompt", prompt), ("audit-tool", tool)] {
            let id = bd
                .check(&[step], |bd| bd.audit(&entry, "mesh"))
                .expect("an entry");
            assert!(id.starts_with("int-"), "{id}");
        }
    }
}

#[test]
fn swarms() {
    for bd in Recorded::both() {
        let (b, epic, none) = (bd.id("b"), bd.id("epic"), bd.id("none"));
        let made = bd
            .check(&["swarm-create-coordinator"], |bd| {
                bd.swarm_create(&epic, "mesh")
            })
            .expect("a swarm");
        let SwarmCreated::Created { swarm, epic: named } = made else {
            panic!("{made:?}");
        };
        assert_eq!(named, epic);
        let again = bd.check(&["swarm-create-coordinator-again"], |bd| {
            bd.swarm_create(&epic, "mesh")
        });
        assert_eq!(again, Ok(SwarmCreated::Exists { swarm }));
        let missing = bd.check(&["swarm-create-missing"], |bd| {
            bd.swarm_create(&none, "mesh")
        });
        assert_eq!(missing, Err(not_found(&none)));
        let status = bd
            .check(&["swarm-status-more"], |bd| bd.swarm_status(&epic))
            .expect("a status");
        assert_eq!(
            (
                status.total_issues,
                status.completed.len(),
                status.ready.len()
            ),
            (3, 1, 2)
        );
        let missing = bd.check(&["swarm-status-missing"], |bd| bd.swarm_status(&none));
        assert_eq!(missing, Err(not_found(&none)));
        let shape = bd
            .check(&["swarm-validate-more"], |bd| bd.swarm_validate(&epic))
            .expect("an analysis");
        assert_eq!(
            (shape.total_issues, shape.closed_issues, shape.swarmable),
            (3, 1, true)
        );
        let no_epic = bd.check(&["swarm-validate-task"], |bd| bd.swarm_validate(&b));
        assert!(
            matches!(&no_epic, Err(BdError::Failed { text, .. }) if text.contains("is not an epic")),
            "{no_epic:?}"
        );
    }
}

/// The ids that a recorded call made, by the names in the formula.
fn made(bd: &Recorded, step: &str) -> Value {
    let answer: Value = serde_json::from_str(bd.step(step)["stdout"].as_str().expect("a text"))
        .expect("the answer");
    answer["id_mapping"].clone()
}

/// The use of a formula with the values that the recorded call has.
fn formula_use(bd: &Recorded, step: &str, formula: &'static str, found_by: &str) -> FormulaUse {
    let argv = bd.step(step)["argv"].clone();
    let words: Vec<&str> = argv
        .as_array()
        .expect("arguments")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let values = words.windows(2).filter(|pair| pair[0] == "--var");
    let values = values.filter_map(|pair| pair[1].split_once('='));
    FormulaUse {
        formula,
        folder: "/formulas".into(),
        variables: values.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        found_by: found_by.to_owned(),
    }
}

/// A recorded step that says nothing and ends well.
fn silent(bd: &Recorded, step: &str) -> Value {
    let mut step = bd.step(step);
    step["stdout"] = "".into();
    step
}

#[test]
fn molecules() {
    for mut bd in Recorded::both() {
        let ids = made(&bd, "pour");
        let id = |name: &str| {
            let text = ids[format!("mol-mesh-run{name}")].as_str().expect("an id");
            TaskId::new(text).expect("an id")
        };
        let target = bd.step("create-epic")["stdout"].clone();
        let target: Value = serde_json::from_str(target.as_str().expect("a text")).expect("JSON");
        let target = target["id"].as_str().expect("an id");
        let title = format!("validate-target: {target} (run 20260101-000000-abcd)");
        let run = formula_use(&bd, "pour", "mol-mesh-run", &title);
        let poured = bd
            .check(&["pour"], |bd| bd.pour(&run, "mesh"))
            .expect("it was poured");
        assert_eq!(poured.root, id(""));
        let names: Vec<&str> = poured.steps.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "closeout",
                "gate-resolve-target",
                "gate-validate-target",
                "resolve-target",
                "run-waves",
                "validate-target"
            ]
        );
        assert_eq!(poured.steps["run-waves"], id(".run-waves"));

        // An answer that says nothing: the molecule is found by its title.
        let whole = bd.steps.clone();
        let at = whole
            .iter()
            .position(|step| step["step"] == "pour")
            .expect("it is recorded");
        bd.steps[at] = silent(&bd, "pour");
        let found = bd.check(&["pour", "list-poured"], |bd| bd.pour(&run, "mesh"));
        assert_eq!(found, Ok(poured.clone()));
        bd.steps = whole;

        let first = [
            ".gate-resolve-target",
            ".gate-validate-target",
            ".resolve-target",
            ".validate-target",
        ]
        .map(id);
        let reason = "run 20260101-000000-abcd has begun";
        assert_eq!(
            bd.check(&["begin"], |bd| bd.close_own(&first, "mesh", reason)),
            Ok(())
        );

        let arm = formula_use(&bd, "bond", "mol-mesh-arm", "none");
        let bonded = bd
            .check(&["bond"], |bd| bd.bond(&arm, &poured.root, "mesh"))
            .expect("it was bonded");
        let arms = made(&bd, "bond");
        assert_eq!(arms["mol-mesh-arm"], bonded.root.as_str());
        assert_eq!(arms["mol-mesh-arm.arm"], bonded.steps["arm"].as_str());
        let listing = bd
            .check(&["list-bonded"], |bd| bd.listing())
            .expect("a listing");
        let open = listing.open_below(&poured.root);
        assert_eq!(open.first(), Some(&bonded.steps["arm"]), "{open:?}");
        assert_eq!(open.last(), Some(&poured.root), "{open:?}");
        assert_eq!(open.len(), 5, "{open:?}");

        let last = [".run-waves", ".closeout", ""].map(id);
        let reason = "run 20260101-000000-abcd has ended: done";
        for step in ["end", "end-again"] {
            assert_eq!(
                bd.check(&[step], |bd| bd.close_own(&last, "mesh", reason)),
                Ok(())
            );
        }
        let listing = bd
            .check(&["list-ended"], |bd| bd.listing())
            .expect("a listing");
        assert_eq!(listing.open_below(&poured.root), []);
        let strange = [id(".run-waves"), TaskId::new("t-none").expect("an id")];
        let refused = bd.check(&["end-missing", "list-bonded"], |bd| {
            bd.close_own(&strange, "mesh", "x")
        });
        assert!(
            matches!(&refused, Err(BdError::Failed { text, .. }) if text.contains("t-none")),
            "{refused:?}"
        );
    }
}

#[test]
fn formulas_are_cooked() {
    for bd in Recorded::both() {
        let cook = |step: &str| {
            let file = bd.step(step)["argv"][1]
                .as_str()
                .expect("a file")
                .to_owned();
            // The recording's place is no path of this machine, so it is not absolute.
            let mut step = bd.step(step);
            let file = file.replace("$WORK", "/work");
            step["argv"][1] = file.clone().into();
            *bd.expected.lock().expect("no panic") = [step].into();
            bd.tracker.cook(Path::new(&file))
        };
        assert_eq!(cook("cook-run"), Ok(()));
        for (step, words) in [
            ("cook-broken", "title is required"),
            ("cook-missing", "no such file"),
        ] {
            let said = cook(step);
            assert!(
                matches!(&said, Err(BdError::Failed { text, .. }) if text.contains(words)),
                "{said:?}"
            );
        }
    }
}
