//! The password, and where to look when it is refused: it can be changed while the service runs.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwapOption;

use crate::{config::ClusterConfig, secret::Secret};

/// The password that is good as far as is known, and the file it came from.
pub(crate) struct Credentials {
    password: ArcSwapOption<Secret>,
    file: Option<PathBuf>,
}

impl Credentials {
    pub(super) fn new(config: &ClusterConfig) -> Self {
        Self {
            password: ArcSwapOption::from(config.password.clone().map(Arc::new)),
            file: config.password_file.clone(),
        }
    }

    pub(super) fn password(&self) -> Option<Arc<Secret>> {
        self.password.load_full()
    }

    /// The password that the file holds now, if that is another than `refused`.
    pub(super) async fn read_again(&self, refused: Option<&Secret>) -> Option<Arc<Secret>> {
        let file = self.file.clone()?;
        let reading = tokio::task::spawn_blocking(move || Secret::read_file(&file));
        match reading.await.ok()? {
            Ok(password) if Some(&password) != refused => {
                let password = Arc::new(password);
                self.password.store(Some(Arc::clone(&password)));
                tracing::info!("the database password was changed: read its file again");
                Some(password)
            }
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "the database password was refused, and its file can't be read");
                None
            }
        }
    }
}
