use proptest::prelude::*;

use super::*;

fn one(group: u32) -> Hold {
    hold(group, 1)
}

fn hold(group: u32, units: u32) -> Hold {
    Hold { group, units }
}

#[test]
fn a_reservation_keeps_others_out_and_ends_when_taken() {
    let mut table = LockTable::new(&[1, 1]);
    let (waiting, other) = (Ix(0), Ix(1));
    table.take(other, Claim::Groups(&[one(0)]));
    assert!(table.can_reserve(waiting, Claim::Groups(&[one(0), one(1)])));
    table.reserve(waiting, Claim::Groups(&[one(0), one(1)]));
    assert_eq!(
        table.block(Ix(2), Claim::Groups(&[one(1)])),
        Some(LockBlock::Reserved {
            group: 1,
            by: waiting
        })
    );
    assert!(!table.can_reserve(Ix(2), Claim::Groups(&[one(1)])));
    table.release(other, Claim::Groups(&[one(0)]));
    assert_eq!(table.block(waiting, Claim::Groups(&[one(0), one(1)])), None);
    table.take(waiting, Claim::Groups(&[one(0), one(1)]));
    assert!(!table.has_reservation(waiting));
    table.release(waiting, Claim::Groups(&[one(0), one(1)]));
    assert_eq!(table, LockTable::new(&[1, 1]));
}

#[test]
fn a_task_that_runs_alone_excludes_everything() {
    let mut table = LockTable::new(&[1]);
    table.take(Ix(0), Claim::Groups(&[]));
    assert_eq!(table.block(Ix(1), Claim::Alone), Some(LockBlock::NotAlone));
    table.release(Ix(0), Claim::Groups(&[]));
    table.take(Ix(1), Claim::Alone);
    assert_eq!(
        table.block(Ix(0), Claim::Groups(&[])),
        Some(LockBlock::Alone { by: Ix(1) })
    );
}

#[test]
fn a_group_of_several_units_is_held_by_several_and_reserved_in_part() {
    let mut table = LockTable::new(&[3]);
    let claim = |units| [hold(0, units)];
    table.take(Ix(0), Claim::Groups(&claim(1)));
    table.take(Ix(1), Claim::Groups(&claim(1)));
    assert_eq!(table.holders(0).collect::<Vec<_>>(), [Ix(0), Ix(1)]);
    assert_eq!(
        table.block(Ix(2), Claim::Groups(&claim(2))),
        Some(LockBlock::Held {
            group: 0,
            by: Ix(0)
        }),
        "all or none"
    );
    table.reserve(Ix(2), Claim::Groups(&claim(2)));
    assert_eq!(
        table.block(Ix(3), Claim::Groups(&claim(1))),
        Some(LockBlock::Reserved {
            group: 0,
            by: Ix(2)
        }),
        "the last unit is one of those two"
    );
    table.release(Ix(0), Claim::Groups(&claim(1)));
    table.release(Ix(1), Claim::Groups(&claim(1)));
    assert_eq!(table.block(Ix(3), Claim::Groups(&claim(1))), None);
    table.take(Ix(3), Claim::Groups(&claim(1)));
    assert_eq!(table.block(Ix(2), Claim::Groups(&claim(2))), None);
}

proptest! {
    /// Whatever is tried, in whatever order: no group has more units held than there are, and what is released is free.
    #[test]
    fn no_group_is_ever_held_beyond_its_capacity(steps in prop::collection::vec((0_u32..6, prop::collection::btree_map(0_u32..4, 1_u32..4, 0..4), any::<bool>()), 1..60)) {
        let capacities = [1, 2, 3, 4];
        let mut table = LockTable::new(&capacities);
        let mut held: std::collections::BTreeMap<u32, Vec<Hold>> = std::collections::BTreeMap::new();
        for (task, wanted, release) in steps {
            let wanted: Vec<Hold> = wanted.into_iter().map(|(group, units)| hold(group, units)).collect();
            if release {
                if let Some(had) = held.remove(&task) {
                    table.release(Ix(task), Claim::Groups(&had));
                }
            } else if !held.contains_key(&task) && table.block(Ix(task), Claim::Groups(&wanted)).is_none() {
                table.take(Ix(task), Claim::Groups(&wanted));
                held.insert(task, wanted);
            }
            for (group, capacity) in (0..4).zip(capacities) {
                let of_group = held.values().flatten().filter(|hold| hold.group == group);
                prop_assert!(of_group.map(|hold| hold.units).sum::<u32>() <= capacity);
                let holders: std::collections::BTreeSet<Ix> = table.holders(group).collect();
                let wanted = held.iter().filter(|(_, holds)| holds.iter().any(|hold| hold.group == group));
                prop_assert_eq!(holders, wanted.map(|(task, _)| Ix(*task)).collect());
            }
        }
    }
}
