//! The socket on which readers ask for a fresh copy.
//!
//! A reader connects, sends the name of its view and a newline, and waits; closing the connection is the answer: what there is now
//! is as fresh as it gets. Who asks for nonsense, or says nothing, is hung up on. Nothing that a reader sends is more than a name.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mesh_bd_ro::view::ASK;

/// Most bytes of a question: a file's name and a newline.
const QUESTION_BYTES: u64 = 256;
/// How long a reader may take to say which view it means.
const QUESTION_PATIENCE: Duration = Duration::from_secs(1);
/// Most questions that are being listened to at once; more are hung up on.
const MOST_QUESTIONS: usize = 64;

/// The socket and its thread.
pub(crate) struct RefreshSocket {
    root: PathBuf,
    shut: Arc<AtomicBool>,
}

impl RefreshSocket {
    /// Listens in `root`; `asked` gets the view that is asked for and the connection, whose end is the answer.
    pub fn open(
        root: &Path,
        asked: impl Fn(String, UnixStream) + Send + Sync + 'static,
    ) -> io::Result<RefreshSocket> {
        match fs_err::remove_file(root.join(ASK)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = at_socket(root, |path| UnixListener::bind(path))?;
        let shut = Arc::new(AtomicBool::new(false));
        let is_shut = Arc::clone(&shut);
        std::thread::Builder::new()
            .name("view socket".to_owned())
            .spawn(move || answer_door(&listener, &is_shut, &Arc::new(asked)))?;
        Ok(RefreshSocket {
            root: root.to_owned(),
            shut,
        })
    }

    /// The thread waits for a connection, so it gets one. If somebody took the socket away, it waits until the process ends.
    pub fn shut(self) {
        self.shut.store(true, Ordering::SeqCst);
        let _ = at_socket(&self.root, |path| UnixStream::connect(path));
    }
}

/// An address holds 108 bytes, and a run's folder may lie deeper; the way through an open folder is always short.
pub(crate) fn at_socket<T>(root: &Path, open: impl Fn(&Path) -> io::Result<T>) -> io::Result<T> {
    let folder = fs_err::File::open(root)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}/{ASK}", folder.as_raw_fd()));
    open(&short).or_else(|_| open(&root.join(ASK)))
}

fn answer_door(
    listener: &UnixListener,
    is_shut: &AtomicBool,
    asked: &Arc<impl Fn(String, UnixStream) + Send + Sync + 'static>,
) {
    let listening = Arc::new(AtomicUsize::new(0));
    for connection in listener.incoming() {
        if is_shut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else {
            // Out of file descriptors, most likely: the connection stays in the backlog, and there is nothing to wait on.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if listening.fetch_add(1, Ordering::SeqCst) >= MOST_QUESTIONS {
            listening.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let (asked, done) = (Arc::clone(asked), Arc::clone(&listening));
        let listen = move || {
            if let Some(name) = read_question(&connection) {
                asked(name, connection);
            }
            done.fetch_sub(1, Ordering::SeqCst);
        };
        // Without a thread the asker is hung up on and reads what there is.
        if std::thread::Builder::new().spawn(listen).is_err() {
            listening.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// The name of a view, if that is what was sent in time.
fn read_question(mut connection: &UnixStream) -> Option<String> {
    let deadline = Instant::now() + QUESTION_PATIENCE;
    let mut question = Vec::new();
    while !question.ends_with(b"\n") {
        let left = deadline.checked_duration_since(Instant::now())?;
        connection
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .ok()?;
        let mut bytes = [0; 64];
        match connection.read(&mut bytes).ok()? {
            0 => return None,
            read => question.extend(&bytes[..read]),
        }
        if question.len() as u64 > QUESTION_BYTES {
            return None;
        }
    }
    question.pop();
    String::from_utf8(question).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::mpsc::channel;

    #[test]
    fn a_folder_deeper_than_an_address_has_a_door_all_the_same() {
        let temp = tempfile::tempdir().expect("temp");
        let root = temp.path().join("d".repeat(100)).join("e".repeat(100));
        fs_err::create_dir_all(&root).expect("folder");
        let (asked, questions) = channel();
        let asked = move |name, _| asked.send(name).expect("the test listens");
        let socket = RefreshSocket::open(&root, asked).expect("a socket");
        let mut asker = at_socket(&root, |path| UnixStream::connect(path)).expect("it is open");
        asker.write_all(b"a.1\n").expect("somebody listens");
        assert_eq!(questions.recv().as_deref(), Ok("a.1"));
        socket.shut();
        assert!(
            questions.recv().is_err(),
            "the thread has ended, and its sender with it"
        );
    }
}
