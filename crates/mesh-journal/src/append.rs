//! Lines at the end of a file, and small files written whole: what the journal, the results and the control folder share.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::File;

/// A line of a file of lines, as it lies there.
pub(crate) struct RawLine {
    /// From 1.
    pub(crate) number: usize,
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// Without its end of line.
    pub(crate) bytes: Vec<u8>,
    /// Whether it has its end of line. Only the last one can lack it.
    pub(crate) ended: bool,
    /// Whether nothing follows.
    pub(crate) last: bool,
}

/// Reads a file line by line, without holding all of it.
pub(crate) struct RawLines {
    reader: BufReader<File>,
    number: usize,
    offset: u64,
}

impl RawLines {
    pub(crate) fn open(path: &Path) -> io::Result<RawLines> {
        refuse_special(path)?;
        Ok(RawLines {
            reader: BufReader::with_capacity(1 << 16, File::open(path)?),
            number: 0,
            offset: 0,
        })
    }

    pub(crate) fn next_line(&mut self) -> io::Result<Option<RawLine>> {
        let mut bytes = Vec::new();
        let length = self.reader.read_until(b'\n', &mut bytes)?;
        if length == 0 {
            return Ok(None);
        }
        let ended = bytes.last() == Some(&b'\n');
        if ended {
            bytes.pop();
        }
        self.number += 1;
        let offset = self.offset;
        self.offset += u64::try_from(length).unwrap_or(u64::MAX);
        let last = !ended || self.reader.fill_buf()?.is_empty();
        Ok(Some(RawLine {
            number: self.number,
            offset,
            bytes,
            ended,
            last,
        }))
    }
}

/// Refuses what is neither a file nor a folder: opening a pipe waits for its other end, and a device may never end.
pub(crate) fn refuse_special(path: &Path) -> io::Result<()> {
    let stat = fs_err::metadata(path)?;
    if stat.is_file() || stat.is_dir() {
        return Ok(());
    }
    let problem = format!("{} is neither a file nor a folder", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
}

/// Makes the names in `folder` durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a file under a temporary name in the same folder; the caller moves it to its place.
pub(crate) fn write_temporary(folder: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".tmp-{}-{count}", std::process::id()));
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    if let Err(error) = write() {
        // The first error is the one that matters.
        let _ = fs_err::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}
