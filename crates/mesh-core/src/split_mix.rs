//! A fixed sequence of numbers for searches that try this and that (splitmix64): the same on every machine.

/// The next number of the sequence that `state` is at.
pub fn split_mix_64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The sequence; every new one begins at the same place.
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new() -> SplitMix64 {
        SplitMix64(0x6d65_7368)
    }

    /// A number below `limit`; 0 when that is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        split_mix_64(&mut self.0) % limit.max(1)
    }

    /// `measure`, changed by at most `spread` thousandths, times 1000.
    pub(crate) fn shift(&mut self, measure: u64, spread: u64) -> u64 {
        let roll = self.below(2 * spread + 1);
        let least = 1000_u64.saturating_sub(spread);
        measure.saturating_mul(least + roll)
    }

    /// One of `items`.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let at = self.below(items.len() as u64);
        items.get(usize::try_from(at).unwrap_or(0)).copied()
    }
}
