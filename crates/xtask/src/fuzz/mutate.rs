//! Strange inputs from plain ones.

use mesh_core::split_mix::split_mix_64;

/// The longest input that is made, in bytes.
const LONGEST: usize = 64 << 10;

/// Pieces that mean something to some parser.
const PIECES: [&[u8]; 40] = [
    b"- ",
    b"* ",
    b"1. ",
    b"\n",
    b"\r\n",
    b"\t",
    b"    ",
    b"> ",
    b": ",
    b"#",
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b")",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"---\n",
    b"```mesh\n",
    b"```\n",
    b"<!--",
    b"-->",
    b"\"",
    b"'",
    b"\\u0000",
    b"\\ud800",
    b"99999999999999999999999",
    b"1e999",
    b"-0",
    b"null",
    b"status: todo\n",
    b"depends_on: []\n",
    b"  - id: T1\n",
    b"|\n  ",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc3\xa9",
    b"\0",
];

/// A sequence of inputs, made from a corpus.
pub(super) struct Mutator {
    state: u64,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    pub(super) fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Mutator {
        Mutator {
            state: seed,
            corpus,
        }
    }

    /// The next input.
    pub(super) fn next_input(&mut self) -> Vec<u8> {
        // Now and then nothing of the corpus: pieces alone.
        let mut bytes = if self.below(8) == 0 {
            Vec::new()
        } else {
            self.one_of_corpus()
        };
        for _ in 0..=self.below(12) {
            self.change(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = self.range(bytes.len());
        match self.below(8) {
            0 => {
                bytes.drain(from..to);
            }
            1 => bytes.truncate(to),
            2 => {
                if let Some(byte) = bytes.get_mut(from) {
                    *byte = u8::try_from(split_mix_64(&mut self.state) & 0xff).unwrap_or(0);
                }
            }
            // Many times the same: what takes the square of the time shows.
            3 => {
                let piece = bytes[from..to].to_vec();
                let times = 1 << self.below(12);
                let most = LONGEST / piece.len().max(1);
                let copies = piece.repeat(usize::min(times, most));
                bytes.splice(to..to, copies);
            }
            4 => {
                let other = self.one_of_corpus();
                let (start, end) = self.range(other.len());
                bytes.splice(from..to, other[start..end].iter().copied());
            }
            5 => {
                let piece = self.piece();
                let times = 1 << self.below(13);
                bytes.splice(from..from, piece.repeat(times));
            }
            _ => {
                let piece = self.piece();
                bytes.splice(from..from, piece.iter().copied());
            }
        }
        bytes.truncate(LONGEST);
    }

    fn piece(&mut self) -> &'static [u8] {
        PIECES[self.below(PIECES.len())]
    }

    fn one_of_corpus(&mut self) -> Vec<u8> {
        let at = self.below(self.corpus.len());
        self.corpus.get(at).cloned().unwrap_or_default()
    }

    /// A part of so many bytes, most often a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 40 };
        let to = (from + self.below(most + 1)).min(length);
        (from, to)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap_or(u64::MAX);
        usize::try_from(split_mix_64(&mut self.state) % limit).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_inputs_again_and_none_is_too_long() {
        let corpus = vec![b"- id: T1\n".to_vec(), vec![b'x'; LONGEST]];
        let mut one = Mutator::new(7, corpus.clone());
        let mut other = Mutator::new(7, corpus);
        for _ in 0..200 {
            let input = one.next_input();
            assert_eq!(input, other.next_input());
            assert!(input.len() <= LONGEST);
        }
    }
}
