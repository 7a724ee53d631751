//! The deadline of what runs on a connection, kept by the task that drives it.
//!
//! A timer of its own for each statement is registered and removed under a lock that all statements of the
//! process share, and almost none ever rings. The driver is woken by each statement anyway: it has one
//! timer, which it sets anew only when it rings, or for a deadline that is nearer.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use tokio::time::Sleep;

use crate::deadline::Deadline;

/// No statement runs.
const NONE: u64 = u64::MAX;

/// Shared by a connection's driver and by whoever waits for the one statement that runs on it.
#[derive(Debug)]
pub(crate) struct Alarm {
    start: Instant,
    /// Until when the statement is waited for, in nanoseconds since `start`.
    due: AtomicU64,
    /// Which `due` has passed: an alarm that comes late is for nobody else.
    rung: AtomicU64,
    waiting: AtomicWaker,
}

/// The driver's timer.
pub(super) type Timer = Option<Pin<Box<Sleep>>>;

impl Alarm {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            due: AtomicU64::new(NONE),
            rung: AtomicU64::new(NONE),
            waiting: AtomicWaker::new(),
        }
    }

    /// What `future` gives, which sends something on the connection; `None` at the deadline. One at a time.
    pub(crate) async fn limit<F: Future>(
        &self,
        deadline: Deadline,
        future: F,
    ) -> Option<F::Output> {
        let mut future = pin!(future);
        let due = self.since_start(deadline.instant());
        self.due.store(due, Ordering::Release);
        let _cleared = Cleared(self);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            self.waiting.register(cx.waker());
            if self.rung.load(Ordering::Acquire) == due {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    /// Has the driver look at the time: to be called whenever it was woken.
    pub(super) fn poll(&self, timer: &mut Timer, cx: &mut Context<'_>) {
        let due = self.due.load(Ordering::Acquire);
        if due == NONE {
            if timer.as_ref().is_some_and(|timer| timer.is_elapsed()) {
                *timer = None;
            }
            return;
        }
        let at = (self.start + Duration::from_nanos(due)).into();
        match timer {
            Some(timer) if timer.deadline() <= at && !timer.is_elapsed() => return,
            Some(timer) => timer.as_mut().reset(at),
            None => *timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
        let ringing = timer
            .as_mut()
            .is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        if ringing {
            self.rung.store(due, Ordering::Release);
            self.waiting.wake();
        }
    }

    fn since_start(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).unwrap_or(NONE).min(NONE - 1)
    }
}

/// When the statement has ended, or is waited for no more.
struct Cleared<'a>(&'a Alarm);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.due.store(NONE, Ordering::Release);
        self.0.waiting.take();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc, time::Duration};

    use futures_util::FutureExt as _;
    use tokio::sync::mpsc;

    use super::{Alarm, Deadline, Poll, Timer, poll_fn};

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    /// An alarm, and what wakes the task that keeps it, as sending a statement does.
    fn kept() -> (Arc<Alarm>, mpsc::UnboundedSender<()>) {
        let alarm = Arc::new(Alarm::new());
        let (wake, mut woken) = mpsc::unbounded_channel();
        let keeping = Arc::clone(&alarm);
        tokio::spawn(async move {
            let mut timer = Timer::None;
            poll_fn(|cx| {
                loop {
                    match woken.poll_recv(cx) {
                        Poll::Ready(Some(())) => {}
                        Poll::Ready(None) => return Poll::Ready(()),
                        Poll::Pending => break,
                    }
                }
                keeping.poll(&mut timer, cx);
                Poll::Pending
            })
            .await;
        });
        (alarm, wake)
    }

    /// A statement that is sent, and answered after `time`.
    async fn answered_after(time: Duration, wake: &mpsc::UnboundedSender<()>) {
        wake.send(()).unwrap();
        tokio::time::sleep(time).await;
    }

    #[tokio::test]
    async fn what_is_not_answered_is_waited_for_until_its_deadline() {
        let (alarm, wake) = kept();
        let deadline = Deadline::after(SHORT);
        let sent = async {
            wake.send(()).unwrap();
            pending::<()>().await;
        };
        assert_eq!(alarm.limit(deadline, sent).await, None);
        assert!(deadline.has_passed());
    }

    #[tokio::test]
    async fn the_deadline_of_one_that_was_answered_is_for_no_later_one() {
        let (alarm, wake) = kept();
        let first = alarm.limit(Deadline::after(SHORT), answered_after(SHORT / 4, &wake));
        assert_eq!(first.await, Some(()));
        let second = alarm.limit(Deadline::after(LONG), answered_after(4 * SHORT, &wake));
        assert_eq!(second.await, Some(()));
    }

    #[tokio::test]
    async fn a_deadline_that_is_nearer_than_the_last_is_kept_too() {
        let (alarm, wake) = kept();
        let first = alarm.limit(Deadline::after(LONG), answered_after(SHORT / 4, &wake));
        assert_eq!(first.await, Some(()));
        let second = alarm.limit(Deadline::after(SHORT), answered_after(LONG, &wake));
        assert_eq!(second.await, None);
    }

    #[tokio::test]
    async fn an_answer_that_is_there_counts_though_the_deadline_has_passed() {
        let (alarm, _wake) = kept();
        let at_once = alarm.limit(Deadline::after(Duration::ZERO), std::future::ready(7));
        assert_eq!(at_once.now_or_never(), Some(Some(7)));
    }
}
