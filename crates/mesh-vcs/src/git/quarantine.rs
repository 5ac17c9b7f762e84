//! The repository in which an agent's git works, and how what it made comes into the user's.
//!
//! The `.git` file of a workspace names neither the user's repository nor the worktree that `git worktree add` made in it, but a
//! repository of the attempt's own in the administrative folder of that worktree: its `HEAD`, index, refs (copies of the user's),
//! settings and objects are the agent's, and the objects of the user's are read as an alternate. So an agent may commit, branch,
//! stash and rebase as it likes while nothing of the user's has to be writable for it, and whoever enters the workspace later finds
//! all of it by plain `git log`. `HEAD` and index of the worktree itself are mesh's.
//!
//! When a result is recorded, what is reachable from it (and from what the agent left behind) is taken over as a server takes a push:
//! what the user's refs do not have goes into a pack, whose objects are hashed, checked and connected anew. From then on only the
//! user's repository is asked.
//!
//! What was measured on 2.39 of the other ways: with `GIT_OBJECT_DIRECTORY` in the environment of agents, `git clone` fails in every
//! repository that their tests make, and while the `HEAD` of a worktree names a commit that only such a folder has, the user's own
//! `git fetch`, `git log --all` and `git gc` fail with `bad object`.
//!
//! What must never be here: a call of git that reads the settings of the agent's repository, or a write through a link in it.

use super::guard::{bytes_of, list_file};
use super::worktree::Tree;
use super::{Git, parse, shared, succeeded};
use crate::agent_env::quoted;
use crate::call::{Answer, Span, args};
use crate::error::VcsError;
use crate::folder::delete;
use crate::model::CommitId;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Its name in the administrative folder of a worktree.
const FOLDER: &str = "agent.git";
/// The refs that it began with, beside it.
const REFS: &str = "agent-refs";
/// The names of the settings that it changed, as far as seen, beside it.
const SETTINGS: &str = "agent-settings";
/// Packs on their way.
const INCOMING: &str = "incoming";
/// As many objects as a server makes a pack of; fewer are unpacked, so that packs do not pile up.
const PACK_FROM: u32 = 100;
/// A pack that is unpacked goes through our memory.
const UNPACK_BYTES: u64 = 16 << 20;
/// Most bytes of a file of the agent's that is read whole, but for the index.
const MOST_BYTES: u64 = 16 << 20;
/// Most refs that are looked at.
const MOST_REFS: usize = 10_000;

/// The repository of the agent of a worktree.
pub(super) fn folder(administrative: &Path) -> PathBuf {
    administrative.join(FOLDER)
}

/// Makes it for a worktree in which nobody has worked, in place of one that is there.
pub(super) fn make(git: &Git, workspace: &Path, administrative: &Path) -> Result<(), VcsError> {
    let own = folder(administrative);
    delete(&own)?;
    for name in ["objects/pack", "refs/heads", "refs/tags"] {
        fs_err::create_dir_all(own.join(name))?;
    }
    let mut refs = String::new();
    for line in shared::listed_refs(git)?.lines() {
        let name = line.split_once(' ').map_or("", |(_, name)| name);
        if !name.starts_with("refs/mesh/") && name != "refs/stash" {
            refs.push_str(line);
            refs.push('\n');
        }
    }
    fs_err::write(own.join("packed-refs"), &refs)?;
    fs_err::write(administrative.join(REFS), refs)?;
    delete(&administrative.join(SETTINGS))?;
    if let Some(shallow) = bytes_of(&git.store.join("shallow"))? {
        fs_err::write(own.join("shallow"), shallow)?;
    }
    settle(git, workspace, administrative)?;
    stand(administrative)?;
    link(workspace, administrative)
}

/// Makes the workspace one of the agent's repository.
pub(super) fn link(workspace: &Path, administrative: &Path) -> Result<(), VcsError> {
    let own = folder(administrative);
    let link = [b"gitdir: ", own.as_os_str().as_bytes(), b"\n"].concat();
    delete(&workspace.join(".git"))?;
    Ok(fs_err::write(workspace.join(".git"), link)?)
}

/// Puts settings, hooks and alternates to what they are made with, so that neither mesh nor a person who enters a workspace runs
/// what an agent set, and takes away what could lie about objects and what killed commands left locked.
fn settle(git: &Git, workspace: &Path, administrative: &Path) -> Result<(), VcsError> {
    let own = folder(administrative);
    for name in ["objects/info", "info", "refs"] {
        make_solid(&own, Path::new(name))?;
    }
    let put = |name: &str, bytes: &[u8]| put(administrative, &own.join(name), bytes);
    put("config", config(git, workspace)?.as_bytes())?;
    for name in ["config.worktree", "commondir", "index.lock", "HEAD.lock"] {
        delete(&own.join(name))?;
    }
    let mut alternate = git.store.join("objects").into_os_string();
    alternate.push("\n");
    put("objects/info/alternates", alternate.as_bytes())?;
    for name in ["info/exclude", "info/attributes"] {
        match bytes_of(&git.store.join(name))? {
            Some(bytes) => put(name, &bytes)?,
            None => delete(&own.join(name))?,
        }
    }
    let hooks = own.join("hooks");
    delete(&hooks)?;
    fs_err::os::unix::fs::symlink(git.store.join("hooks"), hooks)?;
    for name in ["commit-graph", "commit-graphs", "http-alternates"] {
        delete(&own.join("objects/info").join(name))?;
    }
    let packs = own.join("objects/pack");
    if packs.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        for entry in fs_err::read_dir(packs)? {
            let path = entry?.path();
            let is_pack = ["pack", "idx", "promisor", "keep"]
                .iter()
                .any(|of| path.extension() == Some(OsStr::new(of)));
            if !is_pack {
                delete(&path)?;
            }
        }
    }
    Ok(())
}

/// The settings of the user's repository, under those that an agent's has to have.
fn config(git: &Git, workspace: &Path) -> Result<String, VcsError> {
    let text = |path: &Path| quoted(&path.to_string_lossy());
    Ok(format!(
        "# Written by mesh for one attempt, and again whenever its result is recorded.\n{format}[include]\n\tpath = {config}\n\
         [core]\n\tbare = false\n\tworktree = {workspace}\n\tlogAllRefUpdates = true\n\tsparseCheckout = false\n\
         \tsparseCheckoutCone = false\n\tsplitIndex = false\n[index]\n\tsparse = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n",
        format = format_of(git)?,
        config = text(&git.store.join("config")),
        workspace = text(workspace),
    ))
}

/// The settings by which git knows the form of the user's repository; they do not count in files that are included. Refs are files
/// here, however the user's are stored.
fn format_of(git: &Git) -> Result<String, VcsError> {
    if let Some(known) = git.format.get() {
        return Ok(known.clone());
    }
    let listed = git.run(list_file(&git.store.join("config")))?;
    let mut version = "0".to_owned();
    let mut extensions = String::new();
    for (name, value) in listed.parse(parse::config)? {
        match name.split_once('.') {
            Some(("core", "repositoryformatversion")) => version = value,
            Some((
                "extensions",
                "refstorage" | "worktreeconfig" | "relativeworktrees" | "compatobjectformat",
            )) => {}
            Some(("extensions", extension)) => {
                extensions.push_str(&format!("\t{extension} = {}\n", quoted(&value)));
            }
            _ => {}
        }
    }
    if !extensions.is_empty() {
        extensions.insert_str(0, "[extensions]\n");
    }
    let text = format!("[core]\n\trepositoryformatversion = {version}\n{extensions}");
    Ok(git.format.get_or_init(|| text).clone())
}

/// Puts `HEAD` and index of the agent's repository to those of the worktree.
pub(super) fn stand(administrative: &Path) -> Result<(), VcsError> {
    let own = folder(administrative);
    if own.symlink_metadata().is_err() {
        return Ok(());
    }
    let head = fs_err::read(administrative.join("HEAD"))?;
    put(administrative, &own.join("HEAD"), &head)?;
    copy_index(administrative, &own, administrative)
}

/// What an agent left in its repository, now in the user's.
#[derive(Debug)]
pub(super) struct TakenOver {
    /// Where its `HEAD` is.
    pub head: CommitId,
    /// Commits that it made and left by a checkout.
    pub left: BTreeSet<CommitId>,
    /// Refs that it made or moved, with where they are now.
    pub refs: BTreeMap<String, CommitId>,
    /// Messages of its stash.
    pub stash: Vec<String>,
    /// Names of the settings that it changed.
    pub settings: BTreeSet<String>,
    /// Folders of the worktrees that it added.
    pub worktrees: Vec<String>,
}

/// Takes over what the agent of a worktree left; `start` is what the worktree was made on. The worktree has the agent's index then,
/// and its own `HEAD` still.
pub(super) fn take_over(
    tree: &Tree<'_>,
    name: &str,
    start: &CommitId,
) -> Result<TakenOver, VcsError> {
    let own = folder(&tree.administrative);
    let broken = |reason: &str| VcsError::WorkspaceGone {
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    let settings = changed_settings(tree, &own)?;
    settle(tree.git, tree.at, &tree.administrative)?;
    copy_index(&own, &tree.administrative, &tree.administrative)?;
    let packed = refs_in(&text_of(&own.join("packed-refs"))?);
    let head = head(&own, &packed)
        .ok_or_else(|| broken("its HEAD names no commit: it stands on a branch without one"))?;
    let reflog = text_of(&own.join("logs/HEAD"))?;
    let mut left = super::snapshot::left_behind(&parse::reflog(reflog.as_bytes()));
    left.remove(&head);
    let refused = |reason: String| VcsError::NotTakenOver {
        name: name.to_owned(),
        reason,
    };
    if let Some(objects) = own_objects(&own)? {
        let most = tree.git.program.limits.object_bytes;
        if objects > most {
            return Err(refused(format!(
                "it wrote {} MiB of objects, more than the allowed {} MiB",
                objects >> 20,
                most >> 20
            )));
        }
        left = there(tree, &own, left)?;
        receive(tree, &own, &head, &left, start)?.map_err(refused)?;
    }
    if head != *start || !left.is_empty() {
        let mut command = args!["rev-list", "--objects", "--quiet", head.as_str()];
        command.extend(left.iter().map(|commit| OsString::from(commit.as_str())));
        command.extend(args!["--not", "--single-worktree", "--all"]);
        let connected = tree.ask(command, Span::Long, &[])?;
        if !connected.output.status.is_success() {
            return Err(refused(first_line(&connected)));
        }
    }
    let stash = parse::reflog(text_of(&own.join("logs/refs/stash"))?.as_bytes());
    Ok(TakenOver {
        refs: moved_refs(&tree.administrative, packed)?,
        stash: stash.into_iter().map(|entry| entry.what).collect(),
        settings,
        worktrees: worktrees(&own)?,
        head,
        left,
    })
}

/// The settings of the agent's repository that are not as they were made. They count for nobody else.
fn changed_settings(tree: &Tree<'_>, own: &Path) -> Result<BTreeSet<String>, VcsError> {
    let made = config(tree.git, tree.at)?;
    let path = own.join("config");
    // Those that were seen before, and put back then.
    let seen = tree.administrative.join(SETTINGS);
    let mut names: BTreeSet<String> = text_of(&seen)?.lines().map(str::to_owned).collect();
    if text_of(&path)? == made {
        return Ok(names);
    }
    let list = |path: &Path| -> Result<BTreeSet<(String, String)>, VcsError> {
        let answer = tree.ask(list_file(path), Span::Short, &[])?;
        // A file that git cannot read has no setting that counts.
        let listed = parse::config(&answer.output.stdout).unwrap_or_default();
        Ok(listed.into_iter().collect())
    };
    let now = list(&path)?;
    put(&tree.administrative, &path, made.as_bytes())?;
    let before = list(&path)?;
    let changed = now.symmetric_difference(&before).map(|(name, _)| name);
    // git writes these by itself, for submodules that are checked out and branches that follow others.
    let of_git = |name: &&String| name.starts_with("submodule.") || name.starts_with("branch.");
    names.extend(changed.filter(|name| !of_git(name)).cloned());
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    fs_err::write(seen, text)?;
    Ok(names)
}

/// The folders of the worktrees that were added to the agent's repository.
fn worktrees(own: &Path) -> Result<Vec<String>, VcsError> {
    let folder = own.join("worktrees");
    let Ok(entries) = fs_err::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries.take(MOST_REFS) {
        let link = text_of(&entry?.path().join("gitdir"))?;
        let link = link.trim_end();
        found.push(link.strip_suffix("/.git").unwrap_or(link).to_owned());
    }
    found.sort();
    Ok(found)
}

/// Those of `commits` that are in the agent's repository or the user's.
fn there(
    tree: &Tree<'_>,
    own: &Path,
    mut commits: BTreeSet<CommitId>,
) -> Result<BTreeSet<CommitId>, VcsError> {
    if commits.is_empty() {
        return Ok(commits);
    }
    let asked: String = commits.iter().map(|one| format!("{one}\n")).collect();
    let command = args!["cat-file", "--batch-check=%(objectname) %(objecttype)"];
    let answer = succeeded(tree.ask_with(
        command,
        Span::Short,
        &[with_objects_of(own).as_pair()],
        asked.as_bytes(),
    )?)?;
    let said = answer.stdout_text();
    commits.retain(|commit| {
        said.lines()
            .any(|line| line.strip_suffix(" commit") == Some(commit.as_str()))
    });
    Ok(commits)
}

/// The variable by which a call reads the objects of the agent's repository too.
struct WithObjects(OsString);

impl WithObjects {
    fn as_pair(&self) -> (&str, &OsStr) {
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", &self.0)
    }
}

fn with_objects_of(own: &Path) -> WithObjects {
    // Folders are parted by colons, but for those in quotes.
    let objects = own.join("objects").into_os_string().into_vec();
    let mut quoted = vec![b'"'];
    for byte in objects {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    WithObjects(OsString::from_vec(quoted))
}

/// Options of the calls that read an agent's objects: nothing beside the objects themselves is believed.
fn plainly(command: &[&str]) -> Vec<OsString> {
    let mut plain = args![
        "-c",
        "core.commitGraph=false",
        "-c",
        "core.multiPackIndex=false",
        "-c",
        "pack.useBitmaps=false",
        "-c",
        "pack.readReverseIndex=false",
        "-c",
        "pack.writeReverseIndex=false"
    ];
    plain.extend(command.iter().map(OsString::from));
    plain
}

/// Takes over all that `head`, `left` and the index reach and the user's refs do not; `Err` within is why it is refused.
fn receive(
    tree: &Tree<'_>,
    own: &Path,
    head: &CommitId,
    left: &BTreeSet<CommitId>,
    start: &CommitId,
) -> Result<Result<(), String>, VcsError> {
    let objects = with_objects_of(own);
    let seen = [objects.as_pair()];
    let list = |with_index: bool| {
        let mut command = plainly(&["rev-list", "--objects"]);
        // Files that were added and are in no commit.
        command.extend(with_index.then(|| "--indexed-objects".into()));
        command.push(head.as_str().into());
        command.extend(left.iter().map(|commit| OsString::from(commit.as_str())));
        command.extend(args![
            "--not",
            "--single-worktree",
            "--all",
            format!("{start}^{{tree}}")
        ]);
        tree.ask(command, Span::Long, &seen)
    };
    let mut listed = list(true)?;
    if !listed.output.status.is_success() {
        // An index that names what is not there says less than the files.
        delete(&tree.administrative.join("index"))?;
        listed = list(false)?;
    }
    if !listed.output.status.is_success() {
        return Ok(Err(first_line(&listed)));
    }
    if listed.stdout().is_empty() {
        return Ok(Ok(()));
    }
    let incoming = tree.administrative.join(INCOMING);
    delete(&incoming)?;
    fs_err::create_dir(&incoming)?;
    let mut pack = plainly(&["pack-objects", "--quiet"]);
    pack.push(incoming.join("pack").into());
    let packed = tree.ask_with(pack, Span::Long, &seen, listed.stdout())?;
    if !packed.output.status.is_success() {
        return Ok(Err(first_line(&packed)));
    }
    let name = packed.stdout_text();
    let pack = incoming.join(format!("pack-{}.pack", name.trim_end()));
    let checked = put_into_store(tree, &pack)?;
    delete(&incoming)?;
    Ok(match checked.output.status.is_success() {
        true => Ok(()),
        false => Err(first_line(&checked)),
    })
}

/// Checks the objects of a pack and what they name, without any other objects than the user's, and puts them there.
fn put_into_store(tree: &Tree<'_>, pack: &Path) -> Result<Answer, VcsError> {
    use std::io::Read as _;
    let mut file = fs_err::File::open(pack)?;
    let size = file.metadata()?.len();
    // `PACK`, the version, the number of objects.
    let mut header = [0; 12];
    file.read_exact(&mut header)?;
    let count = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    if count < PACK_FROM && size <= UNPACK_BYTES {
        let mut bytes = header.to_vec();
        file.read_to_end(&mut bytes)?;
        let command = args!["unpack-objects", "-q", "--strict"];
        return tree.ask_with(command, Span::Long, &[], &bytes);
    }
    let answer = tree.ask(args!["index-pack", "--strict", pack], Span::Long, &[])?;
    if answer.output.status.is_success() {
        let to = tree.git.store.join("objects/pack");
        fs_err::create_dir_all(&to)?;
        // git looks for the index: it comes last.
        for end in ["pack", "idx"] {
            let file = pack.with_extension(end);
            if let Some(name) = file.file_name() {
                fs_err::rename(&file, to.join(name))?;
            }
        }
    }
    Ok(answer)
}

fn first_line(answer: &Answer) -> String {
    let said = answer.stderr();
    let line = said.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("git said nothing").trim().to_owned()
}

/// How much the agent's own objects take; `None` without any.
fn own_objects(own: &Path) -> Result<Option<u64>, VcsError> {
    let mut bytes = 0;
    let mut any = false;
    let mut todo = vec![own.join("objects")];
    while let Some(folder) = todo.pop() {
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                todo.push(entry.path());
            } else if entry.file_name() != "alternates" {
                any = true;
                bytes += meta.len();
            }
        }
    }
    Ok(any.then_some(bytes))
}

/// The commit at `HEAD`, as the files say.
fn head(own: &Path, packed: &BTreeMap<String, CommitId>) -> Option<CommitId> {
    /// As many links as git follows.
    const MOST_LINKS: usize = 5;
    let mut text = text_of(&own.join("HEAD")).ok()?;
    for _ in 0..MOST_LINKS {
        let Some(name) = text.trim_end().strip_prefix("ref:").map(str::trim) else {
            return CommitId::new(text.trim_end()).ok();
        };
        let is_plain = |part| matches!(part, Component::Normal(_));
        if !name.starts_with("refs/") || !Path::new(name).components().all(is_plain) {
            return None;
        }
        let loose = text_of(&own.join(name)).ok()?;
        match loose.is_empty() {
            true => return packed.get(name).cloned(),
            false => text = loose,
        }
    }
    None
}

/// Lines of an id and a name.
fn refs_in(text: &str) -> BTreeMap<String, CommitId> {
    let refs = text.lines().filter_map(|line| {
        let (id, name) = line.split_once(' ')?;
        Some((name.to_owned(), CommitId::new(id).ok()?))
    });
    refs.collect()
}

/// Refs that are not where they were when the repository was made.
fn moved_refs(
    administrative: &Path,
    packed: BTreeMap<String, CommitId>,
) -> Result<BTreeMap<String, CommitId>, VcsError> {
    let own = folder(administrative);
    let began_with = refs_in(&text_of(&administrative.join(REFS))?);
    let mut refs = packed;
    let mut todo = vec![PathBuf::from("refs")];
    while let Some(below) = todo.pop() {
        for entry in fs_err::read_dir(own.join(&below))? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                todo.push(name);
            } else if let Ok(commit) = CommitId::new(text_of(&own.join(&name))?.trim_end()) {
                refs.insert(name.to_string_lossy().into_owned(), commit);
            }
            if refs.len() > began_with.len() + MOST_REFS || todo.len() > MOST_REFS {
                return Ok(BTreeMap::new());
            }
        }
    }
    refs.retain(|name, commit| began_with.get(name) != Some(commit));
    Ok(refs)
}

/// A file's text, whatever is in it; empty when there is none. What is no plain file, or too long, is none.
fn text_of(file: &Path) -> Result<String, VcsError> {
    match file.symlink_metadata() {
        Ok(meta) if meta.is_file() && meta.len() <= MOST_BYTES => {
            let bytes = bytes_of(file)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Ok(String::new()),
    }
}

/// Copies the index from one git folder to the other, with its time: by that git tells which files may have changed in the moment
/// in which it was written. One that is not there is not there afterwards.
fn copy_index(from: &Path, to: &Path, administrative: &Path) -> Result<(), VcsError> {
    let (source, target) = (from.join("index"), to.join("index"));
    let plain = source.symlink_metadata().ok().filter(|meta| meta.is_file());
    let Some(meta) = plain else {
        return delete(&target);
    };
    let stamp = |meta: &std::fs::Metadata| (meta.len(), meta.modified().ok());
    let same = target.symlink_metadata().ok().filter(|meta| meta.is_file());
    if same.is_some_and(|same| stamp(&same) == stamp(&meta))
        && fs_err::read(&source)? == fs_err::read(&target)?
    {
        return Ok(());
    }
    let draft = administrative.join("index.tmp");
    delete(&draft)?;
    fs_err::copy(&source, &draft)?;
    let times = std::fs::FileTimes::new().set_modified(meta.modified()?);
    let opened = fs_err::File::options().write(true).open(&draft)?;
    opened.file().set_times(times)?;
    make_way(&target)?;
    Ok(fs_err::rename(&draft, &target)?)
}

/// Writes a file of the agent's repository, in place of whatever is there.
fn put(administrative: &Path, at: &Path, bytes: &[u8]) -> Result<(), VcsError> {
    // Outside of what an agent writes.
    let draft = administrative.join("agent.tmp");
    fs_err::write(&draft, bytes)?;
    make_way(at)?;
    Ok(fs_err::rename(&draft, at)?)
}

/// A file can be renamed to `at` afterwards.
fn make_way(at: &Path) -> Result<(), VcsError> {
    match at.symlink_metadata() {
        Ok(meta) if meta.is_dir() => delete(at),
        _ => Ok(()),
    }
}

/// Makes the folders of `below` in `own`, in place of links that lead elsewhere.
fn make_solid(own: &Path, below: &Path) -> Result<(), VcsError> {
    let mut folder = own.to_path_buf();
    for part in below.components() {
        folder.push(part);
        if !folder.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            delete(&folder)?;
            fs_err::create_dir(&folder)?;
        }
    }
    Ok(())
}
