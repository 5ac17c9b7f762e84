//! Texts of a Markdown document as people mean them: lines of a paragraph are one, code keeps its lines, comments are gone.

/// The text without `<!-- … -->`.
pub(super) fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}

/// One line for each paragraph, and the lines of code blocks as they are; `commands` leaves out the fences around those.
pub(super) fn prose(text: &str, commands: bool) -> String {
    let text = without_comments(text);
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    let mut fence: Option<(&str, usize)> = None;
    for line in text.lines() {
        let inner = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| inner.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => {
                fence = Some((mark, line.len() - inner.len()));
                goes_on = false;
                if !commands {
                    lines.push(inner.trim_end().to_owned());
                }
            }
            (Some((open, _)), Some(mark))
                if open == mark && inner.trim_end().chars().all(|c| mark.contains(c)) =>
            {
                fence = None;
                if !commands {
                    lines.push(inner.trim_end().to_owned());
                }
            }
            (Some((_, indent)), _) => {
                let outer = line.len() - inner.len();
                lines.push(
                    line.get(outer.min(indent)..)
                        .unwrap_or(inner)
                        .trim_end()
                        .to_owned(),
                );
            }
            (None, None) => {
                let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
                if words.is_empty() {
                    goes_on = false;
                } else if words.starts_with('|') {
                    // A row of a table.
                    lines.push(words);
                    goes_on = false;
                } else if let Some(last) = lines.last_mut().filter(|_| goes_on) {
                    last.push(' ');
                    last.push_str(&words);
                } else {
                    lines.push(words);
                    goes_on = true;
                }
            }
        }
    }
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_lines_and_code_is_as_it_is() {
        let text = "one\n  two <!-- not\n this -->\n\n  three\n  ```sh\n  make a\n    make b\n  ```\n  four";
        assert_eq!(
            prose(text, false),
            "one two\nthree\n```sh\nmake a\n  make b\n```\nfour"
        );
        assert_eq!(prose(text, true), "one two\nthree\nmake a\n  make b\nfour");
        assert_eq!(prose("<!-- all of it", true), "");
    }
}
