//! A control group for one process tree, where the system lets us have one: what is in it is found whatever it does with its
//! environment, its session and its parent, and after its shim was killed.
//!
//! The group has no controllers and no limits. It is made below the group that mesh itself is in (cgroups version 2), which needs root
//! or a group that was delegated, as desktop sessions have it. Where it cannot be made, trees are found by other signs.

use std::io;
use std::path::{Path, PathBuf};

use crate::tree::Identity;

/// Where a group's members are listed, and where a process enters it.
const MEMBERS: &str = "cgroup.procs";

/// A group of the tree below this process.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
}

impl Group {
    /// Makes one, below the group that this process is in.
    pub(crate) fn of_own_tree() -> io::Result<Group> {
        let mounts = fs_err::read_to_string("/proc/self/mountinfo")?;
        let own = fs_err::read_to_string("/proc/self/cgroup")?;
        let unknown = || io::Error::other("there are no control groups of version 2");
        let own = path_of(&mounts, &own).ok_or_else(unknown)?;
        let Identity { pid, start_ticks } =
            Identity::own().ok_or_else(|| io::Error::other("/proc is not readable"))?;
        let path = own.join(format!("mesh-{pid}-{start_ticks}"));
        fs_err::create_dir(&path)?;
        Ok(Group { path })
    }

    /// Takes in the processes that `tree` lists, which is asked again until all are in: what they start from then on is in as well.
    /// Not done before the first of them starts, because the kernel takes some 20 ms to move a process when none was moved lately.
    ///
    /// # Errors
    /// The system does not let us move one that lives.
    pub(crate) fn take_in(&self, tree: impl Fn() -> Vec<Identity>) -> io::Result<()> {
        const MOST_LOOKS: usize = 10;
        for _ in 0..MOST_LOOKS {
            let inside = members(&self.path);
            let is_outside = |one: &Identity| !inside.contains(&one.pid);
            let outside: Vec<Identity> = tree().into_iter().filter(is_outside).collect();
            if outside.is_empty() {
                break;
            }
            for one in outside {
                self.take_in_one(one)?;
            }
        }
        Ok(())
    }

    fn take_in_one(&self, one: Identity) -> io::Result<()> {
        let enter = |group: &Path| fs_err::write(group.join(MEMBERS), one.pid.to_string());
        let moved = enter(&self.path);
        if Identity::of(one.pid) == Some(one) {
            return moved;
        }
        // It has ended, and whoever may have its number by now has no part in this.
        if let (Ok(()), Some(parent)) = (moved, self.path.parent()) {
            let _ = enter(parent);
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, once nobody is in it any more.
    pub(crate) fn remove(&self) {
        remove(&self.path);
    }
}

/// The processes in the group at `path` and in those below it.
pub(crate) fn members(path: &Path) -> Vec<u32> {
    let own = fs_err::read_to_string(path.join(MEMBERS)).unwrap_or_default();
    let own = own.lines().filter_map(|line| line.parse().ok());
    own.chain(below(path).iter().flat_map(|path| members(path)))
        .collect()
}

/// Removes the group at `path` and those below it, unless somebody is in it.
pub(crate) fn remove(path: &Path) {
    for path in below(path) {
        remove(&path);
    }
    // One that is in use stays: whoever ends what is in it removes it then.
    let _ = fs_err::remove_dir(path);
}

fn below(path: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// The folder of a process's group, from its `mountinfo` and its `cgroup`.
fn path_of(mounts: &str, own: &str) -> Option<PathBuf> {
    let group = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, place) = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        (after.split(' ').next() == Some("cgroup2")).then_some((root, place))
    })?;
    // In a container the mount may show a part of the tree only.
    let inner = Path::new(group).strip_prefix(root).ok()?;
    Some(Path::new(place).join(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mounts: &str, own: &str, expected: Option<&str>) {
        assert_eq!(path_of(mounts, own), expected.map(PathBuf::from));
    }

    #[test]
    fn the_group_is_found_below_its_mount() {
        let unified = "24 18 0:21 / /proc rw - proc proc rw\n\
                       35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let session = "0::/user.slice/user-1000.slice/session-2.scope\n";
        let path = "/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope";
        check(unified, session, Some(path));
        let hybrid = "40 24 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 24 0:34 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        check(hybrid, "4:cpu:/a\n0::/\n", Some("/sys/fs/cgroup/unified"));
        let part = "41 24 0:34 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        check(part, "0::/docker/1/a\n", Some("/sys/fs/cgroup/a"));
        check(part, "0::/elsewhere\n", None);
        check("24 18 0:21 / /proc rw - proc proc rw\n", "0::/\n", None);
        check(unified, "4:cpu:/a\n", None);
    }
}
