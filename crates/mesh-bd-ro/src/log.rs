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

use crate::refusal::cut;

/// The log of one call.
pub struct Log(Option<File>);

impl Log {
    /// Opens the file, if it can be: opening a pipe without a reader would wait, so only a plain file is a log.
    pub fn open(path: &Path) -> Log {
        let is_log = path.is_absolute() && fs::metadata(path).map_or(true, |there| there.is_file());
        let open = || OpenOptions::new().append(true).create(true).open(path);
        Log(is_log.then(open).and_then(Result::ok))
    }

    /// Adds one line, in one write, so that lines of calls at the same time do not mix.
    pub fn line(&self, verdict: &str, command: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = timestamp(now.unwrap_or_default());
        if let Some(mut file) = self.0.as_ref() {
            let _ = file.write_all(format!("{time}\t{verdict}\t{command}\n").as_bytes());
        }
    }
}

/// Words as one would type them in a shell.
pub fn quoted(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,@+".contains(c);
    let quote = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Words that may hold anything, escaped and cut to a length that is still read.
pub fn as_written(words: &[OsString]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    cut(&words.join(" "), 2048)
}

/// RFC 3339 in UTC with milliseconds, from the time since 1970.
fn timestamp(since_epoch: Duration) -> String {
    let (seconds, millis) = (since_epoch.as_secs(), since_epoch.subsec_millis());
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Days to a date in the Gregorian calendar, counted in 400-year eras that begin on 1 March.
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let months = (5 * of_year + 2) / 153;
    let day = of_year - (153 * months + 2) / 5 + 1;
    let month = (months + 2) % 12 + 1;
    let year = years + era * 400 + u64::from(month <= 2);
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
                && hostile.chars().count() == 2049
        );
    }

    #[test]
    fn only_a_plain_file_at_an_absolute_path_is_a_log() {
        assert!(Log::open(Path::new("relative.log")).0.is_none());
        assert!(Log::open(Path::new("/dev/null")).0.is_none());
        assert!(Log::open(Path::new("/")).0.is_none());
        assert!(Log::open(Path::new("/nowhere/at/all.log")).0.is_none());
    }
}
