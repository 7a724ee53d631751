//! Single values: texts, addresses, times. Each error says what would be right.

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::to_microseconds;

/// A text of one line without control characters: at most `max` characters, and at least `min` when
/// the white space around it is gone, as it is in the result.
///
/// # Errors
/// What is wrong with it.
pub fn line(value: &Value, min: usize, max: usize) -> Result<String, String> {
    let text = value.as_str().ok_or("must be a string")?;
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".into());
    }
    bounded(text, 0, max)?;
    bounded(text.trim(), min, max)
}

/// `text` with each run of white space as one space: names are compared so.
#[must_use]
pub fn fold_white_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text of several lines: `min` to `max` characters, where NUL is forbidden.
///
/// # Errors
/// What is wrong with it.
pub fn text(value: &Value, min: usize, max: usize) -> Result<String, String> {
    let text = value.as_str().ok_or("must be a string")?;
    if text.contains('\0') {
        return Err("must not contain NUL characters".into());
    }
    bounded(text, min, max)
}

fn bounded(text: &str, min: usize, max: usize) -> Result<String, String> {
    let length = text.chars().count();
    if length < min {
        Err(if min == 1 {
            "must not be empty".into()
        } else {
            format!("must have at least {min} characters")
        })
    } else if length > max {
        Err(format!("must have at most {max} characters, has {length}"))
    } else {
        Ok(text.to_owned())
    }
}

/// An `http` or `https` address, or a path on this site.
///
/// # Errors
/// What is wrong with it.
pub fn url(value: &Value) -> Result<String, String> {
    let text = line(value, 1, 2_000)?;
    let has_space = value
        .as_str()
        .is_some_and(|given| given.contains(char::is_whitespace));
    let remote = ["https://", "http://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    let local = text.starts_with('/') && !text.starts_with("//");
    if has_space || !(remote || local) {
        return Err("must be an http(s) address, or a path that begins with one slash".into());
    }
    Ok(text)
}

/// An RFC 3339 time with its offset, between the years 1970 and 9999, in whole microseconds.
///
/// # Errors
/// What is wrong with it.
pub fn time(value: &Value) -> Result<Timestamp, String> {
    const WANTED: &str = "must be an RFC 3339 time, like 2026-01-31T09:30:00Z";
    let text = value.as_str().ok_or(WANTED)?;
    if !looks_like_rfc_3339(text) {
        return Err(WANTED.into());
    }
    let time: Timestamp = text.parse().map_err(|_| WANTED)?;
    if time < Timestamp::UNIX_EPOCH {
        return Err("must not be before 1970".into());
    }
    Ok(to_microseconds(time))
}

/// Other forms of ISO 8601, and those with a time zone's name, are understood by the parser too.
fn looks_like_rfc_3339(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| match c {
            '0'..='9' => '0',
            't' | ' ' => 'T',
            'z' => 'Z',
            '-' => '+',
            other => other,
        })
        .collect();
    let Some(rest) = shape.strip_prefix("0000+00+00T00:00:00") else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with('0') => fraction.trim_start_matches('0'),
        Some(_) => return false,
        None => rest,
    };
    // A fraction and an offset's first digits are apart: a sign is between them.
    matches!(offset, "Z" | "+00:00")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{line, text, time, url};

    #[test]
    fn lines_are_trimmed_and_bounded() {
        assert_eq!(line(&json!(" a b "), 1, 5), Ok("a b".into()));
        for bad in [
            json!(1),
            json!(""),
            json!("  "),
            json!("a\0b"),
            json!("a\nb"),
            json!("a\n"),
            json!("abcdef"),
            json!("abcde "),
        ] {
            assert!(line(&bad, 1, 5).is_err(), "{bad}");
        }
    }

    #[test]
    fn texts_keep_their_lines_but_no_nul() {
        assert_eq!(text(&json!("a\n b "), 1, 9), Ok("a\n b ".into()));
        assert!(text(&json!("a\0b"), 1, 9).is_err());
    }

    #[test]
    fn addresses_are_http_or_local() {
        for good in ["https://a.example/x.png", "http://a", "/static/x.png"] {
            assert!(url(&json!(good)).is_ok(), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "//a.example",
            "https://",
            "https:///x",
            "x.png",
            "/a b",
            " /a",
        ] {
            assert!(url(&json!(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_need_a_date_a_time_and_an_offset() {
        assert_eq!(
            time(&json!("2026-01-31T10:30:00.1234567+01:00"))
                .unwrap()
                .to_string(),
            "2026-01-31T09:30:00.123456Z"
        );
        for good in ["2026-01-31t10:30:00z", "2026-01-31 10:30:00-00:30"] {
            assert!(time(&json!(good)).is_ok(), "{good}");
        }
        for bad in [
            json!("2026-01-31"),
            json!("2026-01-31T10:30Z"),
            json!("20260131T103000Z"),
            json!("2026-01-31T10:30:00Z[UTC]"),
            json!("2026-01-31T10:30:00+01"),
            json!("2026-01-31T10:30:00.Z"),
            json!("2026-13-31T10:30:00Z"),
            json!("2026-01-31T10:30:00"),
            json!("soon"),
            json!(17),
            json!("1969-12-31T23:59:59Z"),
        ] {
            assert!(time(&bad).is_err(), "{bad}");
        }
    }
}
