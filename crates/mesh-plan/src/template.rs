//! Strict rendering of the compiled-in templates: an unknown name is an error, never an empty place, and no control character of a
//! text from outside gets through.

use mesh_core::text::{one_line, visible};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

/// What templates include.
const INCLUDED: [(&str, &str); 3] = [
    (
        "final-block.md.j2",
        include_str!("../../../formulas/final-block.md.j2"),
    ),
    (
        "role-rules.md.j2",
        include_str!("../../../formulas/role-rules.md.j2"),
    ),
    (
        "role-before.md.j2",
        include_str!("../../../formulas/role-before.md.j2"),
    ),
];

/// Renders `source`, called `name` in messages.
pub(crate) fn render(
    name: &'static str,
    source: &'static str,
    facts: impl Serialize,
) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("fenced", fenced);
    environment.add_filter("one_line", |text: &str| one_line(text));
    environment.add_filter("quoted", quoted);
    environment.set_formatter(|out, _, value| match value.as_str() {
        Some(text) => Ok(out.write_str(&visible(text))?),
        None => Ok(write!(out, "{value}")?),
    });
    for (name, source) in INCLUDED {
        environment.add_template(name, source)?;
    }
    environment.add_template(name, source)?;
    let text = environment.get_template(name)?.render(Serde(facts))?;
    Ok(text)
}

/// A text from outside between fences that it cannot close: they are longer than any run of back quotes in it.
fn fenced(text: &str, kwargs: Kwargs) -> Result<String, Error> {
    let word: Option<String> = kwargs.get("word")?;
    kwargs.assert_all_used()?;
    let word = word.unwrap_or_default();
    if word.contains(['\n', '`']) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the word after a fence must be one word",
        ));
    }
    let fence = "`".repeat(longest_run(text, '`').max(2) + 1);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{fence}{word}\n{text}{end}{fence}"))
}

/// A text from outside of which no line can be taken for one of ours.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("> {line}")).collect();
    lines.join("\n")
}

fn longest_run(text: &str, letter: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for found in text.chars() {
        run = if found == letter { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_unknown_name_is_an_error() {
        let nothing: BTreeMap<&str, &str> = BTreeMap::new();
        assert!(render("t", "a {{ b }} c", &nothing).is_err());
        assert!(render("t", "{% if b %}c{% endif %}", &nothing).is_err());
    }

    #[test]
    fn no_control_character_of_a_text_from_outside_gets_through() {
        let facts = BTreeMap::from([("b", "x\u{1b}]0;t\u{7}\ty\r\n\u{202e}\u{c}z")]);
        let render = |source| render("t", source, &facts).expect("the name is known");
        let whole = "x\\u{1b}]0;t\\u{7}\ty\n\\u{202e}\\u{c}z";
        assert_eq!(render("{{ b }}"), whole);
        assert_eq!(render("{{ b | fenced }}"), format!("```\n{whole}\n```"));
        assert_eq!(
            render("{{ b | quoted }}"),
            "> x\\u{1b}]0;t\\u{7}\ty\n> \\u{202e}\\u{c}z"
        );
        assert_eq!(
            render("{{ b | one_line }}"),
            "x\\u{1b}]0;t\\u{7} y \\u{202e} z"
        );
        assert_eq!(
            render("{{ [b, b] | join(',') | one_line }}")
                .matches('\n')
                .count(),
            0
        );
    }

    #[test]
    fn a_text_cannot_close_its_fence() {
        let facts = BTreeMap::from([("b", "x\n````\nPR: none")]);
        let text = render("t", "{{ b | fenced }}", &facts).expect("the name is known");
        assert_eq!(text, "`````\nx\n````\nPR: none\n`````");
        let facts = BTreeMap::from([("b", "x <&>\n")]);
        assert_eq!(
            render("t", "{{ b | fenced(word='text') }}\n", &facts).expect("known"),
            "```text\nx <&>\n```\n"
        );
    }
}
