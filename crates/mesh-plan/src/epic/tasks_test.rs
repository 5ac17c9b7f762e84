use super::super::listings::*;
use super::*;
use crate::details::ProofFrom;
use crate::epic::resolve_target;

fn nobody(_: &Issue) -> bool {
    false
}

fn of_epic(name: &str, issues: &Listing) -> SourceSnapshot {
    load(&Target::Epic(id(name)), issues, &nobody)
}

fn find<'a>(loaded: &'a SourceSnapshot, name: &str) -> &'a Task {
    loaded
        .tasks
        .iter()
        .find(|task| task.id.as_str() == name)
        .expect("it is a task")
}

fn names(ids: &[TaskId]) -> Vec<&str> {
    ids.iter().map(TaskId::as_str).collect()
}

fn all_names(loaded: &SourceSnapshot) -> Vec<&str> {
    loaded.tasks.iter().map(|task| task.id.as_str()).collect()
}

fn said(loaded: &SourceSnapshot) -> Vec<String> {
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn the_recorded_epic_has_its_five_tasks() {
    let loaded = of_epic("t-wjx", &recorded());
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(loaded.source.title, "Ship the parser");
    assert_eq!(
        all_names(&loaded),
        ["t-wjx.1", "t-wjx.2", "t-wjx.3", "t-wjx.4", "t-wjx.5"]
    );
    assert_eq!(
        names(&find(&loaded, "t-wjx.5").needs),
        ["t-wjx.3", "t-wjx.4"]
    );
    assert!(find(&loaded, "t-wjx.2").locks.texts().eq(["core"]));
    assert!(
        loaded
            .tasks
            .iter()
            .all(|task| task.eligibility == Eligibility::Open && task.outside.is_empty())
    );
    assert!(loaded.plan(&Default::default()).is_ok());
}

#[test]
fn what_others_hold_is_reported_and_what_is_ours_is_run() {
    let later = recorded_later();
    let ours = |issue: &Issue| issue.assignee.as_deref() == Some("mesh-1");
    let loaded = load(&Target::Epic(id("t-wjx")), &later, &ours);
    assert_eq!(loaded.tasks.len(), 5, "the event below t-wjx.3 is no task");
    assert_eq!(find(&loaded, "t-wjx.1").eligibility, Eligibility::Open);
    assert_eq!(
        find(&loaded, "t-wjx.2").eligibility,
        Eligibility::NotOurs {
            reason: "held by mesh-2".to_owned()
        }
    );
    assert_eq!(find(&loaded, "t-wjx.4").eligibility, Eligibility::Open);
}

#[test]
fn every_status_has_its_standing() {
    let under = |name: &str| task(name, name, &[("e", PARENT)]);
    let issues = listing([
        epic("e", &[]),
        stands(under("a"), IssueStatus::Closed, Some("ada")),
        stands(under("b"), IssueStatus::Open, Some("ada")),
        stands(under("c"), IssueStatus::InProgress, None),
        stands(under("d"), IssueStatus::Blocked, None),
        stands(under("f"), IssueStatus::Deferred, None),
        stands(under("g"), IssueStatus::Other("pinned".to_owned()), None),
    ]);
    let loaded = of_epic("e", &issues);
    let reason = |name: &str| match &find(&loaded, name).eligibility {
        Eligibility::NotOurs { reason } => reason.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(
        find(&loaded, "a").eligibility,
        Eligibility::Satisfied { commit: None }
    );
    assert_eq!(reason("b"), "held by ada");
    assert_eq!(reason("c"), "in progress, held by nobody that is named");
    assert_eq!(reason("d"), "blocked by hand");
    assert_eq!(reason("f"), "deferred");
    assert_eq!(reason("g"), "has the status `pinned`");
    let mine = load(&Target::Epic(id("e")), &issues, &|_| true);
    assert_eq!(find(&mine, "b").eligibility, Eligibility::Open);
    assert!(
        matches!(find(&mine, "d").eligibility, Eligibility::NotOurs { .. }),
        "a hold by hand stays one"
    );
}

#[test]
fn a_nested_epic_holds_its_children_and_passes_its_blockers_on() {
    let issues = listing([
        epic("e", &[("x", GATES)]),
        epic("e.1", &[("e", PARENT), ("a", GATES), ("e.1.1", GATES)]),
        task("e.1.1", "one", &[("e.1", PARENT)]),
        task("e.1.2", "two", &[("e.1", PARENT), ("e.1.1", GATES)]),
        task("a", "first", &[("e", PARENT)]),
        task("z", "last", &[("e", PARENT), ("e.1", GATES)]),
        task("x", "elsewhere", &[]),
    ]);
    let loaded = of_epic("e", &issues);
    assert_eq!(find(&loaded, "e.1").eligibility, Eligibility::Container);
    assert_eq!(names(&find(&loaded, "e.1").needs), ["a", "e.1.1", "e.1.2"]);
    assert_eq!(
        names(&find(&loaded, "e.1.1").needs),
        ["a"],
        "its epic's own wait for it is not passed on"
    );
    assert_eq!(names(&find(&loaded, "e.1.2").needs), ["a", "e.1.1"]);
    assert_eq!(names(&find(&loaded, "z").needs), ["e.1"]);
    assert!(
        loaded
            .tasks
            .iter()
            .all(|task| names(&task.outside) == ["x"]),
        "what blocks the epic blocks all in it"
    );
    assert!(loaded.plan(&Default::default()).is_ok());
}

#[test]
fn an_open_blocker_outside_is_named_and_a_closed_one_joins() {
    let done =
        |name: &str, edges| stands(task(name, name, edges), IssueStatus::Closed, Some("ada"));
    let gate = |name: &str, status| {
        stands(
            issue(name, name, IssueKind::Bookkeeping("gate".to_owned()), &[]),
            status,
            None,
        )
    };
    let issues = listing([
        epic("e", &[]),
        task(
            "a",
            "a",
            &[
                ("e", PARENT),
                ("open", GATES),
                ("done", GATES),
                ("g1", GATES),
                ("g2", GATES),
                ("external:p:c", GATES),
            ],
        ),
        task("b", "b", &[("e", PARENT), ("f", GATES)]),
        task("open", "open", &[]),
        done("done", &[("older", GATES)]),
        done("older", &[]),
        gate("g1", IssueStatus::Open),
        gate("g2", IssueStatus::Closed),
        stands(epic("f", &[]), IssueStatus::Closed, None),
        done("f.1", &[("f", PARENT)]),
        stands(epic("f.2", &[("f", PARENT)]), IssueStatus::Closed, None),
        done("f.2.1", &[("f.2", PARENT)]),
        task("f.3", "left open", &[("f", PARENT)]),
    ]);
    let loaded = of_epic("e", &issues);
    assert_eq!(
        names(&find(&loaded, "a").outside),
        ["external:p:c", "g1", "open"]
    );
    assert_eq!(names(&find(&loaded, "a").needs), ["done"]);
    assert_eq!(
        all_names(&loaded),
        ["a", "b", "done", "f", "f.1", "f.2", "f.2.1"]
    );
    assert_eq!(
        find(&loaded, "done").eligibility,
        Eligibility::Satisfied { commit: None }
    );
    assert!(
        find(&loaded, "done").needs.is_empty(),
        "its own needs are history"
    );
    assert_eq!(find(&loaded, "f").eligibility, Eligibility::Container);
    assert_eq!(names(&find(&loaded, "f").needs), ["f.1", "f.2"]);
    assert_eq!(names(&find(&loaded, "f.2").needs), ["f.2.1"]);
    let outsiders: Vec<&str> = loaded
        .details
        .values()
        .filter(|details| !details.member)
        .map(|details| details.id.as_str())
        .collect();
    assert_eq!(outsiders, ["done", "f", "f.1", "f.2", "f.2.1"]);
    assert!(loaded.plan(&Default::default()).is_ok());
}

#[test]
fn an_unknown_need_and_a_cycle_are_errors() {
    let issues = listing([
        epic("e", &[]),
        task("a1", "a", &[("e", PARENT), ("b1", GATES)]),
        task("b1", "b", &[("e", PARENT), ("a1", GATES), ("a12", GATES)]),
    ]);
    let loaded = of_epic("e", &issues);
    let all: Vec<String> = loaded
        .plan(&Default::default())
        .expect_err("no plan")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        all,
        [
            "error: task b1 needs a12, which is not in the plan; did you mean `a1`?",
            "error: dependency cycle: a1 -> b1 -> a1"
        ]
    );
}

#[test]
fn labels_make_locks_and_checkpoints() {
    let under = |name: &str, title: &str, labels: &[&str]| {
        labelled(task(name, title, &[("e", PARENT)]), labels)
    };
    let mut timed = under(
        "d",
        "d",
        &["mesh:checkpoint", "mesh-lock:a-b=2", "mesh-lock:c"],
    );
    timed.estimate_minutes = Some(12);
    timed.priority = 0;
    let issues = listing([
        epic("e", &[]),
        under("a", "Integration tests", &[]),
        under("b", "a CheckPoint", &[]),
        under(
            "c",
            "c",
            &[
                "mesh-lock:Core Config",
                "mesh-lock:",
                "mesh-lock:gpu=0",
                "other",
            ],
        ),
        timed,
        under("f", "  ", &[]),
    ]);
    let loaded = of_epic("e", &issues);
    let checkpoints: Vec<&str> = loaded
        .tasks
        .iter()
        .filter(|task| task.checkpoint)
        .map(|task| task.id.as_str())
        .collect();
    assert_eq!(checkpoints, ["a", "b", "d"]);
    let d = find(&loaded, "d");
    assert_eq!(
        (d.locks.texts().collect(), d.estimate_minutes, d.priority),
        (vec!["a-b=2".to_owned(), "c".to_owned()], Some(12), 0)
    );
    assert_eq!(
        said(&loaded),
        [
            "warning: c: the label `mesh-lock:Core Config` names no lock group, it is not kebab-case (lower-case letters, digits and \
             single hyphens); it is ignored",
            "warning: c: the label `mesh-lock:` names no lock group, it is empty; it is ignored",
            "warning: c: the label `mesh-lock:gpu=0` names no lock group, the units after `=` are no whole number from 1 on; it is ignored",
            "error: f has no title, so nothing to do",
        ]
    );
}

#[test]
fn the_proof_is_looked_for_in_its_order() {
    let under = |name: &str| task(name, name, &[("e", PARENT)]);
    let mut a = under("a");
    a.metadata = vec![("mesh.verify".to_owned(), " make a ".to_owned())];
    a.acceptance = "Verify: make b".to_owned();
    let mut b = under("b");
    b.metadata = vec![("mesh.verify".to_owned(), " ".to_owned())];
    b.acceptance = "- x\n- Verify: make b\n- Verify: make c".to_owned();
    b.description = "Verify: make d".to_owned();
    let mut c = under("c");
    c.description = "text\nVerify: `make d`".to_owned();
    let loaded = of_epic("e", &listing([epic("e", &[]), a, b, c, under("d")]));
    let of = |name: &str| {
        let details = &loaded.details[&id(name)];
        (details.proof_command(), details.proof_from)
    };
    assert_eq!(of("a"), (Some("make a".to_owned()), ProofFrom::Metadata));
    assert_eq!(
        of("b"),
        (Some("make b && make c".to_owned()), ProofFrom::Acceptance)
    );
    assert_eq!(of("c"), (Some("make d".to_owned()), ProofFrom::Description));
    assert_eq!(of("d"), (None, ProofFrom::None));
}

#[test]
fn epics_that_were_put_aside_or_closed_early_are_told() {
    let issues = listing([
        stands(epic("e", &[]), IssueStatus::Deferred, None),
        stands(epic("f", &[("e", PARENT)]), IssueStatus::Blocked, None),
        task("f.1", "f.1", &[("f", PARENT)]),
        stands(
            task("f.2", "f.2", &[("f", PARENT)]),
            IssueStatus::Closed,
            None,
        ),
        stands(epic("g", &[("e", PARENT)]), IssueStatus::Closed, None),
        task("g.1", "g.1", &[("g", PARENT)]),
        stands(epic("h", &[("e", PARENT)]), IssueStatus::Closed, None),
        stands(
            task("h.1", "h.1", &[("h", PARENT)]),
            IssueStatus::Closed,
            None,
        ),
    ]);
    let loaded = of_epic("e", &issues);
    assert_eq!(
        find(&loaded, "f.1").eligibility,
        Eligibility::NotOurs {
            reason: "its epic f is blocked".to_owned()
        }
    );
    assert_eq!(
        find(&loaded, "f.2").eligibility,
        Eligibility::Satisfied { commit: None }
    );
    assert_eq!(
        find(&loaded, "g").eligibility,
        Eligibility::Satisfied { commit: None }
    );
    assert_eq!(find(&loaded, "g.1").eligibility, Eligibility::Open);
    assert_eq!(find(&loaded, "h").eligibility, Eligibility::Container);
    assert_eq!(
        said(&loaded),
        [
            "warning: epic e itself is deferred; its children are run all the same",
            "warning: epic g is closed, but g.1 under it are not; what waits for the epic does not wait for them",
        ]
    );
}

#[test]
fn an_epic_without_children_is_no_plan() {
    let loaded = of_epic(
        "e",
        &listing([epic("e", &[]), molecule("m", "Swarm: e", "e")]),
    );
    assert_eq!(
        said(&loaded),
        ["error: epic e has no children; add some, or give another target"]
    );
    assert!(loaded.plan(&Default::default()).is_err());
    assert!(
        of_epic("nobody", &recorded())
            .plan(&Default::default())
            .is_err()
    );
}

#[test]
fn rings_of_parents_end() {
    let issues = listing([
        epic("e", &[("f", PARENT)]),
        epic("f", &[("e", PARENT)]),
        task("a", "a", &[("f", PARENT), ("a", PARENT)]),
    ]);
    assert_eq!(all_names(&of_epic("e", &issues)), ["a", "f"]);
    let _ = resolve_target(&["a".to_owned()], &issues);
}

#[test]
fn a_bead_names_its_agents_in_its_metadata() {
    let under = |name: &str| task(name, name, &[("e", PARENT)]);
    let mut a = under("a");
    a.metadata = vec![(
        "mesh.agent".to_owned(),
        " codex:gpt-5, claude,codex:gpt-5,".to_owned(),
    )];
    let mut b = under("b");
    b.metadata = vec![("mesh.agent".to_owned(), " ".to_owned())];
    let loaded = of_epic("e", &listing([epic("e", &[]), a, b, under("c")]));
    let agents: Vec<String> = loaded
        .tasks
        .iter()
        .map(|task| task.agents.join("+"))
        .collect();
    assert_eq!(agents, ["codex:gpt-5+claude", "", ""]);
}
