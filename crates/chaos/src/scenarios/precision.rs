//! One post of a hundred thousand is edited, and then a tag renamed that all of them carry: what has nothing to do with it
//! stays kept, and what has is shown anew.

use tokio::task::{block_in_place, spawn_blocking};

use super::{Setting, common::until, programs_of};
use crate::{
    error::Error,
    measure::{Measure, ms_between},
    rig::{Rig, Shape, on_rig},
    seed::{self, COMMON, RARE},
    site::Site,
    visitor::{Answer, Visitor, post_url, visit_all},
};

/// How many posts are read, evenly spread over all.
const SAMPLE: usize = 1_000;
/// What a tag's new name is.
const RENAMED: &str = "Frequent";
/// What the change feed promises, in milliseconds.
const BOUND_MS: f64 = 1_000.0;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    let posts = if setting.quick { 5_000 } else { 100_000 };
    let shape = Shape {
        replicas: 1,
        ..Shape::for_site()
    };
    on_rig(&setting, "precision", shape, async |rig| {
        seed::posts(rig, posts).await?;
        let site = Site::new(rig, &programs)?;
        let running = block_in_place(|| site.run(1))?;
        let precision = Precision {
            rig,
            base: &running.bases[0],
            visitor: Visitor::new(&running.key),
            posts,
        };
        precision.measure(&setting).await
    })
    .await
}

struct Precision<'a> {
    rig: &'a Rig,
    base: &'a str,
    visitor: Visitor,
    posts: usize,
}

impl Precision<'_> {
    async fn measure(&self, setting: &Setting) -> Result<Vec<Measure>, Error> {
        let edited = 1;
        let others: Vec<String> = (1..SAMPLE)
            .map(|number| post_url(self.base, edited + number * (self.posts / SAMPLE)))
            .collect();
        let list = |tag: &str| format!("{}/api/v1/posts?tag={tag}", self.base);
        let apart = [
            list(RARE),
            format!("{}/api/v1/tags", self.base),
            format!("{}/api/v1/authors", self.base),
        ];
        let showing = [
            post_url(self.base, edited),
            list(COMMON),
            format!("{}/api/v1/posts", self.base),
        ];
        let unconcerned: Vec<String> = others.iter().chain(&apart).cloned().collect();
        self.visit(&showing).await?;
        self.visit(&unconcerned).await?;
        let before = count(&self.visit(&unconcerned).await?, Answer::is_hit);

        block_in_place(|| self.visitor.rename(self.base, edited, "v2"))?;
        let shown = self.visit(&showing).await?;
        let old = count(&shown, |answer| answer.is_hit() || !answer.shows("\"v2\""));
        let after = count(&self.visit(&unconcerned).await?, Answer::is_hit);

        let began = self.rig.recorder().now();
        let events = self.rename_tag().await?;
        until("the tag's new name", async || {
            Ok(self.visit(&others[..1]).await?[0].shows(RENAMED))
        })
        .await?;
        let seen = self.rig.recorder().now();
        let renamed = self.visit(&others).await?;
        let not_renamed = count(&renamed, |answer| !answer.shows(RENAMED));
        let commands = self
            .rig
            .with_redis(|redis| redis.cli(&["INFO", "commandstats"]));
        let commands = commands.await?;
        let kinds = |names: &[&str]| {
            let sent = |name: &&&str| commands.contains(&format!("cmdstat_{name}:"));
            names.iter().filter(sent).count()
        };
        Ok(vec![
            Measure::never(
                "answers that an edit has nothing to do with, asked for again",
                unconcerned.len() - after,
            )
            .beside(format!(
                "of {} of {} posts, and lists; {before} were kept before",
                unconcerned.len(),
                self.posts
            )),
            Measure::never(
                "answers that show the edited post, not asked for again",
                old,
            ),
            Measure::at_most("event rows for a tag renamed", "", events, 1.0),
            Measure::ms(
                "the tag's new name is shown",
                ms_between(began, Some(seen)),
                setting.ms(BOUND_MS),
            ),
            Measure::never("posts with its old name after that", not_renamed),
            Measure::never("SCAN or KEYS sent to Redis", kinds(&["scan", "keys"])),
            Measure::at_least(
                "GET among what Redis says it was sent",
                "",
                f64::from(u8::from(kinds(&["get"]) > 0)),
                1.0,
            ),
        ])
    }

    async fn visit(&self, urls: &[String]) -> Result<Vec<Answer>, Error> {
        let urls = urls.to_vec();
        Ok(spawn_blocking(move || visit_all(&urls)).await?)
    }

    /// As another program would: the row, and one event for all that shows it. How many events there are of it.
    async fn rename_tag(&self) -> Result<f64, Error> {
        let rename = format!(
            "BEGIN;
             UPDATE tags SET name = '{RENAMED}' WHERE slug = '{COMMON}';
             INSERT INTO change_events (tags) VALUES (ARRAY['tag:{COMMON}', 'tags']);
             COMMIT;"
        );
        self.rig.psql(0, rename).await?;
        let events =
            format!("SELECT count(*) FROM change_events WHERE 'tag:{COMMON}' = ANY (tags)");
        let events = self.rig.psql(0, events).await?;
        Ok(events.trim().parse().unwrap_or(f64::NAN))
    }
}

fn count(answers: &[Answer], is: impl Fn(&Answer) -> bool) -> usize {
    answers.iter().filter(|answer| is(answer)).count()
}
