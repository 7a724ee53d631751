//! What every command has: the project's directory, and word of the user's wish to stop.

use anyhow::Result;

use crate::project::Project;
use crate::signals::Interrupts;

/// One run of this program.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) project: Project,
    pub(crate) interrupts: Interrupts,
}

impl Session {
    pub(crate) fn begin() -> Result<Self> {
        let project = Project::here()?;
        let interrupts = Interrupts::watch()?;
        Ok(Self {
            project,
            interrupts,
        })
    }
}
