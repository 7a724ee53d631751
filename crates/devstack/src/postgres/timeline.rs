//! Which timeline a node is on, read from its control file: it need not run.
//!
//! Of two nodes that both say they are primary, the one on the higher timeline is, so an answer that is too low loses what was
//! written since the promotion. The timeline of the latest checkpoint is too low at first: a promoted server accepts
//! writes before its first checkpoint on the new timeline is complete. But before that it records the new timeline as the
//! one that recovery after a crash must reach, and forgets this when the checkpoint is there: the higher of the two is
//! right at every moment (`pg_rewind` looks for it in the same way from PostgreSQL 16 on).
//!
//! History files in `pg_wal` would not do: a server that dies during its promotion may have written one, and then goes
//! on, as a primary, on its former timeline.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::postgres::PgNode;
use crate::tool;

const LIMIT: Duration = Duration::from_secs(60);

impl PgNode {
    /// The timeline that this node writes on, or has replayed to for certain.
    pub(crate) fn timeline(&self) -> Result<u32> {
        let mut command = self
            .account()
            .tool(&self.inner.shared.postgres.program("pg_controldata"));
        command.arg("--pgdata").arg(self.data_dir());
        let output = tool::run(command, "pg_controldata", "", LIMIT)?;
        higher_timeline(&output).ok_or_else(|| {
            Error::Unusable(format!(
                "{} has no readable control file",
                self.data_dir().display()
            ))
        })
    }
}

fn higher_timeline(control: &str) -> Option<u32> {
    let value = |name: &str| {
        let mut values = control.lines().filter_map(|line| line.strip_prefix(name));
        values.next()?.trim().parse::<u32>().ok()
    };
    let checkpoint = value("Latest checkpoint's TimeLineID:")?;
    // Zero where no recovery is to be finished.
    let recovery = value("Min recovery ending loc's timeline:")?;
    Some(checkpoint.max(recovery))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_timelines_of_a_control_file_count() {
        let control = |checkpoint: u32, recovery: u32| {
            format!(
                "pg_control version number:            1300\n\
                 Latest checkpoint's TimeLineID:       {checkpoint}\n\
                 Latest checkpoint's PrevTimeLineID:   1\n\
                 Minimum recovery ending location:     0/3000110\n\
                 Min recovery ending loc's timeline:   {recovery}\n"
            )
        };
        assert_eq!(higher_timeline(&control(3, 0)), Some(3), "a primary");
        assert_eq!(higher_timeline(&control(2, 3)), Some(3), "just promoted");
        assert_eq!(higher_timeline("pg_control version number: 1300"), None);
    }
}
