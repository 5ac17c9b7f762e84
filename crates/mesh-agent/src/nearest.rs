//! The known name that was probably meant.

/// The name in `known` that is closest to `asked`, if it is close enough to be a slip: at most a third of the letters differ, and
/// never more than three. Upper and lower case, `-` and `_` count as equal. The first wins among equals.
pub fn nearest<'a>(asked: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let asked = folded(asked);
    if asked.len() > 64 {
        return None;
    }
    let allowed = (asked.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(&asked, &folded(name)), name))
        .filter(|(steps, _)| *steps <= allowed)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, name)| name)
}

fn folded(name: &str) -> Vec<char> {
    name.chars()
        .map(|c| if c == '-' { '_' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

/// Letters to insert, drop or change; two neighbours swapped count as one step.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
