//! One change to a call: what a confused agent, a careless script or somebody with an aim would do to it.

use super::Source;
use super::lists::{COMMAND_WORDS, HARMFUL, LIKE_ENVIRONMENT, LIKE_FLAGS, NASTY, NUMBERS, VALUES};
use super::rng::Rng;
use super::spelling::{fitting, spellings};

/// Changes `words` in one way.
pub fn mutate(words: &mut Vec<String>, source: &Source, rng: &mut Rng) {
    // The kinds that put words in are weighed by how often agents do them; the rest changes what is there.
    match rng.below(10) {
        0..=4 => put_in(words, source, rng),
        5..=6 => move_about(words, rng),
        7 => join_or_split(words, rng),
        8 => {
            let place = rng.below(words.len());
            if let Some(word) = words.get_mut(place) {
                *word = spoil(word, rng);
            }
        }
        _ => blow_up(words, rng),
    }
}

fn put_in(words: &mut Vec<String>, source: &Source, rng: &mut Rng) {
    let one = |word: &str| vec![word.to_string()];
    let several = |words: &[&str]| words.iter().map(|word| (*word).to_string()).collect();
    let new: Vec<String> = match rng.below(12) {
        0 => one(rng.pick(NASTY)),
        1 => one("--"),
        2 | 3 => several(rng.pick(HARMFUL)),
        4 => one(rng.pick(LIKE_FLAGS)),
        5 => one(rng.pick(NUMBERS)),
        6 => one(rng.pick(LIKE_ENVIRONMENT)),
        7 => one(rng.pick(COMMAND_WORDS)),
        8 => one(source.global(rng)),
        9 => source.foreign_flag(rng),
        10 => one(rng.pick(VALUES)),
        _ => {
            let mut other = source.honest(rng);
            other.truncate(1 + rng.below(3));
            other
        }
    };
    let place = rng.below(words.len() + 1);
    words.splice(place..place, new);
}

fn move_about(words: &mut Vec<String>, rng: &mut Rng) {
    if words.is_empty() {
        return;
    }
    let (from, to) = (rng.below(words.len()), rng.below(words.len()));
    match rng.below(5) {
        0 => drop(words.remove(from)),
        1 => words.insert(to, words[from].clone()),
        2 => words.swap(from, to),
        3 => {
            let word = words.remove(from);
            words.insert(to, word);
        }
        _ => words[from.min(to)..].reverse(),
    }
}

fn join_or_split(words: &mut Vec<String>, rng: &mut Rng) {
    if words.is_empty() {
        return;
    }
    let place = rng.below(words.len());
    if rng.once_in(2) && place + 1 < words.len() {
        let glue = rng.pick(&["=", "", " ", ",", "\n", "-", "=="]);
        let next = words.remove(place + 1);
        words[place] = format!("{}{glue}{next}", words[place]);
    } else if let Some((name, value)) = words[place].split_once('=') {
        let (name, value) = (name.to_string(), value.to_string());
        words.splice(place..=place, [name, value]);
    } else {
        let letters: Vec<char> = words[place].chars().collect();
        let (start, end) = letters.split_at(rng.below(letters.len() + 1));
        let halves = [start.iter().collect(), end.iter().collect()];
        words.splice(place..=place, halves);
    }
}

/// One word, changed in one place.
fn spoil(word: &str, rng: &mut Rng) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let place = rng.below(letters.len() + 1);
    match rng.below(12) {
        // Abbreviations among them.
        0 => letters.truncate(place),
        1 => letters.insert(
            place,
            rng.pick(&[
                '\n',
                '\r',
                '\t',
                '\0',
                '\u{7f}',
                '\u{9b}',
                '\u{200b}',
                '\u{ad}',
                '\u{202e}',
                '\u{2060}',
                '\u{feff}',
                '\u{e0041}',
            ]),
        ),
        2 => letters.insert(
            place,
            rng.pick(&[
                '-', '=', ',', ' ', '/', '\'', '"', '\\', '.', ';', 'é', 'а', '\u{301}', '😀',
            ]),
        ),
        3 => letters = word.to_uppercase().chars().collect(),
        4 => letters.insert(0, '-'),
        5 if place < letters.len() => drop(letters.remove(place)),
        6 => letters.extend("=true".chars()),
        7 => letters.push(rng.pick(&['w', 'b', 'C', 'V', 'q', 'h', '=', '-'])),
        // The dashes of word processors.
        8 => {
            letters = word
                .replace("--", "\u{2014}")
                .replace('-', "\u{2011}")
                .chars()
                .collect()
        }
        9 => letters = word.trim_start_matches('-').chars().collect(),
        // The same letter of another alphabet, and the wide one.
        10 => {
            letters = word
                .replace('e', "\u{435}")
                .replace('o', "\u{43e}")
                .chars()
                .collect()
        }
        _ if place < letters.len() && letters[place].is_ascii_lowercase() => {
            let wide = u32::from(letters[place]) + 0xfee0;
            letters[place] = char::from_u32(wide).unwrap_or('\u{fffd}');
        }
        _ => letters.extend("; bd close bd-1".chars()),
    }
    letters.into_iter().collect()
}

/// Longer or more, often just at a limit. What is added is harmless in itself, and half of it a flag that may be repeated as
/// often as one likes, so that nothing but the limit can refuse the call.
fn blow_up(words: &mut Vec<String>, rng: &mut Rng) {
    let place = rng.below(words.len());
    let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    let start = rng.pick(&["--label=", ""]);
    match rng.below(5) {
        0 => {
            let wanted = 62 + rng.below(6);
            let missing = wanted.saturating_sub(words.len());
            words.extend((0..missing).map(|number| format!("{start}bd-{number}")));
        }
        1 => {
            let wanted = 16 * 1024 - 3 + rng.below(6);
            let missing = wanted.saturating_sub(bytes);
            let word = |bytes: usize| format!("{start}{}", "x".repeat(bytes - start.len() - 1));
            // In words that are short enough by themselves, so that the sum alone is too much.
            let whole = (missing / 1000).saturating_sub(1);
            words.extend((0..whole).map(|_| word(1000)));
            let rest = missing - 1000 * whole;
            if rest > 100 {
                words.extend([word(rest / 2), word(rest - rest / 2)]);
            }
        }
        2 => {
            let most = rng.pick(&[64, 127, 128, 129, 1023, 1024, 1025, 20_000]);
            if let Some(word) = words.get_mut(place) {
                let missing = most.max(word.len()) - word.len();
                word.push_str(&"x".repeat(missing));
            }
        }
        3 => {
            if let Some(word) = words.get_mut(place) {
                *word = word.repeat(1 + rng.below(40));
            }
        }
        _ => {
            let times = 1 + rng.below(9);
            if let Some(word) = words.get(place).cloned() {
                words.splice(place..place, std::iter::repeat_n(word, times));
            }
        }
    }
}

impl Source {
    /// A flag of any command of any version, spelled in any way.
    fn foreign_flag(&self, rng: &mut Rng) -> Vec<String> {
        let flag = rng.one_of(&self.flags);
        let ways = spellings(flag, fitting(flag));
        rng.one_of(&ways).clone()
    }
}
