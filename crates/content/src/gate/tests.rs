//! The gate, with nothing behind it: who is let in, who waits, who is refused.

use std::{net::IpAddr, time::Duration};

use prepnexus_health::LimitConfig;
use tokio::{task::JoinHandle, time::Instant};

use super::{Client, Shed, lane::Lane, lane::Permit};

const PATIENCE: Duration = Duration::from_millis(250);
/// As many may wait as may be in, and never fewer than that.
const MOST_WAITING: usize = 8;

/// A lane whose limit is and stays `limit`.
fn lane(limit: u32) -> Lane {
    let config = LimitConfig {
        min: limit,
        floor: limit,
        max: limit,
        initial: limit,
    };
    Lane::new("test", config, MOST_WAITING)
}

fn client(number: u8) -> Client {
    Some(IpAddr::from([10, 0, 0, number]))
}

async fn enter(lane: &Lane, is_bulk: bool, client: Client) -> Result<Permit, Shed> {
    let latest = Instant::now() + PATIENCE;
    lane.enter(is_bulk, client, "any", latest.into_std()).await
}

/// Somebody who is known to wait by when this returns.
async fn waiter(lane: &Lane, is_bulk: bool, client: Client) -> JoinHandle<Result<Permit, Shed>> {
    let lane = lane.clone();
    let waiting = tokio::spawn(async move { enter(&lane, is_bulk, client).await });
    // One thread, paused time: it runs as far as it gets.
    tokio::task::yield_now().await;
    waiting
}

#[tokio::test(start_paused = true)]
async fn as_many_are_in_as_may_be_and_who_leaves_lets_the_next_one_in() {
    let lane = lane(2);
    let first = enter(&lane, false, client(1)).await.unwrap();
    let _second = enter(&lane, false, client(1)).await.unwrap();
    let third = waiter(&lane, false, client(1)).await;
    assert!(!third.is_finished());
    drop(first);
    let _third = third.await.unwrap().unwrap();
    let began = Instant::now();
    assert_eq!(
        enter(&lane, false, client(1)).await.unwrap_err(),
        Shed::Waited
    );
    assert_eq!(began.elapsed(), PATIENCE, "a moment, and no longer");
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_as_many_wait_as_may_is_refused_at_once() {
    let lane = lane(1);
    let _in = enter(&lane, false, client(1)).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..MOST_WAITING {
        waiting.push(waiter(&lane, false, client(1)).await);
    }
    let began = Instant::now();
    assert_eq!(
        enter(&lane, false, client(1)).await.unwrap_err(),
        Shed::QueueFull
    );
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(waiting.iter().all(|one| !one.is_finished()));
}

#[tokio::test(start_paused = true)]
async fn only_who_still_waits_is_counted_as_waiting() {
    let lane = lane(1);
    let _in = enter(&lane, false, client(1)).await.unwrap();
    assert_eq!(lane.waiting(), 0);
    let gives_up = waiter(&lane, false, client(1)).await;
    assert_eq!(lane.waiting(), 1);
    let goes_away = waiter(&lane, true, client(2)).await;
    assert_eq!(lane.waiting(), 2);
    goes_away.abort();
    assert!(goes_away.await.unwrap_err().is_cancelled());
    assert_eq!(lane.waiting(), 1);
    assert_eq!(gives_up.await.unwrap().unwrap_err(), Shed::Waited);
    assert_eq!(lane.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_went_away_takes_nobodys_place() {
    let lane = lane(1);
    let inside = enter(&lane, false, client(1)).await.unwrap();
    for _ in 0..MOST_WAITING {
        waiter(&lane, false, client(1)).await.abort();
        tokio::task::yield_now().await;
    }
    let next = waiter(&lane, false, client(1)).await;
    assert!(!next.is_finished(), "there is room to wait");
    drop(inside);
    drop(next.await.unwrap().unwrap());
    enter(&lane, false, client(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_greedy_client_waits_behind_itself_and_crowds_itself_out() {
    let lane = lane(1);
    let mut inside = enter(&lane, false, client(1)).await.unwrap();
    let mut greedy = Vec::new();
    for _ in 0..MOST_WAITING {
        greedy.push(waiter(&lane, false, client(1)).await);
    }
    let modest = waiter(&lane, false, client(2)).await;
    let refused = greedy.pop().unwrap().await.unwrap();
    assert_eq!(
        refused.unwrap_err(),
        Shed::FairShare,
        "the newest of the greedy one"
    );
    // One of the greedy one's may be before it, and no more.
    for _ in 0..2 {
        drop(inside);
        tokio::task::yield_now().await;
        inside = match greedy.iter().position(JoinHandle::is_finished) {
            Some(place) => greedy.remove(place).await.unwrap().unwrap(),
            None => break,
        };
    }
    assert!(modest.is_finished());
    assert_eq!(
        greedy.len(),
        MOST_WAITING - 2,
        "one was refused, one was before it"
    );
}

#[tokio::test(start_paused = true)]
async fn what_costs_much_may_use_half_and_waits_behind_the_rest() {
    let lane = lane(4);
    let _bulk = [
        enter(&lane, true, client(1)).await.unwrap(),
        enter(&lane, true, client(2)).await.unwrap(),
    ];
    let bulk = waiter(&lane, true, client(3)).await;
    assert!(!bulk.is_finished());
    let read = enter(&lane, false, client(4)).await.unwrap();
    let _read = enter(&lane, false, client(4)).await.unwrap();
    let next_read = waiter(&lane, false, client(4)).await;
    drop(read);
    let _next = next_read.await.unwrap().unwrap();
    assert!(!bulk.is_finished());
}

#[tokio::test]
async fn nobody_is_forgotten_however_many_come_and_go() {
    let lane = lane(3);
    let visitors: Vec<_> = (0..400u32)
        .map(|number| {
            let lane = lane.clone();
            tokio::spawn(async move {
                let from = client(u8::try_from(number % 5).unwrap());
                let visit = enter(&lane, number % 3 == 0, from);
                let impatient = Duration::from_micros(u64::from(number % 7) * 100);
                if number % 2 == 0 {
                    let _visited = tokio::time::timeout(impatient, visit).await;
                } else if let Ok(_permit) = visit.await {
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for visitor in visitors {
        visitor.await.unwrap();
    }
    let all = [(); 3].map(|()| enter(&lane, false, client(1)));
    for permit in futures_util::future::join_all(all).await {
        std::mem::forget(permit.unwrap());
    }
    let text = format!("{lane:?}");
    assert!(text.contains("under_way: 3, waiting: 0"), "{text}");
}
