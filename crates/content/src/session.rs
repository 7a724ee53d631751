//! One request of a client: how long it may take, and how much of the history its client has seen.
//!
//! A client that sends back the token of its last answer is shown nothing older, on whichever node;
//! what can't be honoured is refused. One that sends none is served by any replica, with two
//! exceptions: who has a key is a writer, and is served by the primary while there is one; and a
//! process never shows less than it committed itself a moment ago.

use std::net::IpAddr;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};

use prepnexus_storage::{Cluster, Deadline, Freshness, ReadConn, Token};

use crate::{error::ContentError, gate::Client, service::Content};

/// For how long a process minds what it committed. A replica further behind gets no reads at all.
const OWN_WRITES: Duration = Duration::from_secs(2);

/// A request's deadline, and what its client has seen.
#[derive(Debug)]
pub struct Session {
    deadline: Deadline,
    client: Client,
    sent: Option<Token>,
    seen: Mutex<Option<Token>>,
    has_key: AtomicBool,
}

impl Session {
    /// A request that is of use until `deadline`, of a client that sent `token`.
    #[must_use]
    pub fn new(deadline: Deadline, token: Option<Token>) -> Self {
        Self {
            deadline,
            client: None,
            sent: token,
            seen: Mutex::new(token),
            has_key: AtomicBool::new(false),
        }
    }

    /// The same of a client at that address: each address has its turn where many wait.
    #[must_use]
    pub fn of(self, address: IpAddr) -> Self {
        Self {
            client: Some(address),
            ..self
        }
    }

    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// By when the answer is to be ready.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What the client has seen, with this request: it sends that with the next one. `None` while
    /// nothing was read or written.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        *self.lock()
    }

    pub(crate) fn has_sent_token(&self) -> bool {
        self.sent.is_some()
    }

    /// Refuses a token that the client sent and that can't be honoured.
    pub(crate) async fn check_token(&self, cluster: &Cluster) -> Result<(), ContentError> {
        match self.sent {
            Some(token) => Ok(cluster.check_token(token, self.deadline).await?),
            None => Ok(()),
        }
    }

    pub(crate) fn note(&self, token: Token) {
        let mut seen = self.lock();
        *seen = Some(seen.map_or(token, |seen| seen.latest(token)));
    }

    pub(crate) fn note_key(&self) {
        self.has_key.store(true, Ordering::Relaxed);
    }

    /// How fresh what it reads is to be, for a process that has committed up to `own`.
    fn freshness(&self, own: Option<Token>) -> Freshness {
        if self.has_key.load(Ordering::Relaxed) && self.sent.is_none() {
            return Freshness::Primary;
        }
        let latest = match (self.token(), own) {
            (Some(seen), Some(own)) => Some(own.latest(seen)),
            (seen, own) => seen.or(own),
        };
        latest.map_or(Freshness::Any, Freshness::AtLeast)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Token>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last write of this process.
#[derive(Debug, Default)]
pub(crate) struct OwnWrites(Mutex<Option<(Token, Instant)>>);

impl OwnWrites {
    pub(crate) fn note(&self, token: Token, now: Instant) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = last.map_or(token, |(last, _)| last.latest(token));
        *last = Some((token, now));
    }

    /// What was committed a moment ago.
    fn recent(&self, now: Instant) -> Option<Token> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |(_, at): &(Token, Instant)| now.saturating_duration_since(*at) < OWN_WRITES;
        last.filter(recent).map(|(token, _)| token)
    }
}

impl Content {
    /// How fresh what the session reads is to be.
    pub(crate) fn freshness(&self, session: &Session) -> Freshness {
        let own = self.own_writes().recent(Instant::now());
        session.freshness(own.filter(|_| self.cluster().topology().primary.is_some()))
    }

    /// Reads from a node as fresh as is said.
    pub(crate) async fn read_at<T>(
        &self,
        freshness: Freshness,
        session: &Session,
        work: impl AsyncFn(&ReadConn) -> Result<T, ContentError>,
    ) -> Result<T, ContentError> {
        let work = &work;
        let reading = self
            .cluster()
            .read_with(freshness, session.deadline(), |conn| async move {
                let value = work(&conn).await?;
                Ok::<_, ContentError>((value, conn.token().await?))
            });
        let (value, token) = reading.await?;
        session.note(token);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use prepnexus_storage::{Deadline, Freshness, Token};

    use super::{OWN_WRITES, OwnWrites, Session};

    fn token(position: u64) -> Token {
        Token {
            system_id: 7,
            timeline: 1,
            position,
        }
    }

    fn session(sent: Option<Token>) -> Session {
        Session::new(Deadline::after(Duration::from_secs(1)), sent)
    }

    #[test]
    fn who_sends_a_token_gets_at_least_that_and_what_was_just_committed_here() {
        let session = session(Some(token(5)));
        assert_eq!(session.freshness(None), Freshness::AtLeast(token(5)));
        assert_eq!(
            session.freshness(Some(token(9))),
            Freshness::AtLeast(token(9))
        );
        session.note_key();
        assert_eq!(session.freshness(None), Freshness::AtLeast(token(5)));
    }

    #[test]
    fn who_sends_none_gets_anything_or_with_a_key_the_primary() {
        let session = session(None);
        assert_eq!(session.freshness(None), Freshness::Any);
        session.note(token(3));
        assert_eq!(session.freshness(None), Freshness::AtLeast(token(3)));
        session.note_key();
        assert_eq!(session.freshness(Some(token(9))), Freshness::Primary);
    }

    #[test]
    fn what_a_client_has_seen_never_goes_back() {
        let session = session(Some(token(5)));
        session.note(token(4));
        assert_eq!(session.token(), Some(token(5)));
        let next_timeline = Token {
            timeline: 2,
            ..token(1)
        };
        session.note(next_timeline);
        assert_eq!(session.token(), Some(next_timeline));
    }

    #[test]
    fn own_writes_are_minded_for_a_moment() {
        let (own, now) = (OwnWrites::default(), Instant::now());
        own.note(token(5), now);
        own.note(token(4), now);
        assert_eq!(own.recent(now), Some(token(5)));
        assert_eq!(own.recent(now + OWN_WRITES), None);
    }
}
