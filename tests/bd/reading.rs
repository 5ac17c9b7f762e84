//! Listings, edges, epics.

use mesh_bd::{BdError, SwarmCreated};
use mesh_core::issue::{EdgeKind, IssueKind, IssueStatus};
use mesh_testkit::tracker::Bd;

use crate::support::{NewTask, TrackerRepo, id, on_each_bd, open};

on_each_bd!(
    lists_edges_labels_and_texts,
    lists_every_parent_of_nested_epics_and_shared_beads,
    an_open_gate_is_seen_and_is_no_work,
    a_missing_bead_is_named,
    a_swarm_is_created_once,
    a_single_bead_is_wrapped_and_the_wrapper_found,
    swarm_views_are_read,
);

fn lists_edges_labels_and_texts(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let epic = repo.epic_with(
        "Parser",
        &[
            NewTask::new("lexer", &[])
                .label("mesh-lock:core")
                .priority(0)
                .metadata("mesh.verify", "true"),
            NewTask::new("grammar", &["lexer"])
                .description("Do it.\nVerify: cargo test \"ünïcode\" <&>"),
        ],
    );
    let with_acceptance = repo.create(
        "bug",
        "crash",
        &[
            "--parent",
            &epic.id,
            "--acceptance",
            "no crash",
            "--estimate",
            "45",
            "--priority",
            "3",
        ],
    );
    let (tracker, heard) = open(&repo);
    let listing = tracker.listing().expect("a listing");
    match bd.is_classic() {
        true => {
            let [list, show] = &heard.lines()[..] else {
                panic!("{:?}", heard.lines());
            };
            assert_eq!(
                list,
                "--no-daemon list --json --all --limit 0 --include-gates"
            );
            // Only what has edges.
            assert!(show.contains(&with_acceptance), "{show}");
            assert!(!show.split(' ').any(|word| word == epic.id), "{show}");
        }
        false => assert_eq!(
            heard.lines(),
            ["list --json --all --limit 0 --include-gates --include-infra"]
        ),
    }

    let lexer = listing.get(&id(epic.task("lexer"))).expect("lexer");
    assert_eq!(
        (lexer.title.as_str(), lexer.priority, &lexer.status),
        ("lexer", 0, &IssueStatus::Open)
    );
    assert_eq!(lexer.labels, ["mesh-lock:core"]);
    let metadata = match bd.is_classic() {
        true => Vec::new(),
        false => vec![("mesh.verify".to_owned(), "true".to_owned())],
    };
    assert_eq!(lexer.metadata, metadata);
    assert_eq!(lexer.kind, IssueKind::Work("task".into()));
    let grammar = listing.get(&id(epic.task("grammar"))).expect("grammar");
    assert_eq!(
        grammar.description,
        "Do it.\nVerify: cargo test \"ünïcode\" <&>"
    );
    let mut edges: Vec<_> = grammar
        .edges
        .iter()
        .map(|e| (e.kind, e.to.as_str().to_owned()))
        .collect();
    edges.sort();
    assert_eq!(
        edges,
        [
            (EdgeKind::Gates, epic.task("lexer").to_owned()),
            (EdgeKind::Parent, epic.id.clone())
        ]
    );
    let crash = listing.get(&id(&with_acceptance)).expect("crash");
    assert_eq!(
        (crash.acceptance.as_str(), crash.estimate_minutes),
        ("no crash", Some(45))
    );
    assert_eq!(
        listing.get(&id(&epic.id)).expect("the epic").kind,
        IssueKind::Epic
    );

    // `show` writes edges in another form; what is read is the same.
    let shown = tracker.show(&grammar.id).expect("grammar");
    let sorted = |issue: &mesh_core::issue::Issue| {
        let mut edges = issue.edges.clone();
        edges.sort();
        edges
    };
    assert_eq!(sorted(&shown), sorted(grammar));
    assert_eq!(shown.description, grammar.description);
}

fn lists_every_parent_of_nested_epics_and_shared_beads(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let outer = repo.create("epic", "outer", &[]);
    let inner = repo.create("epic", "inner", &["--parent", &outer]);
    let other = repo.create("epic", "other", &[]);
    let direct = repo.create("task", "direct", &["--parent", &outer]);
    let deep = repo.create("task", "deep", &["--parent", &inner]);
    let shared = repo.create("task", "shared", &["--parent", &outer]);
    repo.depend(&shared, &other, "parent-child");
    let stranger = repo.create("task", "stranger", &[]);
    let (tracker, heard) = open(&repo);

    let listing = tracker.listing().expect("a listing");
    let calls = if bd.is_classic() { 2 } else { 1 };
    assert_eq!(heard.lines().len(), calls, "{:?}", heard.lines());
    let parents = |name: &str| listing.parents_of(&id(name));
    assert_eq!(parents(&inner), [id(&outer)].into());
    assert_eq!(parents(&direct), [id(&outer)].into());
    assert_eq!(parents(&deep), [id(&inner)].into());
    assert_eq!(
        parents(&shared),
        [id(&outer), id(&other)].into(),
        "more than one is legal"
    );
    assert_eq!(parents(&stranger), [].into());
}

fn an_open_gate_is_seen_and_is_no_work(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = repo.create("task", "work", &[]);
    let gate = if bd.is_classic() {
        let gate = repo.create("gate", "wait", &[]);
        repo.depend(&task, &gate, "blocks");
        id(&gate)
    } else {
        let gate = repo.bd_json(&[
            "gate", "create", "--blocks", &task, "--type", "human", "--reason", "wait", "--json",
        ]);
        id(gate["id"].as_str().expect("an id"))
    };
    let (tracker, _) = open(&repo);
    let listing = tracker.listing().expect("a listing");
    assert_eq!(
        listing.get(&gate).expect("the gate").kind,
        IssueKind::Bookkeeping("gate".into())
    );
    let edges = &listing.get(&id(&task)).expect("the task").edges;
    assert!(
        edges
            .iter()
            .any(|edge| edge.kind == EdgeKind::Gates && edge.to == gate),
        "{edges:?}"
    );
}

fn a_missing_bead_is_named(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let task = id(&repo.create("task", "work", &[]));
    let (tracker, heard) = open(&repo);
    let none = id("t-none");
    let missing = BdError::NotFound { id: none.clone() };
    assert_eq!(tracker.show(&none), Err(missing.clone()));
    assert_eq!(tracker.comments(&none), Err(missing));
    assert_eq!(tracker.comments(&task), Ok(Vec::new()));
    let before = heard.lines().len();
    let flag = tracker.show(&id("--help"));
    assert!(matches!(flag, Err(BdError::BadArgument { .. })), "{flag:?}");
    assert_eq!(heard.lines().len(), before, "nothing was called");
}

fn a_swarm_is_created_once(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let epic = repo.epic_with(
        "Parser",
        &[NewTask::new("a", &[]), NewTask::new("b", &["a"])],
    );
    let target = id(&epic.id);
    let (tracker, _) = open(&repo);
    let SwarmCreated::Created { swarm, epic: named } =
        tracker.swarm_create(&target, "mesh").expect("a swarm")
    else {
        panic!("there was none");
    };
    assert_eq!(named, target);
    assert_eq!(
        tracker.swarm_create(&target, "mesh"),
        Ok(SwarmCreated::Exists {
            swarm: swarm.clone()
        })
    );
    let listing = tracker.listing().expect("a listing");
    assert_eq!(listing.swarm_of(&target), Some(swarm.clone()));
    assert_eq!(
        listing.get(&swarm).expect("the molecule").kind,
        IssueKind::Bookkeeping("molecule".into())
    );
    assert!(!listing.parents_of(&swarm).contains(&target));
    let missing = tracker.swarm_create(&id("t-none"), "mesh");
    assert_eq!(missing, Err(BdError::NotFound { id: id("t-none") }));
}

fn a_single_bead_is_wrapped_and_the_wrapper_found(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let bead = id(&repo.create("task", "alone", &[]));
    let (tracker, _) = open(&repo);
    assert_eq!(
        tracker.listing().expect("a listing").wrapper_of(&bead),
        None
    );
    let SwarmCreated::Created { swarm, epic } =
        tracker.swarm_create(&bead, "mesh").expect("a swarm")
    else {
        panic!("there was none");
    };
    let listing = tracker.listing().expect("a listing");
    assert_eq!(listing.wrapper_of(&bead), Some(epic.clone()));
    assert_eq!(listing.swarm_of(&epic), Some(swarm));
    assert_eq!(listing.parents_of(&bead), [epic].into());
}

fn swarm_views_are_read(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let epic = repo.epic_with(
        "Parser",
        &[
            NewTask::new("a", &[]),
            NewTask::new("b", &["a"]),
            NewTask::new("c", &[]),
        ],
    );
    let (a, b, c) = (id(epic.task("a")), id(epic.task("b")), id(epic.task("c")));
    let (tracker, _) = open(&repo);
    let shape = tracker.swarm_validate(&id(&epic.id)).expect("an analysis");
    assert!(shape.swarmable);
    assert_eq!(
        (
            shape.total_issues,
            shape.closed_issues,
            shape.max_parallelism
        ),
        (3, 0, 2)
    );
    let fronts: Vec<usize> = shape
        .fronts
        .iter()
        .map(|front| front.issues.len())
        .collect();
    assert_eq!(fronts, [2, 1]);
    assert_eq!(shape.fronts[1].issues, std::slice::from_ref(&b));

    tracker.claim(&c, "mesh-1", &[]).expect("a claim");
    tracker.close(&c, "mesh-1", "done").expect("a close");
    tracker.claim(&a, "mesh-1", &[]).expect("a claim");
    let status = tracker.swarm_status(&id(&epic.id)).expect("a status");
    assert_eq!(
        status.completed.iter().map(|i| &i.id).collect::<Vec<_>>(),
        [&c]
    );
    assert_eq!(
        status
            .active
            .iter()
            .map(|i| (&i.id, i.assignee.as_str()))
            .collect::<Vec<_>>(),
        [(&a, "mesh-1")]
    );
    assert_eq!(
        status
            .blocked
            .iter()
            .map(|i| (&i.id, i.blocked_by.clone()))
            .collect::<Vec<_>>(),
        [(&b, vec![a])]
    );
    assert!(status.ready.is_empty());
    let none = id("t-none");
    assert_eq!(
        tracker.swarm_status(&none),
        Err(BdError::NotFound { id: none.clone() })
    );
    assert_eq!(
        tracker.swarm_validate(&none),
        Err(BdError::NotFound { id: none })
    );
}
