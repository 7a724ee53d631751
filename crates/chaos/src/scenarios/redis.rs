//! Redis freezes, is killed, flushed, and restored from an old dump, under readers: of posts that are kept in memory, and of
//! posts that nobody has read yet.

mod freeze;
mod loss;

use tokio::task::{block_in_place, spawn_blocking};

use super::{Setting, programs_of};
use crate::{
    error::Error,
    history::Recorder,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
    seed,
    site::Site,
    visitor::{Crowd, Visitor, post_url, visit_all},
};

const NODES: usize = 3;
/// Posts that all processes have in memory.
const HOT: usize = 300;
/// Posts that nobody has read.
const COLD: usize = 5_000;
/// Reads of hot posts a second, of all processes together.
const READS: u32 = 300;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    on_rig(&setting, "redis", Shape::for_site(), async |rig| {
        seed::posts(rig, HOT + COLD).await?;
        let site = Site::new(rig, &programs)?;
        let running = block_in_place(|| site.run(NODES))?;
        let play = Play {
            rig,
            setting: &setting,
            site: &site,
            bases: &running.bases,
            visitor: Visitor::new(&running.key),
        };
        play.warm().await?;
        let mut measures = freeze::measure(&play).await?;
        measures.extend(loss::measure(&play).await?);
        Ok(measures)
    })
    .await
}

/// What both parts of it have.
struct Play<'a> {
    rig: &'a Rig,
    setting: &'a Setting,
    site: &'a Site,
    bases: &'a [String],
    visitor: Visitor,
}

impl Play<'_> {
    fn recorder(&self) -> &Recorder {
        self.rig.recorder()
    }

    /// Has every process read every hot post.
    async fn warm(&self) -> Result<(), Error> {
        let of_all = self.bases.iter().flat_map(|base| urls_of(base));
        let urls: Vec<String> = of_all.collect();
        let answers = spawn_blocking(move || visit_all(&urls)).await?;
        match answers.iter().find(|answer| !answer.is_well()) {
            None => Ok(()),
            Some(answer) => Err(Error::Answer {
                what: "a post at the beginning".into(),
                answer: answer.status.to_string(),
            }),
        }
    }

    /// Readers of hot posts.
    fn readers(&self) -> Crowd {
        let hot = |_| fastrand::usize(1..=HOT);
        Crowd::start(self.rig.recorder(), READS, self.bases, hot)
    }
}

/// Where a process shows the hot posts.
fn urls_of(base: &str) -> Vec<String> {
    (1..=HOT).map(|id| post_url(base, id)).collect()
}
