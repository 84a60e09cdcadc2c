//! `jetfs info`: what a file says about itself, what is in a database, what belongs together in a directory.

mod directory;
mod facts;
mod headers;
mod rows;
mod tables;

use crate::exit::{Exit, Failure};
use crate::output::{Output, is_closed_pipe};
use anyhow::{Context, Result};
use facts::Facts;
use jetfs::JetErr;
use jetfs::format::FileType;
use jetfs::io::{File, FileKind, FileSystem, OpenMode, RealFileSystem};
use jetfs::store::{Database, Schema};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes at a file's start that hold every header: two copies of the largest page, or a checkpoint.
const START_LEN: usize = 64 << 10;

/// Show the header of an ESE file, the tables of a database, or what belongs together in a directory
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Show the header of an ESE file, the tables of a database, or what belongs together in a directory.

A database, a log, a checkpoint or a flush map shows its header (as `esentutl /mh`, `/ml`, `/mk` do), a backup copy of \
a database also its trailer page. A directory shows its inventory: databases, log generations, and what is missing, \
foreign or damaged. A database that was not shut down cleanly is shown as it is, with a warning. Nothing is written.",
    after_help = "\
Examples:
  jetfs info SRUDB.dat
  jetfs info ntds.dit --tables
  jetfs info SRUDB.dat --rows SruDbIdMapTable --limit 20
  jetfs --json info SRUDB.dat --rows SruDbIdMapTable | jq -r .IdIndex
  jetfs info /srv/ad/ntds

Exit codes: 0 shown; 3 not an ESE file; 6 something is damaged."
)]
pub(crate) struct Args {
    /// An ESE file, or a directory
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// List tables with their columns, indexes and long values
    #[arg(long, conflicts_with = "rows")]
    tables: bool,

    /// Print the rows of a table; with --json one object a line
    #[arg(long, value_name = "TABLE")]
    rows: Option<String>,

    /// Stop after so many rows
    #[arg(long, value_name = "N", requires = "rows")]
    limit: Option<u64>,
}

impl Args {
    /// Shows it.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        match self.show(output) {
            // Whoever reads the other end of a pipe may stop when he has seen enough.
            Err(error) if is_closed_pipe(&error) => Ok(Exit::Done),
            result => result,
        }
    }

    fn show(&self, output: &Output) -> Result<Exit> {
        let kind = RealFileSystem
            .stat(&self.path)
            .map_err(|error| jetfs::JetError::io("open", error).in_file(&self.path))?
            .kind;
        match kind {
            FileKind::Directory if self.tables || self.rows.is_some() => Err(Failure::new(
                Exit::Usage,
                "--tables and --rows want a database, not a directory",
            )
            .into()),
            FileKind::Directory => directory::show(&self.path, output),
            FileKind::Other => Err(self.refuse("is neither a file nor a directory")),
            FileKind::Regular => self.show_file(output),
        }
    }

    fn show_file(&self, output: &Output) -> Result<Exit> {
        let file = RealFileSystem
            .open(&self.path, OpenMode::ReadOnly)
            .map_err(|error| jetfs::JetError::io("open", error).in_file(&self.path))?;
        if self.tables || self.rows.is_some() {
            return self.show_contents(file, output);
        }
        let mut start = vec![0; START_LEN];
        let len = file
            .read_full_at(&mut start, 0)
            .map_err(|error| jetfs::JetError::io("read", error).in_file(&self.path))?;
        start.truncate(len);
        let facts = self.facts(file.as_ref(), &start)?;
        facts.print(output)?;
        for warning in &facts.warnings {
            output.warning(warning);
        }
        Ok(if facts.is_damaged {
            Exit::Damaged
        } else {
            Exit::Done
        })
    }

    /// What the header says, by the kind of file.
    fn facts(&self, file: &dyn File, start: &[u8]) -> Result<Facts> {
        let in_file = |error| jetfs::JetError::format(error).in_file(&self.path);
        if jetfs::format::has_database_magic(start) {
            return Ok(headers::database(file, start).map_err(|error| error.in_file(&self.path))?);
        }
        let fields = jetfs::format::bytes::Fields::new(jetfs::format::Structure::LogHeader, start);
        match FileType::read(&fields) {
            Ok(FileType::Log) => headers::log(start).map_err(|error| in_file(error).into()),
            Ok(FileType::Checkpoint) => headers::checkpoint(start).map_err(|error| in_file(error).into()),
            Ok(FileType::FlushMap) => headers::flush_map(start).map_err(|error| in_file(error).into()),
            // Logs and checkpoints older than the file type.
            _ => headers::log(start)
                .or_else(|_| headers::checkpoint(start))
                .map_err(|_| self.refuse("is not an ESE file, or its header is damaged beyond recognition")),
        }
    }

    fn show_contents(&self, file: Arc<dyn File>, output: &Output) -> Result<Exit> {
        let database = Database::open(file, &self.path)?;
        if !database.header().state.is_clean() {
            let code = JetErr::DatabaseDirtyShutdown;
            output.warning(format_args!(
                "{}: not shut down cleanly ({}): shown as it is, without the work in its logs ({}, {})",
                self.path.display(),
                database.header().state,
                code.name(),
                code.number()
            ));
        }
        let schema = Schema::load(&database)?;
        if let Some(damage) = &schema.damage {
            output.warning(format_args!(
                "the catalog's shadow is shown, because the catalog is damaged: {damage}"
            ));
        }
        let exit = match &self.rows {
            Some(table) => rows::show(&database, &schema, table, self.limit, output)?,
            None => tables::show(&schema, output).map(|()| Exit::Done)?,
        };
        for pgno in database.repaired_pages() {
            output.warning(format_args!(
                "page {pgno}: one flipped bit was repaired in what was read"
            ));
        }
        Ok(if schema.damage.is_some() {
            Exit::Damaged
        } else {
            exit
        })
    }

    fn refuse(&self, what: &str) -> anyhow::Error {
        jetfs::JetError::rule(JetErr::FileInvalidType, what.to_owned())
            .in_file(&self.path)
            .into()
    }
}

/// A path as text for JSON.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The length of a file.
fn len_of(file: &dyn File) -> Result<u64, jetfs::JetError> {
    file.stat()
        .map(|stat| stat.len)
        .map_err(|error| jetfs::JetError::io("stat", error))
}

/// Serialises a value for one line.
fn json_line(value: &serde_json::Value) -> Result<String> {
    serde_json::to_string(value).context("cannot write JSON")
}
