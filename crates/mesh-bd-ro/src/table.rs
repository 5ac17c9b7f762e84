//! What is allowed: 18 commands of `bd`, each with its exact flags and positionals, and examples on both sides.
//!
//! A flag is here only if it does no harm in any supported `bd` (0.47.1, 1.0.5, 1.3.0; a version that does not know it
//! answers with an error, which is harmless). Flags were read from the sources and the help texts of the three. A tempting
//! flag that is not here is named with the reason, which its refusal repeats.

use crate::shape::Kind;

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it is a switch, at most once.
    Nothing,
    /// One value; the flag may be given once.
    One(Kind),
    /// One value each time; the flag may be repeated.
    Many(Kind),
}

/// One flag that is allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct Flag {
    /// Name without the two dashes.
    pub long: &'static str,
    /// One-letter form that is understood; it is never passed on.
    pub short: Option<char>,
    /// Arity and kind of the value.
    pub takes: Takes,
}

impl Flag {
    /// Whether `word`, dashes included, is exactly this flag's long or short form.
    pub fn is_spelled(&self, word: &str) -> bool {
        match (word.strip_prefix("--"), word.strip_prefix('-'), self.short) {
            (Some(long), ..) => long == self.long,
            (None, Some(letter), Some(short)) => letter.chars().eq([short]),
            _ => false,
        }
    }
}

/// The positionals of a command: `kinds` from the front, the last kind repeated up to `most`.
#[derive(Debug, PartialEq, Eq)]
pub struct Positionals {
    kinds: &'static [Kind],
    least: usize,
    most: usize,
}

impl Positionals {
    /// Kind of the positional at `index`, or `None` if there may be none.
    pub fn kind_at(&self, index: usize) -> Option<Kind> {
        if index >= self.most {
            return None;
        }
        self.kinds.get(index).or(self.kinds.last()).copied()
    }

    /// Fewest positionals.
    pub fn least(&self) -> usize {
        self.least
    }

    /// Most positionals.
    pub fn most(&self) -> usize {
        self.most
    }

    /// For messages and help, such as `ID…`; empty if there are none.
    pub fn describe(&self) -> String {
        let all: Vec<String> = self.kinds.iter().map(|kind| kind.describe()).collect();
        let text = all.join(" ")
            + if self.most > self.kinds.len() {
                "…"
            } else {
                ""
            };
        if self.least == 0 && !text.is_empty() {
            format!("[{text}]")
        } else {
            text
        }
    }
}

/// A flag that is not allowed although somebody will try it.
#[derive(Debug, PartialEq, Eq)]
pub struct Absent {
    /// Its spellings, dashes included.
    pub names: &'static [&'static str],
    /// Why it is not allowed.
    pub why: &'static str,
}

/// One allowed command. Examples are command lines without the program's name; see [`words`].
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// One or two words.
    pub path: &'static [&'static str],
    /// What it answers, for help.
    pub about: &'static str,
    /// Groups of flags; several commands share a group.
    pub flag_groups: &'static [&'static [Flag]],
    /// Ids or words after the command.
    pub positionals: Positionals,
    /// Subcommands of a command that is itself allowed; none of them is.
    pub subcommands: &'static [&'static str],
    /// Tempting flags that are left out.
    pub absent: &'static [Absent],
    /// Examples that are allowed.
    pub passes: &'static [&'static str],
    /// Examples that are refused.
    pub refuses: &'static [&'static str],
}

impl Rule {
    /// The command's own flags.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flag_groups.iter().flat_map(|group| group.iter())
    }

    /// The command's own flags, then the global ones: the order of the canonical form.
    pub fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags().chain(&GLOBALS)
    }

    /// The command as one writes it, such as `dep tree`.
    pub fn name(&self) -> String {
        self.path.join(" ")
    }
}

const fn switch(long: &'static str) -> Flag {
    Flag {
        long,
        short: None,
        takes: Takes::Nothing,
    }
}

const fn one(long: &'static str, kind: Kind) -> Flag {
    Flag {
        long,
        short: None,
        takes: Takes::One(kind),
    }
}

const fn many(long: &'static str, kind: Kind) -> Flag {
    Flag {
        long,
        short: None,
        takes: Takes::Many(kind),
    }
}

const fn short(letter: char, flag: Flag) -> Flag {
    Flag {
        long: flag.long,
        short: Some(letter),
        takes: flag.takes,
    }
}

const fn ids(least: usize, most: usize) -> Positionals {
    Positionals {
        kinds: &[Kind::Id],
        least,
        most,
    }
}

const NO_POSITIONALS: Positionals = Positionals {
    kinds: &[],
    least: 0,
    most: 0,
};

/// Flags that are allowed before and after every command.
pub static GLOBALS: [Flag; 4] = [
    short('h', switch("help")),
    switch("json"),
    short('q', switch("quiet")),
    short('v', switch("verbose")),
];

/// Global flags of `bd` that are not allowed.
pub static GLOBALS_ABSENT: [Absent; 13] = [
    Absent {
        names: &["--readonly", "--sandbox"],
        why: "both are always put in front; there is no need to ask",
    },
    Absent {
        names: &["--db", "--database", "--global"],
        why: "it names another database",
    },
    Absent {
        names: &["-C", "--directory"],
        why: "it names another project",
    },
    Absent {
        names: &["--actor"],
        why: "reads need no name, and nobody speaks in another's",
    },
    Absent {
        names: &["--profile", "--cpu-profile", "--mem-profile"],
        why: "it writes files, --readonly or not",
    },
    Absent {
        names: &["--format"],
        why: "as a global flag it is an alias of --json, elsewhere it runs a template: use --json",
    },
    Absent {
        names: &["--no-db"],
        why: "bd 0.47 then rewrites issues.jsonl even for a read",
    },
    Absent {
        names: &["--no-daemon", "--no-auto-flush", "--no-auto-import"],
        why: "--sandbox already says so",
    },
    Absent {
        names: &["--allow-stale", "--ignore-schema-skew"],
        why: "it turns a check off",
    },
    Absent {
        names: &["--lock-timeout"],
        why: "a long wait holds up the coordinator",
    },
    Absent {
        names: &["--dolt-auto-commit"],
        why: "it is about writing",
    },
    Absent {
        names: &["--no-color"],
        why: "set NO_COLOR=1, which every version understands",
    },
    Absent {
        names: &["-V", "--version"],
        why: "it is no question about the tracker",
    },
];

const WATCH: Absent = Absent {
    names: &["-w", "--watch"],
    why: "it never ends",
};
const RIG: Absent = Absent {
    names: &["--rig"],
    why: "it opens another database",
};
const OFFSET: Absent = Absent {
    names: &["--offset"],
    why: "it works only with a server",
};
const FORMAT: Absent = Absent {
    names: &["--format"],
    why: "it runs the given text as a template: use --json",
};
const BLOCKS: Absent = Absent {
    names: &["-b", "--blocks"],
    why: "it adds a dependency",
};
const NO_CYCLE_CHECK: Absent = Absent {
    names: &["--no-cycle-check"],
    why: "it belongs to adding a dependency",
};

const LABELS: [Flag; 2] = [
    short('l', many("label", Kind::Words)),
    many("label-any", Kind::Words),
];
const LABEL_SHAPES: [Flag; 3] = [
    many("exclude-label", Kind::Words),
    one("label-pattern", Kind::Text),
    one("label-regex", Kind::Text),
];
const STATUS_TYPE_ASSIGNEE: [Flag; 3] = [
    short('s', one("status", Kind::Words)),
    short('t', one("type", Kind::Words)),
    short('a', one("assignee", Kind::Text)),
];
const TYPE_ASSIGNEE: [Flag; 2] = [
    short('t', one("type", Kind::Words)),
    short('a', one("assignee", Kind::Text)),
];
const DATES: [Flag; 6] = [
    one("created-after", Kind::Date),
    one("created-before", Kind::Date),
    one("updated-after", Kind::Date),
    one("updated-before", Kind::Date),
    one("closed-after", Kind::Date),
    one("closed-before", Kind::Date),
];
const PRIORITY: [Flag; 1] = [short('p', one("priority", Kind::Priority))];
const PRIORITY_RANGE: [Flag; 2] = [
    one("priority-min", Kind::Priority),
    one("priority-max", Kind::Priority),
];
const NOTHING_THERE: [Flag; 3] = [
    switch("empty-description"),
    switch("no-assignee"),
    switch("no-labels"),
];
const TEXTS: [Flag; 2] = [
    one("desc-contains", Kind::Text),
    one("notes-contains", Kind::Text),
];
const TITLES: [Flag; 3] = [
    one("title", Kind::Text),
    one("title-contains", Kind::Text),
    one("id", Kind::Ids),
];
const METADATA: [Flag; 2] = [
    many("metadata-field", Kind::Pair),
    one("has-metadata-key", Kind::Word),
];
const PAGE: [Flag; 3] = [
    short('n', one("limit", Kind::Count)),
    one("sort", Kind::Word),
    short('r', switch("reverse")),
];
const EXTERNAL: [Flag; 1] = [one("external-contains", Kind::Text)];

/// The 18 commands.
pub static RULES: [Rule; 18] = [
    Rule {
        path: &["show"],
        about: "issues in full",
        flag_groups: &[&[
            switch("thread"),
            switch("short"),
            switch("long"),
            switch("refs"),
            switch("children"),
            switch("local-time"),
            switch("brief-deps"),
            switch("include-dependents"),
            switch("include-comments"),
        ]],
        positionals: ids(1, 50),
        subcommands: &[],
        absent: &[
            WATCH,
            Absent {
                names: &["--current"],
                why: "it chooses the issue by what was touched last: name the id",
            },
            Absent {
                names: &["--id"],
                why: "it is for ids that look like flags, which are refused: name the id without it",
            },
            Absent {
                names: &["--as-of"],
                why: "it reads another state of the database",
            },
        ],
        passes: &[
            "show bd-123",
            "show bd-123 --thread",
            "show --json bd-123 bd-456",
            "--json show bd-123 --include-comments",
            "show -- bd-123",
            "show bd-123 --short -q",
            "show bd-missing --json",
            "show --help",
        ],
        refuses: &[
            "show",
            "show bd-123 -w",
            "show bd-123 --watch",
            "show --current",
            "show --id=bd-123",
            "show --as-of main bd-123",
            "show -- --help",
            "show ../bd-123",
            "show 'bd-123; bd close bd-123'",
            "show bd-123 --json --json",
            "show bd-123 --jso",
            "view bd-123",
        ],
    },
    Rule {
        path: &["list"],
        about: "issues by filter",
        flag_groups: &[
            &STATUS_TYPE_ASSIGNEE,
            &PRIORITY,
            &PRIORITY_RANGE,
            &LABELS,
            &LABEL_SHAPES,
            &TITLES,
            &TEXTS,
            &EXTERNAL,
            &DATES,
            &NOTHING_THERE,
            &METADATA,
            &PAGE,
            &[
                switch("all"),
                switch("long"),
                switch("brief"),
                switch("pretty"),
                switch("tree"),
                switch("flat"),
                switch("no-pager"),
                switch("ready"),
                switch("skip-labels"),
                one("parent", Kind::Id),
                switch("no-parent"),
                many("exclude-type", Kind::Words),
                one("spec", Kind::Text),
                one("external-ref", Kind::Text),
                one("mol-type", Kind::Word),
                one("wisp-type", Kind::Word),
                switch("pinned"),
                switch("no-pinned"),
                switch("include-templates"),
                switch("include-gates"),
                switch("include-infra"),
                switch("deferred"),
                switch("overdue"),
                one("defer-after", Kind::Date),
                one("defer-before", Kind::Date),
                one("due-after", Kind::Date),
                one("due-before", Kind::Date),
                one("max-rows", Kind::Count),
            ],
        ],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[
            WATCH,
            FORMAT,
            RIG,
            OFFSET,
            Absent {
                names: &["--deps"],
                why: "its value is optional, so that the word after it has two readings: use dep tree",
            },
            Absent {
                names: &["--state"],
                why: "it is a hidden alias: use --status",
            },
            Absent {
                names: &["--filter-parent"],
                why: "it is a hidden alias: use --parent",
            },
        ],
        passes: &[
            "list",
            "list --status in_progress --pretty",
            "list --json --all --limit 0",
            "list -s open -n 5 --json",
            "list --parent bd-epic-1 --sort=priority -r --json",
            "list --label be --label=mesh-lock:api --json",
            "list --title-contains 'Task' --created-after 2020-01-01 --priority-max P2 --json",
            "-q list --no-assignee --flat",
            "list --help",
        ],
        refuses: &[
            "list -w",
            "list --watch --json",
            "list --format '{{.ID}}'",
            "list --format=dot",
            "list --rig other",
            "list --deps",
            "list bd-123",
            "list -sopen",
            "list -rn5",
            "list --status open --status closed",
            "list --status",
            "list --status --json",
            "list --limit all",
            "list --all=false",
            "list --stat open",
        ],
    },
    Rule {
        path: &["ready"],
        about: "issues without open blockers",
        flag_groups: &[
            &TYPE_ASSIGNEE,
            &PRIORITY,
            &LABELS,
            &LABEL_SHAPES,
            &METADATA,
            &[
                short('n', one("limit", Kind::Count)),
                short('s', one("sort", Kind::Word)),
                short('u', switch("unassigned")),
                one("parent", Kind::Id),
                one("mol", Kind::Id),
                one("mol-type", Kind::Word),
                many("exclude-type", Kind::Words),
                switch("pretty"),
                switch("plain"),
                switch("brief"),
                switch("explain"),
                switch("gated"),
                switch("include-deferred"),
                switch("include-ephemeral"),
                one("max-rows", Kind::Count),
            ],
        ],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[
            Absent {
                names: &["--claim"],
                why: "it takes the issue",
            },
            RIG,
            OFFSET,
        ],
        passes: &[
            "ready",
            "ready --json --limit 0",
            "ready -n 3 -u --sort oldest --json",
            "ready --parent bd-epic-1 --json",
            "ready -l be --json",
            "ready --help",
        ],
        refuses: &[
            "ready --claim",
            "ready --claim=true",
            "ready --json --claim",
            "ready -c",
            "ready --rig other",
            "ready bd-123",
            "ready -un3",
        ],
    },
    Rule {
        path: &["blocked"],
        about: "issues that wait for others",
        flag_groups: &[
            &LABELS,
            &[many("exclude-label", Kind::Words), one("parent", Kind::Id)],
        ],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[],
        passes: &[
            "blocked",
            "blocked --json",
            "blocked --parent bd-epic-1 --json",
            "blocked --help",
        ],
        refuses: &[
            "blocked bd-123",
            "blocked --parent",
            "blocked --claim",
            "blocked --blocks bd-123",
        ],
    },
    Rule {
        path: &["search"],
        about: "issues by text",
        flag_groups: &[
            &[one("query", Kind::Text)],
            &STATUS_TYPE_ASSIGNEE,
            &PRIORITY_RANGE,
            &LABELS,
            &TEXTS,
            &EXTERNAL,
            &DATES,
            &NOTHING_THERE,
            &METADATA,
            &PAGE,
            &[switch("long")],
        ],
        // Without a word there may still be --query; bd itself says when both are missing.
        positionals: Positionals {
            kinds: &[Kind::Text],
            least: 0,
            most: 16,
        },
        subcommands: &[],
        absent: &[],
        passes: &[
            "search Task",
            "search 'Task one' --json",
            "search Task one --limit 3 --json",
            "search --query Task --status open --json",
            "search --json -- Task",
            "search",
            "search --help",
        ],
        refuses: &[
            "search -- -w",
            "search Task -x",
            "search ''",
            "search Task --format json",
            "search --query",
            "find Task",
        ],
    },
    Rule {
        path: &["count"],
        about: "how many issues",
        flag_groups: &[
            &STATUS_TYPE_ASSIGNEE,
            &PRIORITY,
            &PRIORITY_RANGE,
            &LABELS,
            &TITLES,
            &TEXTS,
            &DATES,
            &NOTHING_THERE,
            &[
                switch("by-status"),
                switch("by-priority"),
                switch("by-type"),
                switch("by-assignee"),
                switch("by-label"),
                switch("include-infra"),
            ],
        ],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[],
        passes: &[
            "count",
            "count --json",
            "count --by-status --json",
            "count -s open -p 2",
            "count --help",
        ],
        refuses: &[
            "count bd-123",
            "count --by-status=false",
            "count -p 9",
            "count --db /tmp/x.db",
        ],
    },
    Rule {
        path: &["status"],
        about: "the tracker in figures",
        flag_groups: &[&[
            switch("all"),
            switch("assigned"),
            switch("no-activity"),
            switch("no-blocked"),
        ]],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[],
        passes: &[
            "status --no-activity",
            "status --json --no-activity",
            "status --assigned --no-activity --json",
            "status --help",
        ],
        refuses: &[
            "stats",
            "status bd-123",
            "status --actor me",
            "status bd-123 closed",
        ],
    },
    Rule {
        path: &["state"],
        about: "one dimension of an issue's state",
        flag_groups: &[],
        positionals: Positionals {
            kinds: &[Kind::Id, Kind::Word],
            least: 2,
            most: 2,
        },
        subcommands: &["list"],
        absent: &[Absent {
            names: &["--reason"],
            why: "it belongs to set-state, which writes",
        }],
        passes: &[
            "state bd-123 patrol",
            "state --json bd-123 patrol",
            "state bd-123 nothing",
            "state --help",
        ],
        refuses: &[
            "state",
            "state bd-123",
            "state list bd-123",
            "state -- list bd-123",
            "state bd-123 patrol=muted",
            "state bd-123 patrol muted",
            "set-state bd-123 patrol=muted",
        ],
    },
    Rule {
        path: &["dep", "list"],
        about: "what an issue depends on, or what depends on it",
        flag_groups: &[&[
            one("direction", Kind::OneOf(&["down", "up"])),
            short('t', one("type", Kind::Word)),
        ]],
        positionals: ids(1, 50),
        subcommands: &[],
        absent: &[BLOCKS, NO_CYCLE_CHECK],
        passes: &[
            "dep list bd-456",
            "dep list bd-456 --json",
            "dep list bd-123 --direction up --json",
            "dep list -t blocks bd-456 --json",
            "dep list --help",
        ],
        refuses: &[
            "dep list",
            "dep list bd-456 --direction both",
            "dep list bd-456 -b bd-123",
            "dep list bd-456 --blocks=bd-123",
            "dep --json list bd-456",
        ],
    },
    Rule {
        path: &["dep", "tree"],
        about: "the dependencies of an issue as a tree",
        flag_groups: &[&[
            short('d', one("max-depth", Kind::Count)),
            one("direction", Kind::OneOf(&["down", "up", "both"])),
            switch("reverse"),
            one("status", Kind::Word),
            short('t', one("type", Kind::Word)),
            switch("show-all-paths"),
            one("max-rows", Kind::Count),
        ]],
        positionals: ids(1, 1),
        subcommands: &[],
        absent: &[BLOCKS, NO_CYCLE_CHECK, FORMAT],
        passes: &[
            "dep tree bd-456",
            "dep tree bd-456 --json",
            "dep tree bd-123 --direction=up -d 3 --json",
            "dep tree --help",
        ],
        refuses: &[
            "dep tree",
            "dep tree bd-123 bd-456",
            "dep tree bd-123 --format mermaid",
            "dep tree -b bd-123",
            "dep tree bd-123 -d-1",
        ],
    },
    Rule {
        path: &["dep", "cycles"],
        about: "dependencies that go in a circle",
        flag_groups: &[],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[BLOCKS, NO_CYCLE_CHECK],
        passes: &["dep cycles", "dep cycles --json", "dep cycles --help"],
        refuses: &[
            "dep cycles bd-123",
            "dep cycles -b bd-123",
            "dep cycle",
            "dep",
        ],
    },
    Rule {
        path: &["mol", "show"],
        about: "a molecule and its steps",
        flag_groups: &[&[short('p', switch("parallel"))]],
        positionals: ids(1, 1),
        subcommands: &[],
        absent: &[],
        passes: &[
            "mol show bd-mol-1",
            "mol show bd-mol-1 --json",
            "mol show -p bd-mol-1 --json",
            "mol show --help",
        ],
        refuses: &[
            "mol show",
            "mol show bd-mol-1 bd-mol-2",
            "mol show bd-mol-1 --var a=b",
            "protomolecule show bd-mol-1",
            "mol",
        ],
    },
    Rule {
        path: &["mol", "current"],
        about: "where work on a molecule stands",
        flag_groups: &[&[
            one("for", Kind::Text),
            one("limit", Kind::Count),
            one("range", Kind::Range),
        ]],
        positionals: ids(0, 1),
        subcommands: &[],
        absent: &[],
        passes: &[
            "mol current",
            "mol current bd-mol-1 --json",
            "mol current bd-mol-1 --range 1-50 --json",
            "mol current --for nobody --json",
            "mol current --help",
        ],
        refuses: &[
            "mol current bd-mol-1 bd-mol-2",
            "mol current --range 1",
            "mol current --for",
            "mol current -- -x",
        ],
    },
    Rule {
        path: &["mol", "progress"],
        about: "how far a molecule is",
        flag_groups: &[],
        positionals: ids(0, 1),
        subcommands: &[],
        absent: &[],
        passes: &[
            "mol progress bd-mol-1",
            "mol progress bd-mol-1 --json",
            "mol progress --help",
        ],
        refuses: &[
            "mol progress bd-mol-1 bd-mol-2",
            "mol progress --for me",
            "mol burn bd-mol-1",
            "mol squash bd-mol-1",
            "mol pour mol-mesh-run",
        ],
    },
    Rule {
        path: &["swarm", "status"],
        about: "a swarm's issues by state",
        flag_groups: &[],
        positionals: ids(1, 1),
        subcommands: &[],
        absent: &[],
        passes: &[
            "swarm status bd-epic-1",
            "swarm status bd-epic-1 --json",
            "swarm status --help",
        ],
        refuses: &[
            "swarm status",
            "swarm status bd-epic-1 bd-epic-2",
            "swarm status bd-epic-1 --force",
            "swarm",
        ],
    },
    Rule {
        path: &["swarm", "validate"],
        about: "whether an epic can be worked in parallel",
        // Its own --verbose hides the global flag and has no letter, so that bd itself refuses -v here; the wrapper
        // understands both and passes on the long one.
        flag_groups: &[],
        positionals: ids(1, 1),
        subcommands: &[],
        absent: &[Absent {
            names: &["--coordinator", "--force"],
            why: "it belongs to swarm create, which writes",
        }],
        passes: &[
            "swarm validate bd-epic-1",
            "swarm validate bd-epic-1 --json",
            "swarm validate bd-epic-1 --verbose --json",
            "swarm validate --help",
        ],
        refuses: &[
            "swarm validate",
            "swarm validate bd-epic-1 --fix",
            "swarm validate bd-epic-1 --force",
            "swarm create bd-epic-1",
        ],
    },
    Rule {
        path: &["swarm", "list"],
        about: "all swarms",
        flag_groups: &[],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[],
        passes: &["swarm list", "swarm list --json", "swarm list --help"],
        refuses: &["swarm list bd-epic-1", "swarm list --all", "swarm ls"],
    },
    Rule {
        path: &["epic", "status"],
        about: "epics and how many of their children are closed",
        flag_groups: &[&[switch("eligible-only")]],
        positionals: NO_POSITIONALS,
        subcommands: &[],
        absent: &[Absent {
            names: &["--dry-run", "--reason", "-r"],
            why: "it belongs to epic close-eligible, which writes",
        }],
        passes: &[
            "epic status",
            "epic status --json",
            "epic status --eligible-only --json",
            "epic status --help",
        ],
        refuses: &[
            "epic status bd-epic-1",
            "epic status --dry-run",
            "epic close-eligible",
            "epic",
        ],
    },
];

/// Calls that no row covers, and that agents try.
pub static REFUSED_OUTRIGHT: &[&str] = &[
    "",
    "--json",
    "update bd-123 --status in_progress",
    "update bd-123 --status closed",
    "update --help",
    "close bd-123",
    "create 'New task'",
    "comments add bd-123 nope",
    "comments bd-123",
    "comment bd-123 nope",
    "label add bd-123 be",
    "dep bd-123 --blocks bd-456",
    "dep add bd-456 bd-123",
    "dep rm bd-456 bd-123",
    "export -o issues.jsonl",
    "import",
    "init",
    "sql 'select 1'",
    "query status=open",
    "history bd-123",
    "config set x y",
    "audit record --kind label",
    "serve",
    "version",
    "help",
    "completion bash",
    "heartbeat bd-123",
    "--db /tmp/x.db show bd-123",
    "--actor me show bd-123",
    "-C /tmp show bd-123",
    "--profile list",
    "--cpu-profile list",
    "--no-daemon list",
    "--global list",
    "-V",
    "--version",
    "--readonly show bd-123",
    "--sandbox --readonly update bd-123",
    "-qv show bd-123",
    "-- show bd-123",
    "--json=true show bd-123",
    "show;close bd-123",
    "SHOW bd-123",
    "sho bd-123",
];

/// The global flag that `word` spells.
pub fn global(word: &str) -> Option<&'static Flag> {
    GLOBALS.iter().find(|flag| flag.is_spelled(word))
}

/// Why `flag` (with its dashes) is left out of `rule`, if the table says so.
pub fn why_absent(rule: Option<&Rule>, flag: &str) -> Option<&'static str> {
    let of_rule = rule.map_or(&[][..], |rule| rule.absent);
    of_rule
        .iter()
        .chain(&GLOBALS_ABSENT)
        .find(|absent| absent.names.contains(&flag))
        .map(|absent| absent.why)
}

/// An example split into its words: at spaces, with single quotes around a word that holds some.
pub fn words(example: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in example.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}
