//! A replica that came back: its share of the reads rises over seconds rather than at once, because its
//! caches are cold and its connections are yet to be made.

use std::time::Duration;

use super::super::common::{SECOND_US, go_on};
use crate::{
    error::Error,
    history::{History, Kind},
    measure::Measure,
    rig::Rig,
};

/// How long it takes to its full share.
const RAMP_S: u64 = 10;

/// Measures a replica that has come back just now, while the other has been there all the time.
pub(super) async fn measure(rig: &Rig, node: usize) -> Result<Vec<Measure>, Error> {
    let since = rig.recorder().now();
    go_on(Duration::from_secs(RAMP_S + 2)).await;
    let shares = rig
        .recorder()
        .look(|history| shares(history, rig, node, since));
    let (first, last) = (shares.first(), shares.last());
    let shown: Vec<String> = shares.iter().map(|share| format!("{share:.0}")).collect();
    let shown = format!("% of both replicas' reads by second: {}", shown.join(" "));
    let or_none = |share: Option<&f64>| share.copied().unwrap_or(f64::NAN);
    Ok(vec![
        Measure::at_most("back: share of the first second", "%", or_none(first), 30.0),
        Measure::at_least("back: share after ten seconds", "%", or_none(last), 35.0).beside(shown),
    ])
}

/// By second, the replica's part of all reads of any freshness that replicas served, in percent.
fn shares(history: &History, rig: &Rig, node: usize, since: u64) -> Vec<f64> {
    let port = rig.port(node);
    let seconds = 0..=RAMP_S + 1;
    let share = |second| {
        let from = since + second * SECOND_US;
        let reads = history.ops.iter().filter(|op| {
            op.kind == Kind::ReadAny
                && op.by_replica == Some(true)
                && (from..from + SECOND_US).contains(&op.invoked_us)
        });
        let (mut own, mut all) = (0_u32, 0_u32);
        for op in reads {
            all += 1;
            own += u32::from(op.port == Some(port));
        }
        f64::from(own) / f64::from(all) * 100.0
    };
    seconds.map(share).collect()
}
