//! Long values in their tree: made, read in pieces, changed in pieces, given up (database-file.md section 8).
//!
//! ```text
//! LID                       root: how many records refer to it, how long it is
//! LID, offset 0             chunk
//! LID, offset one chunk     chunk …
//! ```
//!
//! * here: reading; `store`: values made and given up; `pieces`: values changed where they stand; `ids`: their numbers.
//!
//! Chunks of a column that asks for it are compressed where that makes them shorter. A value to which several records refer is never changed: who wants to, gets a copy. A value
//! that nobody refers to any more goes with all its nodes: in the transaction of whoever gave it up last, or, where
//! several did at a time, when everybody sees that ([`remove_unreferenced`]).

mod ids;
mod pieces;
mod store;

pub(crate) use pieces::{Piece, len_after};
pub(crate) use store::remove_unreferenced;

use super::bookmark::{BookmarkRef, TreeId};
use super::change::Change;
use super::state::{DatabaseState, Look};
use super::transactions::TransactionState;
use super::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnFlags, Lid, LongValueRoot, PageSize, compress_chunk};
use crate::store::{chunk_len, plain_chunk};
use std::borrow::Cow;
use std::sync::Arc;

/// The long values of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongValues {
    tree: TreeId,
    /// Bytes of every chunk but the last.
    chunk: u32,
    /// Whether chunks are compressed that are written.
    compress: bool,
}

impl LongValues {
    /// Those of this tree. `chunk`: what the catalog says of the length of chunks (`LVChunkMax`).
    pub(crate) fn new(size: PageSize, tree: TreeId, chunk: Option<u32>) -> Self {
        let usual = u32::try_from(chunk_len(size)).unwrap_or(u32::MAX);
        let chunk = chunk.filter(|chunk| (1..=usual).contains(chunk)).unwrap_or(usual);
        LongValues {
            tree,
            chunk,
            compress: false,
        }
    }

    /// For changes of values of a column with these flags.
    pub(crate) fn of_column(self, flags: ColumnFlags) -> Self {
        LongValues {
            compress: flags.contains(ColumnFlags::COMPRESSED),
            ..self
        }
    }

    /// How long a value is.
    ///
    /// # Errors
    /// There is none (`JET_errLVCorrupted`); a page is missing.
    pub(crate) fn size(&self, state: &DatabaseState, lid: Lid, reader: &TransactionState) -> Look<u32> {
        root(state, self.tree, lid, reader).map(|root| root.size)
    }

    /// Reads bytes of a value from `offset` on; less than `len` only at its end.
    ///
    /// # Errors
    /// There is none, or not all of it (`JET_errLVCorrupted`); a page is missing.
    pub(crate) fn read(
        &self,
        state: &DatabaseState,
        lid: Lid,
        (offset, len): (u32, usize),
        reader: &TransactionState,
    ) -> Look<Vec<u8>> {
        let total = root(state, self.tree, lid, reader)?.size;
        let wanted = usize::try_from(total.saturating_sub(offset))
            .unwrap_or(0)
            .min(len);
        let mut bytes = Vec::with_capacity(wanted.min(1 << 20));
        let mut at = offset;
        while bytes.len() < wanted {
            let start = self.start_of(at);
            let plain = self.chunk(state, lid, (start, total), reader)?;
            let rest = plain.get(usize::try_from(at - start).unwrap_or(usize::MAX)..);
            let rest = rest.unwrap_or_default();
            let taken = rest
                .get(..rest.len().min(wanted - bytes.len()))
                .unwrap_or_default();
            if taken.is_empty() {
                return Err(damaged(lid, "has an empty chunk").into());
            }
            bytes.extend_from_slice(taken);
            at += u32::try_from(taken.len()).unwrap_or(0);
        }
        Ok(bytes)
    }

    /// The plain bytes of the chunk at `start` of a value of `total` bytes.
    fn chunk(
        &self,
        state: &DatabaseState,
        lid: Lid,
        (start, total): (u32, u32),
        reader: &TransactionState,
    ) -> Look<Vec<u8>> {
        let key = lid.chunk_key(start);
        let found = tree::find(state, self.tree, From::At(name(&key)), reader)?;
        let chunk = found.ok_or_else(|| damaged(lid, "has a chunk less than it should have"))?;
        Ok(plain_chunk(
            &chunk.data,
            self.chunk.min(total.saturating_sub(start)),
        )?)
    }

    /// What is stored of a chunk.
    fn stored<'p>(&self, plain: &'p [u8]) -> Cow<'p, [u8]> {
        let compressed = self.compress.then(|| compress_chunk(plain)).flatten();
        compressed.map_or(Cow::Borrowed(plain), Cow::Owned)
    }

    /// The start of the chunk in which a place is.
    fn start_of(&self, offset: u32) -> u32 {
        offset - offset % self.chunk
    }

    /// The root of a value, as the transaction sees it.
    fn root(&self, change: &mut Change<'_>, lid: Lid) -> JetResult<LongValueRoot> {
        let reader = Arc::clone(change.transaction.state());
        let database = change.database;
        database.look_in(change.state, |state| root(state, self.tree, lid, &reader))
    }
}

fn root(state: &DatabaseState, tree: TreeId, lid: Lid, reader: &TransactionState) -> Look<LongValueRoot> {
    let key = lid.root_key();
    match tree::find(state, tree, From::At(name(&key)), reader)? {
        Some(found) => Ok(LongValueRoot::read(&found.data)?),
        None => Err(damaged(lid, "does not exist").into()),
    }
}

/// The tree is unique.
fn name(key: &[u8]) -> BookmarkRef<'_> {
    BookmarkRef { key, data: &[] }
}

fn damaged(lid: Lid, what: &str) -> JetError {
    JetError::rule(JetErr::LVCorrupted, format!("long value {lid:?} {what}"))
}
