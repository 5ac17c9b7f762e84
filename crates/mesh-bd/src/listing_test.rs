use super::*;
use crate::wire;

fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("a plain id")
}

/// `(id, type, [(edge type, other end)])`.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// A listing, by way of bd's JSON.
fn listing(rows: &[Row<'_>]) -> Listing {
    let row = |(id, kind, edges): &Row<'_>| {
        let edges: Vec<_> = edges
            .iter()
            .map(|(kind, to)| serde_json::json!({ "issue_id": id, "depends_on_id": to, "type": kind }))
            .collect();
        serde_json::json!({ "id": id, "title": id, "status": "open", "priority": 2, "issue_type": kind, "dependencies": edges })
    };
    let json = serde_json::Value::from(rows.iter().map(row).collect::<Vec<_>>());
    wire::listing(json.to_string().as_bytes()).expect("a readable listing")
}

#[test]
fn a_cycle_of_parents_ends() {
    // bd 1.0.5 accepts an epic as the child of its own member.
    let found = listing(&[
        ("e", "epic", &[("parent-child", "a")]),
        ("a", "task", &[("parent-child", "e")]),
    ]);
    assert_eq!(found.descendants_of(&id("e")), [id("a")].into());
    assert_eq!(found.epics_of(&id("a")), [id("e")].into());
    assert_eq!(found.descendants_of(&id("none")), BTreeSet::new());
}

#[test]
fn only_edges_make_members_and_only_some_edges_gate() {
    let found = listing(&[
        ("e", "epic", &[]),
        ("e.1", "task", &[]),
        (
            "x",
            "task",
            &[
                ("parent-child", "e"),
                ("waits-for", "y"),
                ("conditional-blocks", "z"),
                ("relates-to", "w"),
            ],
        ),
        ("sub", "task", &[("parent-child", "x")]),
    ]);
    assert_eq!(
        found.descendants_of(&id("e")),
        [id("sub"), id("x")].into(),
        "a dotted id is no edge"
    );
    assert_eq!(found.gates_of(&id("x")), [id("y"), id("z")].into());
    assert_eq!(
        found.epic_of(&id("sub")),
        Some(id("e")),
        "through a parent that is no epic"
    );
    assert_eq!(
        found
            .children_of(&id("e"))
            .map(|issue| issue.id.clone())
            .collect::<Vec<_>>(),
        [id("x")]
    );
    assert_eq!(found.common_epics(&[]), BTreeSet::new());
}
