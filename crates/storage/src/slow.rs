//! The statements that took long, by name: few, so that a lock for each is no matter.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::topology::Role;

/// A statement that took long.
#[derive(Debug, Clone)]
pub struct SlowQuery {
    /// Its name.
    pub name: &'static str,
    /// What the nodes were that were slow with it.
    pub role: Role,
    /// How often it took long.
    pub count: u64,
    /// The longest it took.
    pub longest: Duration,
    /// When it did last.
    pub last_seen: Instant,
    /// How a node would run it, if that was asked.
    pub plan: Option<QueryPlan>,
}

/// How a node would run a statement, whatever its parameters.
#[derive(Debug, Clone)]
pub struct QueryPlan {
    /// As EXPLAIN puts it; nothing was run.
    pub text: String,
    /// The node that was asked.
    pub node: String,
    /// When.
    pub at: Instant,
}

/// All that took long since the process began.
pub(crate) struct SlowQueries {
    /// What takes this long took long.
    pub(crate) threshold: Duration,
    seen: Mutex<BTreeMap<Key, (&'static str, SlowQuery)>>,
}

type Key = (&'static str, &'static str);

impl SlowQueries {
    pub(crate) fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            seen: Mutex::default(),
        }
    }

    /// The statement `sql` of that name took so long on a node in that role.
    pub(crate) fn note(
        &self,
        name: &'static str,
        sql: &'static str,
        role: Role,
        time: Duration,
        now: Instant,
    ) {
        let mut seen = self.lock();
        let (_, slow) = seen.entry((name, role.as_str())).or_insert_with(|| {
            let slow = SlowQuery {
                name,
                role,
                count: 0,
                longest: Duration::ZERO,
                last_seen: now,
                plan: None,
            };
            (sql, slow)
        });
        slow.count += 1;
        slow.longest = slow.longest.max(time);
        slow.last_seen = now;
    }

    /// All of them.
    pub(crate) fn list(&self) -> Vec<SlowQuery> {
        self.lock().values().map(|(_, slow)| slow.clone()).collect()
    }

    /// The slowest, at most `count`, of which there is no plan that is younger than `age`; with their texts.
    pub(crate) fn unexplained(
        &self,
        count: usize,
        age: Duration,
        now: Instant,
    ) -> Vec<(&'static str, SlowQuery)> {
        let is_old = |plan: &QueryPlan| now.saturating_duration_since(plan.at) >= age;
        let seen = self.lock();
        let mut wanted: Vec<_> = seen
            .values()
            .filter(|(_, slow)| slow.plan.as_ref().is_none_or(is_old))
            .cloned()
            .collect();
        wanted.sort_by_key(|(_, slow)| std::cmp::Reverse(slow.longest));
        wanted.truncate(count);
        wanted
    }

    pub(crate) fn explain(&self, of: &SlowQuery, plan: QueryPlan) {
        if let Some((_, slow)) = self.lock().get_mut(&(of.name, of.role.as_str())) {
            slow.plan = Some(plan);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, (&'static str, SlowQuery)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
