//! Times as documents and logs show them.

use std::time::Duration;

/// Milliseconds, to the microsecond.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::milliseconds;

    #[test]
    fn a_time_is_written_as_short_as_it_is() {
        let written = |nanos| milliseconds(Duration::from_nanos(nanos)).to_string();
        assert_eq!(written(21_000), "0.021");
        assert_eq!(written(123_400), "0.123");
        assert_eq!(written(7_000_000), "7");
    }
}
