//! One module per command.

pub(crate) mod bench;
pub(crate) mod chaos;
pub(crate) mod down;
pub(crate) mod run;
pub(crate) mod seed;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod up;
