//! Requests of other mesh commands, as files in the run's `control/` folder.
//!
//! A file appears whole, by a rename; the coordinator journals the request and then deletes the file. Names sort by time. When
//! nobody coordinates, files wait for the next resume. Noticing them is not done here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mesh_core::event::Request;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::append::{sync_folder, write_temporary};
use crate::timestamp::Timestamp;
use crate::wire::{WireError, from_line, to_line};

/// A request is a few words; a larger file is something else and is not read.
const MAX_REQUEST_BYTES: u64 = 64 << 10;

#[derive(Serialize, Deserialize)]
struct FileWire {
    asked_at: Timestamp,
    request: Request,
}

/// A file in the control folder that holds no request.
#[derive(Debug, Error)]
pub enum ControlError {
    /// It cannot be read.
    #[error("cannot read the request {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what a request looks like.
    #[error("{} holds no request: {problem}", path.display())]
    Strange {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: WireError,
    },
}

/// Puts a request into the folder `control`, durably, and says under which name.
///
/// # Errors
/// Whatever the file system says, with the file named; then nothing was asked.
pub fn write_request(
    control: &Path,
    asked_at: Timestamp,
    request: &Request,
) -> io::Result<PathBuf> {
    // Time first for the order, then process and count, so that nobody meets another's name.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!(
        "{:015}-{:010}-{count:06}.json",
        asked_at.0,
        std::process::id()
    );
    let line = to_line(&FileWire {
        asked_at,
        request: request.clone(),
    });
    let temporary = write_temporary(control, line.as_bytes())?;
    let path = control.join(name);
    fs_err::rename(&temporary, &path)?;
    sync_folder(control)?;
    Ok(path)
}

/// All requests in the folder, oldest first. Files whose name does not end in `.json` are not requests and are passed over.
///
/// # Errors
/// When the folder cannot be listed. What is wrong with one file stands beside its name; whoever reads them says so once and
/// moves the file away, or it comes back for ever.
pub fn read_requests(control: &Path) -> io::Result<Vec<(PathBuf, Result<Request, ControlError>)>> {
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(control)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths
        .into_iter()
        .map(|path| {
            let request = read_request(&path);
            (path, request)
        })
        .collect())
}

fn read_request(path: &Path) -> Result<Request, ControlError> {
    let strange = |problem| ControlError::Strange {
        path: path.to_owned(),
        problem,
    };
    let unreadable = |source| ControlError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let metadata = fs_err::symlink_metadata(path).map_err(unreadable)?;
    // Opening a pipe would wait for its writer, following a link would read what nobody put here.
    if !metadata.is_file() {
        return Err(strange(WireError::Shape(
            "it is not a regular file".to_owned(),
        )));
    }
    if metadata.len() > MAX_REQUEST_BYTES {
        let problem = format!(
            "it has {} bytes, at most {MAX_REQUEST_BYTES} are read",
            metadata.len()
        );
        return Err(strange(WireError::Shape(problem)));
    }
    let bytes = fs_err::read(path).map_err(unreadable)?;
    let file: FileWire = from_line(&bytes).map_err(strange)?;
    Ok(file.request)
}

#[cfg(test)]
#[path = "control_test.rs"]
mod tests;
