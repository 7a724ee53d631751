//! Consistency tokens: "at least as new as this".
//!
//! A token names the cluster, the timeline and a position in its write-ahead log. A reader that
//! sends back the token of a write is never shown less than that write.

use std::{fmt, str::FromStr};

/// A position in the history of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The cluster's system identifier.
    pub system_id: u64,
    /// The timeline the position was read on.
    pub timeline: u32,
    /// The position in the write-ahead log, in bytes.
    pub position: u64,
}

impl Token {
    /// Of two tokens of one cluster, the one that is further; of two clusters, `other`.
    #[must_use]
    pub fn latest(self, other: Self) -> Self {
        let place = |token: &Self| (token.timeline, token.position);
        if self.system_id == other.system_id && place(&self) > place(&other) {
            self
        } else {
            other
        }
    }
}

/// A token that can't be honoured: its history is not the one being served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownToken {
    /// The text is no token.
    #[error("the consistency token is malformed")]
    Malformed,
    /// The token is of another cluster.
    #[error("the consistency token belongs to another database cluster")]
    OtherCluster,
    /// The token is of a timeline that is not, or not yet, the one being served.
    #[error("the consistency token belongs to a history that was lost")]
    LostTimeline,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:x}.{:x}.{:x}",
            self.system_id, self.timeline, self.position
        )
    }
}

impl FromStr for Token {
    type Err = UnknownToken;

    fn from_str(text: &str) -> Result<Self, UnknownToken> {
        let mut parts = text.split('.');
        let mut next = || {
            let digits = parts.next()?;
            let is_hex = (1..=16).contains(&digits.len())
                && digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            if is_hex {
                u64::from_str_radix(digits, 16).ok()
            } else {
                None
            }
        };
        let (Some(system_id), Some(timeline), Some(position)) = (next(), next(), next()) else {
            return Err(UnknownToken::Malformed);
        };
        match (u32::try_from(timeline), parts.next()) {
            (Ok(timeline), None) => Ok(Self {
                system_id,
                timeline,
                position,
            }),
            _ => Err(UnknownToken::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Token, UnknownToken};

    #[test]
    fn a_token_comes_back() {
        let token = Token {
            system_id: 7_710_979_409_070_661_359,
            timeline: 2,
            position: 0x16_B374_D848,
        };
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "+1.2.3",
            "1.100000000.3",
            "1..3",
            "11111111111111111.1.1",
        ] {
            assert_eq!(
                text.parse::<Token>(),
                Err(UnknownToken::Malformed),
                "{text}"
            );
        }
    }
}
