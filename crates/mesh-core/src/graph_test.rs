use proptest::prelude::*;

use super::*;

fn graph(edges: &[&[u32]]) -> Result<Graph, Vec<Ix>> {
    Graph::new(
        edges
            .iter()
            .map(|list| list.iter().map(|&at| Ix(at)).collect())
            .collect(),
    )
}

#[test]
fn a_cycle_is_shown_as_a_path() {
    // 0 is free, 1 -> 2 -> 3 -> 1 is the cycle, 4 hangs on it.
    let cycle = graph(&[&[], &[2], &[3], &[1], &[1]]).unwrap_err();
    assert_eq!(cycle.len(), 3);
    let names: std::collections::BTreeSet<u32> = cycle.iter().map(|at| at.0).collect();
    assert_eq!(names, [1, 2, 3].into());
}

#[test]
fn a_chain_has_no_parallelism_and_a_fork_has() {
    let parallel =
        |edges: &[&[u32]], counted: &[bool]| graph(edges).unwrap().has_parallelism(counted);
    assert!(!parallel(&[&[], &[0], &[1]], &[true; 3]));
    assert!(!parallel(&[&[]], &[true]));
    assert!(parallel(&[&[], &[0], &[0]], &[true; 3]));
    // 0 -> 1 -> 2 beside 3 alone.
    assert!(parallel(&[&[], &[0], &[1], &[]], &[true; 4]));
    assert!(!parallel(
        &[&[], &[0], &[1], &[]],
        &[true, true, true, false]
    ));
}

/// Edges that go from a task to earlier ones only: always a DAG.
fn dag() -> impl Strategy<Value = Vec<Vec<Ix>>> {
    prop::collection::vec(
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        1..90,
    )
    .prop_map(|rows| {
        let pick = |at: usize, list: &[prop::sample::Index]| -> Vec<Ix> {
            list.iter()
                .filter(|_| at > 0)
                .map(|index| Ix(index.index(at) as u32))
                .collect()
        };
        rows.iter()
            .enumerate()
            .map(|(at, list)| pick(at, list))
            .collect()
    })
}

proptest! {
    #[test]
    fn order_respects_needs_and_levels_are_chains(needs in dag()) {
        let graph = Graph::new(needs.clone()).unwrap();
        let mut place = vec![0; graph.len()];
        for (at, task) in graph.order().iter().enumerate() {
            place[task.index()] = at;
        }
        for (at, list) in needs.iter().enumerate() {
            for need in list {
                prop_assert!(place[need.index()] < place[at]);
                prop_assert!(graph.level(*need) < graph.level(Ix(at as u32)));
            }
        }
    }

    #[test]
    fn bits_count_what_a_walk_counts(needs in dag(), counted in prop::collection::vec(any::<bool>(), 90)) {
        let graph = Graph::new(needs).unwrap();
        let counts = graph.transitive_dependents(&counted[..graph.len()]);
        for (at, count) in counts.iter().enumerate() {
            let walked = graph.all_dependents(Ix(at as u32)).into_iter().filter(|d| counted[d.index()]).count();
            prop_assert_eq!(*count as usize, walked);
        }
    }

    #[test]
    fn a_back_edge_is_found_as_a_cycle(needs in dag(), from in any::<prop::sample::Index>()) {
        let graph = Graph::new(needs.clone()).unwrap();
        let task = Ix(from.index(graph.len()) as u32);
        if let Some(&last) = graph.all_dependents(task).last() {
            let mut broken = needs;
            broken[task.index()].push(last);
            let cycle = Graph::new(broken.clone()).unwrap_err();
            for pair in 0..cycle.len() {
                let next = cycle[(pair + 1) % cycle.len()];
                prop_assert!(broken[cycle[pair].index()].contains(&next));
            }
        }
    }
}
