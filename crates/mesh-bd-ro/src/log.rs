//! One line per call in the file that `MESH_BD_RO_LOG` names: time, verdict, command, separated by tabs.
//!
//! ```text
//! 2026-01-31T10:00:00.123Z<tab>allowed<tab>bd --readonly --sandbox show --json -- bd-123
//! 2026-01-31T10:00:02.456Z<tab>refused:command<tab>"update" "bd-123" "--status" "closed"
//! ```
//!
//! An allowed call is logged in its canonical form, quoted for a shell; a refused one as it was written, escaped. The log
//! must never hold up or fail a read: what cannot be written is dropped without a word.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::env::MESH_BD_RO_LOG;

/// Most bytes of a refused command in one line.
const REFUSED_BYTES: usize = 2048;

/// The log of one call.
#[derive(Debug)]
pub struct Log(Option<File>);

impl Log {
    /// Opens the file that the environment names, if it can be.
    pub fn from_env() -> Log {
        Log(std::env::var_os(MESH_BD_RO_LOG).and_then(|path| open(Path::new(&path))))
    }

    /// Adds one line, in one write, so that lines of calls at the same time do not mix.
    pub fn line(&self, verdict: &str, command: &str) {
        let Some(mut file) = self.0.as_ref() else {
            return;
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let _ = file.write_all(format!("{}\t{verdict}\t{command}\n", timestamp(now)).as_bytes());
    }
}

/// Opening a pipe without a reader would wait, so only a plain file is a log.
fn open(path: &Path) -> Option<File> {
    if !path.is_absolute() || fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return None;
    }
    OpenOptions::new().append(true).create(true).open(path).ok()
}

/// Words as one would type them in a shell.
pub fn quoted(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,@+".contains(c);
    let quote = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Words that may hold anything, escaped and cut.
pub fn as_written(words: &[OsString]) -> String {
    let mut text = String::new();
    for word in words {
        if text.len() >= REFUSED_BYTES {
            text.push('…');
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(format!("{word:?}").chars().take(REFUSED_BYTES));
    }
    text
}

/// RFC 3339 in UTC with milliseconds, from the time since 1970.
fn timestamp(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Days to a date in the Gregorian calendar, counted in 400-year eras that begin on 1 March.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_calendar_times() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_767_225_600_007, "2026-01-01T00:00:00.007Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(timestamp(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_logged_command_stays_on_its_line() {
        let words = ["search", "it's; $(x)", "", "a=b"].map(String::from);
        assert_eq!(quoted(&words), r"search 'it'\''s; $(x)' '' a=b");
        let hostile = as_written(&["a\nb\t".into(), "x".repeat(5000).into(), "y".into()]);
        assert!(
            !crate::table::kinds::has_hidden_characters(&hostile)
                && hostile.len() < 2 * REFUSED_BYTES
        );
    }

    #[test]
    fn only_a_plain_file_at_an_absolute_path_is_a_log() {
        assert!(open(Path::new("relative.log")).is_none());
        assert!(open(Path::new("/dev/null")).is_none());
        assert!(open(Path::new("/")).is_none());
        assert!(open(Path::new("/nowhere/at/all.log")).is_none());
    }
}
