//! The file that codex (0.169.0, 0.171.0) keeps of a session, `sessions/YYYY/MM/DD/rollout-TIME-ID.jsonl` in its folder. Its stream
//! has neither the account's limits nor the class of an error; this file has both, and the tokens of a session that was killed.
//!
//! Only the end of it is read, and only of a plain file: the agent can put anything there.

use super::meter::class_of_status;
use super::{codex, plain};
use mesh_core::metered::{RateWindow, Refusal, RefusalClass, Usage};
use mesh_core::text::one_line;
use mesh_core::time::Millis;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// How much of the end is read. One turn's last record is a few hundred bytes.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// What the file says last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rollout {
    pub usage: Option<Usage>,
    pub windows: Vec<RateWindow>,
    /// How the last call ended, if with an error.
    pub end: Option<Refusal>,
}

/// The file of `session` in the folder `home`. The session's id begins with the time at which it was made, so three days' folders are
/// looked at and no more.
pub(super) fn find(home: &Path, session: &str) -> Option<PathBuf> {
    let digits: String = session.chars().filter(char::is_ascii_hexdigit).collect();
    let made_unix_ms = u64::from_str_radix(digits.get(..12)?, 16).ok()?;
    let day = i64::try_from(made_unix_ms / 86_400_000).ok()?;
    let wanted = format!("-{session}.jsonl");
    [day, day - 1, day + 1].into_iter().find_map(|day| {
        let (year, month, day) = date(day);
        let folder = home.join(format!("sessions/{year:04}/{month:02}/{day:02}"));
        let entries = fs_err::read_dir(folder).ok()?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy());
            name.is_some_and(|name| name.starts_with("rollout-") && name.ends_with(&wanted))
                && fs_err::symlink_metadata(path).is_ok_and(|about| about.is_file())
        })
    })
}

/// The date of a day since 1970, by the civil calendar.
fn date(days: i64) -> (i64, i64, i64) {
    // Years that begin in March, in eras of 400 years.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// What the end of the file says; nothing when it cannot be read.
pub(super) fn read(file: &Path, moment: &dyn Fn(u64) -> Millis) -> Option<Rollout> {
    let end = plain::last_message(file, WINDOW_BYTES).ok()?;
    let mut found = Rollout::default();
    for line in end.text.lines() {
        let Ok(record) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let payload = &record["payload"];
        match payload["type"].as_str() {
            Some("token_count") => {
                let total = payload["info"].get("total_token_usage");
                found.usage = total.map(codex::usage).or(found.usage);
                let windows = ["primary", "secondary"].into_iter();
                let windows = windows
                    .filter_map(|name| window(name, payload["rate_limits"].get(name)?, moment));
                let windows: Vec<RateWindow> = windows.collect();
                if !windows.is_empty() {
                    found.windows = windows;
                }
            }
            Some("task_complete") => found.end = refusal(&payload["error"]),
            Some("task_started") => found.end = None,
            _ => {}
        }
    }
    Some(found)
}

fn window(name: &str, object: &Value, moment: &dyn Fn(u64) -> Millis) -> Option<RateWindow> {
    let used = object["used_percent"].as_f64()?;
    let resets_at = object["resets_at"].as_u64();
    Some(RateWindow {
        name: name.to_owned(),
        // A number beyond these bounds is none; the cast saturates.
        used_percent: used.clamp(0.0, 100.0).round() as u8,
        resets_at: resets_at.map(|seconds| moment(seconds.saturating_mul(1000))),
    })
}

fn refusal(error: &Value) -> Option<Refusal> {
    let said = one_line(error["message"].as_str()?);
    let info = &error["codex_error_info"];
    let status = info.as_object().and_then(|kinds| {
        let mut kinds = kinds.values();
        kinds.find_map(|kind| kind["http_status_code"].as_u64())
    });
    let class = match info.as_str() {
        Some("usage_limit_exceeded") => RefusalClass::Quota,
        Some("context_window_exceeded") => RefusalClass::Context,
        Some("unauthorized") => RefusalClass::Auth,
        Some("internal_server_error" | "server_overloaded") => RefusalClass::Transient,
        Some(_) => RefusalClass::Other,
        // Connections that fail have no status.
        None if info.is_object() && status.is_none() => RefusalClass::Transient,
        None => class_of_status(status),
    };
    Some(Refusal {
        class,
        resets_at: None,
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_787), (2026, 11, 30));
        assert_eq!(date(20_788), (2026, 12, 1));
    }

    #[test]
    fn a_session_that_is_no_plain_file_is_not_opened() {
        let home = tempfile::tempdir().expect("a folder");
        let session = "01a22d1f-dc61-7ea3-aa84-4886be1680f1";
        let day = home.path().join("sessions/2026/11/30");
        fs_err::create_dir_all(&day).expect("a folder");
        assert_eq!(find(home.path(), session), None);
        let file = day.join(format!("rollout-2026-11-30T15-43-12-{session}.jsonl"));
        std::os::unix::fs::symlink("/dev/zero", &file).expect("a link");
        assert_eq!(find(home.path(), session), None);
        fs_err::remove_file(&file).expect("it goes");
        fs_err::write(&file, "").expect("a file");
        assert_eq!(find(home.path(), session), Some(file));
        assert_eq!(find(home.path(), "no id"), None);
    }
}
