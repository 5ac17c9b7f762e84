//! Strict rendering of the compiled-in templates: an unknown name is an error, never an empty place.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

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
    environment.add_filter("one_line", one_line);
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

/// A text from outside where one line is meant: white space becomes single spaces.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
