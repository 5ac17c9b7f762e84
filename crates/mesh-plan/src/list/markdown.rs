//! Finds lists in a Markdown document and takes their items apart.
//!
//! The structure comes from a Markdown parser; texts are taken as they are written, because `src/*.rs` is a path and no emphasis.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::field::{Field, Item, REQUIRED, Value, known_key, split, unmarked};

/// Depth at which lists are no longer looked into.
const DEEPEST: usize = 8;

/// A list that was found.
#[derive(Debug)]
pub(super) enum Found {
    /// Text in which each item is a map in YAML.
    Yaml(Range<usize>),
    /// A list with its items, and where it is.
    Items(Range<usize>, Vec<Item>),
}

/// An item as Markdown has it.
#[derive(Debug)]
struct Raw {
    range: Range<usize>,
    /// Where its first list begins.
    own_end: usize,
    children: Vec<Raw>,
}

/// All lists of the document, those in its code blocks included, in its order.
pub(super) fn lists(text: &str) -> Vec<Found> {
    found_in(text, 0, true)
}

fn found_in(document: &str, base: usize, blocks: bool) -> Vec<Found> {
    let mut found = Vec::new();
    let mut stack: Vec<Raw> = Vec::new();
    let mut depth = 0usize;
    let mut top: Vec<Raw> = Vec::new();
    let mut code: Option<Range<usize>> = None;
    for (event, range) in Parser::new_ext(document, Options::empty()).into_offset_iter() {
        match event {
            Event::Start(Tag::List(_)) => {
                if let Some(item) = stack.last_mut() {
                    item.own_end = item.own_end.min(range.start);
                }
                depth += 1;
            }
            Event::End(TagEnd::List(_)) => {
                depth -= 1;
                if depth == 0 {
                    let items = std::mem::take(&mut top);
                    found.extend(list(document, base, &range, items));
                }
            }
            Event::Start(Tag::Item) => stack.push(Raw {
                own_end: range.end,
                range,
                children: Vec::new(),
            }),
            Event::End(TagEnd::Item) => {
                if let Some(item) = stack.pop() {
                    match stack.last_mut() {
                        Some(parent) if depth <= DEEPEST => parent.children.push(item),
                        Some(_) => {}
                        None => top.push(item),
                    }
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) if depth == 0 => {
                code = Some(0..0)
            }
            Event::Text(_) => {
                if let Some(code) = &mut code {
                    *code = if code.start == code.end {
                        range
                    } else {
                        code.start..range.end
                    };
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some(code) = code.take().filter(|_| blocks) {
                    let inner = &document[code.clone()];
                    found.extend(found_in(inner, base + code.start, false));
                }
            }
            _ => {}
        }
    }
    found
}

fn list(document: &str, base: usize, range: &Range<usize>, items: Vec<Raw>) -> Option<Found> {
    let place = base + range.start..base + range.end;
    let first = items.first()?;
    let own = own_text(document, first);
    // A map begins with one of its keys; a list of fields of which none is required is some other list.
    let first_line = own.1.lines().next().unwrap_or_default();
    let is_map = split(first_line.trim_start_matches('{'))
        .is_some_and(|(key, _)| super::field::KEYS.contains(&key.as_str()));
    let names_required = document[range.clone()].lines().any(|line| {
        let line = line.trim_start_matches([' ', '\t', '-', '*', '+', '{']);
        split(line).is_some_and(|(key, _)| REQUIRED.contains(&key.as_str()))
    });
    if is_map && names_required && items.iter().all(|item| begins_with_hyphen(document, item)) {
        return Some(Found::Yaml(
            line_start(document, range.start) + base..place.end,
        ));
    }
    let items = items.iter().map(|raw| item(document, base, raw)).collect();
    Some(Found::Items(place, items))
}

fn begins_with_hyphen(document: &str, item: &Raw) -> bool {
    document[item.range.clone()].trim_start().starts_with('-')
}

/// YAML goes by columns, so the whole first line belongs to it.
fn line_start(document: &str, at: usize) -> usize {
    document[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// The text of an item before its first sub-list, without marker and checkbox, and where it begins.
fn own_text<'a>(document: &'a str, raw: &Raw) -> (usize, &'a str) {
    let text = &document[raw.range.start..raw.own_end];
    let whole = text.len();
    let text = text.trim_start();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut rest = &text[digits..];
    rest = rest
        .strip_prefix(['-', '*', '+', '.', ')'])
        .unwrap_or(rest)
        .trim_start();
    for mark in ["[ ]", "[x]", "[X]"] {
        rest = rest.strip_prefix(mark).map_or(rest, str::trim_start);
    }
    let at = raw.range.start + (whole - rest.len());
    (at, rest.trim_end())
}

fn item(document: &str, base: usize, raw: &Raw) -> Item {
    let (_, own) = own_text(document, raw);
    let mut item = Item {
        at: base + raw.range.start,
        ..Item::default()
    };
    if !own.is_empty() {
        item.title = Some(title(own));
    }
    for child in &raw.children {
        let (at, own) = own_text(document, child);
        match split(own) {
            Some((key, value)) => item.fields.push(Field {
                key,
                at: base + at,
                value: value_of(document, base, child, at + (own.len() - value.len()), value),
            }),
            None => item.others.push((base + at, one_line(own))),
        }
    }
    item
}

/// The first line, without marks around it.
fn title(own: &str) -> String {
    unmarked(own.lines().next().unwrap_or_default()).to_owned()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The value behind the colon, or the items below.
fn value_of(document: &str, base: usize, raw: &Raw, at: usize, value: &str) -> Value {
    let trimmed = value.trim();
    if raw.children.is_empty() || !trimmed.is_empty() {
        let start = base + at + (value.len() - value.trim_start().len());
        let mut text = one_line(trimmed);
        for child in &raw.children {
            let (_, own) = own_text(document, child);
            text.push_str("\n- ");
            text.push_str(&one_line(own));
        }
        return Value::Text(text, start..start + trimmed.len());
    }
    let entries: Vec<(usize, &str)> = raw
        .children
        .iter()
        .map(|child| own_text(document, child))
        .collect();
    let pairs: Option<Vec<(String, String, usize)>> = entries
        .iter()
        .map(|(at, text)| {
            let (key, value) = split(text)?;
            Some((key, value.trim().to_owned(), base + at))
        })
        .collect();
    let is_timeouts =
        split(own_text(document, raw).1).is_some_and(|(key, _)| known_key(&key) == "timeouts");
    match pairs {
        Some(pairs) if is_timeouts => Value::Pairs(pairs),
        _ => Value::Many(
            entries
                .into_iter()
                .map(|(at, text)| (one_line(text), base + at))
                .collect(),
        ),
    }
}
