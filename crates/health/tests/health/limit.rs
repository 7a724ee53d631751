//! The limit against simulated servers: so many cores, what comes in beyond them waits there, as in a database.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use prepnexus_health::limit::{ConcurrencyLimit, Ended, LimitConfig};
use proptest::prelude::*;

/// A server with `cores`, in front of which more always waits than may go in. Time is in microseconds.
struct Simulation {
    limit: ConcurrencyLimit,
    cores: u32,
    began: Instant,
    now: u64,
    /// When each on a core ends, when it had come in, and its kind.
    running: BinaryHeap<Reverse<(u64, u64, usize)>>,
    queue: VecDeque<(u64, usize)>,
    done: u64,
    /// For how long cores were busy, all together.
    busy: u64,
    random: fastrand::Rng,
}

const KINDS: [(&str, u64); 2] = [("short", 1_000), ("long", 20_000)];

impl Simulation {
    fn new(config: LimitConfig, cores: u32, seed: u64) -> Self {
        Self {
            limit: ConcurrencyLimit::new(config),
            cores,
            began: Instant::now(),
            now: 0,
            running: BinaryHeap::new(),
            queue: VecDeque::new(),
            done: 0,
            busy: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    fn under_way(&self) -> u32 {
        u32::try_from(self.running.len() + self.queue.len()).expect("as many as the limit")
    }

    /// Lets in what may go in, one in `one_in` of the long kind, each `slowness` times as slow as it may be.
    fn run(&mut self, time: Duration, one_in: u32, slowness: f64) {
        let end = self.now + u64::try_from(time.as_micros()).expect("minutes");
        while self.now < end {
            while self.under_way() < self.limit.get() {
                let kind = usize::from(one_in > 0 && self.random.u32(0..one_in) == 0);
                self.queue.push_back((self.now, kind));
            }
            while self.running.len() < self.cores as usize
                && let Some((came, kind)) = self.queue.pop_front()
            {
                let vary = 0.5 + self.random.f64();
                let service = (KINDS[kind].1 as f64 * vary * slowness) as u64;
                self.busy += service;
                self.running.push(Reverse((self.now + service, came, kind)));
            }
            let under_way = self.under_way();
            let Reverse((ended, came, kind)) = self.running.pop().expect("one was let in");
            self.now = ended;
            self.done += 1;
            let took = Ended::After(Duration::from_micros(ended - came));
            let now = self.began + Duration::from_micros(ended);
            self.limit.on_end(KINDS[kind].0, took, under_way, now);
        }
    }
}

const WIDE: LimitConfig = LimitConfig {
    min: 1,
    floor: 1,
    max: 1_000,
    initial: 16,
};
const SECOND: Duration = Duration::from_secs(1);

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    /// All cores busy, and not many waiting behind them.
    #[test]
    fn it_finds_how_much_keeps_a_server_busy(
        cores in 1u32..=64,
        initial in 1u32..=64,
        one_in in prop::sample::select(vec![0u32, 10, 3]),
        seed: u64,
    ) {
        let mut simulation = Simulation::new(LimitConfig { initial, ..WIDE }, cores, seed);
        simulation.run(25 * SECOND, one_in, 1.0);
        let (began, busy) = (simulation.now, simulation.busy);
        for _ in 0..10 {
            simulation.run(SECOND, one_in, 1.0);
            let limit = simulation.limit.get();
            prop_assert!(limit <= cores + cores / 2 + 10, "{limit} for {cores} cores");
        }
        let share = (simulation.busy - busy) as f64 / ((simulation.now - began) as f64 * f64::from(cores));
        prop_assert!(share > 0.9, "{cores} cores were busy {share} of the time");
    }
}

#[test]
fn a_server_that_slows_down_is_not_flooded_and_one_that_recovers_is_used_again() {
    let mut simulation = Simulation::new(WIDE, 8, 1);
    simulation.run(10 * SECOND, 0, 1.0);
    let before = simulation.limit.get();
    simulation.run(2 * SECOND, 0, 10.0);
    assert!(simulation.limit.get() <= before, "{before}");
    let done = simulation.done;
    simulation.run(2 * SECOND, 0, 1.0);
    let per_second = (simulation.done - done) / 2;
    assert!(per_second > 7_200, "{per_second} of 8,000 a second");
}

#[test]
fn what_was_not_needed_is_not_granted() {
    let (mut limit, now) = (ConcurrencyLimit::new(WIDE), Instant::now());
    for _ in 0..1_000 {
        limit.on_end("any", Ended::After(Duration::from_millis(1)), 3, now);
    }
    assert_eq!(limit.get(), WIDE.initial);
}

#[test]
fn what_is_late_halves_it_and_it_keeps_its_bounds() {
    let config = LimitConfig {
        min: 2,
        floor: 4,
        max: 18,
        initial: 16,
    };
    let (mut limit, now) = (ConcurrencyLimit::new(config), Instant::now());
    limit.on_end("any", Ended::TooLate, 16, now);
    assert_eq!(limit.get(), 8);
    for _ in 0..5 {
        limit.on_end("any", Ended::TooLate, 8, now);
    }
    assert_eq!(limit.get(), 4);
    for _ in 0..10_000 {
        limit.on_end(
            "any",
            Ended::After(Duration::from_millis(1)),
            limit.get(),
            now,
        );
    }
    assert_eq!(limit.get(), 18);
}

#[test]
fn little_is_let_in_for_a_moment_only_where_nothing_undisturbed_is_seen() {
    let (took, began) = (Ended::After(Duration::from_millis(1)), Instant::now());
    // A minute of full use, one in `one_in` of which is met by nothing.
    let narrowed = |one_in: u32| {
        let mut limit = ConcurrencyLimit::new(WIDE);
        let minute = (0..60_000u32).map(|ms| (ms, began + Duration::from_millis(u64::from(ms))));
        let moments = minute.filter(|(ms, now)| {
            let steady = limit.steady();
            let under_way = if ms % one_in == 0 {
                WIDE.min
            } else {
                limit.get()
            };
            limit.on_end("any", took, under_way, *now);
            limit.get() < steady
        });
        moments.count()
    };
    assert_eq!(narrowed(50), 32, "at the beginning, when nothing is known");
    let moments = narrowed(u32::MAX);
    assert!((100..1_000).contains(&moments), "{moments} ms of a minute");
}

#[test]
fn what_says_nothing_changes_nothing() {
    let (mut limit, now) = (ConcurrencyLimit::new(WIDE), Instant::now());
    for _ in 0..1_000 {
        limit.on_end("any", Ended::Otherwise, 16, now);
    }
    assert_eq!(limit.get(), WIDE.initial);
}

#[test]
fn bounds_that_contradict_each_other_are_put_in_order() {
    let limit = ConcurrencyLimit::new(LimitConfig {
        min: 9,
        floor: 5,
        max: 3,
        initial: 0,
    });
    assert_eq!(limit.get(), 9);
}
