//! Flags, and reasons for missing ones, that several rows share.

use super::columns::{Absent, Flag, many, one, short, switch};
use super::kinds::Kind;

pub(super) const WATCH: Absent = Absent {
    names: &["-w", "--watch"],
    why: "it never ends",
};
pub(super) const RIG: Absent = Absent {
    names: &["--rig"],
    why: "it opens another database",
};
pub(super) const OFFSET: Absent = Absent {
    names: &["--offset"],
    why: "it works only with a server",
};
pub(super) const FORMAT: Absent = Absent {
    names: &["--format"],
    why: "it runs the given text as a template: use --json",
};
pub(super) const BLOCKS: Absent = Absent {
    names: &["-b", "--blocks"],
    why: "it adds a dependency",
};
pub(super) const NO_CYCLE_CHECK: Absent = Absent {
    names: &["--no-cycle-check"],
    why: "it belongs to adding a dependency",
};

pub(super) const LABELS: [Flag; 2] = [
    short('l', many("label", Kind::Words)),
    many("label-any", Kind::Words),
];
pub(super) const LABEL_SHAPES: [Flag; 3] = [
    many("exclude-label", Kind::Words),
    one("label-pattern", Kind::Text),
    one("label-regex", Kind::Text),
];
pub(super) const STATUS_TYPE_ASSIGNEE: [Flag; 3] = [
    short('s', one("status", Kind::Words)),
    short('t', one("type", Kind::Words)),
    short('a', one("assignee", Kind::Text)),
];
pub(super) const TYPE_ASSIGNEE: [Flag; 2] = [
    short('t', one("type", Kind::Words)),
    short('a', one("assignee", Kind::Text)),
];
pub(super) const DATES: [Flag; 6] = [
    one("created-after", Kind::Date),
    one("created-before", Kind::Date),
    one("updated-after", Kind::Date),
    one("updated-before", Kind::Date),
    one("closed-after", Kind::Date),
    one("closed-before", Kind::Date),
];
pub(super) const PRIORITY: [Flag; 1] = [short('p', one("priority", Kind::Priority))];
pub(super) const PRIORITY_RANGE: [Flag; 2] = [
    one("priority-min", Kind::Priority),
    one("priority-max", Kind::Priority),
];
pub(super) const NOTHING_THERE: [Flag; 3] = [
    switch("empty-description"),
    switch("no-assignee"),
    switch("no-labels"),
];
pub(super) const TEXTS: [Flag; 2] = [
    one("desc-contains", Kind::Text),
    one("notes-contains", Kind::Text),
];
pub(super) const TITLES: [Flag; 3] = [
    one("title", Kind::Text),
    one("title-contains", Kind::Text),
    one("id", Kind::Ids),
];
pub(super) const METADATA: [Flag; 2] = [
    many("metadata-field", Kind::Pair),
    one("has-metadata-key", Kind::Word),
];
pub(super) const PAGE: [Flag; 3] = [
    short('n', one("limit", Kind::Count)),
    one("sort", Kind::Word),
    short('r', switch("reverse")),
];
pub(super) const EXTERNAL: [Flag; 1] = [one("external-contains", Kind::Text)];
