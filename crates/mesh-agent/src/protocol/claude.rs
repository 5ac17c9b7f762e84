//! The events of `claude -p --output-format stream-json --verbose` (2.1.197, 2.1.332). Only the `result` counts: its subtype is
//! "success" also when the model could not be called, so `is_error` is looked at. Cached tokens are not part of its input.
//!
//! In 2.1.332 `total_cost_usd` and `modelUsage` are those of the whole session, earlier calls included, and
//! `model_usage_since_last_result` has those of the call; in 2.1.197 the first two are of the call (both measured).

use super::meter::{class_of_status, of_words, percent};
use super::transcript::{SessionId, StreamEnd, Transcript, each_event, number, text};
use mesh_core::metered::{RateWindow, Refusal, RefusalClass, Usage};
use mesh_core::text::one_line;
use mesh_core::time::Millis;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// Reads the stream in the file `stdout`; `moment` makes a moment of the run from milliseconds since 1970.
///
/// # Errors
/// When the file cannot be read.
pub fn read(stdout: &Path, moment: &dyn Fn(u64) -> Millis) -> io::Result<Transcript> {
    let mut read = Transcript::default();
    // What the account may use, as it was told last; and whether it may be used at all.
    let mut allowance = Allowance::default();
    // Without a result there are only the openings of the model's messages, each maybe more than once.
    let mut openings: BTreeMap<String, Usage> = BTreeMap::new();
    each_event(stdout, |event| {
        if let Some(session) = text(event, "/session_id").and_then(SessionId::new) {
            read.metered.session = Some(session.as_str().to_owned());
            read.session = Some(session);
        }
        match (text(event, "/type"), text(event, "/subtype")) {
            (Some("system"), Some("api_retry")) => {
                let error = text(event, "/error").unwrap_or("unknown");
                let status = number(event, "/error_status");
                let said = format!("{error} ({status})");
                read.metered.refusal = Some(Refusal {
                    class: class_of_status(Some(status)),
                    resets_at: None,
                    said: said.clone(),
                });
                read.end = StreamEnd::NoneAfter(said);
            }
            (Some("rate_limit_event"), _) => allowance.take(&event["rate_limit_info"], moment),
            (Some("assistant"), _) if text(event, "/error").is_none() => {
                read.metered.refusal = None;
                if let Some(id) = text(event, "/message/id") {
                    openings.insert(id.to_owned(), usage_of(&event["message"]["usage"]));
                }
            }
            (Some("result"), subtype) => {
                take_result(&mut read, event, subtype);
                read.metered.refusal = refusal(event, &allowance);
            }
            _ => {}
        }
    })?;
    read.metered.windows = allowance.windows.into_values().collect();
    if read.metered.usage.is_none() && !openings.is_empty() {
        let mut sum = Usage::default();
        openings.values().for_each(|usage| sum.add(usage));
        read.metered.usage = Some(sum);
    }
    Ok(read)
}

/// What `rate_limit_event`s say; there are none with a key of the API.
#[derive(Default)]
struct Allowance {
    windows: BTreeMap<String, RateWindow>,
    is_rejected: bool,
    resets_at: Option<Millis>,
}

impl Allowance {
    fn take(&mut self, info: &Value, moment: &dyn Fn(u64) -> Millis) {
        let resets = |object: &Value| {
            let seconds = object["resetsAt"].as_u64();
            seconds.map(|seconds| moment(seconds.saturating_mul(1000)))
        };
        self.is_rejected = info["status"].as_str() == Some("rejected");
        self.resets_at = resets(info);
        let own = info["rateLimitType"].as_str().map(|name| (name, info));
        let unified = info["unifiedWindows"].as_object().into_iter().flatten();
        let unified = unified.map(|(name, window)| (name.as_str(), window));
        for (name, window) in own.into_iter().chain(unified) {
            if let Some(used) = window["utilization"].as_f64() {
                let window = RateWindow {
                    name: name.to_owned(),
                    used_percent: percent(used),
                    resets_at: resets(window),
                };
                self.windows.insert(name.to_owned(), window);
            }
        }
    }
}

fn take_result(read: &mut Transcript, event: &Value, subtype: Option<&str>) {
    let message = text(event, "/result");
    read.end = match subtype {
        Some("success") if !is_error(event) => {
            read.message = message.map(str::to_owned);
            StreamEnd::Complete
        }
        subtype => {
            let errors = event.pointer("/errors").and_then(Value::as_array);
            let errors = errors.into_iter().flatten().filter_map(Value::as_str);
            let errors: Vec<&str> = errors.collect();
            StreamEnd::Failed(match (message, errors.as_slice()) {
                (Some(message), _) => message.to_owned(),
                (None, []) => subtype.unwrap_or("without a reason").to_owned(),
                (None, errors) => errors.join("; "),
            })
        }
    };
    let used = usage_of_call(event);
    match &mut read.metered.usage {
        // Only a result after another has what was used since that one.
        Some(sum) if event.get("model_usage_since_last_result").is_some() => sum.add(&used),
        usage => *usage = Some(used),
    }
    let denied = event
        .pointer("/permission_denials")
        .and_then(Value::as_array);
    let names = denied.into_iter().flatten();
    let names = names.filter_map(|denial| text(denial, "/tool_name"));
    let names: BTreeSet<&str> = names.collect();
    read.denied = names.into_iter().map(str::to_owned).collect();
}

fn is_error(result: &Value) -> bool {
    let is_error = result.get("is_error").and_then(Value::as_bool);
    is_error.unwrap_or(true)
}

/// What this call used: by model where that is said, because `usage` is all zero when the program stopped at its own budget (measured
/// on 2.1.197).
fn usage_of_call(result: &Value) -> Usage {
    let since = result.get("model_usage_since_last_result");
    let models = since.or_else(|| result.get("modelUsage"));
    let models = models.and_then(Value::as_object);
    let Some(models) = models.filter(|models| !models.is_empty()) else {
        let cost = result["total_cost_usd"]
            .as_f64()
            .filter(|_| since.is_none());
        return Usage {
            cost_micro_usd: Some(cost.map_or(0, micro_usd)),
            ..usage_of(&result["usage"])
        };
    };
    let mut sum = Usage::default();
    for model in models.values() {
        let cached = number(model, "/cacheReadInputTokens");
        let written = number(model, "/cacheCreationInputTokens");
        sum.add(&Usage {
            input: number(model, "/inputTokens") + cached + written,
            cached_input: cached,
            output: number(model, "/outputTokens"),
            cost_micro_usd: model["costUSD"].as_f64().map(micro_usd),
        });
    }
    sum
}

fn usage_of(usage: &Value) -> Usage {
    let cached = number(usage, "/cache_read_input_tokens");
    let written = number(usage, "/cache_creation_input_tokens");
    Usage {
        input: number(usage, "/input_tokens") + cached + written,
        cached_input: cached,
        output: number(usage, "/output_tokens"),
        cost_micro_usd: None,
    }
}

/// Casts saturate: no number and one below nothing is 0.
fn micro_usd(usd: f64) -> u64 {
    (usd * 1_000_000.0).round() as u64
}

fn refusal(result: &Value, allowance: &Allowance) -> Option<Refusal> {
    if !is_error(result) {
        return None;
    }
    let said = text(result, "/result").unwrap_or_default();
    let status = result["api_error_status"].as_u64();
    let is_quota = text(result, "/api_error") == Some("usage_limit_reached")
        || status == Some(429) && allowance.is_rejected;
    let class = match (is_quota, status) {
        (true, _) => RefusalClass::Quota,
        (false, Some(_)) => class_of_status(status),
        (false, None) if said.starts_with("Not logged in") => RefusalClass::Auth,
        (false, None) => of_words(said).unwrap_or(RefusalClass::Other),
    };
    Some(Refusal {
        class,
        resets_at: allowance.resets_at.filter(|_| is_quota),
        said: one_line(said),
    })
}
