//! Ids made safe for file names, workspace names and refs.
//!
//! A task's id is any text. What comes out of [`safe_file_name`] can be one component of a path, a workspace name that needs no
//! quotes in a query, and one component of a git ref, on file systems that fold case too. It must never let a separator, a
//! leading dot or hyphen, or an ending that git refuses through.

/// Longest name that [`safe_file_name`] gives, in bytes; room is left for what is put around it.
pub const MAX_NAME_BYTES: usize = 80;

/// Digits of the hash that is added where a name had to be changed.
const HASH_DIGITS: usize = 16;

/// A name for `id`: the id itself where it is already safe, else its safe characters and a hash of the whole id.
///
/// The id itself is kept when it has only `[a-z0-9._-]`, is not longer than [`MAX_NAME_BYTES`], begins with a letter or digit,
/// has no `..`, does not end in `.` or `.lock`, and does not look like a name with a hash: everything else, upper-case letters
/// among it, gets the hash, so that two ids do not meet on one name even where case is folded.
#[must_use]
pub fn safe_file_name(id: &str) -> String {
    if is_safe(id) && !ends_like_a_hash(id) {
        return id.to_owned();
    }
    let mut stem = String::new();
    for c in id.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            c.to_ascii_lowercase()
        } else {
            '-'
        };
        let doubled = (c == '.' || c == '-') && stem.ends_with(['.', '-']);
        if stem.len() < MAX_NAME_BYTES - HASH_DIGITS - 1 && !doubled {
            stem.push(c);
        }
    }
    let stem = stem.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let hash = stable_hash(id.as_bytes());
    if stem.is_empty() {
        format!("x-{hash:016x}")
    } else {
        format!("{stem}-{hash:016x}")
    }
}

/// FNV-1a over 64 bits and a final mix: the same for ever, on every machine and in every version, which the hashes of the
/// standard library do not promise. It keeps names apart by accident, not against an author who searches for a clash; whoever
/// finds a name taken must look whose it is.
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

fn is_safe(id: &str) -> bool {
    let bytes = id.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(plain)
        && bytes.len() <= MAX_NAME_BYTES
        && bytes
            .iter()
            .all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'))
        && !id.contains("..")
        && !id.ends_with('.')
        && !id.ends_with(".lock")
}

/// Whether `id` could be taken for a name that got a hash; such an id gets one too, or it would meet that name.
fn ends_like_a_hash(id: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    id.rsplit_once('-')
        .is_some_and(|(_, tail)| tail.len() == HASH_DIGITS && tail.bytes().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assert_harmless(name: &str) {
        assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES, "{name:?}");
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase()
                || b.is_ascii_digit()
                || matches!(b, b'.' | b'_' | b'-')),
            "{name:?}"
        );
        assert!(!name.starts_with(['.', '-']), "{name:?}");
        assert!(
            !name.ends_with('.') && !name.ends_with(".lock") && !name.contains(".."),
            "{name:?}"
        );
    }

    #[test]
    fn hostile_ids_become_harmless_and_stay_apart() {
        let long = "a".repeat(300);
        let longer = "a".repeat(301);
        let hostile = [
            "../../x", "..", ".", "-rf", ".hidden", "a b", "a'b", "a\"b", "a/b", "a\\b", "a.lock",
            "a..b", "a.", "A", "Aa", "aA", "ä", "", " ", "nul\0", &long, &longer,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for id in hostile {
            let name = safe_file_name(id);
            assert_harmless(&name);
            assert!(seen.insert(name.clone()), "{id:?} gives {name:?} again");
        }
    }

    #[test]
    fn plain_ids_keep_their_name_and_a_name_with_a_hash_gets_another() {
        for id in ["bd-a1b2", "bd-a1b2.3", "1", "st_7"] {
            assert_eq!(safe_file_name(id), id);
        }
        let hashed = safe_file_name("A B");
        assert_ne!(safe_file_name(&hashed), hashed);
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(safe_file_name("../../x"), "x-dc1e3197b85ef378");
    }

    proptest! {
        #[test]
        fn every_id_gives_a_harmless_name(id in any::<String>()) {
            assert_harmless(&safe_file_name(&id));
        }

        #[test]
        fn two_ids_do_not_give_one_name(one in "[-aA.b/ _0]{0,6}", two in "[-aA.b/ _0]{0,6}") {
            prop_assume!(one != two);
            prop_assert_ne!(safe_file_name(&one), safe_file_name(&two));
        }
    }
}
