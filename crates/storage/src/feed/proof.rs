//! What a copy carries to show later that it is still what the database would answer.

use super::snapshot::{Malformed, Snapshot};
use crate::{error::Error, proof, read::ReadConn, token::Token, topology::Role};

/// The history that something was read in: a promotion begins another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// The cluster's system identifier.
    pub system_id: u64,
    /// The timeline of the server that was read from.
    pub timeline: u32,
}

impl From<Token> for Epoch {
    fn from(token: Token) -> Self {
        Self {
            system_id: token.system_id,
            timeline: token.timeline,
        }
    }
}

/// Which transactions a value contains: all that its snapshot sees, in its epoch.
///
/// [`ChangeFeed::judge`](super::ChangeFeed::judge) holds it against what has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    epoch: Epoch,
    position: u64,
    snapshot: Snapshot,
}

const TAKE: &str = concat!("-- proof.take\nSELECT ", proof!());

/// The fixed part: system id, timeline, position, xmin, and how far xmax is from it.
const FIXED: usize = 8 + 4 + 8 + 8 + 4;

impl ReadConn {
    /// A proof for all that was read on this connection. It costs nothing: the first statement's columns tell it, those of
    /// [`proof!`](crate::proof) at the end of its select list. `None` where that had none or gave no row, and where statements ran
    /// side by side: then [`ReadConn::prove`], and read again.
    ///
    /// # Errors
    /// [`Error::Row`] for a snapshot that can't be read; [`Error::Unavailable`] from a replica that has not replayed anything yet.
    pub fn first_proof(&self) -> Result<Option<Proof>, Error> {
        let Some(seen) = self.first_seen_in() else {
            return Ok(None);
        };
        let token = self.token_at(seen.position)?;
        self.proof_of(&seen.snapshot, token).map(Some)
    }

    /// A proof for all that is read on this connection from now on. Take it before the first statement of
    /// a load: what is committed in between may be in the value, and is then only not claimed.
    ///
    /// # Errors
    /// As [`ReadConn::query`].
    pub async fn prove(&self) -> Result<Proof, Error> {
        let row = self.query_one(TAKE, &[]).await?;
        let token = self.token().await?;
        self.proof_of(row.text("snapshot")?, token)
    }

    fn proof_of(&self, snapshot: &str, token: Token) -> Result<Proof, Error> {
        let snapshot: Snapshot = snapshot
            .parse()
            .map_err(|malformed: Malformed| Error::Row {
                query: "proof.take".into(),
                source: malformed.into(),
            })?;
        Ok(Proof {
            epoch: token.into(),
            position: token.position,
            // The role it was chosen in: one that was just promoted may have taken the snapshot before.
            snapshot: match self.role() {
                Role::Primary => snapshot,
                Role::Replica | Role::Unknown => snapshot.of_standby(),
            },
        })
    }
}

impl Proof {
    /// The history it belongs to.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The token of whoever has seen the value.
    #[must_use]
    pub fn token(&self) -> Token {
        Token {
            system_id: self.epoch.system_id,
            timeline: self.epoch.timeline,
            position: self.position,
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// In a few bytes: 32, and 4 for each transaction that was running.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let snapshot = &self.snapshot;
        let offset = |xid: u64| u32::try_from(xid - snapshot.xmin()).ok();
        let running = snapshot.running().iter().map(|xid| offset(*xid));
        let (to_xmax, running) = match (offset(snapshot.xmax()), running.collect()) {
            (Some(to_xmax), Some(running)) => (to_xmax, running),
            // Four thousand million transactions began during one: claim less.
            _ => (0, Vec::new()),
        };
        let mut bytes = Vec::with_capacity(FIXED + 4 * running.len());
        bytes.extend(self.epoch.system_id.to_le_bytes());
        bytes.extend(self.epoch.timeline.to_le_bytes());
        bytes.extend(self.position.to_le_bytes());
        bytes.extend(snapshot.xmin().to_le_bytes());
        bytes.extend(to_xmax.to_le_bytes());
        bytes.extend(running.into_iter().flat_map(u32::to_le_bytes));
        bytes
    }

    /// The proof of those bytes; `None` if they are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let system_id = u64::from_le_bytes(take(&mut rest)?);
        let timeline = u32::from_le_bytes(take(&mut rest)?);
        let position = u64::from_le_bytes(take(&mut rest)?);
        let xmin = u64::from_le_bytes(take(&mut rest)?);
        let xmax = xmin.checked_add(u32::from_le_bytes(take(&mut rest)?).into())?;
        let mut running = Vec::with_capacity(rest.len() / 4);
        while !rest.is_empty() {
            let xid = xmin.checked_add(u32::from_le_bytes(take(&mut rest)?).into())?;
            running.push(xid);
        }
        Some(Self {
            epoch: Epoch {
                system_id,
                timeline,
            },
            position,
            snapshot: Snapshot::new(xmin, xmax, running),
        })
    }

    #[cfg(test)]
    pub(super) fn of(epoch: Epoch, position: u64, snapshot: &str) -> Self {
        Self {
            epoch,
            position,
            snapshot: snapshot.parse().unwrap(),
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::{Epoch, Proof};

    const EPOCH: Epoch = Epoch {
        system_id: 7,
        timeline: 2,
    };

    #[test]
    fn a_proof_comes_back_from_its_bytes() {
        for snapshot in [
            "10:10:",
            "10:20:10,14",
            "18446744073709551000:18446744073709551001:",
        ] {
            let proof = Proof::of(EPOCH, 99, snapshot);
            assert_eq!(Proof::from_bytes(&proof.to_bytes()), Some(proof));
        }
    }

    #[test]
    fn a_snapshot_that_spans_too_much_claims_less() {
        let proof = Proof::of(EPOCH, 99, "10:9999999999:10,9999999998");
        let back = Proof::from_bytes(&proof.to_bytes()).unwrap();
        assert!(back.snapshot().sees(9) && !back.snapshot().sees(11));
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let bytes = Proof::of(EPOCH, 99, "10:20:10").to_bytes();
        for length in 0..bytes.len() {
            // Whole without the one that ran: four bytes less.
            assert_eq!(
                Proof::from_bytes(&bytes[..length]).is_some(),
                length == bytes.len() - 4,
                "{length}"
            );
        }
        assert!(Proof::from_bytes(&[0xff; super::FIXED]).is_none());
    }
}
