//! Made-up posts, any number of them, for measuring and for tests of size.
//!
//! The post with index `i` under a seed is always the same one, and its address is `generated-<i>`
//! whatever the seed: a run that was killed is finished by running it again, and a larger count goes on from a smaller.
//! Sizes and skews follow a blog's: some tags and authors have most of the posts, publication is spread over five years.

mod text;
mod words;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use futures_util::future::try_join_all;
use jiff::Timestamp;
use prepnexus_domain::{ContentFormat, Slug, Status};

use crate::{
    error::Error,
    load::{BATCH, LOCK_WAIT, LoadReport, Loader, PreparedPost},
    migrator::Migrator,
    progress::{OnProgress, Progress},
};

/// The end of the five years: 2026-01-01T00:00:00Z.
const END: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// Moments of publication to choose from; more posts than this would share some.
const SLOTS: u64 = 1 << 27;
/// The microseconds between two of them, so that all together are five years.
const SLOT_MICROSECONDS: u64 = 5 * 365 * 86_400 * 1_000_000 / SLOTS;

/// How [`Migrator::generate`] runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Posts `generated-1` to this one are there afterwards.
    pub count: u64,
    /// Another seed, other posts.
    pub seed: u64,
    /// Connections that load at the same time. The server works at one core for each.
    pub connections: usize,
}

impl GenerateOptions {
    /// `count` posts of the usual seed, over two connections.
    #[must_use]
    pub const fn new(count: u64) -> Self {
        Self {
            count,
            seed: 1,
            connections: 2,
        }
    }
}

impl Migrator {
    /// Makes sure that the made-up posts 1 to `count` are there. Batches are transactions of their own: what was loaded
    /// before a failure stays, and is found by the next run.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::LockHeld`] or [`Error::Query`].
    pub async fn generate(
        &self,
        options: GenerateOptions,
        progress: OnProgress<'_>,
    ) -> Result<LoadReport, Error> {
        let mut lock_holder = self.locked_session(LOCK_WAIT, &mut *progress).await?;
        // All names at once, so that the connections don't wait for each other's.
        let mut names = Loader::prepare(&lock_holder).await?;
        names
            .ensure_names(&mut lock_holder, &words::authors(), &words::tags())
            .await?;
        let shared = Shared {
            options,
            next_batch: AtomicU64::new(0),
            done: Mutex::new((0, progress)),
        };
        let workers = (0..options.connections.max(1)).map(|_| self.work(&shared));
        let mut report = LoadReport::default();
        for part in try_join_all(workers).await? {
            report.add(part);
        }
        Ok(report)
    }

    /// Loads batch after batch until none is left.
    async fn work(&self, shared: &Shared<'_>) -> Result<LoadReport, Error> {
        let mut session = self.session().await?;
        let mut loader = Loader::prepare(&session).await?;
        let mut report = LoadReport::default();
        loop {
            let from = shared.next_batch.fetch_add(1, Ordering::Relaxed) * BATCH as u64;
            let indexes = from..(from + BATCH as u64).min(shared.options.count);
            if indexes.is_empty() {
                return Ok(report);
            }
            let batch: Vec<PreparedPost> = indexes
                .map(|index| generated_post(index + 1, shared.options.seed))
                .collect();
            let part = loader.load_batch(&mut session, &batch).await?;
            report.add(part);
            shared.tell(part.posts());
        }
    }
}

struct Shared<'a> {
    options: GenerateOptions,
    next_batch: AtomicU64,
    done: Mutex<(u64, OnProgress<'a>)>,
}

impl Shared<'_> {
    fn tell(&self, posts: u64) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.0 += posts;
        let posts = done.0;
        (done.1)(Progress::Loaded { posts });
    }
}

/// The made-up post with that index, from 1, under that seed.
#[must_use]
pub fn generated_post(index: u64, seed: u64) -> PreparedPost {
    // An odd factor spreads neighbouring indexes over the generator's states.
    let mut rng =
        fastrand::Rng::with_seed(seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23));
    let topic = words::pick(&mut rng, words::TOPICS);
    let body = text::Body::random(&mut rng, topic);
    let written_at = moment(index, &mut rng);
    let status = match rng.u32(0..100) {
        0..=2 => Status::Draft,
        3 => Status::Archived,
        _ => Status::Published,
    };
    PreparedPost {
        slug: Slug::parse(&format!("generated-{index}")).expect("a word and a number"),
        title: format!(
            "{topic}: {}, part {index}",
            words::pick(&mut rng, words::ANGLES)
        ),
        excerpt: body.excerpt(),
        content: body.markdown(),
        content_format: ContentFormat::Markdown,
        html: body.html(),
        status,
        author: words::author(words::skewed(&mut rng, words::AUTHOR_COUNT)),
        author_avatar_url: None,
        tags: tags(&mut rng),
        image_url: None,
        meta_description: None,
        // None is as long as two minutes' reading.
        reading_time_minutes: 1,
        created_at: written_at,
        updated_at: written_at,
        published_at: (status != Status::Draft).then_some(written_at),
    }
}

fn tags(rng: &mut fastrand::Rng) -> Vec<String> {
    let wanted = rng.usize(1..=4);
    let mut chosen: Vec<usize> = Vec::with_capacity(wanted);
    while chosen.len() < wanted {
        let tag = words::skewed(rng, words::TAG_COUNT);
        if !chosen.contains(&tag) {
            chosen.push(tag);
        }
    }
    chosen.into_iter().map(words::tag).collect()
}

/// A moment of the five years that no other index below [`SLOTS`] has.
fn moment(index: u64, rng: &mut fastrand::Rng) -> Timestamp {
    // Odd, so that the product takes each slot once.
    let slot = index.wrapping_mul(0x9e37_79b1) % SLOTS;
    let before_end = slot * SLOT_MICROSECONDS + rng.u64(0..SLOT_MICROSECONDS);
    let end = END.as_microsecond();
    let time = end - i64::try_from(before_end).expect("five years in microseconds");
    Timestamp::from_microsecond(time).expect("a time between 2021 and 2026")
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use prepnexus_domain::render::render;

    use super::{END, generated_post};

    #[test]
    fn an_index_is_always_the_same_post() {
        assert_eq!(generated_post(7, 1), generated_post(7, 1));
        assert_ne!(generated_post(7, 1).content, generated_post(7, 2).content);
        let post = generated_post(7, 1);
        insta::assert_snapshot!(
            format!("{}\n{}\n{:?}\n{}\n{}", post.title, post.author, post.tags, post.created_at, post.excerpt),
            @r#"
        Topological sorting: the patterns that come back, part 7
        Tariq Eriksen
        ["Arrays", "Topological sorting", "Bit manipulation interview questions", "Linked lists"]
        2023-10-21T16:57:28.593651Z
        A cache requires the latency of a request as the follow-up asks.
        "#,
        );
    }

    #[test]
    fn html_and_reading_time_are_what_rendering_gives() {
        for index in 1..500 {
            let post = generated_post(index, 1);
            let rendered = render(&post.content, post.content_format);
            assert_eq!(post.html, rendered.html, "{}", post.content);
            assert_eq!(post.reading_time_minutes, rendered.reading_time_minutes);
        }
    }

    #[test]
    fn posts_have_the_size_and_spread_of_a_blog() {
        let posts: Vec<_> = (1..=5_000).map(|index| generated_post(index, 1)).collect();
        let words = posts.iter().map(|p| p.content.split_whitespace().count());
        let mean = words.sum::<usize>() / posts.len();
        assert!((90..=130).contains(&mean), "{mean} words");
        let times: HashSet<_> = posts.iter().map(|p| p.created_at).collect();
        assert_eq!(times.len(), posts.len());
        let first = times.iter().min().unwrap();
        assert!(times.iter().all(|t| *t < END) && first.to_string().starts_with("2021-01"));
        let titles: HashSet<_> = posts.iter().map(|p| &p.title).collect();
        assert_eq!(titles.len(), posts.len());
        let mut tags: HashMap<&str, usize> = HashMap::new();
        for tag in posts.iter().flat_map(|p| &p.tags) {
            *tags.entry(tag).or_default() += 1;
        }
        let most = tags.values().max().unwrap();
        assert!(tags.len() > 190 && (500..2_500).contains(most), "{most}");
    }
}
