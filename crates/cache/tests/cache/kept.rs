//! What is kept, and when it is served: one promise a test.

use std::time::{Duration, Instant};

use prepnexus_cache::{CacheConfig, Encoding, Entry, Failure, Fill, Source, Verdict};

use crate::{
    origin::{Fault, Origin, answer, cache, fresh, get, text},
    support::until,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_readers_of_one_cold_key_cost_one_load() {
    let (cache, source) = (cache(CacheConfig::default()), Origin::closed());
    let readers: Vec<_> = (0..1_000)
        .map(|_| {
            let (cache, source) = (cache.clone(), source.clone());
            tokio::spawn(async move { get(&cache, &source, Verdict::Fresh).await })
        })
        .collect();
    source.wait_for_loads(1).await;
    source.gate.add_permits(1_000);
    for reader in readers {
        assert_eq!(reader.await.unwrap().0, "1");
    }
    assert_eq!(source.loads(), 1);
    assert_eq!(
        get(&cache, &source, Verdict::Fresh).await,
        ("1".into(), Source::Memory)
    );
}

#[tokio::test]
async fn a_load_goes_on_when_who_began_it_goes_away() {
    let (cache, source) = (cache(CacheConfig::default()), Origin::closed());
    let begun = source.clone();
    let load = || begun.load();
    let reading = cache.get("k", fresh, load);
    tokio::select! {
        served = reading => panic!("{served:?}"),
        () = source.wait_for_loads(1) => {}
    }
    source.gate.add_permits(1);
    assert_eq!(get(&cache, &source, Verdict::Fresh).await.0, "1");
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn what_is_outdated_is_loaded_again_and_what_nobody_can_prove_too() {
    let (cache, source) = (cache(CacheConfig::default()), Origin::open());
    assert_eq!(
        get(&cache, &source, Verdict::Fresh).await,
        ("1".into(), Source::Load)
    );
    for (verdict, expected) in [
        (Verdict::Outdated, "2"),
        (Verdict::Unproven, "3"),
        (Verdict::Behind, "4"),
    ] {
        assert_eq!(
            get(&cache, &source, verdict).await,
            (expected.into(), Source::Load)
        );
    }
    assert_eq!(
        get(&cache, &source, Verdict::Fresh).await,
        ("4".into(), Source::Memory)
    );
}

/// The load had begun when the change was made: its answer may lack it.
#[tokio::test]
async fn who_asks_after_a_change_is_not_given_the_answer_of_a_load_from_before() {
    let (cache, source) = (cache(CacheConfig::default()), Origin::closed());
    let early = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { get(&cache, &source, Verdict::Fresh).await }
    });
    source.wait_for_loads(1).await;
    let outdated = |entry: &Entry| match entry.body(Encoding::Identity) {
        Some(body) if body == "1" => Verdict::Outdated,
        _ => Verdict::Fresh,
    };
    let late = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { cache.get("k", outdated, || source.load()).await.unwrap() }
    });
    // It waits for the first one to end, and then loads itself.
    tokio::task::yield_now().await;
    source.gate.add_permits(2);
    assert_eq!(early.await.unwrap().0, "1");
    assert_eq!(text(&late.await.unwrap()), "2");
}

#[tokio::test]
async fn when_nothing_can_be_loaded_what_is_kept_is_served_and_marked() {
    let cache = cache(CacheConfig::default());
    get(&cache, &Origin::open(), Verdict::Fresh).await;
    for verdict in [Verdict::Outdated, Verdict::Unproven, Verdict::Behind] {
        let away = || async { Err(Fault::Away) };
        let served = cache.get("k", move |_| verdict, away).await.unwrap();
        assert_eq!(
            (text(&served).as_str(), served.source),
            ("1", Source::Stale)
        );
        // An error that is the answer is not hidden by an old one.
        let wrong = || async { Err(Fault::Wrong) };
        let failure = cache.get("k", move |_| verdict, wrong).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Load(fault) if **fault == Fault::Wrong),
            "{failure}"
        );
    }
    let away = || async { Err(Fault::Away) };
    assert!(cache.get("other", fresh, away).await.is_err());
}

#[tokio::test]
async fn past_its_time_nothing_is_served_however_fresh_it_seems() {
    let cache = cache(CacheConfig::default());
    let short = || async {
        Ok(Fill {
            keep_for: Duration::from_millis(20),
            ..answer("short")
        })
    };
    let served = cache.get("k", fresh, short).await.unwrap();
    let is_over = async || Ok(served.entry.left(Instant::now()).is_zero());
    until("its end", is_over).await.unwrap();
    let away = || async { Err(Fault::Away) };
    assert!(cache.get("k", fresh, away).await.is_err());
}

#[tokio::test]
async fn a_load_that_hangs_is_not_waited_for_where_there_is_a_copy() {
    let config = CacheConfig {
        patience: Duration::from_millis(50),
        ..CacheConfig::default()
    };
    let (cache, source) = (cache(config), Origin::with_permits(1));
    get(&cache, &source, Verdict::Fresh).await;
    assert_eq!(
        get(&cache, &source, Verdict::Outdated).await,
        ("1".into(), Source::Stale)
    );
    // It was begun, and ends some time.
    source.gate.add_permits(1);
    cache.close().await;
    assert_eq!(
        get(&cache, &source, Verdict::Fresh).await,
        ("2".into(), Source::Memory)
    );
}

#[tokio::test]
async fn what_has_aged_is_served_while_one_load_renews_it() {
    let (cache, source) = (cache(CacheConfig::default()), Origin::closed());
    let aged = || async {
        Ok(Fill {
            fresh_for: Duration::ZERO,
            ..answer("aged")
        })
    };
    cache.get("k", fresh, aged).await.unwrap();
    for _ in 0..10 {
        assert_eq!(
            get(&cache, &source, Verdict::Fresh).await,
            ("aged".into(), Source::Memory)
        );
    }
    source.wait_for_loads(1).await;
    source.gate.add_permits(1);
    cache.close().await;
    assert_eq!(
        get(&cache, &source, Verdict::Fresh).await,
        ("1".into(), Source::Memory)
    );
    assert_eq!(source.loads(), 1);
}

#[tokio::test]
async fn who_may_be_behind_loads_for_himself() {
    let (cache, source) = (cache(CacheConfig::default()), Origin::closed());
    let early = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { get(&cache, &source, Verdict::Fresh).await }
    });
    source.wait_for_loads(1).await;
    source.gate.add_permits(2);
    // The other's load is the first; his own is the second.
    assert_eq!(
        get(&cache, &source, Verdict::Behind).await,
        ("2".into(), Source::Load)
    );
    assert_eq!(early.await.unwrap().0, "1");
}

#[tokio::test]
async fn a_load_that_panics_fails_its_reader_and_no_other() {
    let cache = cache(CacheConfig::default());
    let panics = || async { panic!("on purpose") };
    let failure = cache.get("k", fresh, panics).await.unwrap_err();
    assert!(matches!(failure, Failure::Abandoned), "{failure}");
    assert_eq!(get(&cache, &Origin::open(), Verdict::Fresh).await.0, "1");
}
