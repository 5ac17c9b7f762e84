//! Rows of the commands on what joins issues: `dep`, `mol`, `swarm`, `epic`.

use super::columns::*;
use super::groups::*;
use super::kinds::Kind;

pub(super) const DEP_LIST: Rule = Rule {
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
};

pub(super) const DEP_TREE: Rule = Rule {
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
};

pub(super) const DEP_CYCLES: Rule = Rule {
    path: &["dep", "cycles"],
    about: "dependency cycles",
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
};

pub(super) const MOL_SHOW: Rule = Rule {
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
};

pub(super) const MOL_CURRENT: Rule = Rule {
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
};

pub(super) const MOL_PROGRESS: Rule = Rule {
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
};

pub(super) const SWARM_STATUS: Rule = Rule {
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
};

pub(super) const SWARM_VALIDATE: Rule = Rule {
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
};

pub(super) const SWARM_LIST: Rule = Rule {
    path: &["swarm", "list"],
    about: "all swarms",
    flag_groups: &[],
    positionals: NO_POSITIONALS,
    subcommands: &[],
    absent: &[],
    passes: &["swarm list", "swarm list --json", "swarm list --help"],
    refuses: &["swarm list bd-epic-1", "swarm list --all", "swarm ls"],
};

pub(super) const EPIC_STATUS: Rule = Rule {
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
};
