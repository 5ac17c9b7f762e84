//! The manager of the views: a thread that takes snapshots when readers ask and something was written since, and hands copies out.
//!
//! It does not decide who may read, and an error of its own never ends a run: readers go on with the copies there are.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mesh_bd_ro::view::BEADS;

use super::read_slots::{ReadSlots, SlotHandover};
use super::refresh_socket::RefreshSocket;
use super::replica::{Replica, TrackerSnapshot, remove_folder};
use super::snapshot::{Manifest, SnapshotError, make_folder, take};
use crate::queue::{Lane, Queue};
use crate::tracker::Tracker;

/// Where snapshots and half-made copies lie, in the folder of the views.
const STAGING: &str = ".snapshots";

/// How long a snapshot may hold the writer up while others write to the tracker.
const SNAPSHOT_PATIENCE: Duration = Duration::from_millis(500);

/// Takes a snapshot into the folder it is given, and says how long that took when its turn had come.
pub type TakeSnapshot = Box<dyn Fn(&Path) -> (Result<Manifest, SnapshotError>, Duration) + Send>;

/// Takes snapshots on `queue`'s turns, so that nothing of ours is written meanwhile.
#[must_use]
pub fn on_turns_of(queue: Arc<Queue>) -> TakeSnapshot {
    Box::new(move |to| {
        let to = to.to_owned();
        let take = move |tracker: &dyn Tracker| {
            let began = Instant::now();
            let snapshot = take(&tracker.about().beads_dir, &to, SNAPSHOT_PATIENCE);
            Ok((snapshot, began.elapsed()))
        };
        queue.call(Lane::Snapshot, take).unwrap_or_else(|error| {
            (
                Err(SnapshotError::NoTurn(error.to_string())),
                Duration::ZERO,
            )
        })
    })
}

/// How the views are kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// The tracker's folder.
    pub tracker: PathBuf,
    /// The folder of the views; it is ours, and not for agents to write to.
    pub root: PathBuf,
    /// Above this many bytes only the start of an attempt brings a fresh copy.
    pub limit_bytes: u64,
    /// Least time between two snapshots, but that no reader gets one from before its own start.
    pub pause: Duration,
    /// After a snapshot that took long the pause is at least this many times as long.
    pub pause_factor: u32,
    /// How many reads may run at once.
    pub read_slots: usize,
}

impl Options {
    /// Two seconds between snapshots, of which they may take one part in ten, and half the processors for reads: the rest is for
    /// the coordinator and for the agents' other work.
    #[must_use]
    pub fn new(tracker: PathBuf, root: PathBuf, limit_bytes: u64) -> Options {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Options {
            tracker,
            root,
            limit_bytes,
            pause: Duration::from_secs(2),
            pause_factor: 10,
            read_slots: (processors / 2).max(1),
        }
    }
}

/// What the manager is told.
enum Message {
    /// A view begins; its folder is there.
    Open(String),
    /// A reader wants what is new; the connection is closed when there is no more to come.
    Ask(String, UnixStream),
    /// A view's reader is gone.
    Close(String),
    /// Everything goes.
    End,
}

/// The views of a run. Dropping it stops the manager and leaves the copies.
pub struct Views {
    root: PathBuf,
    to_manager: Sender<Message>,
    manager: Option<JoinHandle<()>>,
    socket: Option<RefreshSocket>,
}

impl Views {
    /// Makes the folder and listens. What a coordinator before has left there stays readable until each view is closed.
    ///
    /// # Errors
    /// When the folder cannot be made, or there is no thread. Without a socket it goes on: copies come at attempts' starts then.
    pub fn start(options: Options, take: TakeSnapshot) -> io::Result<Views> {
        fs_err::create_dir_all(options.root.parent().unwrap_or(Path::new("/")))?;
        match make_folder(&options.root) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let staging = options.root.join(STAGING);
        remove_folder(&staging)?;
        make_folder(&staging)?;
        let root = options.root.clone();
        let (to_manager, messages) = channel();
        let mut manager = Manager {
            options,
            staging,
            take,
            replicas: BTreeMap::new(),
            snapshot: None,
            handover: SlotHandover::start()?,
            snapshots: 0,
            tried: None,
            next: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("views".to_owned())
            .spawn(move || manager.work(&messages))?;
        let to_me = to_manager.clone();
        let asked = move |name, connection| {
            let _ = to_me.send(Message::Ask(name, connection));
        };
        let socket = RefreshSocket::open(&root, asked)
            .inspect_err(
                |error| tracing::warn!(%error, "agents cannot ask for fresh copies of the tracker"),
            )
            .ok();
        Ok(Views {
            root,
            to_manager,
            manager: Some(thread),
            socket,
        })
    }

    /// The view `name`, for `MESH_VIEW`. Its folder is made now, its first copy meanwhile.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.root.join(name);
        match make_folder(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        self.tell(Message::Open(name.to_owned()));
        Ok(folder)
    }

    /// Removes the view `name`, whose reader must be gone.
    pub fn close(&self, name: &str) {
        self.tell(Message::Close(name.to_owned()));
    }

    /// Removes everything. All readers must be gone.
    pub fn end(mut self) {
        self.tell(Message::End);
        if let Some(manager) = self.manager.take() {
            // A manager that panicked has said so, and what it left is in the run's own folder.
            let _ = manager.join();
        }
    }

    fn tell(&self, message: Message) {
        // Without a manager there are no fresh copies, which is not worth a run.
        let _ = self.to_manager.send(message);
    }
}

impl Drop for Views {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.shut();
        }
    }
}

/// What came in together.
#[derive(Default)]
struct Wanted {
    /// Views that begin.
    starts: Vec<String>,
    /// Views whose readers ask.
    asked: Vec<(String, UnixStream)>,
}

struct Manager {
    options: Options,
    staging: PathBuf,
    take: TakeSnapshot,
    replicas: BTreeMap<String, Replica>,
    snapshot: Option<Arc<TrackerSnapshot>>,
    handover: SlotHandover,
    /// How many were taken, for their names.
    snapshots: u64,
    /// When the last one was begun, whatever came of it.
    tried: Option<Instant>,
    /// Before this no further snapshot is taken without need.
    next: Instant,
}

impl Manager {
    fn work(&mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            // One snapshot serves all that wait.
            let mut wanted = Wanted::default();
            for message in std::iter::once(first).chain(messages.try_iter()) {
                match message {
                    Message::Open(name) => {
                        let folder = self.options.root.join(&name);
                        self.replicas
                            .entry(name.clone())
                            .or_insert_with(|| Replica::new(folder));
                        // Something to read at once, should its reader be faster than the next snapshot.
                        self.publish(&name);
                        wanted.starts.push(name);
                    }
                    Message::Ask(name, asker) if self.replicas.contains_key(&name) => {
                        wanted.asked.push((name, asker));
                    }
                    Message::Ask(..) => {}
                    Message::Close(name) => self.close(&name),
                    Message::End => return self.remove_all(),
                }
            }
            self.serve(wanted);
        }
    }

    fn serve(&mut self, wanted: Wanted) {
        let is_due = self.is_snapshot_due(&wanted);
        let took = if is_due {
            self.renew_snapshot()
        } else {
            Duration::ZERO
        };
        let began = Instant::now();
        for name in wanted.starts {
            self.publish(&name);
        }
        for (name, asker) in wanted.asked {
            self.publish(&name);
            drop(asker);
        }
        if is_due {
            // Also after a failure: a tracker in trouble is not helped by more readers.
            let work = took + began.elapsed();
            let pause = self.options.pause.max(work * self.options.pause_factor);
            self.next = Instant::now() + pause;
        }
    }

    fn is_snapshot_due(&self, wanted: &Wanted) -> bool {
        let (starts, asked) = (!wanted.starts.is_empty(), !wanted.asked.is_empty());
        let is_wanted = match &self.snapshot {
            None => starts || asked,
            Some(small) if small.manifest.bytes() <= self.options.limit_bytes => asked,
            Some(_) => starts,
        };
        let is_old = |snapshot: &Arc<TrackerSnapshot>| {
            !Manifest::of(&self.options.tracker).is_ok_and(|now| now == snapshot.manifest)
        };
        // An agent that does not find its own claim in what it reads would be misled.
        let is_newer = |name: &String| self.replicas.get(name).map(Replica::opened) > self.tried;
        let asked = wanted.asked.iter().map(|(name, _)| name);
        is_wanted
            && (Instant::now() >= self.next || wanted.starts.iter().chain(asked).any(is_newer))
            && self.snapshot.as_ref().is_none_or(is_old)
    }

    /// Gives how long it took, without the waiting for its turn.
    fn renew_snapshot(&mut self) -> Duration {
        let (snapshot, took) = self.take_snapshot();
        match snapshot {
            Ok(snapshot) => {
                let read_slots = Arc::clone(&snapshot.read_slots);
                if let Some(old) = self.snapshot.replace(Arc::new(snapshot)) {
                    self.handover.lead(Arc::clone(&old.read_slots), read_slots);
                    if let Err(error) = remove_folder(&old.folder) {
                        tracing::debug!(%error, "an old snapshot of the tracker was not removed");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "no fresh copy of the tracker for the agents"),
        }
        took
    }

    fn take_snapshot(&mut self) -> (Result<TrackerSnapshot, SnapshotError>, Duration) {
        self.snapshots += 1;
        self.tried = Some(Instant::now());
        let folder = self.staging.join(self.snapshots.to_string());
        if let Err(error) = make_folder(&folder) {
            return (Err(error.into()), Duration::ZERO);
        }
        let (manifest, took) = (self.take)(&folder.join(BEADS));
        let snapshot = manifest.and_then(|manifest| {
            let read_slots = Arc::new(ReadSlots::create(&folder, self.options.read_slots)?);
            let folder = folder.clone();
            Ok(TrackerSnapshot {
                folder,
                manifest,
                read_slots,
            })
        });
        if snapshot.is_err() {
            // The first error is the one that counts.
            let _ = remove_folder(&folder);
        }
        (snapshot, took)
    }

    fn publish(&mut self, name: &str) {
        let (Some(snapshot), Some(replica)) = (&self.snapshot, self.replicas.get_mut(name)) else {
            return;
        };
        if !replica.shows(snapshot)
            && let Err(error) = replica.put(snapshot, &self.staging)
        {
            tracing::warn!(%error, view = name, "an agent reads an older copy of the tracker");
        }
        replica.prune(&self.staging);
    }

    /// Also a view of a coordinator before this one, of which there is no replica.
    fn close(&mut self, name: &str) {
        let folder = self.options.root.join(name);
        let replica = self.replicas.remove(name);
        if !folder.exists() {
            return;
        }
        let replica = replica.unwrap_or_else(|| Replica::new(folder));
        if let Err(error) = replica.remove(&self.staging) {
            tracing::warn!(%error, view = name, "a view of the tracker was not removed");
        }
    }

    fn remove_all(&mut self) {
        if let Err(error) = remove_folder(&self.options.root) {
            tracing::warn!(%error, "the views of the tracker were not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::refresh_socket::at_socket;
    use mesh_bd_ro::view::{beads_dir, numbers};
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Fixture {
        temp: tempfile::TempDir,
        taken: Arc<AtomicUsize>,
        views: Option<Views>,
    }

    impl Fixture {
        fn new(limit_bytes: u64, pause: Duration) -> Fixture {
            let temp = tempfile::tempdir().expect("temp");
            let live = temp.path().join("live");
            fs_err::create_dir(&live).expect("folder");
            fs_err::write(live.join("beads.db"), "0").expect("own file");
            let taken = Arc::new(AtomicUsize::new(0));
            let options = Options {
                pause,
                pause_factor: 0,
                read_slots: 1,
                ..Options::new(live.clone(), temp.path().join("run/view"), limit_bytes)
            };
            let counter = Arc::clone(&taken);
            let take_snapshot = move |to: &Path| {
                counter.fetch_add(1, Ordering::SeqCst);
                let snapshot = take(&live, to, Duration::from_secs(30));
                (snapshot, Duration::ZERO)
            };
            let views = Views::start(options, Box::new(take_snapshot)).expect("views");
            Fixture {
                temp,
                taken,
                views: Some(views),
            }
        }

        fn views(&self) -> &Views {
            self.views.as_ref().expect("not ended")
        }

        fn root(&self) -> PathBuf {
            self.temp.path().join("run/view")
        }

        fn write(&self, text: &str) {
            fs_err::write(self.temp.path().join("live/beads.db"), text).expect("own file");
        }

        /// Sends `question` and waits until it is hung up.
        fn say(&self, question: &[u8]) {
            let mut connection = at_socket(&self.root(), |path| UnixStream::connect(path))
                .expect("the socket is open");
            connection.write_all(question).expect("somebody listens");
            connection.read_to_end(&mut Vec::new()).expect("hung up");
        }

        /// What the newest copy of `view` holds after asking.
        fn ask(&self, view: &str) -> (u64, String) {
            self.say(format!("{view}\n").as_bytes());
            let folder = self.root().join(view);
            let newest = numbers(&folder).expect("the view")[0];
            let text = fs_err::read_to_string(beads_dir(&folder, newest).join("beads.db"));
            (newest, text.expect("copied"))
        }

        fn taken(&self) -> usize {
            self.taken.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn a_copy_is_there_from_the_start_and_a_new_one_when_something_was_written() {
        let fixture = Fixture::new(u64::MAX, Duration::ZERO);
        fixture.views().open("a.1").expect("a view");
        assert_eq!(fixture.ask("a.1"), (1, "0".to_owned()));
        assert_eq!(fixture.ask("a.1"), (1, "0".to_owned()));
        assert_eq!(fixture.taken(), 1, "nothing was written");
        fixture.write("1");
        assert_eq!(fixture.ask("a.1"), (2, "1".to_owned()));
        assert_eq!(
            numbers(&fixture.root().join("a.1")).expect("the view"),
            [2],
            "nobody reads the old one"
        );
    }

    #[test]
    fn one_snapshot_serves_several_views_and_each_has_its_own_copy() {
        let fixture = Fixture::new(u64::MAX, Duration::ZERO);
        for name in ["a.1", "b.1"] {
            fixture.views().open(name).expect("a view");
            fixture.ask(name);
        }
        assert_eq!(fixture.taken(), 1);
        let rubbish = beads_dir(&fixture.root().join("a.1"), 1).join("beads.db");
        fs_err::write(rubbish, "rubbish").expect("its own");
        assert_eq!(fixture.ask("b.1").1, "0");
        fixture.write("1");
        assert_eq!(fixture.ask("a.1").1, "1", "a fresh copy mends it");
    }

    #[test]
    fn between_two_snapshots_readers_get_the_one_there_is() {
        let fixture = Fixture::new(u64::MAX, Duration::from_secs(3600));
        fixture.views().open("a.1").expect("a view");
        fixture.ask("a.1");
        fixture.write("1");
        assert_eq!(fixture.ask("a.1"), (1, "0".to_owned()));
        assert_eq!(fixture.taken(), 1);
    }

    #[test]
    fn no_reader_gets_a_snapshot_from_before_its_own_start() {
        let fixture = Fixture::new(u64::MAX, Duration::from_secs(3600));
        fixture.views().open("a.1").expect("a view");
        fixture.ask("a.1");
        fixture.write("1");
        fixture.views().open("b.1").expect("a view");
        assert_eq!(fixture.ask("b.1").1, "1");
        assert_eq!(fixture.ask("a.1").1, "1", "as it is there anyway");
        fixture.write("2");
        assert_eq!(fixture.ask("b.1").1, "1");
        assert_eq!(fixture.taken(), 2);
    }

    #[test]
    fn above_the_limit_only_an_attempts_start_brings_a_snapshot() {
        let fixture = Fixture::new(0, Duration::ZERO);
        fixture.views().open("a.1").expect("a view");
        fixture.ask("a.1");
        fixture.write("1");
        assert_eq!(fixture.ask("a.1"), (1, "0".to_owned()));
        fixture.views().open("b.1").expect("a view");
        assert_eq!(fixture.ask("b.1").1, "1");
        assert_eq!(
            fixture.ask("a.1"),
            (2, "1".to_owned()),
            "as it is there anyway"
        );
    }

    #[test]
    fn nonsense_is_hung_up_on_and_the_others_are_served() {
        let fixture = Fixture::new(u64::MAX, Duration::ZERO);
        fixture.views().open("a.1").expect("a view");
        for nonsense in [
            &b"nobody.1\n"[..],
            b"../../etc\n",
            b"\n",
            b".snapshots\n",
            b"\xff\xfe\n",
            &[b'x'; 1000],
        ] {
            // A long one may be hung up on before it was read.
            let mut connection =
                at_socket(&fixture.root(), |path| UnixStream::connect(path)).expect("open");
            let _ = connection.write_all(nonsense);
            let _ = connection.read_to_end(&mut Vec::new());
        }
        let silent = at_socket(&fixture.root(), |path| UnixStream::connect(path)).expect("open");
        assert_eq!(fixture.ask("a.1"), (1, "0".to_owned()));
        drop(silent);
    }

    #[test]
    fn without_a_snapshot_the_old_copy_stays_and_the_reader_is_told_at_once() {
        let fixture = Fixture::new(u64::MAX, Duration::ZERO);
        fixture.views().open("a.1").expect("a view");
        fixture.ask("a.1");
        fs_err::remove_dir_all(fixture.temp.path().join("live")).expect("own folder");
        assert_eq!(fixture.ask("a.1"), (1, "0".to_owned()));
        assert_eq!(fixture.taken(), 2);
    }

    #[test]
    fn closed_views_go_and_at_the_end_everything() {
        let mut fixture = Fixture::new(u64::MAX, Duration::ZERO);
        for name in ["a.1", "b.1"] {
            fixture.views().open(name).expect("a view");
        }
        fixture.views().close("a.1");
        fixture.views().close("never-opened.1");
        fixture.ask("b.1");
        assert!(!fixture.root().join("a.1").exists());
        fixture.views.take().expect("not ended").end();
        assert!(!fixture.root().exists());
    }

    #[test]
    fn a_second_coordinator_takes_the_views_over() {
        let mut fixture = Fixture::new(u64::MAX, Duration::ZERO);
        fixture.views().open("a.1").expect("a view");
        fixture.ask("a.1");
        drop(fixture.views.take());
        fixture.write("1");
        let live = fixture.temp.path().join("live");
        let options = Options {
            pause: Duration::ZERO,
            pause_factor: 0,
            ..Options::new(live.clone(), fixture.root(), u64::MAX)
        };
        let take_snapshot =
            move |to: &Path| (take(&live, to, Duration::from_secs(30)), Duration::ZERO);
        fixture.views = Some(Views::start(options, Box::new(take_snapshot)).expect("views"));
        fixture.views().open("a.1").expect("it is there");
        assert_eq!(fixture.ask("a.1"), (2, "1".to_owned()));
        fixture.views().close("a.1");
        fixture.views().open("b.1").expect("a view");
        fixture.ask("b.1");
        assert!(!fixture.root().join("a.1").exists());
    }
}
