//! Records of genuine logs, applied.

mod genuine_images;
mod genuine_logs;
