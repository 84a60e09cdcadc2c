//! Files at rest: genuine sets, and sets made here.

mod genuine;

use super::{AtRestPaths, Inventory};
use crate::error::JetResult;
use crate::io::RealFileSystem;
use std::path::{Path, PathBuf};

/// The folder of genuine files; `None`, after saying so, where it is absent.
fn samples() -> Option<PathBuf> {
    let named = std::env::var_os("JETFS_SAMPLES").map(PathBuf::from);
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples");
    let folder = named.unwrap_or_else(default);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no genuine files at {}", folder.display());
    None
}

fn take(sources: &[&Path]) -> JetResult<Inventory> {
    let sources = sources.iter().map(|path| path.to_path_buf()).collect();
    Inventory::take(
        &RealFileSystem,
        &AtRestPaths {
            sources,
            ..AtRestPaths::default()
        },
    )
}
