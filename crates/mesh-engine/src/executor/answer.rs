//! Waiting for the first answer of a provider: by inotify on the folder of the agent's streams, so that nothing is done while nothing
//! is written.

use mesh_agent::profile::Protocol;
use mesh_journal::layout::ProcessDir;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// Calls `answered` once when the stream in `dir` shows an answer; never when the process ends before. Returns at once.
///
/// # Errors
/// The folder cannot be watched.
pub(super) fn watch(
    dir: ProcessDir,
    protocol: Protocol,
    answered: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    let watcher = inotify::init(CreateFlags::CLOEXEC)?;
    let changes = WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO;
    inotify::add_watch(&watcher, dir.path(), changes)?;
    let wait = move || {
        let mut buffer = [0_u8; 4096];
        loop {
            // What was written before the folder was watched counts too.
            if protocol
                .activity(&dir.stdout())
                .is_ok_and(|now| now.has_answer)
            {
                return answered();
            }
            let is_over = dir.exit_json().exists();
            if is_over || !matches!(rustix::io::read(&watcher, &mut buffer), Ok(1..)) {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("answer".to_owned())
        .spawn(wait)?;
    Ok(())
}
