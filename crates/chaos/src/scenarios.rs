//! The scenarios: each one promise, the fault that tests it, and what is measured.

mod api;
mod cache;
mod commit_kills;
mod common;
mod frozen_primary;
mod frozen_replica;
mod import;
mod killed;
mod lag;
mod migrate;
mod no_primary;
mod old_primary;
mod outage;
mod pairs;
mod patroni;
mod precision;
mod promotion;
mod redis;
mod refusal;
mod stampede;

use std::{fs, path::PathBuf, pin::Pin, time::Duration};

use crate::{error::Error, history::History, measure::Measure};

/// A busy machine delays the third slowest of a few hundred reads by so much by itself (20 ms were seen). One that waited for a Redis
/// that doesn't answer is later than that: it is given 50 ms.
const BUSY_MS: f64 = 40.0;

/// The programs that the scenarios over HTTP start.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The `api` binary.
    pub api: PathBuf,
    /// The `migrator` binary.
    pub migrator: PathBuf,
}

/// How a scenario is played.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The short form.
    pub quick: bool,
    /// Which of the runs this is, from 0.
    pub run: u32,
    /// How many there are: what is promised of a number of faults is spread over them.
    pub runs: u32,
    /// Where the numbers begin that schedules of faults are drawn from.
    pub seed: u32,
    /// Limits of time are this many times as long: 1 where they are to be judged, more on a machine that does
    /// other things meanwhile. What must never happen must never happen there either.
    pub patience: f64,
    /// Without them, the scenarios over HTTP can't be played.
    pub programs: Option<Programs>,
    /// A directory to keep each history in, as JSON.
    pub histories: Option<PathBuf>,
}

impl Setting {
    /// The full form.
    #[must_use]
    pub fn full(programs: Option<Programs>) -> Self {
        Self {
            quick: false,
            run: 0,
            runs: 1,
            seed: 0,
            patience: 1.0,
            programs,
            histories: None,
        }
    }

    /// The short form.
    #[must_use]
    pub fn quick(programs: Option<Programs>) -> Self {
        Self {
            quick: true,
            ..Self::full(programs)
        }
    }

    /// One of two numbers of seconds.
    fn seconds(&self, full: f64, quick: f64) -> Duration {
        Duration::from_secs_f64(if self.quick { quick } else { full })
    }

    /// Keeps a history, where that is wanted.
    pub(crate) fn keep(&self, name: &str, history: &History) -> Result<(), Error> {
        let Some(dir) = &self.histories else {
            return Ok(());
        };
        let path = dir.join(format!("{name}-{}.json", self.run + 1));
        let text = serde_json::to_string(history);
        let text = text.expect("a history has no maps, and so no keys that are not text");
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&path, text))
            .map_err(|source| Error::Keep { path, source })
    }

    /// A limit of time, in milliseconds; with patience never a tighter one than [`BUSY_MS`].
    fn ms(&self, limit: f64) -> f64 {
        let least = if self.patience > 1.0 { BUSY_MS } else { 0.0 };
        (limit * self.patience).max(least)
    }
}

/// Where the programs are that a scenario over HTTP needs.
fn programs_of(setting: &Setting) -> Result<Programs, Error> {
    setting.programs.clone().ok_or_else(|| Error::Answer {
        what: "where the binaries are".into(),
        answer: "nobody said".into(),
    })
}

/// A scenario being played.
type Playing = Pin<Box<dyn Future<Output = Result<Vec<Measure>, Error>>>>;

/// One promise under test.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// What happens in it.
    pub about: &'static str,
    pub(crate) play: fn(Setting) -> Playing,
}

/// All of them.
pub const SCENARIOS: [Scenario; 18] = [
    Scenario {
        name: "frozen_primary",
        about: "the primary freezes, whole or its main process alone: reads go on, writes fail fast",
        play: |setting| Box::pin(frozen_primary::play(setting)),
    },
    Scenario {
        name: "promotion",
        about: "the primary is killed and a replica promoted: writes follow",
        play: |setting| Box::pin(promotion::play(setting)),
    },
    Scenario {
        name: "old_primary",
        about: "the old primary comes back while the new one serves: nothing reaches it",
        play: |setting| Box::pin(old_primary::play(setting)),
    },
    Scenario {
        name: "commit_kills",
        about: "the primary is killed at random moments: nothing acknowledged is lost, nothing done twice",
        play: |setting| Box::pin(commit_kills::play(setting)),
    },
    Scenario {
        name: "pairs",
        about: "a write and then a read with its token, through lag and a failover: always seen",
        play: |setting| Box::pin(pairs::play(setting)),
    },
    Scenario {
        name: "lag",
        about: "replicas fall behind, are cut off, and come back: out in time, back by and by",
        play: |setting| Box::pin(lag::play(setting)),
    },
    Scenario {
        name: "frozen_replica",
        about: "a replica freezes: readers hardly notice, and are not its probes",
        play: |setting| Box::pin(frozen_replica::play(setting)),
    },
    Scenario {
        name: "no_primary",
        about: "there is no primary at all: reads are served, writes refused at once",
        play: |setting| Box::pin(no_primary::play(setting)),
    },
    Scenario {
        name: "api",
        about: "the same over HTTP, with two API processes, one of which is stopped under load",
        play: |setting| Box::pin(api::play(setting)),
    },
    Scenario {
        name: "cache",
        about: "posts change while processes, Redis and servers fail: no reader is shown what is old, unmarked",
        play: |setting| Box::pin(cache::play(setting)),
    },
    Scenario {
        name: "stampede",
        about: "a thousand readers of one post that nobody has read yet: it is read once",
        play: |setting| Box::pin(stampede::play(setting)),
    },
    Scenario {
        name: "refusal",
        about: "a post is renamed through one process: the others stop showing its old title",
        play: |setting| Box::pin(refusal::play(setting)),
    },
    Scenario {
        name: "redis",
        about: "Redis freezes, dies, is flushed, comes back with old data: readers hardly notice, and see nothing old",
        play: |setting| Box::pin(redis::play(setting)),
    },
    Scenario {
        name: "outage",
        about: "all of PostgreSQL goes away: what was read before is served, marked, and fresh again after its return",
        play: |setting| Box::pin(outage::play(setting)),
    },
    Scenario {
        name: "precision",
        about: "one of many posts is edited, a tag of all renamed: what it has to do with is read anew, and nothing else",
        play: |setting| Box::pin(precision::play(setting)),
    },
    Scenario {
        name: "migrate",
        about: "the migrator is killed at each statement and at any moment: the next run finishes",
        play: |setting| Box::pin(migrate::play(setting)),
    },
    Scenario {
        name: "import",
        about: "the import of the old system's file is killed at any moment: nobody sees a part of it, and it finishes",
        play: |setting| Box::pin(import::play(setting)),
    },
    Scenario {
        name: "patroni",
        about: "a real failover manager moves the primary: switchover, restarts, a killed and a frozen leader",
        play: |setting| Box::pin(patroni::play(setting)),
    },
];
