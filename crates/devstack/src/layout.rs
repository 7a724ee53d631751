//! Where the servers' files are.
//!
//! ```text
//! <dir>/lock            held while a stack is being started; for its whole life when it is temporary
//! <dir>/location        only when the servers' user cannot reach <dir>: the path of the root
//! <root>/pg1/           one directory per node: data/, stack.conf, node.conf, server.log
//! <root>/redis/         redis.pid, port, server.log
//! ```
//!
//! The root is `<dir>/servers`, or a directory under `/var/tmp` whose name is derived from `<dir>`.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::{During, Error, Result};

const FALLBACK: &str = "/var/tmp";

/// A stack's directory and the root of its servers.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    pub(crate) root: PathBuf,
}

impl Layout {
    /// The layout of a directory that has been used, without touching it.
    pub(crate) fn find(dir: &Path) -> Option<Self> {
        let dir = dir.canonicalize().ok()?;
        let root = match fs::read_to_string(dir.join("location")) {
            Ok(location) => PathBuf::from(location.trim_end_matches('\n')),
            Err(_) => dir.join("servers"),
        };
        root.is_dir().then_some(Self { dir, root })
    }

    /// Makes the directories, and falls back to `/var/tmp` when `account` cannot work below `dir`.
    pub(crate) fn make(dir: &Path, account: &Account) -> Result<Self> {
        fs::create_dir_all(dir).during(|| format!("make the directory {}", dir.display()))?;
        let dir = dir
            .canonicalize()
            .during(|| format!("find {}", dir.display()))?;
        if dir.to_str().is_none_or(|text| text.contains(['\n', '\0'])) {
            return Err(Error::Unusable(format!(
                "the path {} is not plain text",
                dir.display()
            )));
        }
        if let Some(found) = Self::find(&dir) {
            if account.can_use(&found.root) {
                return Ok(found);
            }
            // An empty one is given up; one with data is not to be forgotten silently.
            if !found.node_dirs().is_empty() {
                let root = found.root.display();
                return Err(Error::Unusable(format!(
                    "the servers' user cannot get at {root} any more"
                )));
            }
        }
        let near = dir.join("servers");
        make_private(&near, account)?;
        if account.can_use(&near) {
            return Ok(Self { dir, root: near });
        }
        let _ = fs::remove_dir(&near);
        let root = Path::new(FALLBACK).join(format!("prepnexus-{:016x}", hash_of(&dir)));
        make_private(&root, account)?;
        let location = dir.join("location");
        fs::write(&location, format!("{}\n", root.display()))
            .during(|| format!("write {}", location.display()))?;
        Ok(Self { dir, root })
    }

    /// The file that two starts of the same directory take turns with.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.dir.join("lock");
        let file = File::create(&path).during(|| format!("write {}", path.display()))?;
        file.lock().during(|| format!("lock {}", path.display()))?;
        Ok(file)
    }

    /// The directories of the nodes that exist, in order of their names.
    pub(crate) fn node_dirs(&self) -> Vec<PathBuf> {
        let named = (1..).map(|number| self.node_dir(number));
        named.take_while(|dir| dir.join("data").is_dir()).collect()
    }

    pub(crate) fn node_dir(&self, number: usize) -> PathBuf {
        self.root.join(format!("pg{number}"))
    }

    pub(crate) fn redis_dir(&self) -> PathBuf {
        self.root.join("redis")
    }

    /// Deletes everything.
    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Makes a directory for `account` alone, or checks that an existing one is.
pub(crate) fn make_private(dir: &Path, account: &Account) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => account.give(dir),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found =
                fs::symlink_metadata(dir).during(|| format!("look at {}", dir.display()))?;
            if found.is_dir() && found.uid() == account.uid {
                return Ok(());
            }
            Err(Error::Unusable(format!(
                "{} belongs to another user",
                dir.display()
            )))
        }
        Err(error) => Err(error).during(|| format!("make the directory {}", dir.display())),
    }
}

/// A directory for caches that `account` can work in.
pub(crate) fn cache_dir(account: &Account) -> Result<PathBuf> {
    let candidates = [
        std::env::temp_dir(),
        PathBuf::from(FALLBACK),
        PathBuf::from("/tmp"),
    ];
    let usable = candidates.into_iter().find(|dir| account.can_use(dir));
    usable.ok_or_else(|| {
        Error::Unusable("no temporary directory is open to the servers' user".to_owned())
    })
}

/// FNV-1a: the same in every process and version, which the standard hasher does not promise.
pub(crate) fn hash_of(path: &Path) -> u64 {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
