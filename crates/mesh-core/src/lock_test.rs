use proptest::prelude::*;

use super::*;

#[test]
fn a_reservation_keeps_others_out_and_ends_when_taken() {
    let mut table = LockTable::new(2);
    let (waiting, other) = (Ix(0), Ix(1));
    table.take(other, Claim::Groups(&[0]));
    assert!(table.can_reserve(waiting, Claim::Groups(&[0, 1])));
    table.reserve(waiting, Claim::Groups(&[0, 1]));
    assert_eq!(
        table.block(Ix(2), Claim::Groups(&[1])),
        Some(LockBlock::Reserved {
            group: 1,
            by: waiting
        })
    );
    assert!(!table.can_reserve(Ix(2), Claim::Groups(&[1])));
    table.release(other, Claim::Groups(&[0]));
    assert_eq!(table.block(waiting, Claim::Groups(&[0, 1])), None);
    table.take(waiting, Claim::Groups(&[0, 1]));
    assert!(!table.has_reservation(waiting));
    table.release(waiting, Claim::Groups(&[0, 1]));
    assert_eq!(table, LockTable::new(2));
}

#[test]
fn a_task_that_runs_alone_excludes_everything() {
    let mut table = LockTable::new(1);
    table.take(Ix(0), Claim::Groups(&[]));
    assert_eq!(table.block(Ix(1), Claim::Alone), Some(LockBlock::NotAlone));
    table.release(Ix(0), Claim::Groups(&[]));
    table.take(Ix(1), Claim::Alone);
    assert_eq!(
        table.block(Ix(0), Claim::Groups(&[])),
        Some(LockBlock::Alone { by: Ix(1) })
    );
}

proptest! {
    /// Whatever is tried, in whatever order: a group has one holder, and what is released is free.
    #[test]
    fn no_group_ever_has_two_holders(steps in prop::collection::vec((0_u32..6, prop::collection::btree_set(0_u32..4, 0..4), any::<bool>()), 1..60)) {
        let mut table = LockTable::new(4);
        let mut held: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
        for (task, groups, release) in steps {
            let groups: Vec<u32> = groups.into_iter().collect();
            if release {
                if let Some(had) = held.remove(&task) {
                    table.release(Ix(task), Claim::Groups(&had));
                }
            } else if !held.contains_key(&task) && table.block(Ix(task), Claim::Groups(&groups)).is_none() {
                prop_assert!(held.values().flatten().all(|group| !groups.contains(group)));
                table.take(Ix(task), Claim::Groups(&groups));
                held.insert(task, groups);
            }
            for group in 0..4 {
                let holder = held.iter().find(|(_, groups)| groups.contains(&group)).map(|(task, _)| Ix(*task));
                prop_assert_eq!(table.holder(group), holder);
            }
        }
    }
}
