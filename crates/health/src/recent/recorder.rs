//! A recorder that stands in front of another one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use super::{Recent, histogram::Cells};

/// Hands everything on to a recorder, and what is to be kept to a [`Recent`] as well.
#[derive(Debug)]
pub struct Beside<R> {
    recent: Recent,
    recorder: R,
}

impl<R> Beside<R> {
    pub(super) fn new(recent: Recent, recorder: R) -> Self {
        Self { recent, recorder }
    }
}

impl<R: Recorder> Recorder for Beside<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.recorder.describe_counter(key, unit, text);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.recorder.describe_gauge(key, unit, text);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, text: SharedString) {
        self.recorder.describe_histogram(key, unit, text);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let exported = self.recorder.register_counter(key, metadata);
        if !self.recent.keeps(key) {
            return exported;
        }
        let kept = self.recent.counter(key);
        Counter::from_arc(Arc::new(BothCounters { exported, kept }))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.recorder.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let exported = self.recorder.register_histogram(key, metadata);
        if !self.recent.keeps(key) {
            return exported;
        }
        let kept = self.recent.histogram(key);
        Histogram::from_arc(Arc::new(BothHistograms { exported, kept }))
    }
}

struct BothCounters {
    exported: Counter,
    kept: Arc<AtomicU64>,
}

impl CounterFn for BothCounters {
    fn increment(&self, value: u64) {
        self.exported.increment(value);
        self.kept.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.exported.absolute(value);
        self.kept.fetch_max(value, Ordering::Relaxed);
    }
}

struct BothHistograms {
    exported: Histogram,
    kept: Arc<Cells>,
}

impl HistogramFn for BothHistograms {
    fn record(&self, seconds: f64) {
        self.exported.record(seconds);
        self.kept.add(seconds, 1);
    }

    fn record_many(&self, seconds: f64, count: usize) {
        self.exported.record_many(seconds, count);
        self.kept.add(seconds, count as u64);
    }
}
