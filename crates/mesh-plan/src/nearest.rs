//! The nearest of some known words, for messages about unknown ones.

/// The word of `known` that `word` was probably meant to be, if one is near enough (a third of its letters may differ).
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        // Between two words of one letter everything differs.
        .filter(|(far, _)| *far <= limit && *far < word.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?`, or nothing.
pub(crate) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word_and_strangers_none() {
        let known = ["scope", "validation", "locks", "priority"];
        assert_eq!(nearest("lock", known), Some("locks"));
        assert_eq!(nearest("validaton", known), Some("validation"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(hint("scop", known), "; did you mean `scope`?");
        assert_eq!(hint("", known), "");
        assert_eq!(nearest("x", ["a"]), None);
        assert_eq!(nearest("T9", ["T1"]), Some("T1"));
    }
}
