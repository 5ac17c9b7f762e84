//! Reading `/proc`: who is there, whose child it is, what it was started with.
//!
//! Every answer is a snapshot of a moment that has passed. Parsers are tolerant functions over bytes; a process that vanished
//! while it was read is simply not there. Nothing here signals anything but through [`signal_same`], which makes sure that the
//! number still means the process that was looked at.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// One process for as long as the machine runs: numbers are used again, a number with its start time is not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The process number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start_ticks: u64,
}

impl Identity {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| stat.identity())
    }

    /// Our own.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && !stat.is_zombie())
    }
}

/// What `/proc/<pid>/stat` says, as far as we need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessStat {
    /// The process number.
    pub pid: u32,
    /// The name of the executable, cut to 15 bytes by the kernel.
    pub name: String,
    /// One letter; `Z` and `X` are dead.
    pub state: char,
    /// The parent's number.
    pub parent: u32,
    /// The process group.
    pub group: u32,
    /// The session: the number of the process that called `setsid`.
    pub session: u32,
    /// The controlling terminal's device number, 0 for none.
    pub terminal: i32,
    /// Clock ticks between boot and start.
    pub start_ticks: u64,
    /// Clock ticks of processor time that it has used.
    pub own_ticks: u64,
    /// Those of its children that have ended and that it has waited for, and of theirs.
    pub children_ticks: u64,
}

impl ProcessStat {
    /// Number and start time.
    pub fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            start_ticks: self.start_ticks,
        }
    }

    /// Ended, and only waiting for its parent to take notice.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Reads the content of a `stat` file. The name stands in parentheses and may itself hold blanks, parentheses and newlines, so
/// fields are counted from the last closing parenthesis.
pub fn parse_stat(bytes: &[u8]) -> Option<ProcessStat> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&bytes[..open])
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(&bytes[close + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u32>().ok())
    };
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<u64>().ok())
    };
    Some(ProcessStat {
        pid,
        name,
        state: fields.first()?.chars().next()?,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        terminal: fields.get(4)?.parse().ok()?,
        start_ticks: ticks(19)?,
        own_ticks: ticks(11)?.saturating_add(ticks(12)?),
        children_ticks: ticks(13)?.saturating_add(ticks(14)?),
    })
}

/// The value of `name` in the content of an `environ` file. The first of several counts, as `getenv` has it.
pub fn parse_environ<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    bytes
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// The arguments in the content of a `cmdline` file.
pub fn parse_cmdline(bytes: &[u8]) -> Vec<OsString> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|byte| *byte == 0)
        .map(|arg| OsString::from_vec(arg.to_vec()))
        .collect()
}

/// The process numbered `pid`, zombies included.
pub fn stat(pid: u32) -> Option<ProcessStat> {
    parse_stat(&fs_err::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Every process that we can see, zombies included, by number.
pub fn all() -> Vec<ProcessStat> {
    all_with(|_| ())
        .into_iter()
        .map(|(process, ())| process)
        .collect()
}

/// Every process that we can see, with what `look` finds out about it right after its `stat` was read.
///
/// A list of `/proc` is old when its last entry is looked at: a process may have gone in between and left a child that is not in
/// the list. So the list is made again until it holds nobody new; then only what was born during the last look is missing.
pub fn all_with<T>(mut look: impl FnMut(&ProcessStat) -> T) -> Vec<(ProcessStat, T)> {
    /// Ends the look on a machine where somebody is always new.
    const MOST_LISTS: usize = 50;
    let mut seen = BTreeSet::new();
    let mut processes = BTreeMap::new();
    for _ in 0..MOST_LISTS {
        let new: Vec<u32> = listed()
            .into_iter()
            .filter(|pid| seen.insert(*pid))
            .collect();
        if new.is_empty() {
            break;
        }
        for process in new.into_iter().filter_map(stat) {
            let found = look(&process);
            processes.insert(process.pid, (process, found));
        }
    }
    processes.into_values().collect()
}

fn listed() -> Vec<u32> {
    let Ok(folder) = fs_err::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// All that descend from one of `roots` among `processes`, the roots themselves not included.
pub fn descendants<'a>(
    roots: &BTreeSet<u32>,
    processes: &'a [ProcessStat],
) -> Vec<&'a ProcessStat> {
    let mut children: BTreeMap<u32, Vec<&ProcessStat>> = BTreeMap::new();
    for process in processes {
        children.entry(process.parent).or_default().push(process);
    }
    let mut seen = roots.clone();
    let mut found = Vec::new();
    let mut open: Vec<u32> = roots.iter().copied().collect();
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if seen.insert(child.pid) {
                found.push(*child);
                open.push(child.pid);
            }
        }
    }
    found.sort_by_key(|process| process.pid);
    found
}

/// The processes below `pid`, without itself. Asks for them alone, where the kernel lists the children of a process.
pub fn below(pid: u32) -> Vec<Identity> {
    let Some(mut todo) = children(pid) else {
        let processes = all();
        let below = descendants(&BTreeSet::from([pid]), &processes);
        return below.into_iter().map(ProcessStat::identity).collect();
    };
    let mut found = Vec::new();
    while let Some(pid) = todo.pop() {
        // What is gone by now has handed its children on, and they are found when this is asked again.
        todo.extend(children(pid).into_iter().flatten());
        found.extend(Identity::of(pid));
    }
    found
}

/// `None` where the kernel has no such list, or the process is gone.
fn children(pid: u32) -> Option<Vec<u32>> {
    let threads = fs_err::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut found = Vec::new();
    for thread in threads {
        let list = fs_err::read_to_string(thread.ok()?.path().join("children")).ok()?;
        found.extend(
            list.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    Some(found)
}

/// What the tree below a process has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Milliseconds of processor time that all of it has used, ended processes included. It can fall when a process ends for which
    /// nobody waits.
    pub cpu_ms: u64,
    /// Whether one of its processes works at this moment, or would if it were given a processor.
    pub runs: bool,
    /// When its newest living process was born, in Unix milliseconds; as exact as [`started_at_unix_ms`].
    pub newest_start_unix_ms: Option<u64>,
}

/// What has happened below `root`, without `root` itself. `None` when it has ended.
pub fn usage(root: Identity) -> Option<Usage> {
    let processes = all();
    let itself = processes
        .iter()
        .find(|process| process.identity() == root && !process.is_zombie())?;
    let below = descendants(&BTreeSet::from([root.pid]), &processes);
    let ticks = below.iter().fold(itself.children_ticks, |sum, process| {
        sum.saturating_add(process.own_ticks)
            .saturating_add(process.children_ticks)
    });
    let newest = below.iter().max_by_key(|process| process.start_ticks);
    Some(Usage {
        cpu_ms: ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1),
        runs: below.iter().any(|process| process.state == 'R'),
        newest_start_unix_ms: newest.and_then(|process| started_at_unix_ms(process)),
    })
}

/// The chain of parents of `pid`, nearest first, without itself.
pub fn ancestors(pid: u32, processes: &[ProcessStat]) -> Vec<u32> {
    let parents: BTreeMap<u32, u32> = processes
        .iter()
        .map(|process| (process.pid, process.parent))
        .collect();
    let mut chain = Vec::new();
    let mut next = parents.get(&pid).copied();
    while let Some(parent) = next.filter(|parent| *parent != 0 && !chain.contains(parent)) {
        chain.push(parent);
        next = parents.get(&parent).copied();
    }
    chain
}

/// The environment a process was started with. `None` when it is gone or not ours to read.
pub fn environ(pid: u32) -> Option<Vec<u8>> {
    fs_err::read(format!("/proc/{pid}/environ")).ok()
}

/// Its working directory, even when that has been deleted. `None` when it is gone or not ours to read.
pub fn cwd(pid: u32) -> Option<PathBuf> {
    let path = fs_err::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let bytes = path.as_os_str().as_bytes();
    Some(PathBuf::from(OsStr::from_bytes(
        bytes.strip_suffix(b" (deleted)").unwrap_or(bytes),
    )))
}

/// Its command line for a person to read, cut to about 2,000 characters; the bare name in brackets where there is none.
pub fn command_line(process: &ProcessStat) -> String {
    const LONGEST: usize = 2000;
    let args =
        fs_err::read(format!("/proc/{}/cmdline", process.pid)).map(|bytes| parse_cmdline(&bytes));
    match args.unwrap_or_default().split_first() {
        None => format!("[{}]", process.name),
        Some((program, args)) => {
            let shown = crate::show::command(program, args);
            match shown.char_indices().nth(LONGEST) {
                Some((end, _)) => format!("{}…", &shown[..end]),
                None => shown,
            }
        }
    }
}

/// When a process started, in Unix milliseconds by the clock as it is set now. `None` when `/proc/stat` cannot be read.
pub fn started_at_unix_ms(process: &ProcessStat) -> Option<u64> {
    let boot_seconds = parse_boot_time(&fs_err::read("/proc/stat").ok()?)?;
    let ticks_per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(boot_seconds * 1000 + process.start_ticks.saturating_mul(1000) / ticks_per_second)
}

/// The line `btime` of `/proc/stat`: seconds between 1970 and boot.
pub fn parse_boot_time(bytes: &[u8]) -> Option<u64> {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"btime "))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Names the time since the last boot: a process number means nothing after it.
pub fn boot_id() -> Option<String> {
    let text = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_string()).filter(|id| !id.is_empty())
}

/// What became of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It was sent to the process that was meant.
    Yes,
    /// That process has ended.
    Gone,
    /// The kernel does not let us (another user's process).
    Refused,
}

/// A file descriptor for exactly this process, or `None` when it has ended.
pub fn open_same(identity: Identity) -> Option<OwnedFd> {
    let fd = pidfd_open(to_pid(identity.pid)?, PidfdFlags::empty()).ok()?;
    // Asked only now: the descriptor holds on to whoever had the number when it was opened.
    identity.is_alive().then_some(fd)
}

/// Sends `signal` to exactly this process, never to one that got its number later.
pub fn signal_same(identity: Identity, signal: Signal) -> Sent {
    match open_same(identity).map(|fd| pidfd_send_signal(&fd, signal)) {
        Some(Ok(())) => Sent::Yes,
        Some(Err(error)) if error == rustix::io::Errno::PERM => Sent::Refused,
        Some(Err(_)) | None => Sent::Gone,
    }
}

/// A number as the kernel interface takes it.
pub(crate) fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> Vec<u8> {
        format!("812 ({name}) S 1 812 700 34816 812 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n")
            .into_bytes()
    }

    #[test]
    fn a_name_may_hold_blanks_parentheses_and_newlines() {
        for name in [
            "sh",
            "two words",
            "a) S 1 (b",
            "((",
            "))",
            "line\nbreak",
            "",
        ] {
            let stat = parse_stat(&line(name)).unwrap();
            assert_eq!(stat.name, name);
            assert_eq!(
                (stat.pid, stat.state, stat.parent, stat.group),
                (812, 'S', 1, 812)
            );
            assert_eq!(
                (stat.session, stat.terminal, stat.start_ticks),
                (700, 34816, 987_654)
            );
            assert_eq!((stat.own_ticks, stat.children_ticks), (5 + 6, 7 + 8));
        }
    }

    #[test]
    fn a_cut_or_foreign_line_is_nobody() {
        let whole = line("sh");
        let enough = whole.len() - b"987654 1 2\n".len();
        for end in 0..enough {
            assert_eq!(parse_stat(&whole[..end]), None, "cut after {end} bytes");
        }
        for bytes in [&b""[..], b"()", b"x (y) z", b")(", b"1 (a) S -1 1 1 0"] {
            assert_eq!(parse_stat(bytes), None);
        }
    }

    #[test]
    fn the_first_value_of_a_variable_counts_and_names_match_whole() {
        let bytes = b"XMESH_RUN=no\0MESH_RUN_X=no\0MESH_RUN=one\0MESH_RUN=two\0EMPTY=\0";
        assert_eq!(parse_environ(bytes, "MESH_RUN"), Some(&b"one"[..]));
        assert_eq!(parse_environ(bytes, "EMPTY"), Some(&b""[..]));
        assert_eq!(parse_environ(bytes, "ABSENT"), None);
        assert_eq!(parse_environ(b"", "MESH_RUN"), None);
    }

    #[test]
    fn arguments_keep_their_empty_ones() {
        assert_eq!(
            parse_cmdline(b"sh\0-c\0\0x y\0"),
            ["sh", "-c", "", "x y"].map(OsString::from)
        );
        assert_eq!(parse_cmdline(b""), Vec::<OsString>::new());
        assert_eq!(
            parse_cmdline(b"title without end"),
            [OsString::from("title without end")]
        );
    }

    #[test]
    fn descendants_are_found_through_any_depth_and_a_circle_ends() {
        let process = |pid, parent| ProcessStat {
            pid,
            parent,
            ..parse_stat(&line("p")).unwrap()
        };
        let processes = [
            process(2, 1),
            process(3, 2),
            process(4, 3),
            process(9, 1),
            process(5, 6),
            process(6, 5),
        ];
        let pids = |roots: &[u32]| {
            let found = descendants(&roots.iter().copied().collect(), &processes);
            found.iter().map(|process| process.pid).collect::<Vec<_>>()
        };
        assert_eq!(pids(&[2]), [3, 4]);
        assert_eq!(pids(&[1]), [2, 3, 4, 9]);
        assert_eq!(pids(&[5]), [6]);
        assert!(pids(&[]).is_empty());
        assert_eq!(ancestors(4, &processes), [3, 2, 1]);
    }

    #[test]
    fn we_see_ourselves() {
        let own = Identity::own().unwrap();
        assert!(own.is_alive());
        assert!(
            !Identity {
                start_ticks: own.start_ticks + 1,
                ..own
            }
            .is_alive()
        );
        assert!(all().iter().any(|process| process.identity() == own));
        assert!(boot_id().is_some());
        assert!(
            open_same(Identity {
                start_ticks: own.start_ticks + 1,
                ..own
            })
            .is_none()
        );
    }
}
