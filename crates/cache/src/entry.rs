//! One kept answer: a small header, then the body, a long one in each encoding that it is sent in. The same bytes are in
//! memory and in Redis, and a body is sent as a slice of them; of a short one, other encodings are made when they are asked for, and
//! kept beside.
//!
//! ```text
//!  0  "pnx1"
//!  4  u64  when it was filled, in milliseconds since 1970
//! 12  u32  milliseconds until it has aged
//! 16  u32  milliseconds until it is not served at all
//! 20  u32  microseconds that filling it took
//! 24  u8   1 for a negative answer
//! 25  u8   number of encodings
//! 26  u16  number of tags
//! 28  u16  bytes of proof
//! 30  u16  bytes of what the caller adds
//! 32       for each encoding: u8 which, u32 bytes of body
//!          for each tag: u64
//!          the proof; what the caller adds; the bodies
//! ```
//!
//! All numbers are little-endian. Bytes that are anything else are no entry: whatever is found in Redis.

use std::{
    any::Any,
    sync::{OnceLock, atomic::AtomicU64},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::encoding::{self, Encoding};

const MAGIC: &[u8; 4] = b"pnx1";
const FIXED: usize = 32;
const PER_ENCODING: usize = 5;
const PER_TAG: usize = 8;

/// What a load gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fill {
    /// The answer.
    pub body: Vec<u8>,
    /// What the caller wants to know of it later, 65,535 bytes at most: it is not looked at.
    pub note: Vec<u8>,
    /// What shows later whether it is still right, 65,535 bytes at most.
    pub proof: Vec<u8>,
    /// What it depends on, 65,535 tags at most.
    pub tags: Vec<u64>,
    /// For how long it is as good as new: then it is refreshed, and served meanwhile.
    pub fresh_for: Duration,
    /// For how long it may be served at all.
    pub keep_for: Duration,
    /// That there is no such thing.
    pub is_negative: bool,
}

/// A kept answer.
#[derive(Debug)]
pub struct Entry {
    bytes: Bytes,
    head: Head,
    /// When it was filled, on this process's clock.
    born: Instant,
    memo: AtomicU64,
    made: OnceLock<Box<dyn Any + Send + Sync>>,
    encoded: Encoded,
}

/// What was made of a short body when it was asked for; nothing, where that does not pay.
#[derive(Debug, Default)]
struct Encoded {
    gzip: OnceLock<Option<Bytes>>,
    zstd: OnceLock<Option<Bytes>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    filled_at_ms: u64,
    fresh_ms: u32,
    keep_ms: u32,
    cost_us: u32,
    is_negative: bool,
    encodings: u8,
    tags: u16,
    proof: u16,
    note: u16,
}

/// A fill that no entry can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too long for an entry: {0}")]
pub struct TooLong(&'static str);

impl Entry {
    /// The entry of `fill`, which was begun at `born`; of a long body in all encodings that pay, which takes milliseconds. `now_ms` is what clocks on the wall
    /// show, in milliseconds since 1970: only to age entries by that other processes filled.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn new(fill: &Fill, born: Instant, now_ms: u64) -> Result<Self, TooLong> {
        let now = Instant::now();
        let cost = now.saturating_duration_since(born);
        let bodies = encoding::encode_now(&fill.body);
        let short = |length: usize, what| u16::try_from(length).map_err(|_| TooLong(what));
        let head = Head {
            filled_at_ms: now_ms.saturating_sub(millis(cost).into()),
            fresh_ms: millis(fill.fresh_for),
            keep_ms: millis(fill.keep_for),
            cost_us: u32::try_from(cost.as_micros()).unwrap_or(u32::MAX),
            is_negative: fill.is_negative,
            encodings: u8::try_from(bodies.len()).map_err(|_| TooLong("encodings"))?,
            tags: short(fill.tags.len(), "tags")?,
            proof: short(fill.proof.len(), "proof")?,
            note: short(fill.note.len(), "note")?,
        };
        let total = bodies.iter().map(|(_, body)| body.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(head.bodies_at() + total);
        head.write(&mut bytes);
        for (encoding, body) in &bodies {
            let length = u32::try_from(body.len()).map_err(|_| TooLong("body"))?;
            bytes.push(encoding.code());
            bytes.extend(length.to_le_bytes());
        }
        bytes.extend(fill.tags.iter().flat_map(|tag| tag.to_le_bytes()));
        bytes.extend(&fill.proof);
        bytes.extend(&fill.note);
        for (_, body) in &bodies {
            bytes.extend_from_slice(body);
        }
        Ok(Self {
            bytes: bytes.into(),
            head,
            born,
            memo: AtomicU64::new(0),
            made: OnceLock::new(),
            encoded: Encoded::default(),
        })
    }

    /// The entry that these bytes are; `None` if they are none, or if at `now_ms` it has had its time.
    #[must_use]
    pub fn parse(bytes: Bytes, now_ms: u64) -> Option<Self> {
        let head = Head::read(&bytes)?;
        let lengths = bytes.get(FIXED..FIXED + PER_ENCODING * usize::from(head.encodings))?;
        let mut total = head.bodies_at();
        for encoding in lengths.chunks_exact(PER_ENCODING) {
            let (code, length) = encoding.split_first()?;
            Encoding::of_code(*code)?;
            total = total.checked_add(u32::from_le_bytes(length.try_into().ok()?) as usize)?;
        }
        if total != bytes.len() {
            return None;
        }
        let age = Duration::from_millis(now_ms.saturating_sub(head.filled_at_ms));
        let now = Instant::now();
        Some(Self {
            bytes,
            head,
            // Before this machine was started: as old as can be told.
            born: now.checked_sub(age).unwrap_or(now),
            memo: AtomicU64::new(0),
            made: OnceLock::new(),
            encoded: Encoded::default(),
        })
        .filter(|_| age <= Duration::from_millis(head.keep_ms.into()))
    }

    /// All of it, to be kept elsewhere.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What it takes in memory, in bytes: also for what is made of it when that is asked for, as if both encodings took half of the
    /// body each.
    #[must_use]
    pub fn weight(&self) -> usize {
        let body = self.kept(Encoding::Identity).map_or(0, |body| body.len());
        let later = encoding::is_encoded_later(body).then_some(body);
        self.bytes.len() + later.unwrap_or(0)
    }

    /// The body in that encoding, where it pays; plain, always.
    #[must_use]
    pub fn body(&self, encoding: Encoding) -> Option<Bytes> {
        let made = match encoding {
            Encoding::Identity => return self.kept(encoding),
            Encoding::Gzip => &self.encoded.gzip,
            Encoding::Zstd => &self.encoded.zstd,
        };
        let make = || {
            let plain = self.kept(Encoding::Identity)?;
            if encoding::is_encoded_later(plain.len()) {
                return encoding::encode(encoding, &plain).map(Bytes::from);
            }
            self.kept(encoding)
        };
        made.get_or_init(make).clone()
    }

    /// The body in that encoding, if it is among its bytes.
    fn kept(&self, encoding: Encoding) -> Option<Bytes> {
        let mut at = self.head.bodies_at();
        for n in 0..usize::from(self.head.encodings) {
            let place = FIXED + PER_ENCODING * n;
            let (code, length) = self.bytes[place..place + PER_ENCODING].split_first()?;
            let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
            if *code == encoding.code() {
                return Some(self.bytes.slice(at..at + length));
            }
            at += length;
        }
        None
    }

    /// What it depends on.
    pub fn tags(&self) -> impl Iterator<Item = u64> {
        let at = self.head.tags_at();
        let tags = &self.bytes[at..at + PER_TAG * usize::from(self.head.tags)];
        let tags = tags.as_chunks::<PER_TAG>().0.iter();
        tags.map(|tag| u64::from_le_bytes(*tag))
    }

    /// What shows whether it is still right.
    #[must_use]
    pub fn proof(&self) -> &[u8] {
        let at = self.head.proof_at();
        &self.bytes[at..at + usize::from(self.head.proof)]
    }

    /// What its loader added.
    #[must_use]
    pub fn note(&self) -> &[u8] {
        let at = self.head.proof_at() + usize::from(self.head.proof);
        &self.bytes[at..at + usize::from(self.head.note)]
    }

    /// A number that the judge may keep with it in this process, to be quicker next time; 0 at first.
    #[must_use]
    pub fn memo(&self) -> &AtomicU64 {
        &self.memo
    }

    /// What the caller makes of it to send it sooner next time: made once in this process, and kept with it. It is no part of
    /// its bytes: half a KiB is reckoned for it. `None` if something of another type was made of it.
    pub fn made<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        let made = self.made.get_or_init(|| Box::new(make()));
        made.downcast_ref()
    }

    /// Whether it says that there is no such thing.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.head.is_negative
    }

    /// How long ago its load was begun.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.born)
    }

    /// Whether it is not as good as new any more.
    #[must_use]
    pub fn has_aged(&self, now: Instant) -> bool {
        self.age(now) >= self.fresh_for()
    }

    /// Whether it was filled later than `other`, by the clocks of who filled them.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.head.filled_at_ms > other.head.filled_at_ms
    }

    /// What is left of the time for which it may be served.
    #[must_use]
    pub fn left(&self, now: Instant) -> Duration {
        Duration::from_millis(self.head.keep_ms.into()).saturating_sub(self.age(now))
    }

    /// For how long it is as good as new, from its birth on.
    #[must_use]
    pub fn fresh_for(&self) -> Duration {
        Duration::from_millis(self.head.fresh_ms.into())
    }

    /// How long filling it took.
    #[must_use]
    pub fn cost(&self) -> Duration {
        Duration::from_micros(self.head.cost_us.into())
    }
}

impl Head {
    fn tags_at(&self) -> usize {
        FIXED + PER_ENCODING * usize::from(self.encodings)
    }

    fn proof_at(&self) -> usize {
        self.tags_at() + PER_TAG * usize::from(self.tags)
    }

    fn bodies_at(&self) -> usize {
        self.proof_at() + usize::from(self.proof) + usize::from(self.note)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(MAGIC);
        bytes.extend(self.filled_at_ms.to_le_bytes());
        bytes.extend(self.fresh_ms.to_le_bytes());
        bytes.extend(self.keep_ms.to_le_bytes());
        bytes.extend(self.cost_us.to_le_bytes());
        bytes.push(self.is_negative.into());
        bytes.push(self.encodings);
        bytes.extend(self.tags.to_le_bytes());
        bytes.extend(self.proof.to_le_bytes());
        bytes.extend(self.note.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        if take::<4>(&mut rest)? != *MAGIC {
            return None;
        }
        Some(Self {
            filled_at_ms: u64::from_le_bytes(take(&mut rest)?),
            fresh_ms: u32::from_le_bytes(take(&mut rest)?),
            keep_ms: u32::from_le_bytes(take(&mut rest)?),
            cost_us: u32::from_le_bytes(take(&mut rest)?),
            is_negative: match take(&mut rest)? {
                [0] => false,
                [1] => true,
                _ => return None,
            },
            encodings: u8::from_le_bytes(take(&mut rest)?),
            tags: u16::from_le_bytes(take(&mut rest)?),
            proof: u16::from_le_bytes(take(&mut rest)?),
            note: u16::from_le_bytes(take(&mut rest)?),
        })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::Bytes;

    use super::{Encoding, Entry, Fill};

    const NOW: u64 = 1_772_000_000_000;

    fn fill() -> Fill {
        Fill {
            body: b"Binary search halves what is left. ".repeat(100),
            note: b"note".to_vec(),
            proof: b"proof".to_vec(),
            tags: vec![7, u64::MAX],
            fresh_for: Duration::from_secs(60),
            keep_for: Duration::from_secs(3_600),
            is_negative: false,
        }
    }

    #[test]
    fn an_entry_comes_back_from_its_bytes() {
        let fill = fill();
        let entry = Entry::new(&fill, Instant::now(), NOW).unwrap();
        let back = Entry::parse(entry.bytes().clone(), NOW).unwrap();
        for entry in [&entry, &back] {
            assert_eq!(entry.body(Encoding::Identity).unwrap(), fill.body);
            assert!(entry.body(Encoding::Gzip).unwrap().len() < fill.body.len() / 5);
            assert_eq!(entry.tags().collect::<Vec<_>>(), fill.tags);
            assert_eq!((entry.proof(), entry.note()), (&b"proof"[..], &b"note"[..]));
            assert_eq!(entry.fresh_for(), fill.fresh_for);
            assert!(entry.left(Instant::now()) > Duration::from_secs(3_500));
            assert!(!entry.is_negative());
        }
    }

    #[test]
    fn a_long_body_has_all_its_encodings_in_its_bytes() {
        let long = Fill {
            body: b"Binary search halves what is left. ".repeat(1_000),
            ..fill()
        };
        let entry = Entry::new(&long, Instant::now(), NOW).unwrap();
        assert!(entry.bytes().len() > long.body.len());
        assert_eq!(entry.weight(), entry.bytes().len());
        let back = Entry::parse(entry.bytes().clone(), NOW).unwrap();
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            assert_eq!(back.body(encoding), entry.body(encoding));
            assert!(entry.body(encoding).unwrap().len() < long.body.len() / 5);
        }
    }

    #[test]
    fn a_short_body_is_encoded_once_and_reckoned_with_from_the_beginning() {
        let entry = Entry::new(&fill(), Instant::now(), NOW).unwrap();
        let (bytes, weight) = (entry.bytes().len(), entry.weight());
        assert!(weight > bytes);
        let first = entry.body(Encoding::Zstd).unwrap();
        let second = entry.body(Encoding::Zstd).unwrap();
        assert_eq!(first.as_ptr(), second.as_ptr(), "the same bytes");
        assert_eq!((entry.bytes().len(), entry.weight()), (bytes, weight));
    }

    #[test]
    fn what_is_cut_or_changed_in_length_is_no_entry() {
        let bytes = Entry::new(&fill(), Instant::now(), NOW)
            .unwrap()
            .bytes()
            .clone();
        for length in 0..bytes.len() {
            assert!(
                Entry::parse(bytes.slice(..length), NOW).is_none(),
                "{length}"
            );
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(Entry::parse(longer.into(), NOW).is_none());
        assert!(Entry::parse(Bytes::from_static(b"hello"), NOW).is_none());
        for at in 0..32 {
            let mut wrong = bytes.to_vec();
            wrong[at] ^= 0xff;
            // Whatever comes of it, it does not panic.
            if let Some(entry) = Entry::parse(wrong.into(), NOW) {
                let _ = (entry.body(Encoding::Gzip), entry.proof(), entry.note());
            }
        }
    }

    #[test]
    fn what_has_had_its_time_is_no_entry() {
        let short = Fill {
            keep_for: Duration::ZERO,
            ..fill()
        };
        let born = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let entry = Entry::new(&short, born, NOW).unwrap();
        assert!(entry.left(Instant::now()).is_zero());
        assert!(Entry::parse(entry.bytes().clone(), NOW).is_none());
    }

    #[test]
    fn what_is_made_of_it_is_made_once() {
        let entry = Entry::new(&fill(), Instant::now(), NOW).unwrap();
        assert_eq!(entry.made(|| "head"), Some(&"head"));
        assert_eq!(entry.made(|| "another"), Some(&"head"));
        assert_eq!(entry.made(|| 7_u8), None);
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = Fill {
            proof: vec![0; 70_000],
            ..fill()
        };
        assert!(Entry::new(&long, Instant::now(), NOW).is_err());
    }
}
