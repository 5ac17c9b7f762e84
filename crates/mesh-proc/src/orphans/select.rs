//! Whose a process is: pure but for two questions about a few candidates.

use super::{Marked, Search, WorkFolder};
use crate::env::{MESH_ATTEMPT, MESH_RUN};
use crate::tree::{self, Identity, ProcessStat};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the environment of a process says about whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Marks {
    /// Not readable means another user's, the kernel's own, or gone.
    is_readable: bool,
    run: Option<Vec<u8>>,
    attempt: Option<Vec<u8>>,
    is_a_persons: bool,
}

impl Marks {
    pub(super) fn of(pid: u32) -> Self {
        tree::environ(pid)
            .map(|environ| Self::parse(&environ))
            .unwrap_or_default()
    }

    fn parse(environ: &[u8]) -> Self {
        let value = |name| tree::parse_environ(environ, name).map(<[u8]>::to_vec);
        Self {
            is_readable: true,
            run: value(MESH_RUN),
            attempt: value(MESH_ATTEMPT),
            is_a_persons: SIGNS_OF_A_PERSON.iter().any(|name| value(name).is_some()),
        }
    }
}

/// Variables that login sessions and terminals set, and that no agent is given without the markers beside them.
const SIGNS_OF_A_PERSON: [&str; 9] = [
    "XDG_SESSION_ID",
    "SSH_CONNECTION",
    "SSH_TTY",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "TMUX",
    "STY",
    "WINDOWID",
    "TERM_PROGRAM",
];

/// What the selection asks only about a few processes; `/proc` in truth, a table in tests.
pub(super) trait Facts {
    fn cwd(&self, pid: u32) -> Option<PathBuf>;
    fn own_pid(&self) -> u32;
    /// When it started, in Unix milliseconds.
    fn started_at_unix_ms(&self, process: &ProcessStat) -> Option<u64>;
}

pub(super) struct Proc;

impl Facts for Proc {
    fn cwd(&self, pid: u32) -> Option<PathBuf> {
        tree::cwd(pid)
    }

    fn own_pid(&self) -> u32 {
        std::process::id()
    }

    fn started_at_unix_ms(&self, process: &ProcessStat) -> Option<u64> {
        tree::started_at_unix_ms(process)
    }
}

/// Who among `processes` is meant, by number. `marks` belongs to `processes`, one by one; `grouped` are in control groups of the
/// attempt's own.
pub(super) fn select(
    search: &Search<'_>,
    processes: &[ProcessStat],
    marks: &[Marks],
    grouped: &BTreeSet<u32>,
    facts: &impl Facts,
) -> BTreeSet<u32> {
    let ancestors = tree::ancestors(facts.own_pid(), processes);
    let mut protected: BTreeSet<u32> = ancestors.iter().copied().collect();
    protected.extend([facts.own_pid(), 1]);
    let spared = processes
        .iter()
        .filter(|process| search.spare.contains(&process.identity()));
    let spared: BTreeSet<u32> = spared.map(|process| process.pid).collect();
    protected.extend(
        tree::descendants(&spared, processes)
            .iter()
            .map(|process| process.pid),
    );
    protected.extend(spared);
    let candidates = Candidates {
        search,
        processes,
        ancestors,
        folders: search.folders.iter().map(resolved).collect(),
        facts,
    };
    let is_possible =
        |process: &ProcessStat| !process.is_zombie() && !protected.contains(&process.pid);
    let certain: BTreeSet<u32> = processes
        .iter()
        .zip(marks)
        .filter(|(process, marks)| {
            is_possible(process)
                && (grouped.contains(&process.pid) || candidates.is_meant(process, marks))
        })
        .map(|(process, _)| process.pid)
        .collect();
    let below = tree::descendants(&certain, processes);
    let below = below
        .iter()
        .filter(|process| is_possible(process))
        .map(|process| process.pid);
    certain.iter().copied().chain(below).collect()
}

/// Everything that is the same for each process that is looked at.
struct Candidates<'a, F> {
    search: &'a Search<'a>,
    processes: &'a [ProcessStat],
    ancestors: Vec<u32>,
    folders: Vec<WorkFolder>,
    facts: &'a F,
}

impl<F: Facts> Candidates<'_, F> {
    fn is_meant(&self, process: &ProcessStat, marks: &Marks) -> bool {
        if self.is_in_dead_session(process) {
            return true;
        }
        if marks.run.is_some() || marks.attempt.is_some() {
            let is_of_run = marks.run.as_deref() == Some(self.search.run.as_bytes());
            return is_of_run && is_marked(self.search.marked, marks.attempt.as_deref());
        }
        marks.is_readable
            && !marks.is_a_persons
            && process.terminal == 0
            && self.is_orphan(process)
            && self
                .folders
                .iter()
                .any(|folder| self.started_in(process, folder))
    }

    /// The kernel gives a number out again only when no session of that number is left, so the members of a dead shim's session
    /// are its tree. What started before the shim is in a session of an earlier owner of the number.
    fn is_in_dead_session(&self, process: &ProcessStat) -> bool {
        let is_of = |shim: &Identity| {
            process.session == shim.pid
                && process.start_ticks >= shim.start_ticks
                && process.identity() != *shim
        };
        self.search.shims.iter().any(is_of)
    }

    /// Its parent is process 1, or one of our ancestors that is not of its session: a subreaper adopts across sessions, while a
    /// shell's own jobs are in the shell's session.
    fn is_orphan(&self, process: &ProcessStat) -> bool {
        let is_parent = |other: &&ProcessStat| other.pid == process.parent;
        let is_adopted = || {
            self.ancestors.contains(&process.parent)
                && self
                    .processes
                    .iter()
                    .find(is_parent)
                    .is_some_and(|parent| parent.session != process.session)
        };
        process.parent == 1 || is_adopted()
    }

    fn started_in(&self, process: &ProcessStat, folder: &WorkFolder) -> bool {
        // The clock may have been set a little, and the time of boot is known in whole seconds.
        const SLACK_MS: u64 = 2000;
        let is_inside = || {
            self.facts
                .cwd(process.pid)
                .is_some_and(|cwd| is_below(&cwd, &folder.path))
        };
        let started = self.facts.started_at_unix_ms(process);
        started.is_some_and(|started| started.saturating_add(SLACK_MS) >= folder.since_unix_ms)
            && is_inside()
    }
}

fn is_marked(marked: Marked<'_>, attempt: Option<&[u8]>) -> bool {
    match marked {
        Marked::Any => true,
        Marked::NoAttempt => attempt.is_none(),
        Marked::Attempt(name) => attempt == Some(name.as_bytes()),
    }
}

/// A folder by the name the kernel uses for it.
fn resolved(folder: &WorkFolder) -> WorkFolder {
    let path = fs_err::canonicalize(&folder.path).unwrap_or_else(|_| folder.path.clone());
    WorkFolder { path, ..*folder }
}

fn is_below(path: &Path, folder: &Path) -> bool {
    // The root folder would mean everybody.
    folder.parent().is_some() && path.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who there is: number, parent, session, terminal, environment, folder.
    type Row = (u32, u32, u32, i32, &'static [u8], &'static str);

    struct Table<'a> {
        rows: &'a [Row],
        own: u32,
    }

    impl Facts for Table<'_> {
        fn cwd(&self, pid: u32) -> Option<PathBuf> {
            self.rows
                .iter()
                .find(|row| row.0 == pid)
                .map(|row| PathBuf::from(row.5))
        }

        fn own_pid(&self) -> u32 {
            self.own
        }

        fn started_at_unix_ms(&self, process: &ProcessStat) -> Option<u64> {
            Some(process.start_ticks * 1000)
        }
    }

    /// Start times are the numbers themselves, in ticks and seconds.
    #[track_caller]
    fn check(rows: &[Row], own: u32, change: impl Fn(&mut Search<'_>), expected: &[u32]) {
        let processes: Vec<ProcessStat> = rows
            .iter()
            .map(|(pid, parent, session, terminal, ..)| ProcessStat {
                pid: *pid,
                name: String::new(),
                state: 'S',
                parent: *parent,
                group: *pid,
                session: *session,
                terminal: *terminal,
                start_ticks: u64::from(*pid),
                own_ticks: 0,
                children_ticks: 0,
            })
            .collect();
        let marks: Vec<Marks> = rows.iter().map(|row| Marks::parse(row.4)).collect();
        let folders = [WorkFolder {
            path: "/no/such/workspace".into(),
            since_unix_ms: 20_000,
        }];
        let mut search = Search {
            folders: &folders,
            ..Search::new("r", Marked::Any)
        };
        change(&mut search);
        let grouped = GROUPED.into_iter().collect();
        let found = select(&search, &processes, &marks, &grouped, &Table { rows, own });
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }

    /// Who is in a control group of the attempt's, in every table that has them.
    const GROUPED: [u32; 2] = [90, 91];

    const RUN: &[u8] = b"MESH_RUN=r\0MESH_ATTEMPT=t/1\0";
    const HOME: &str = "/home";
    const WORK: &str = "/no/such/workspace/src";

    #[test]
    fn neither_we_nor_those_above_us_are_strays_whatever_they_carry() {
        // An agent's shell in which a person, or the agent, calls us.
        let rows: &[Row] = &[
            (1, 0, 1, 0, b"", "/"),
            (30, 1, 30, 0, RUN, HOME),
            (31, 30, 30, 0, RUN, HOME),
            (32, 31, 30, 0, RUN, HOME),
            (33, 31, 30, 0, RUN, HOME),
        ];
        check(rows, 32, |_| (), &[33]);
    }

    #[test]
    fn process_1_is_never_meant() {
        check(
            &[(1, 0, 1, 0, RUN, WORK), (30, 1, 30, 0, b"", HOME)],
            30,
            |_| (),
            &[],
        );
    }

    #[test]
    fn an_orphan_in_the_workspace_is_meant_unless_it_is_older_or_elsewhere_or_a_persons() {
        let own: Row = (50, 1, 50, 7, b"", HOME);
        let of = |row: Row, expected: &[u32]| {
            check(&[(1, 0, 1, 0, b"", "/"), own, row], 50, |_| (), expected)
        };
        of((30, 1, 30, 0, b"", WORK), &[30]);
        of((30, 1, 30, 0, b"", "/no/such/workspace"), &[30]);
        of((30, 1, 30, 0, b"", "/no/such/workspace-2"), &[]);
        of((30, 1, 30, 0, b"", "/no/such"), &[]);
        of((17, 1, 17, 0, b"", WORK), &[]);
        of((30, 1, 30, 34816, b"", WORK), &[]);
        of((30, 1, 30, 0, b"TMUX=/tmp/x\0", WORK), &[]);
        of((30, 1, 30, 0, b"MESH_RUN=other\0", WORK), &[]);
        of((30, 40, 30, 0, b"", WORK), &[]);
    }

    #[test]
    fn a_subreaper_above_us_adopts_and_a_shell_above_us_keeps_its_jobs() {
        let rows: &[Row] = &[
            (1, 0, 1, 0, b"", "/"),
            (10, 1, 10, 0, b"", "/"),
            (11, 10, 11, 34816, b"", HOME),
            (12, 11, 11, 34816, b"", HOME),
            (30, 10, 30, 0, b"", WORK),
            (31, 11, 11, 0, b"", WORK),
        ];
        check(rows, 12, |_| (), &[30]);
    }

    #[test]
    fn the_marks_of_one_attempt_choose_among_those_of_a_run() {
        let rows: &[Row] = &[
            (30, 1, 30, 0, RUN, HOME),
            (31, 1, 31, 0, b"MESH_RUN=r\0MESH_ATTEMPT=t/2\0", HOME),
            (32, 1, 32, 0, b"MESH_RUN=r\0", HOME),
            (33, 1, 33, 0, b"MESH_ATTEMPT=t/1\0", WORK),
            (34, 30, 34, 0, b"", HOME),
        ];
        check(rows, 50, |_| (), &[30, 31, 32, 34]);
        check(
            rows,
            50,
            |search| search.marked = Marked::Attempt("t/1"),
            &[30, 34],
        );
        check(rows, 50, |search| search.marked = Marked::NoAttempt, &[32]);
    }

    #[test]
    fn a_spared_process_spares_its_whole_tree() {
        let rows: &[Row] = &[
            (30, 1, 30, 0, RUN, HOME),
            (31, 30, 30, 0, RUN, HOME),
            (32, 31, 32, 0, b"", HOME),
            (40, 1, 40, 0, RUN, HOME),
        ];
        const SPARE: &[Identity] = &[Identity {
            pid: 30,
            start_ticks: 30,
        }];
        const STALE: &[Identity] = &[Identity {
            pid: 30,
            start_ticks: 29,
        }];
        check(rows, 50, |search| search.spare = SPARE, &[40]);
        check(rows, 50, |search| search.spare = STALE, &[30, 31, 32, 40]);
    }

    #[test]
    fn who_is_in_the_control_group_of_the_tree_is_meant_unless_it_is_spared() {
        const SPARE: &[Identity] = &[Identity {
            pid: 91,
            start_ticks: 91,
        }];
        let rows: &[Row] = &[
            (89, 1, 89, 0, b"", HOME),
            (90, 1, 90, 4, b"TMUX=1\0", HOME),
            (91, 1, 91, 0, b"", HOME),
            (92, 90, 92, 0, b"", HOME),
        ];
        check(rows, 50, |_| {}, &[90, 91, 92]);
        check(rows, 50, |search| search.spare = SPARE, &[90, 92]);
    }

    #[test]
    fn the_session_of_a_dead_shim_is_its_tree() {
        const SHIM: &[Identity] = &[Identity {
            pid: 30,
            start_ticks: 30,
        }];
        let rows: &[Row] = &[
            (25, 1, 30, 0, b"", HOME),
            (31, 1, 30, 0, b"", HOME),
            (32, 31, 32, 0, b"", HOME),
            (33, 1, 33, 0, b"", HOME),
        ];
        check(rows, 50, |search| search.shims = SHIM, &[31, 32]);
    }
}
