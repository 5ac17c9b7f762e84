//! Finds lists in a Markdown document and takes their items apart.
//!
//! The structure comes from a Markdown parser; texts are taken as they are written, because `src/*.rs` is a path and no emphasis.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::field::{self, Field, Item, KEYS, REQUIRED, Value, known_key, link, split, unmarked};
use super::prose::{prose, without_comments};

/// Depth at which lists are no longer looked into.
const DEEPEST: usize = 8;

/// A list that was found.
#[derive(Debug)]
pub(super) enum Found {
    /// Text in which each item is a map in YAML.
    Yaml(Maps),
    /// A list with its items, and where it is.
    Items(Range<usize>, Vec<Item>),
}

/// A list whose items are maps in YAML.
#[derive(Debug)]
pub(super) struct Maps {
    /// Where it is.
    pub range: Range<usize>,
    /// What YAML is to read: as long as the range, byte for byte at the same places.
    pub yaml: String,
    /// The line above the keys of each item, where it has one.
    pub titles: Vec<Option<String>>,
}

/// An item as Markdown has it.
#[derive(Debug)]
struct Raw {
    range: Range<usize>,
    /// Where the lists in it are.
    lists: Vec<Range<usize>>,
    children: Vec<Raw>,
}

/// What stands right above a list.
#[derive(Debug, Clone)]
struct Above {
    /// The level of a heading; nothing for a paragraph.
    level: Option<HeadingLevel>,
    range: Range<usize>,
    /// Text between a heading and the list.
    text: Option<Range<usize>>,
}

/// Tasks of which each is a list of fields below a line of its own.
#[derive(Debug)]
struct Sections {
    /// Which of the lists found they are.
    at: usize,
    level: Option<HeadingLevel>,
}

/// All lists of the document, those in its code blocks included, in its order.
pub(super) fn lists(text: &str) -> Vec<Found> {
    // A mark of the byte order is no part of the first line.
    let skip = text.len() - text.trim_start_matches('\u{feff}').len();
    Finder::new(&text[skip..], skip).find(true)
}

struct Finder<'a> {
    document: &'a str,
    base: usize,
    found: Vec<Found>,
    above: Option<Above>,
    sections: Option<Sections>,
}

impl<'a> Finder<'a> {
    fn new(document: &'a str, base: usize) -> Finder<'a> {
        Finder {
            document,
            base,
            found: Vec::new(),
            above: None,
            sections: None,
        }
    }

    fn find(mut self, blocks: bool) -> Vec<Found> {
        let mut stack: Vec<Raw> = Vec::new();
        let mut depth = 0usize;
        let mut top: Vec<Raw> = Vec::new();
        let mut code: Option<Range<usize>> = None;
        let options = Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
        for (event, range) in Parser::new_ext(self.document, options).into_offset_iter() {
            match event {
                Event::Start(Tag::List(_)) => {
                    if let Some(item) = stack.last_mut() {
                        item.lists.push(range);
                    }
                    depth += 1;
                }
                Event::End(TagEnd::List(_)) => {
                    depth -= 1;
                    if depth == 0 {
                        self.list(&range, std::mem::take(&mut top));
                    }
                }
                Event::Start(Tag::Item) => stack.push(Raw {
                    range,
                    lists: Vec::new(),
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
                Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                    self.above = Some(Above {
                        level: Some(level),
                        range,
                        text: None,
                    });
                }
                Event::Start(Tag::Paragraph) if depth == 0 => match &mut self.above {
                    Some(Above {
                        level: Some(_),
                        text,
                        ..
                    }) => {
                        *text =
                            Some(text.as_ref().map_or(range.start, |text| text.start)..range.end);
                    }
                    above => {
                        *above = Some(Above {
                            level: None,
                            range,
                            text: None,
                        });
                    }
                },
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) if depth == 0 => {
                    code = Some(0..0);
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
                        let inner = &self.document[code.clone()];
                        let inner = Finder::new(inner, self.base + code.start).find(false);
                        self.found.extend(inner);
                    }
                }
                _ => {}
            }
        }
        self.found
    }

    fn list(&mut self, range: &Range<usize>, items: Vec<Raw>) {
        let above = self.above.take();
        let Some(first) = items.first() else {
            return;
        };
        if self.are_fields(&items) {
            self.section(range, &items, above);
            return;
        }
        self.sections = None;
        // A map has one of its keys in a line of its own; a list of fields of which none is required is some other list.
        let names_required = self.document[range.clone()].lines().any(|line| {
            let line = line
                .trim_start_matches([' ', '\t', '-', '*', '+', '{', '>', '.', ')'])
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .trim_start_matches([' ', '\t', '.', ')', '{']);
            split(line).is_some_and(|(key, _)| REQUIRED.contains(&key.as_str()))
        });
        let is_map = self.own_text(first).1.lines().any(has_key);
        let found = if is_map && names_required {
            Found::Yaml(self.maps(range, &items))
        } else {
            let mut tasks = Vec::new();
            for raw in &items {
                self.tasks(raw, &mut tasks);
            }
            Found::Items(self.place(range), tasks)
        };
        self.found.push(found);
    }

    fn place(&self, range: &Range<usize>) -> Range<usize> {
        self.base + range.start..self.base + range.end
    }

    /// Whether the list is the fields of one task: each item is a field, and none is there twice.
    fn are_fields(&self, items: &[Raw]) -> bool {
        let mut keys: Vec<String> = Vec::new();
        for raw in items {
            let (_, own) = self.own_text(raw);
            match split(own) {
                Some((key, _)) if !keys.contains(&key) && !own.lines().skip(1).any(has_key) => {
                    keys.push(key)
                }
                _ => return false,
            }
        }
        let required = REQUIRED
            .iter()
            .filter(|key| keys.iter().any(|known| known == *key));
        required.count() >= 2
    }

    /// A task that is a list of fields below a heading or a line.
    fn section(&mut self, range: &Range<usize>, fields: &[Raw], above: Option<Above>) {
        let start = above
            .as_ref()
            .map_or(range.start, |above| above.range.start);
        let level = above.as_ref().and_then(|above| above.level);
        let mut item = Item {
            at: self.base + start,
            ..Item::default()
        };
        if let Some(above) = &above {
            let line = self.document[above.range.clone()]
                .lines()
                .next()
                .unwrap_or_default();
            item.title = Some(title(line.trim_start_matches('#')));
            let text = above
                .text
                .clone()
                .map(|text| prose(&self.document[text], false));
            item.text.extend(text);
        }
        for raw in fields {
            self.field(raw, &mut item);
        }
        let whole = self.base + start..self.base + range.end;
        let same = self
            .sections
            .as_ref()
            .filter(|sections| sections.level == level && above.is_some());
        if let Some(Found::Items(place, items)) =
            same.and_then(|sections| self.found.get_mut(sections.at))
        {
            place.end = whole.end;
            items.push(item);
            return;
        }
        self.sections = Some(Sections {
            at: self.found.len(),
            level,
        });
        self.found.push(Found::Items(whole, vec![item]));
    }

    fn maps(&self, range: &Range<usize>, items: &[Raw]) -> Maps {
        // YAML goes by columns, so the whole first line belongs to it.
        let start = self.document[..range.start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let mut yaml = self.document.as_bytes()[start..range.end].to_vec();
        let mut blank = |from: usize, to: usize, first: u8| {
            for (at, byte) in yaml
                .iter_mut()
                .enumerate()
                .take(to - start)
                .skip(from - start)
            {
                *byte = if at == from - start { first } else { b' ' };
            }
        };
        let mut titles = Vec::new();
        for raw in items {
            let (at, own) = self.own_text(raw);
            let line = own.lines().next().unwrap_or_default();
            let is_title = !line.is_empty() && !has_key(line) && own.lines().any(has_key);
            titles.push(is_title.then(|| title(line)));
            let item = self.marker(raw);
            blank(item, if is_title { at + line.len() } else { at }, b'-');
            let mut inner: Vec<&Raw> = raw.children.iter().collect();
            while let Some(raw) = inner.pop() {
                let mark = self.marker(raw);
                if self.document[mark..].starts_with(['*', '+']) {
                    blank(mark, mark + 1, b'-');
                }
                inner.extend(&raw.children);
            }
        }
        // So do the marks of a quotation in front of each line.
        let mut at_start = true;
        for byte in &mut yaml {
            match *byte {
                b'\n' => at_start = true,
                b'>' if at_start => *byte = b' ',
                b' ' => {}
                _ => at_start = false,
            }
        }
        Maps {
            range: self.base + start..self.base + range.end,
            // Only ASCII has taken the place of whole characters.
            yaml: String::from_utf8(yaml).unwrap_or_default(),
            titles,
        }
    }

    /// Where the mark of an item stands.
    fn marker(&self, raw: &Raw) -> usize {
        let text = &self.document[raw.range.clone()];
        raw.range.start + (text.len() - text.trim_start().len())
    }

    /// The text of an item before its first list, without marker and checkbox, and where it begins.
    fn own_text(&self, raw: &Raw) -> (usize, &'a str) {
        let end = raw.lists.first().map_or(raw.range.end, |list| list.start);
        let text = &self.document[raw.range.start..end];
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

    /// The texts behind the lists of an item.
    fn later_texts(&self, raw: &Raw) -> impl Iterator<Item = &'a str> {
        let document = self.document;
        let ends = raw.lists.iter().map(|list| list.end);
        let starts = raw.lists.iter().skip(1).map(|list| list.start);
        let starts: Vec<usize> = starts.chain([raw.range.end]).collect();
        let texts = ends
            .zip(starts)
            .filter_map(move |(from, to)| document.get(from..to));
        let texts: Vec<&str> = texts
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        texts.into_iter()
    }

    /// Whether the item has one of the fields that a task has to have.
    fn is_task(&self, raw: &Raw) -> bool {
        raw.children.iter().any(|child| {
            split(self.own_text(child).1).is_some_and(|(key, _)| REQUIRED.contains(&key.as_str()))
        })
    }

    fn holds_tasks(&self, raw: &Raw) -> bool {
        raw.children
            .iter()
            .any(|child| self.is_task(child) || self.holds_tasks(child))
    }

    /// The item, or, where it is a heading of others that are tasks, those.
    fn tasks(&self, raw: &Raw, tasks: &mut Vec<Item>) {
        if self.is_task(raw) || !self.holds_tasks(raw) {
            tasks.push(self.item(raw));
        } else {
            for child in &raw.children {
                self.tasks(child, tasks);
            }
        }
    }

    fn item(&self, raw: &Raw) -> Item {
        let (_, own) = self.own_text(raw);
        let mut item = Item {
            at: self.base + raw.range.start,
            ..Item::default()
        };
        let own = without_comments(own);
        if !own.is_empty() {
            item.title = Some(title(&own));
        }
        let below = own.split_once('\n').map(|(_, below)| prose(below, false));
        item.text.extend(below.filter(|text| !text.is_empty()));
        item.text
            .extend(self.later_texts(raw).map(|text| prose(text, false)));
        item.text.retain(|text| !text.is_empty());
        for child in &raw.children {
            self.field(child, &mut item);
        }
        item
    }

    fn field(&self, raw: &Raw, item: &mut Item) {
        let (at, own) = self.own_text(raw);
        if self.is_task(raw) || self.holds_tasks(raw) {
            let mut inner = Vec::new();
            self.tasks(raw, &mut inner);
            let named = |task: Item| (task.at, task.title.unwrap_or_default());
            item.inner.extend(inner.into_iter().map(named));
            return;
        }
        match split(own) {
            Some((key, value)) => item.fields.push(Field {
                at: self.base + at,
                value: self.value_of(raw, &key, at + (own.len() - value.len()), value),
                key,
            }),
            None => item.others.push((self.base + at, prose(own, false))),
        }
    }

    /// The value behind the colon, or the items below.
    fn value_of(&self, raw: &Raw, key: &str, at: usize, value: &str) -> Value {
        let commands = key == field::VALIDATION;
        let trimmed = value.trim();
        let entries: Vec<(String, usize)> = raw
            .children
            .iter()
            .map(|child| {
                (
                    self.whole(child, commands),
                    self.base + self.own_text(child).0,
                )
            })
            .collect();
        let later: Vec<String> = self
            .later_texts(raw)
            .map(|text| prose(text, commands))
            .collect();
        if !raw.children.is_empty() && prose(trimmed, commands).is_empty() && later.is_empty() {
            let pairs: Option<Vec<(String, String, usize)>> = entries
                .iter()
                .map(|(text, at)| {
                    let (key, value) = split(text)?;
                    Some((key, value.trim().to_owned(), *at))
                })
                .collect();
            return match pairs {
                Some(pairs) if known_key(key) == field::TIMEOUTS => Value::Pairs(pairs),
                _ => Value::Many(entries),
            };
        }
        let start = self.base + at + (value.len() - value.trim_start().len());
        let mut text = prose(trimmed, commands);
        for (entry, _) in &entries {
            text.push_str("\n- ");
            text.push_str(entry);
        }
        for more in later {
            text.push('\n');
            text.push_str(&more);
        }
        Value::Text(text.trim().to_owned(), start..start + trimmed.len())
    }

    /// The text of an item and of those below it.
    fn whole(&self, raw: &Raw, commands: bool) -> String {
        let mut text = prose(self.own_text(raw).1, commands);
        for child in &raw.children {
            let inner = self.whole(child, commands).replace('\n', "\n  ");
            text.push_str(&format!("\n  - {inner}"));
        }
        for more in self.later_texts(raw) {
            text.push_str(&format!("\n{}", prose(more, commands)));
        }
        text
    }
}

/// Whether the line is `key: value` of a key that is known.
fn has_key(line: &str) -> bool {
    let line = line.trim().trim_start_matches('{');
    split(line).is_some_and(|(key, _)| KEYS.contains(&key.as_str()))
}

/// The first line, without marks around it.
fn title(own: &str) -> String {
    let line = unmarked(own.lines().next().unwrap_or_default());
    link(line)
        .map_or(line, |(text, _)| unmarked(text))
        .to_owned()
}
