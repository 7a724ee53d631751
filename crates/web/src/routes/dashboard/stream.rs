//! The page's server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): one document, again and again.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Bytes},
};
use futures_util::stream::unfold;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Interval, MissedTickBehavior, interval},
};

use super::picture::Picture;
use crate::{
    problem::{Code, Problem},
    state::AppState,
};

/// How often a page is told.
const INTERVAL: Duration = Duration::from_millis(500);
/// Pages that are told at the same time, at most.
const MOST: usize = 64;
/// After that a page asks again, by itself, so that it is seen whether its pass is still good.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// The pages that are open, and what they were told last: it is made once for all of them. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Watchers(Arc<Inner>);

struct Inner {
    room: Arc<Semaphore>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Inner {
            room: Arc::new(Semaphore::new(MOST)),
            last: Mutex::default(),
        }))
    }
}

impl Watchers {
    /// What there is to tell now.
    fn event(&self, state: &AppState) -> Bytes {
        let now = Instant::now();
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, event)) = &*last
            && now.saturating_duration_since(*made) < INTERVAL / 2
        {
            return event.clone();
        }
        let picture = serde_json::to_string(&Picture::now(state, now));
        let picture = picture.expect("a document of texts and numbers is JSON");
        let event = Bytes::from(format!("data: {picture}\n\n"));
        *last = Some((now, event.clone()));
        event
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = MOST - self.0.room.available_permits();
        f.debug_struct("Watchers").field("open", &open).finish()
    }
}

/// One page that is told.
struct Watching {
    state: web::Data<AppState>,
    ticks: Interval,
    until: Instant,
    _room: OwnedSemaphorePermit,
}

pub(super) fn events(state: &web::Data<AppState>) -> Result<HttpResponse, Problem> {
    let room = Arc::clone(&state.watchers.0.room).try_acquire_owned();
    let room = room.map_err(|_| {
        let detail = "Too many of these pages are open.";
        Problem::new(Code::Overloaded, detail)
    })?;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watching = Watching {
        state: state.clone(),
        ticks,
        until: Instant::now() + LONGEST,
        _room: room,
    };
    let events = unfold(watching, |mut watching| async {
        watching.ticks.tick().await;
        // A stop waits for what is under way: this would be without end.
        if watching.state.is_draining() || Instant::now() > watching.until {
            return None;
        }
        let event = watching.state.watchers.event(&watching.state);
        Some((Ok::<_, actix_web::Error>(event), watching))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // nginx keeps what it can until it has a buffer full.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}
