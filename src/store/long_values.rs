//! Reading separated long values from a table's long value tree (database-file.md section 8).

use super::database::Database;
use super::schema::TableSchema;
use super::tree::{Entry, Scan, Tree};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{FormatError, Lid, LongValueRoot, Structure, decompress, default_chunk_size};

/// The long values of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongValues<'d> {
    tree: Tree<'d>,
    chunk_size: u32,
}

impl<'d> LongValues<'d> {
    /// The long values of `table`; `None` if it has no tree for them.
    pub(crate) fn of(database: &'d Database, table: &TableSchema) -> Option<Self> {
        let entry = table.long_value?;
        let default = default_chunk_size(database.page_size());
        Some(LongValues {
            tree: Tree::new(database, entry.pgno_fdp, entry.objid),
            chunk_size: table
                .table
                .long_value_chunk
                .filter(|&size| size > 0)
                .unwrap_or(default),
        })
    }

    /// Bytes of a full chunk.
    pub(crate) fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// The plain bytes of the value `lid`.
    ///
    /// # Errors
    /// There is none, chunks are missing or do not fit (`JET_errLVCorrupted`), or pages are damaged.
    pub(crate) fn read(&self, lid: Lid) -> JetResult<Vec<u8>> {
        self.read_start(lid, usize::MAX)
    }

    /// The first plain bytes of the value `lid`, whole chunks: at least `most` where it has so many.
    ///
    /// # Errors
    /// As those of [`read`](Self::read), but for chunks that are not needed.
    pub(crate) fn read_start(&self, lid: Lid, most: usize) -> JetResult<Vec<u8>> {
        let mut nodes = self.tree.seek(&lid.root_key())?;
        let root = self.next_with_key(&mut nodes, lid, &lid.root_key())?;
        let header = LongValueRoot::read(root.data()).map_err(|error| self.on_page(&root, error))?;
        if header.encrypted {
            return Err(JetError::rule(JetErr::LVCorrupted, "the value is encrypted")
                .in_file(self.tree.database().path()));
        }
        // Grows with the chunks that are there: the announced size is not trusted.
        let mut value = Vec::new();
        let mut offset = 0;
        while offset < header.size && value.len() < most {
            let chunk = self.next_with_key(&mut nodes, lid, &lid.chunk_key(offset))?;
            let expected = self.chunk_size.min(header.size - offset);
            let plain = plain_chunk(chunk.data(), expected).map_err(|error| self.on_page(&chunk, error))?;
            value.extend(plain);
            offset += expected;
        }
        Ok(value)
    }

    fn next_with_key(&self, nodes: &mut Scan<'d>, lid: Lid, key: &[u8]) -> JetResult<Entry> {
        match nodes.next().transpose()? {
            Some(entry) if entry.key() == key => Ok(entry),
            _ => {
                let what = format!("{lid:?} has no node with key {key:02x?}");
                Err(self
                    .tree
                    .database()
                    .explain(JetError::rule(JetErr::LVCorrupted, what)))
            }
        }
    }

    fn on_page(&self, entry: &Entry, error: FormatError) -> JetError {
        self.tree.database().on_page(entry.pgno(), error)
    }
}

/// A chunk that is shorter than it should be is compressed: there is no flag.
pub(crate) fn plain_chunk(stored: &[u8], expected: u32) -> Result<Vec<u8>, FormatError> {
    let expected = usize::try_from(expected).unwrap_or(usize::MAX);
    let plain = if stored.len() < expected {
        decompress(stored, expected)?
    } else {
        stored.to_vec()
    };
    if plain.len() == expected {
        return Ok(plain);
    }
    let what = format!("a chunk has {} bytes, not {expected}", plain.len());
    Err(FormatError::other(Structure::LongValue, 0, what))
}
