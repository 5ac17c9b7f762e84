//! Hostile calls: whatever the wrapper accepts keeps the contract, by a checker that does not know the wrapper's table.

use mesh_testkit::ro::CONTRACT;
use mesh_testkit::ro::fuzz::{Fuzz, ask};
use mesh_testkit::ro::hostile::Hostile;

const SEEDS: u64 = 8;
const CALLS: usize = 10_000;

#[test]
fn nothing_outside_the_contract_gets_through() {
    let mut fuzz = Fuzz::new(ask);
    let calls = (0..SEEDS).flat_map(|seed| {
        let mut hostile = Hostile::new(seed);
        (0..CALLS).map(move |_| hostile.next_call())
    });
    let tally = fuzz.try_all(calls);
    let offenders: Vec<String> = fuzz.offenders.iter().map(ToString::to_string).collect();
    assert_eq!(offenders, [""; 0]);
    assert_eq!(
        tally.commands.len(),
        CONTRACT.len(),
        "the calls must exercise every allowed command"
    );
    let (accepted, total) = (tally.accepted, tally.calls);
    assert!(
        accepted * 50 > total && accepted * 2 < total,
        "{accepted} of {total}: the mix is lopsided"
    );
}

#[test]
fn the_same_seed_gives_the_same_calls() {
    let calls = |seed| {
        let mut hostile = Hostile::new(seed);
        (0..100).map(|_| hostile.next_call()).collect::<Vec<_>>()
    };
    assert_eq!(calls(7), calls(7));
    assert_ne!(calls(7), calls(8));
}
