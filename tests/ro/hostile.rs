//! Hostile calls: whatever the wrapper accepts keeps the contract, by a checker that does not know the wrapper's table.

use std::ffi::OsString;

use mesh_bd_ro::canonical::argv;
use mesh_bd_ro::parse::{MAX_ARGUMENTS, MAX_BYTES, Parsed, parse};
use mesh_testkit::ro::checker::Checker;
use mesh_testkit::ro::hostile::Hostile;

const SEEDS: u64 = 8;
const CALLS: usize = 10_000;

#[test]
fn nothing_outside_the_contract_gets_through() {
    let checker = Checker::default();
    let mut accepted = 0;
    let mut paths = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        let mut calls = Hostile::new(seed);
        for number in 0..CALLS {
            let call = calls.next_call();
            let Ok(Parsed::Request(request)) = parse(&call) else {
                continue;
            };
            let canonical = argv(&request);
            if let Err(reason) = checker.check_call(&call, &canonical) {
                panic!("seed {seed}, call {number}, {call:?} became {canonical:?}: {reason}");
            }
            let again: Vec<OsString> = canonical[3..].iter().map(OsString::from).collect();
            // Long names and `--` make a call that is just within the limits longer than them.
            let bytes: usize = again.iter().map(|word| word.len() + 1).sum();
            let beyond_limits = again.len() > MAX_ARGUMENTS || bytes > MAX_BYTES;
            assert!(
                beyond_limits || parse(&again) == Ok(Parsed::Request(request.clone())),
                "{canonical:?} is not read as itself"
            );
            accepted += 1;
            paths.insert(request.rule.path);
        }
    }
    let total = SEEDS as usize * CALLS;
    println!(
        "{total} calls, {accepted} accepted ({:.1} %)",
        100.0 * accepted as f64 / total as f64
    );
    assert_eq!(
        paths.len(),
        18,
        "the calls must exercise every allowed command"
    );
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
