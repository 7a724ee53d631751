//! Dates in every notation that the old system left.
//!
//! | notation | time zone |
//! |---|---|
//! | `2024-05-01 10:20:30`, also with `T` and a fraction | taken for UTC: nothing in the file says otherwise |
//! | the same with `Z` or an offset | as it says |
//! | `Wed, 01 May 2024 10:20:30 +0000` (RFC 2822) | as it says |
//! | `2024-05-01` | midnight UTC |
//! | seconds (10 digits) or milliseconds (13 digits) since 1970 | UTC |
//!
//! All else is refused, and so is what lies outside the years 1970 to 2199: nobody wrote a blog then.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    fmt::rfc2822,
    tz::TimeZone,
};

use super::value::{Cell, Reason, Refusal};

/// 1970-01-01 and 2200-01-01, in seconds.
const YEARS: std::ops::Range<i64> = 0..7_258_118_400;

impl Cell<'_> {
    /// `None` for NULL and for empty text.
    pub(super) fn date(self) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.text()? else {
            return Ok(None);
        };
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let parsed = parse(text).filter(|date| YEARS.contains(&date.as_second()));
        // Of what is finer than PostgreSQL's microseconds, nothing is kept.
        let parsed =
            parsed.and_then(|date| Timestamp::from_microsecond(date.as_microsecond()).ok());
        parsed.map_or_else(|| self.refuse(Reason::BadDate), |date| Ok(Some(date)))
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return match text.len() {
            10 => Timestamp::from_second(number).ok(),
            13 => Timestamp::from_millisecond(number).ok(),
            _ => None,
        };
    }
    // A date before the time zone is looked for: jiff takes a date for a time at midnight.
    if text.len() == 10 {
        return utc(text
            .parse::<Date>()
            .ok()?
            .to_datetime(jiff::civil::Time::midnight()));
    }
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<DateTime>().ok().and_then(utc))
        .or_else(|| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp()))
}

fn utc(date: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(date).ok()
}

#[cfg(test)]
mod tests {
    use rusqlite::types::ValueRef;

    use super::super::value::{Cell, Reason};

    fn date(value: ValueRef<'_>) -> Result<Option<String>, Reason> {
        let cell = Cell {
            column: "created_at",
            value,
        };
        let read = cell.date().map_err(|refusal| refusal.reason);
        read.map(|date| date.map(|date| date.to_string()))
    }

    #[test]
    fn each_notation_means_one_moment() {
        for text in [
            "2024-05-01 10:20:30",
            "2024-05-01T10:20:30",
            "2024-05-01T10:20:30Z",
            " 2024-05-01 10:20:30+00:00 ",
            "2024-05-01 15:50:30+05:30",
            "Wed, 01 May 2024 10:20:30 +0000",
            "1714558830",
        ] {
            let read = date(ValueRef::Text(text.as_bytes()));
            assert_eq!(read, Ok(Some("2024-05-01T10:20:30Z".into())), "{text}");
        }
        assert_eq!(
            date(ValueRef::Integer(1_714_558_830_123)),
            Ok(Some("2024-05-01T10:20:30.123Z".into()))
        );
        assert_eq!(
            date(ValueRef::Text(b"2024-05-01")),
            Ok(Some("2024-05-01T00:00:00Z".into()))
        );
        for nothing in [ValueRef::Null, ValueRef::Text(b""), ValueRef::Text(b"  ")] {
            assert_eq!(date(nothing), Ok(None));
        }
    }

    #[test]
    fn what_is_not_certain_is_refused() {
        for text in [
            "soon",
            "0000-00-00 00:00:00",
            "99999-01-01 00:00:00",
            "2024-02-30",
            "01/02/2024",
            "12345",
            "-1714558830",
            "1714558830.5",
            "1066-10-14",
            "2024-05-01 25:00:00",
            "2024-05",
        ] {
            assert_eq!(
                date(ValueRef::Text(text.as_bytes())),
                Err(Reason::BadDate),
                "{text}"
            );
        }
    }
}
