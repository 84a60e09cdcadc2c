//! From a request to a source, and what is known about it as a whole.

use crate::exit::{Exit, Failure};
use crate::request::MountRequest;
use crate::tree::Text;
use anyhow::Result;
use jetfs::backup::Source;
use std::path::PathBuf;
use std::sync::Arc;

/// A source that can be mounted.
#[derive(Debug)]
pub(crate) struct OpenedSource {
    /// What is backed up.
    pub(crate) source: Arc<dyn Source>,
    /// Its canonical path: the backup's identity.
    pub(crate) identity: PathBuf,
    /// What is wrong with it as a whole, one line each.
    pub(crate) warnings: Vec<String>,
    /// Files that do not belong to it.
    pub(crate) ignored: Vec<PathBuf>,
    /// The manifest, unless the source has its own.
    pub(crate) manifest: Option<Text>,
}

mod interim {
    //! Stands in until sources at rest are there: shows files unverified.
    #![allow(missing_docs, reason = "goes away")]
    use jetfs::backup::*;
    use jetfs::format::PageSize;
    use jetfs::{JetError, JetResult};
    use std::fs::File;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::fs::FileExt;
    use std::path::Path;
    use std::sync::Arc;

    #[derive(Debug, Default)]
    pub(super) struct Directory {
        files: Vec<SourceFile>,
        findings: Findings,
    }
    #[derive(Debug)]
    struct Plain(File, u64);

    impl Directory {
        pub(super) fn new(path: &Path) -> JetResult<Self> {
            let io = |e| JetError::io("open", e).in_file(path);
            let paths = match path.is_dir() {
                true => std::fs::read_dir(path)
                    .map_err(io)?
                    .flatten()
                    .map(|e| e.path())
                    .collect(),
                false => vec![path.to_path_buf()],
            };
            let mut files = Vec::new();
            for path in paths {
                let name = path.file_name().unwrap_or_default().to_owned();
                let text = name.to_string_lossy().to_lowercase();
                let role = match Path::new(&text).extension().and_then(|e| e.to_str()) {
                    Some("edb" | "dit" | "dat" | "db" | "sdb") => FileRole::Database,
                    Some("log") => FileRole::ArchivedLog { generation: 1 },
                    Some("chk") => FileRole::Checkpoint,
                    Some("jfm") => FileRole::FlushMap,
                    _ => continue,
                };
                let metadata = std::fs::metadata(&path).map_err(io)?;
                let modified = metadata.modified().map_err(io)?;
                files.push(SourceFile {
                    name,
                    path,
                    role,
                    len: metadata.len(),
                    modified,
                });
            }
            Ok(Self {
                files,
                findings: Findings::default(),
            })
        }
        pub(super) fn is_empty(&self) -> bool {
            self.files.is_empty()
        }
        fn list(&self, databases: bool) -> Vec<SourceFile> {
            let files = self
                .files
                .iter()
                .filter(|f| (f.role == FileRole::Database) == databases);
            files.cloned().collect()
        }
    }
    impl Source for Directory {
        fn begin(&self, _grbit: BeginGrbit) -> JetResult<()> {
            Ok(())
        }
        fn databases(&self) -> JetResult<Vec<SourceFile>> {
            Ok(self.list(true))
        }
        fn prepare_logs(&self) -> JetResult<LogSet> {
            Ok(LogSet {
                base: String::new(),
                range: None,
                files: self.list(false),
            })
        }
        fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
            let opened = File::open(&file.path).map_err(|e| JetError::io("open", e).in_file(&file.path))?;
            Ok(Arc::new(Plain(opened, file.len)))
        }
        fn truncatable(&self, _copied: &[std::ffi::OsString]) -> JetResult<Option<LogRange>> {
            Ok(None)
        }
        fn truncate(&self, _range: LogRange) -> JetResult<()> {
            Ok(())
        }
        fn end(&self, _ending: &Ending) -> JetResult<()> {
            Ok(())
        }
        fn findings(&self) -> &Findings {
            &self.findings
        }
    }
    impl BackupFile for Plain {
        fn len(&self) -> u64 {
            self.1
        }
        fn page_size(&self) -> PageSize {
            PageSize::Kib4
        }
        fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
            let mut done = 0;
            while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
                match self
                    .0
                    .read_at(rest, offset + done as u64)
                    .map_err(|e| JetError::io("read", e))?
                {
                    0 => break,
                    n => done += n,
                }
            }
            Ok(done)
        }
        fn verify(&self) -> JetResult<()> {
            Ok(())
        }
        fn passthrough(&self) -> Option<BorrowedFd<'_>> {
            Some(self.0.as_fd())
        }
    }
}

/// Opens what is to be mounted.
///
/// # Errors
/// There are no ESE files, or a database's header is damaged in both copies.
pub(crate) fn open_source(request: &MountRequest) -> Result<OpenedSource> {
    let path = request.inputs().next().unwrap_or_default();
    let source = interim::Directory::new(&path)?;
    if source.is_empty() {
        return Err(Failure::new(Exit::Failed, format!("{}: no ESE files", path.display())).into());
    }
    Ok(OpenedSource {
        source: Arc::new(source),
        identity: path,
        warnings: Vec::new(),
        ignored: Vec::new(),
        manifest: None,
    })
}
