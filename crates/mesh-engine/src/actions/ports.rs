//! The block of ports that the processes of an attempt may listen on, told them by `MESH_PORT_BASE`. A hint: nobody is kept from
//! other ports, and a program that nobody here knows may take one of the block after it was found free.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use mesh_agent::launch::Ports;
use mesh_core::decision::StartOrder;
use mesh_core::id::AttemptId;
use serde::{Deserialize, Serialize};

use crate::context::RunContext;

const FILE: &str = "ports.json";

/// Where blocks begin and end. Below 32768, where Linux takes the ports of outgoing connections from.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// Ports in a block.
const BLOCK: u16 = 20;

/// What is kept of the choice, for the proof and for whoever takes the run up.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Chosen {
    slot: u16,
    slots: u16,
    base: Option<u16>,
}

/// Chooses a block that is free now and belongs to the attempt's slot alone, and keeps the choice in `folder`.
pub(crate) fn hand_out(
    context: &RunContext,
    order: &StartOrder,
    folder: &Path,
) -> std::io::Result<()> {
    let (slot, slots) = (order.slot.0, order.slots);
    let base = free_block(&context.run, slot, slots);
    if base.is_none() {
        tracing::warn!(attempt = %order.attempt, "no block of ports is free");
    }
    let text = serde_json::to_vec(&Chosen { slot, slots, base })?;
    fs_err::write(folder.join(FILE), text)
}

/// What was handed out to the attempt.
pub(crate) fn of(context: &RunContext, attempt: &AttemptId) -> Option<Ports> {
    chosen(context, attempt).map(|chosen| Ports {
        slot: chosen.slot,
        base: chosen.base,
    })
}

/// A block that is no slot's: the attempt whose result is landed has none any more. One landing is under way at a time.
pub(crate) fn of_landing(context: &RunContext, attempt: &AttemptId) -> Option<Ports> {
    let Chosen { slot, slots, .. } = chosen(context, attempt)?;
    Some(Ports {
        slot,
        base: free_block(&context.run, slots.saturating_add(1), slots),
    })
}

fn chosen(context: &RunContext, attempt: &AttemptId) -> Option<Chosen> {
    let path = context.run_dir.attempt(attempt).path().join(FILE);
    serde_json::from_slice(&fs_err::read(path).ok()?).ok()
}

/// The first port of the first free block among those of `slot`, from 1, of `slots` and one more for landings. No two of them share a
/// block; where runs begin to look differs, so that two runs on one machine seldom want the same.
fn free_block(run: &str, slot: u16, slots: u16) -> Option<u16> {
    let stride = slots.saturating_add(1);
    let blocks = (RANGE.end - RANGE.start) / BLOCK;
    let own: Vec<u16> = (slot.saturating_sub(1)..blocks)
        .step_by(usize::from(stride))
        .collect();
    let sum: usize = run.bytes().map(usize::from).sum();
    let begin = sum % own.len().max(1);
    let bases = own.iter().cycle().skip(begin).take(own.len());
    bases
        .map(|block| RANGE.start + block * BLOCK)
        .find(|base| (*base..*base + BLOCK).all(is_free))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_slots_share_a_block_and_what_is_taken_is_passed_over() {
        let bases: BTreeSet<Option<u16>> = (1..=7).map(|slot| free_block("r-1", slot, 6)).collect();
        assert_eq!(bases.len(), 7);
        assert!(bases.iter().all(Option::is_some));
        let first = free_block("r-1", 3, 6).expect("one is free");
        let _taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, first + 7)).expect("it is free");
        let second = free_block("r-1", 3, 6).expect("another is free");
        assert_ne!(first, second);
        // More slots than blocks: some have none.
        assert_eq!(free_block("r-1", 1_000, 1_000), None);
    }
}
