//! The program, on real servers with the real engine.

#[path = "backup/damage.rs"]
mod damage;
#[path = "backup/drill.rs"]
mod drill;
#[path = "backup/rig.rs"]
mod rig;
