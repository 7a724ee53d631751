//! A file that an import writes.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::error::Error;

/// Written from the beginning.
pub(super) struct OutputFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl OutputFile {
    /// Begins it, empty. Where that is the file that is read, by whatever name, it is refused: all would be lost.
    pub(super) fn create(path: &Path, source: &Path) -> Result<Self, Error> {
        let canonical = |path: &Path| fs::canonicalize(path).ok();
        let mut log = source.as_os_str().to_owned();
        log.push("-wal");
        let kept = [canonical(source), canonical(Path::new(&log))];
        if kept
            .iter()
            .any(|kept| kept.is_some() && *kept == canonical(path))
        {
            return Err(Error::WouldOverwrite(path.to_owned()));
        }
        let path = path.to_owned();
        match File::create(&path) {
            Ok(file) => Ok(Self {
                path,
                file: BufWriter::new(file),
            }),
            Err(source) => Err(Error::Write { path, source }),
        }
    }

    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Error> {
        write(&mut self.file).map_err(|source| Error::Write {
            path: self.path.clone(),
            source,
        })
    }

    /// Makes sure that all of it is on the disk.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.write(|file| {
            file.flush()?;
            match file.get_ref().sync_all() {
                // What is no file on a disk, a pipe or a terminal, has nothing to make sure of.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
                synced => synced,
            }
        })
    }
}
