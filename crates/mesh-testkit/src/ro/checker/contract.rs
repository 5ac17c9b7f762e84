//! The contract as data: what may be asked, and what each flag of those commands does.
//!
//! Written from the wrapper's contract and from what was measured of `bd` 0.47.1, 1.0.5 and 1.3.0, command by command; it must
//! never be made from the wrapper's table. Every flag that some version's help names for one of these commands is here, on one
//! side or the other, so that a new one is decided and not let through.

/// What a command takes after its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positionals {
    /// Nothing. Most versions ignore what is there, which is why it must not be.
    None,
    /// Issue ids, so many at least and at most.
    Ids(usize, usize),
    /// An issue id and the name of a dimension, both.
    IdAndDimension,
    /// Words that are joined to a query.
    Query,
}

/// One command of the contract.
#[derive(Debug)]
pub struct Command {
    /// Its words, exactly.
    pub path: &'static [&'static str],
    /// What it takes.
    pub positionals: Positionals,
    /// Flags that do nothing but choose, order or show, in groups.
    pub harmless: &'static [&'static [&'static str]],
    /// The others, and what they do.
    pub harmful: &'static [(&'static str, &'static str)],
}

/// Flags that the contract allows everywhere.
pub const GLOBALS: [(&str, Option<char>); 4] = [
    ("help", Some('h')),
    ("json", None),
    ("quiet", Some('q')),
    ("verbose", Some('v')),
];

/// Most arguments in a call.
pub const MOST_ARGUMENTS: usize = 64;
/// Most bytes in a call's arguments.
pub const MOST_BYTES: usize = 16 * 1024;

const WATCHES: (&str, &str) = ("watch", "never ends");
const TEMPLATE: (&str, &str) = ("format", "runs the caller's text as a template");
const OFFSET: (&str, &str) = ("offset", "asks for a server");

const WHO_AND_WHAT: &[&str] = &["status", "type", "assignee", "label", "label-any"];
const DATES: &[&str] = &[
    "created-after",
    "created-before",
    "updated-after",
    "updated-before",
    "closed-after",
    "closed-before",
];
const PRIORITIES: &[&str] = &["priority-min", "priority-max"];
const ABSENCES: &[&str] = &["empty-description", "no-assignee", "no-labels"];
const METADATA: &[&str] = &["metadata-field", "has-metadata-key"];

/// The 18 commands.
pub const COMMANDS: [Command; 18] = [
    Command {
        path: &["show"],
        positionals: Positionals::Ids(1, MOST_ARGUMENTS),
        harmless: &[
            &["thread", "short", "long", "refs", "children", "local-time"],
            &["brief-deps", "include-dependents", "include-comments"],
        ],
        harmful: &[
            WATCHES,
            ("current", "chooses the issue by what somebody touched last"),
            ("id", "is there for ids that look like flags"),
            ("as-of", "reads another state of the database"),
        ],
    },
    Command {
        path: &["list"],
        positionals: Positionals::None,
        harmless: &[
            WHO_AND_WHAT,
            DATES,
            PRIORITIES,
            ABSENCES,
            METADATA,
            &["priority", "label-pattern", "label-regex", "exclude-label"],
            &["title", "id", "spec", "external-ref"],
            &["title-contains", "desc-contains", "notes-contains"],
            &["external-contains", "limit", "max-rows", "sort", "reverse"],
            &["all", "long", "brief", "pretty", "tree", "flat", "no-pager"],
            &["skip-labels", "ready", "pinned", "no-pinned"],
            &["include-templates", "include-gates", "include-infra"],
            &["exclude-type", "mol-type", "wisp-type"],
            &["parent", "no-parent", "deferred", "overdue"],
            &["defer-after", "defer-before", "due-after", "due-before"],
        ],
        harmful: &[
            WATCHES,
            TEMPLATE,
            OFFSET,
            (
                "deps",
                "has an optional value: what follows has two readings",
            ),
            ("filter-parent", "is a second name of --parent"),
        ],
    },
    Command {
        path: &["ready"],
        positionals: Positionals::None,
        harmless: &[
            &["type", "assignee", "unassigned", "label", "label-any"],
            &["label-pattern", "label-regex", "exclude-label"],
            METADATA,
            &["priority", "limit", "max-rows", "sort"],
            &["parent", "mol", "mol-type", "exclude-type"],
            &["pretty", "plain", "brief", "explain"],
            &["gated", "include-deferred", "include-ephemeral"],
        ],
        harmful: &[("claim", "takes the issue"), OFFSET],
    },
    Command {
        path: &["blocked"],
        positionals: Positionals::None,
        harmless: &[&["parent", "label", "label-any", "exclude-label"]],
        harmful: &[],
    },
    Command {
        path: &["search"],
        positionals: Positionals::Query,
        harmless: &[
            WHO_AND_WHAT,
            DATES,
            PRIORITIES,
            ABSENCES,
            METADATA,
            &["query", "desc-contains", "notes-contains"],
            &["external-contains", "limit", "long", "sort", "reverse"],
        ],
        harmful: &[],
    },
    Command {
        path: &["count"],
        positionals: Positionals::None,
        harmless: &[
            WHO_AND_WHAT,
            DATES,
            PRIORITIES,
            ABSENCES,
            &["priority", "title", "id", "include-infra"],
            &["title-contains", "desc-contains", "notes-contains"],
            &["by-status", "by-priority", "by-type", "by-assignee"],
            &["by-label"],
        ],
        harmful: &[],
    },
    Command {
        path: &["status"],
        positionals: Positionals::None,
        harmless: &[&["all", "assigned", "no-activity", "no-blocked"]],
        harmful: &[],
    },
    Command {
        path: &["state"],
        positionals: Positionals::IdAndDimension,
        harmless: &[],
        harmful: &[],
    },
    Command {
        path: &["dep", "list"],
        positionals: Positionals::Ids(1, MOST_ARGUMENTS),
        harmless: &[&["direction", "type"]],
        harmful: &[],
    },
    Command {
        path: &["dep", "tree"],
        positionals: Positionals::Ids(1, 1),
        harmless: &[
            &["show-all-paths", "max-depth", "max-rows", "reverse"],
            &["direction", "status", "type"],
        ],
        harmful: &[TEMPLATE],
    },
    Command {
        path: &["dep", "cycles"],
        positionals: Positionals::None,
        harmless: &[],
        harmful: &[],
    },
    Command {
        path: &["mol", "show"],
        positionals: Positionals::Ids(1, 1),
        harmless: &[&["parallel"]],
        harmful: &[],
    },
    Command {
        path: &["mol", "current"],
        positionals: Positionals::Ids(0, 1),
        harmless: &[&["for", "limit", "range"]],
        harmful: &[],
    },
    Command {
        path: &["mol", "progress"],
        positionals: Positionals::Ids(0, 1),
        harmless: &[],
        harmful: &[],
    },
    Command {
        path: &["swarm", "status"],
        positionals: Positionals::Ids(1, 1),
        harmless: &[],
        harmful: &[],
    },
    Command {
        path: &["swarm", "validate"],
        positionals: Positionals::Ids(1, 1),
        // Its own --verbose hides the global one and means the same.
        harmless: &[&["verbose"]],
        harmful: &[],
    },
    Command {
        path: &["swarm", "list"],
        positionals: Positionals::None,
        harmless: &[],
        harmful: &[],
    },
    Command {
        path: &["epic", "status"],
        positionals: Positionals::None,
        harmless: &[&["eligible-only"]],
        harmful: &[],
    },
];

impl Command {
    /// Whether the contract lets `flag` (without dashes) through for this command.
    pub fn lets(&self, flag: &str) -> bool {
        GLOBALS.iter().any(|(global, _)| *global == flag)
            || self.harmless.iter().any(|group| group.contains(&flag))
    }

    /// What a flag that is not let through does, if it is one of this command.
    pub fn harm(&self, flag: &str) -> Option<&'static str> {
        let harm = self.harmful.iter().find(|(harmful, _)| *harmful == flag);
        harm.map(|(_, what)| *what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ro::commands::{VERSIONS, commands};

    #[test]
    fn every_flag_of_every_version_is_decided_once_and_nothing_else_is() {
        for command in &COMMANDS {
            let helps: Vec<_> = VERSIONS
                .iter()
                .flat_map(|version| commands(version))
                .filter(|help| help.path == command.path)
                .collect();
            assert_eq!(helps.len(), VERSIONS.len(), "{:?}", command.path);
            let known = |flag: &str| {
                helps
                    .iter()
                    .any(|help| help.flags.iter().any(|f| f.long == flag))
            };
            for flag in helps.iter().flat_map(|help| &help.flags) {
                assert_ne!(
                    command.lets(&flag.long),
                    command.harm(&flag.long).is_some(),
                    "{:?} --{}",
                    command.path,
                    flag.long
                );
            }
            let decided = command.harmless.iter().copied().flatten();
            for flag in decided.chain(command.harmful.iter().map(|(flag, _)| flag)) {
                assert!(known(flag), "{:?} has no --{flag}", command.path);
            }
        }
    }
}
