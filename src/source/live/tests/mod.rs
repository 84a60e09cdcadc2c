//! Backups of an instance that is written to meanwhile, and what restoring them gives.

mod codes;
mod damage;
mod frozen;
mod protocol;
mod rig;
