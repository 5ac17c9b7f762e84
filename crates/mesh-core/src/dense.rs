//! Two small containers that make a copy of the state cheap, so that a decision can be tried on a copy.

use std::sync::Arc;

use crate::graph::Ix;

const CHUNK: usize = 64;

/// A vector in shared chunks: copying it copies pointers, changing an entry copies its chunk if it is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CowVec<T> {
    chunks: Vec<Arc<Vec<T>>>,
}

impl<T> Default for CowVec<T> {
    fn default() -> Self {
        CowVec { chunks: Vec::new() }
    }
}

impl<T: Clone> FromIterator<T> for CowVec<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut chunks: Vec<Vec<T>> = Vec::new();
        for item in items {
            match chunks.last_mut() {
                Some(last) if last.len() < CHUNK => last.push(item),
                _ => {
                    let mut chunk = Vec::with_capacity(CHUNK);
                    chunk.push(item);
                    chunks.push(chunk);
                }
            }
        }
        CowVec {
            chunks: chunks.into_iter().map(Arc::new).collect(),
        }
    }
}

impl<T: Clone> CowVec<T> {
    /// The entry at `at`.
    #[must_use]
    pub fn get(&self, at: Ix) -> &T {
        &self.chunks[at.index() / CHUNK][at.index() % CHUNK]
    }

    /// The entry at `at`, to be changed.
    pub fn get_mut(&mut self, at: Ix) -> &mut T {
        &mut Arc::make_mut(&mut self.chunks[at.index() / CHUNK])[at.index() % CHUNK]
    }

    /// All entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

/// A set of small numbers as bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// An empty set for numbers below `count`.
    #[must_use]
    pub fn new(count: usize) -> BitSet {
        BitSet {
            words: vec![0; count.div_ceil(64)],
        }
    }

    /// Puts `bit` in or takes it out.
    pub fn set(&mut self, bit: u32, present: bool) {
        let (word, mask) = (&mut self.words[bit as usize / 64], 1_u64 << (bit % 64));
        if present {
            *word |= mask;
        } else {
            *word &= !mask;
        }
    }

    /// Whether `bit` is in the set.
    #[must_use]
    pub fn contains(&self, bit: u32) -> bool {
        self.words[bit as usize / 64] & (1 << (bit % 64)) != 0
    }

    /// The numbers in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0_u32..).zip(&self.words).flat_map(|(at, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.checked_ilog2().map(|_| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }
}
