//! The programs that are known by name. Each is a table as the configuration could write it; a table of the same name in the
//! configuration, or one that `extends` it, goes over it key by key.

/// Names and tables (TOML), in order of the names.
pub const ALL: [(&str, &str); 6] = [
    ("claude", include_str!("../../profiles/claude.toml")),
    ("codex", include_str!("../../profiles/codex.toml")),
    ("gemini", include_str!("../../profiles/gemini.toml")),
    ("opencode", include_str!("../../profiles/opencode.toml")),
    ("pi", include_str!("../../profiles/pi.toml")),
    ("qwen", include_str!("../../profiles/qwen.toml")),
];

/// The table of the program that is called `name`.
#[must_use]
pub fn table(name: &str) -> Option<&'static str> {
    ALL.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, table)| *table)
}

/// Keys whose values are added to those of what is extended, instead of going over them.
pub const ADDED: [&str; 3] = ["args", "env_keep", "env_set"];
