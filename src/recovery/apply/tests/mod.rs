//! Records applied: those of genuine logs, and those made here.

mod genuine_ages;
mod genuine_images;
mod genuine_logs;
mod genuine_replay;
mod genuine_twins;
mod hostile_records;
mod made_extents;
mod made_merges;
mod made_nodes;
mod made_others;
mod made_splits;
mod made_tree;
mod memory;
mod replay;
