//! A replica becomes the primary: how long until a write succeeds there? Counted from the moment at
//! which the server itself says that it is the primary, seen by a session of its own.

use super::{
    Setting,
    common::{Traffic, WRITES, go_on, never},
};
use crate::{
    checker,
    error::Error,
    eye::Eye,
    history::{History, Kind},
    measure::{Measure, ms_between},
    rig::{Rig, SOON, Shape, on_rig},
};

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    on_rig(&setting, "promotion", Shape::default(), async |rig| {
        promote(rig, &setting).await
    })
    .await
}

async fn promote(rig: &Rig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let traffic = Traffic::start(rig, 50, 150, WRITES);
    go_on(setting.seconds(2.0, 1.0)).await;
    let killed = rig.kill(0).await?;
    rig.until_primary(None).await?;
    let new = rig.most_advanced(0).await?;
    let eye = Eye::on(rig, new).await?;
    let (seen, promoted) = tokio::join!(eye.when_primary(SOON), rig.promote(new, 0));
    promoted?;
    let role_change = rig.recorder().at(seen?.into_std());
    eye.close().await;
    rig.until_primary(Some(new)).await?;
    go_on(setting.seconds(2.0, 1.0)).await;
    traffic.stop().await?;

    let history = rig.history();
    let verdict = checker::check(&history, &rig.rows(new).await?, None);
    let first = first_write(&history, rig.port(new));
    let outage = ms_between(killed, Some(role_change));
    let mut measures = vec![
        Measure::ms(
            "first write after the role change",
            ms_between(role_change, first),
            setting.ms(500.0),
        )
        .beside(format!("role changed {outage:.0} ms after the kill")),
    ];
    measures.extend(never(&verdict));
    Ok(measures)
}

/// When the first write was acknowledged that the server of that port took.
fn first_write(history: &History, port: u16) -> Option<u64> {
    let taken = history
        .ops
        .iter()
        .filter(|op| op.kind == Kind::Write && op.is_done() && op.port == Some(port));
    taken.map(|op| op.completed_us).min()
}
