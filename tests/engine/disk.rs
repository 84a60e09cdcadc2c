//! The machine that instances of a simulation run on: a disk in memory with a power switch, and a clock that stands still.

use jetfs::JetResult;
use jetfs::engine::{Instance, Parameters};
use jetfs::io::{FaultFileSystem, File, FileSystem, MemoryFileSystem, OpenMode, SettableClock};
use jetfs::store::{Database, read_database_header};
use jetfs::verify::deep;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The databases, one of them beside the logs.
pub(crate) const PATHS: [&str; 2] = ["/instance/a.edb", "/data/b.edb"];

/// What instances of a simulation are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) page_size: u32,
    pub(crate) is_circular: bool,
    /// Pages in memory.
    pub(crate) cache: usize,
}

impl Shape {
    pub(crate) fn parameters(self) -> Parameters {
        Parameters::new("/instance")
            .database_page_size(self.page_size)
            .log_file_size(64)
            .circular_log(self.is_circular)
            .background_thread(false)
            .checkpoint_depth_max(96 << 10)
            .db_extension_size(16)
            .cache_size_max(self.cache * self.page_size as usize)
    }
}

/// A machine.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) memory: MemoryFileSystem,
    pub(crate) fs: FaultFileSystem,
    clock: Arc<SettableClock>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        let memory = MemoryFileSystem::default();
        for path in PATHS {
            memory.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        }
        Self::on(memory)
    }

    pub(crate) fn on(memory: MemoryFileSystem) -> Self {
        Disk {
            fs: FaultFileSystem::new(Arc::new(memory.clone())),
            memory,
            clock: Arc::default(),
        }
    }

    /// The same disk once more.
    pub(crate) fn fork(&self) -> Self {
        Self::on(self.memory.fork())
    }

    pub(crate) fn start(&self, shape: Shape) -> JetResult<Instance> {
        self.start_with(shape.parameters())
    }

    pub(crate) fn start_with(&self, parameters: Parameters) -> JetResult<Instance> {
        Instance::init_on(
            parameters,
            Arc::new(self.fs.clone()),
            Arc::clone(&self.clock) as _,
        )
    }

    /// Whether a database is clean, and everything in it fits together.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check(&self, path: &str) -> Result<(), String> {
        let file = self.open(path).map_err(|error| format!("{path}: {error}"))?;
        let header = read_database_header(&*file).map_err(|error| format!("{path}: {error}"))?;
        if !header.state.is_clean() {
            return Err(format!("{path}: {:?}", header.state));
        }
        let database = Database::open(file, Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
        let report = deep::check(&database, deep::Limits::default(), &|| ());
        let report = report.map_err(|error| format!("{path}: {error}"))?;
        if report.damage > 0 {
            return Err(format!("{path}: {:#?}", report.findings));
        }
        Ok(())
    }

    /// Writes all files into a directory below `target/tmp`, for whoever looks for the cause. Returns where.
    pub(crate) fn save(&self, name: &str) -> PathBuf {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&to);
        for directory in ["/instance", "/data"] {
            let below = to.join(directory.trim_start_matches('/'));
            std::fs::create_dir_all(&below).unwrap();
            for entry in self.memory.list(Path::new(directory)).unwrap() {
                let bytes = self
                    .memory
                    .read_file(Path::new(directory).join(&entry.name))
                    .unwrap();
                std::fs::write(below.join(&entry.name), bytes).unwrap();
            }
        }
        to
    }

    fn open(&self, path: &str) -> std::io::Result<Arc<dyn File>> {
        self.memory.open(Path::new(path), OpenMode::ReadOnly)
    }
}
