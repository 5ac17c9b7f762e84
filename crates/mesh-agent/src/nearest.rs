//! The known name that was probably meant.

/// The name in `known` that is closest to `asked`, if at most a third of the letters differ and never more than three. Upper and
/// lower case, `-` and `_` count as equal. The first wins among equals.
#[must_use]
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The distance costs the product of both lengths.
    if asked.len() > 64 {
        return None;
    }
    let asked = folded(asked);
    let limit = (asked.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&asked, &folded(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn folded(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_another_word_does_not() {
        let known = ["prompt_file", "workspace", "task", "attempt"];
        let check = |asked, wanted| assert_eq!(nearest(asked, known), wanted, "{asked}");
        check("prompt-file", Some("prompt_file"));
        check("promptfile", Some("prompt_file"));
        check("Workspace", Some("workspace"));
        check("worskpace", Some("workspace"));
        check("tsak", Some("task"));
        check("attempts", Some("attempt"));
        check("model", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }
}
