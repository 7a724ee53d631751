//! Who can see a post, and how that may change.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fields::Invalid;

/// Who can see a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody without a key.
    #[default]
    Draft,
    /// Nobody without a key until `published_at`, then everybody.
    Scheduled,
    /// Everybody.
    Published,
    /// Nobody without a key any more.
    Archived,
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 4] = [
        Self::Draft,
        Self::Scheduled,
        Self::Published,
        Self::Archived,
    ];

    /// The name used in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Published => "published",
            Self::Archived => "archived",
        }
    }

    /// Whether a post may go from this status to `next`. What was published can't be scheduled:
    /// readers have seen it; take it back to `draft` first.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        !matches!((self, next), (Self::Published, Self::Scheduled))
    }

    /// What readers are told: a scheduled post whose time has come is published.
    #[must_use]
    pub fn as_seen_at(self, now: Timestamp, published_at: Option<Timestamp>) -> Self {
        match (self, published_at) {
            (Self::Scheduled, Some(time)) if time <= now => Self::Published,
            _ => self,
        }
    }
}

/// A text that names no status.
#[derive(Debug, thiserror::Error)]
#[error("must be one of draft, scheduled, published, archived")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownStatus)
    }
}

/// A status with the time that belongs to it: the two are only valid together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// Who can see the post.
    pub status: Status,
    /// When readers could, or can, first see it.
    pub published_at: Option<Timestamp>,
}

impl Publication {
    /// What readers are told of it.
    #[must_use]
    pub fn as_seen_at(self, now: Timestamp) -> Self {
        let status = self.status.as_seen_at(now, self.published_at);
        Self { status, ..self }
    }

    /// The publication that results from `wanted`, where a post is in `current` (none: it is new).
    ///
    /// A post that is published without a time was published now, or when it first was.
    ///
    /// # Errors
    /// [`Invalid`] naming `/status` or `/published_at`.
    pub fn resolve(current: Option<Self>, wanted: Self, now: Timestamp) -> Result<Self, Invalid> {
        let Self {
            status,
            published_at,
        } = wanted;
        if let Some(current) = current {
            let seen = current.as_seen_at(now);
            if wanted == current || wanted == seen {
                return Ok(current);
            }
            if !seen.status.may_become(status) {
                let (from, to) = (seen.status.as_str(), status.as_str());
                let detail = format!("can't go from {from} to {to}");
                return Err(Invalid::one("/status", detail));
            }
        }
        match (status, published_at) {
            (Status::Published, None) => Ok(Self {
                status,
                published_at: Some(now),
            }),
            (Status::Published, Some(time)) if time > now => Err(Invalid::one(
                "/published_at",
                "must not be in the future for a published post: use the status scheduled",
            )),
            (Status::Scheduled, None) => Err(Invalid::one(
                "/published_at",
                "is required for a scheduled post",
            )),
            (Status::Scheduled, Some(time)) if time <= now => Err(Invalid::one(
                "/published_at",
                "must be in the future for a scheduled post",
            )),
            _ => Ok(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Publication, Status};

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn after(seconds: i64) -> Option<Timestamp> {
        Some(NOW + SignedDuration::from_secs(seconds))
    }

    fn publication(status: Status, published_at: Option<Timestamp>) -> Publication {
        Publication {
            status,
            published_at,
        }
    }

    #[test]
    fn publishing_without_a_time_is_publishing_now() {
        let resolved = Publication::resolve(None, publication(Status::Published, None), NOW);
        assert_eq!(resolved.unwrap(), publication(Status::Published, Some(NOW)));
    }

    #[test]
    fn a_time_in_the_future_is_for_scheduled_posts_only() {
        for (status, published_at, valid) in [
            (Status::Scheduled, after(1), true),
            (Status::Scheduled, after(0), false),
            (Status::Scheduled, None, false),
            (Status::Published, after(1), false),
            (Status::Published, after(0), true),
            (Status::Draft, after(1), true),
            (Status::Draft, None, true),
            (Status::Archived, None, true),
        ] {
            let resolved = Publication::resolve(None, publication(status, published_at), NOW);
            assert_eq!(resolved.is_ok(), valid, "{status:?} {published_at:?}");
        }
    }

    #[test]
    fn what_readers_have_seen_can_not_be_scheduled() {
        let seen = publication(Status::Scheduled, after(-5));
        let again = publication(Status::Scheduled, after(5));
        let published = publication(Status::Published, after(-5));
        for was in [published, seen] {
            assert!(Publication::resolve(Some(was), again, NOW).is_err());
        }
        assert!(
            Publication::resolve(Some(seen), seen, NOW).is_ok(),
            "an edit of the text alone"
        );
        assert_eq!(
            Status::Scheduled.as_seen_at(NOW, after(0)),
            Status::Published
        );
        assert_eq!(
            Status::Scheduled.as_seen_at(NOW, after(1)),
            Status::Scheduled
        );
    }

    #[test]
    fn the_documented_transitions_and_no_others() {
        let refused: Vec<_> = Status::ALL
            .into_iter()
            .flat_map(|from| Status::ALL.map(|to| (from, to)))
            .filter(|(from, to)| !from.may_become(*to))
            .collect();
        assert_eq!(refused, [(Status::Published, Status::Scheduled)]);
    }
}
