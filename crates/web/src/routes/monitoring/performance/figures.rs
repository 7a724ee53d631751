//! The figures, put together from what was recorded.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use prepnexus_health::{
    Recent, Window,
    recent::{Labels, Times},
};

use super::{
    LookupsLately, QueriesLately, QueryFigures, RequestsLately, RouteFigures, TierFigures,
};
use crate::{
    metric::{CACHE_REQUESTS, DURATION, QUERY_DURATION, QUERY_ROWS, REQUESTS},
    time::milliseconds,
};

/// The windows that are told of, in minutes.
const MINUTES: [u64; 3] = [1, 5, 15];

/// What was recorded: since the process began, and in each of the windows.
pub(super) struct Figures {
    all: Recorded,
    lately: [(u64, f64, Recorded); 3],
}

/// What was recorded in one window.
struct Recorded {
    /// By method and route.
    requests: BTreeMap<Two, Times>,
    /// By method and route: answers of a status of 500 and above.
    errors: BTreeMap<Two, u64>,
    /// By name and role.
    queries: BTreeMap<Two, Times>,
    /// By name and role.
    rows: BTreeMap<Two, u64>,
    /// By tier: look-ups and hits.
    cache: BTreeMap<String, (u64, u64)>,
}

/// The values of two labels.
type Two = (String, String);

impl Figures {
    pub(super) fn now(recent: &Recent, now: Instant) -> Self {
        Self {
            all: Recorded::in_window(recent, Window::All, now),
            lately: MINUTES.map(|minutes| {
                let window = Window::Last(Duration::from_secs(60 * minutes));
                let seconds = recent.covered(window, now).as_secs_f64();
                (minutes, seconds, Recorded::in_window(recent, window, now))
            }),
        }
    }

    pub(super) fn requests(&self) -> Vec<RouteFigures> {
        let routes = self.all.requests.iter();
        let figures = routes.map(|(key, times)| {
            let [p50_ms, p95_ms, p99_ms] = quantiles(Some(times));
            RouteFigures {
                method: key.0.clone(),
                route: key.1.clone(),
                count: times.count(),
                errors: of(&self.all.errors, key),
                p50_ms,
                p95_ms,
                p99_ms,
                lately: self.each(|minutes, seconds, lately| {
                    let times = lately.requests.get(key);
                    let [p50_ms, p95_ms, p99_ms] = quantiles(times);
                    RequestsLately {
                        minutes,
                        seconds,
                        count: times.map_or(0, Times::count),
                        errors: of(&lately.errors, key),
                        p50_ms,
                        p95_ms,
                        p99_ms,
                    }
                }),
            }
        });
        figures.collect()
    }

    pub(super) fn queries(&self) -> Vec<QueryFigures> {
        let queries = self.all.queries.iter();
        let figures = queries.map(|(key, times)| {
            let [p50_ms, p95_ms, p99_ms] = quantiles(Some(times));
            QueryFigures {
                name: key.0.clone(),
                node_role: key.1.clone(),
                count: times.count(),
                rows: of(&self.all.rows, key),
                p50_ms,
                p95_ms,
                p99_ms,
                lately: self.each(|minutes, seconds, lately| {
                    let times = lately.queries.get(key);
                    let [p50_ms, p95_ms, p99_ms] = quantiles(times);
                    QueriesLately {
                        minutes,
                        seconds,
                        count: times.map_or(0, Times::count),
                        rows: of(&lately.rows, key),
                        p50_ms,
                        p95_ms,
                        p99_ms,
                    }
                }),
            }
        });
        figures.collect()
    }

    pub(super) fn cache(&self) -> Vec<TierFigures> {
        let tiers = self.all.cache.iter();
        let figures = tiers.map(|(tier, &(lookups, hits))| TierFigures {
            tier: tier.clone(),
            lookups,
            hits,
            hit_ratio: ratio(hits, lookups),
            lately: self.each(|minutes, seconds, lately| {
                let (lookups, hits) = lately.cache.get(tier).copied().unwrap_or_default();
                LookupsLately {
                    minutes,
                    seconds,
                    lookups,
                    hits,
                    hit_ratio: ratio(hits, lookups),
                }
            }),
        });
        figures.collect()
    }

    /// What `make` makes of each window, of its minutes and of the seconds it really covers.
    fn each<T>(&self, make: impl Fn(u64, f64, &Recorded) -> T) -> Vec<T> {
        let lately = self.lately.iter();
        lately
            .map(|(minutes, seconds, recorded)| make(*minutes, *seconds, recorded))
            .collect()
    }
}

impl Recorded {
    fn in_window(recent: &Recent, window: Window, now: Instant) -> Self {
        let is_error = |labels: &Labels| labels.get("status").starts_with('5');
        let answers = recent.counters(REQUESTS, window, now).into_iter();
        let mut cache = BTreeMap::<_, (u64, u64)>::new();
        for (labels, lookups) in recent.counters(CACHE_REQUESTS, window, now) {
            let tier = cache.entry(labels.get("tier").to_owned()).or_default();
            tier.0 += lookups;
            tier.1 += if labels.get("result") == "hit" {
                lookups
            } else {
                0
            };
        }
        Self {
            requests: by(recent.times(DURATION, window, now), ["method", "route"]),
            errors: sums(
                answers.filter(|(labels, _)| is_error(labels)),
                ["method", "route"],
            ),
            queries: by(
                recent.times(QUERY_DURATION, window, now),
                ["query", "node_role"],
            ),
            rows: sums(
                recent.counters(QUERY_ROWS, window, now),
                ["query", "node_role"],
            ),
            cache,
        }
    }
}

fn by(times: Vec<(Labels, Times)>, labels: [&str; 2]) -> BTreeMap<Two, Times> {
    let times = times.into_iter();
    times
        .map(|(key, times)| (two(&key, labels), times))
        .collect()
}

fn sums(counts: impl IntoIterator<Item = (Labels, u64)>, labels: [&str; 2]) -> BTreeMap<Two, u64> {
    let mut sums = BTreeMap::new();
    for (key, count) in counts {
        *sums.entry(two(&key, labels)).or_default() += count;
    }
    sums
}

fn two(key: &Labels, [first, second]: [&str; 2]) -> Two {
    (key.get(first).to_owned(), key.get(second).to_owned())
}

fn of(counts: &BTreeMap<Two, u64>, key: &Two) -> u64 {
    counts.get(key).copied().unwrap_or_default()
}

fn quantiles(times: Option<&Times>) -> [Option<f64>; 3] {
    [0.5, 0.95, 0.99].map(|quantile| times?.quantile(quantile).map(milliseconds))
}

#[expect(clippy::cast_precision_loss, reason = "look-ups are far below 2^53")]
fn ratio(hits: u64, lookups: u64) -> Option<f64> {
    (lookups > 0).then(|| hits as f64 / lookups as f64)
}
