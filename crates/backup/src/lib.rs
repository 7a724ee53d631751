//! Drives the backup engine and rehearses restores.
