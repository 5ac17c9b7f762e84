//! The log: what mesh did beside its decisions, for people. A coordinator's goes into `mesh.log` in its run's folder; `MESH_LOG`
//! shows it on standard error too, of every command.
//!
//! It must never stop a run: what cannot be written is left out. Every message is one line without control characters, whatever
//! an agent or another program put into it. Shims and agents have no log.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use mesh_core::text::one_line;
use mesh_journal::layout::{MeshDir, RunDir};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

use crate::config;
use crate::error::{CommandError, Kind};

/// The variable that shows the log on standard error; it stands for the key `log` of the configuration too.
const VARIABLE: &str = "MESH_LOG";
/// What is logged when nobody says otherwise, or nobody can be asked.
const USUAL: &str = "info";
/// Most bytes of a run's log; a run of a night writes some hundred kilobytes.
const MOST_BYTES: u64 = 16 << 20;

static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();
static RUN_LOG: RunLog = RunLog(Mutex::new(None));

/// Begins to log: to standard error when the environment says so, and into a run's file once [`of_run`] has named it.
///
/// # Errors
/// The variable is no filter.
pub(crate) fn begin() -> Result<(), CommandError> {
    let shown = match std::env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => Some(filter(&text).map_err(|problem| {
            CommandError::new(Kind::ConfigInvalid, format!("{VARIABLE}: {problem}"))
        })?),
        _ => None,
    };
    let (to_file, handle) = reload::Layer::new(EnvFilter::new("off"));
    let file = fmt::layer().with_ansi(false).with_writer(&RUN_LOG);
    let stderr = |filter| {
        let writer = || OneLine(io::stderr());
        let layer = fmt::layer().with_ansi(false).with_writer(writer);
        layer.with_filter(filter)
    };
    let registry = tracing_subscriber::registry()
        .with(file.with_filter(to_file))
        .with(shown.map(stderr));
    if registry.try_init().is_ok() {
        let _ = FILTER.set(handle);
    }
    Ok(())
}

/// From now on this process coordinates the run, and what it logs belongs into the run's folder.
pub(crate) fn of_run(mesh_dir: &MeshDir, run_dir: &RunDir) {
    // A configuration that cannot be used is reported by those who use it.
    let variable = |name: &str| std::env::var_os(name);
    let configured = config::load(mesh_dir.path().parent(), &variable)
        .map_or_else(|_| USUAL.to_owned(), |loaded| loaded.config.log);
    let filter = filter(&configured).unwrap_or_else(|_| EnvFilter::new(USUAL));
    *lock(&RUN_LOG.0) = Some(Target {
        path: run_dir.log(),
        file: None,
        written: 0,
    });
    if let Some(handle) = FILTER.get() {
        let _ = handle.reload(filter);
    }
}

/// A filter: a level, or levels of modules, such as `warn,mesh_bd=debug`.
///
/// # Errors
/// A fragment that says what it must be.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder()
        .parse(text)
        .map_err(|error| format!("it must be a level, or levels of modules, such as \"info\" or \"warn,mesh_bd=debug\" ({error})"))
}

/// The file of the run that this process coordinates.
struct RunLog(Mutex<Option<Target>>);

struct Target {
    path: PathBuf,
    /// Opened with the first message: the folder of a new run is made late.
    file: Option<File>,
    written: u64,
}

impl<'a> MakeWriter<'a> for &'static RunLog {
    type Writer = OneLine<&'static RunLog>;
    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self)
    }
}

impl Write for &RunLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(target) = lock(&self.0).as_mut() {
            // A full disk, a folder that is gone: the run goes on without its log.
            let _ = target.add(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target {
    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => {
                let options = fs_err::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&self.path);
                let file = options?.into_parts().0;
                self.written = file.metadata()?.len();
                empty.insert(file)
            }
        };
        if self.written >= MOST_BYTES {
            return Ok(());
        }
        self.written = self
            .written
            .saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        file.write_all(line)?;
        if self.written >= MOST_BYTES {
            file.write_all(b"the log is full; nothing more is written\n")?;
        }
        Ok(())
    }
}

/// Writes each message, which comes in one piece, as one line.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(message);
        let mut line = one_line(text.trim_end_matches('\n'));
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_is_in_it() {
        let mut written = Vec::new();
        let message = "WARN a\nb \x1b[31mred\x07 \u{202e}txt \u{9b}1m é\n";
        OneLine(&mut written).write_all(message.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "WARN a b \\u{1b}[31mred\\u{7} \\u{202e}txt \\u{9b}1m é\n"
        );
    }

    #[test]
    fn a_log_is_bounded_and_says_so_once() {
        let temp = tempfile::tempdir().unwrap();
        let mut target = Target {
            path: temp.path().join("mesh.log"),
            file: None,
            written: 0,
        };
        target.add(b"first\n").unwrap();
        target.written = MOST_BYTES - 1;
        for _ in 0..3 {
            target.add(b"more\n").unwrap();
        }
        let text = fs_err::read_to_string(temp.path().join("mesh.log")).unwrap();
        assert_eq!(
            text,
            "first\nmore\nthe log is full; nothing more is written\n"
        );
        // One that goes on counts what is there.
        let file = fs_err::OpenOptions::new()
            .write(true)
            .open(temp.path().join("mesh.log"));
        file.unwrap().set_len(MOST_BYTES).unwrap();
        let mut again = Target {
            file: None,
            written: 0,
            ..target
        };
        again.add(b"more\n").unwrap();
        assert_eq!(fs_err::metadata(&again.path).unwrap().len(), MOST_BYTES);
    }

    #[test]
    fn what_cannot_be_written_stops_nobody() {
        let log = RunLog(Mutex::new(Some(Target {
            path: "/dev/full".into(),
            file: None,
            written: 0,
        })));
        (&log).write_all(b"a line\n").unwrap();
        lock(&log.0).as_mut().unwrap().path = "/nowhere/at/all".into();
        lock(&log.0).as_mut().unwrap().file = None;
        (&log).write_all(b"a line\n").unwrap();
    }

    #[test]
    fn filters_are_checked() {
        assert!(filter("info").is_ok() && filter("warn,mesh_bd=debug").is_ok());
        let problem = filter("mesh_bd=loudly").unwrap_err();
        assert!(problem.contains("it must be a level"), "{problem}");
    }
}
