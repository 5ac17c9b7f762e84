//! Requests of other mesh commands: noticed by inotify, journaled as facts, then deleted.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use mesh_core::event::Request;
use mesh_journal::control::read_requests;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::inbox::Input;

/// Watches `folder`; each change is told to the inbox. Costs nothing while nothing happens. The thread ends with the process.
pub(crate) fn watch(folder: &Path, inbox: Sender<Input>) -> std::io::Result<()> {
    fs_err::create_dir_all(folder)?;
    let watcher = inotify::init(CreateFlags::CLOEXEC)?;
    inotify::add_watch(
        &watcher,
        folder,
        WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE,
    )?;
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            // Only that something changed matters; the folder is read afresh each time.
            let mut buffer = [0_u8; 4096];
            while let Ok(read) = rustix::io::read(&watcher, &mut buffer) {
                if read == 0 || inbox.send(Input::ControlChanged).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

/// All requests that wait, oldest first, with their files. A file that holds none is moved aside, once, with a word about it.
pub(crate) fn take(folder: &Path) -> Vec<(PathBuf, Request)> {
    let found = match read_requests(folder) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the control folder cannot be read");
            return Vec::new();
        }
    };
    let mut requests = Vec::new();
    for (path, request) in found {
        match request {
            Ok(request) => requests.push((path, request)),
            Err(error) => {
                tracing::warn!(%error, "a file in the control folder is no request; moved aside");
                let aside = path.with_extension("not-a-request");
                if let Err(error) = fs_err::rename(&path, aside) {
                    tracing::warn!(%error, "and could not be moved");
                }
            }
        }
    }
    requests
}

/// Deletes a request that the journal holds.
pub(crate) fn done(path: &Path) {
    if let Err(error) = fs_err::remove_file(path) {
        tracing::warn!(%error, "a request that was carried out could not be deleted");
    }
}
