//! Waiting for something to become true: the one place of the tests that sleeps.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(10);

/// Asks `condition` until it is true.
///
/// # Panics
/// When it is not within `limit`; the message says `what` was waited for.
pub async fn wait_until(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        tokio::time::sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::wait_until;

    #[tokio::test]
    async fn a_condition_is_asked_until_it_holds() {
        let mut asked = 0;
        let third_time = async || {
            asked += 1;
            asked == 3
        };
        wait_until("the third time", Duration::from_secs(5), third_time).await;
        assert_eq!(asked, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "never: not within 20ms")]
    async fn what_never_holds_is_named() {
        wait_until("never", Duration::from_millis(20), async || false).await;
    }
}
