//! The line by which a comment can be recognised as belonging to a run and an attempt. Pure text.

/// Whether `text` has exactly this marker line.
#[must_use]
pub fn has(text: &str, marker: &str) -> bool {
    text.lines().any(|line| line.trim() == marker)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_marker_is_found_again_and_no_other() {
        let marker = "(mesh r7 t-1.2#1)";
        assert!(has(
            &format!("Verified.\n(mesh r7 t-1.2#12)\n{marker}\n"),
            marker
        ));
        assert!(!has("see (mesh r7 t-1.2#1) above", marker));
        assert!(!has("(mesh r7 t-1.2#12)", marker));
    }
}
