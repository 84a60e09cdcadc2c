//! The long value tree of a table that is being written (database-file.md section 8).

use super::page_file::{PageFile, TreeIdentity};
use super::space::{Growth, Space};
use super::tree::TreeWriter;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{PageFlags, PageSize};

/// Largest LID that fits 4 bytes.
pub(crate) const LID_MOST: u32 = 0x7fff_feff;

/// Bytes of a chunk by page size (section 12.4).
pub(crate) fn chunk_len(size: PageSize) -> usize {
    match size {
        PageSize::Kib2 | PageSize::Kib4 | PageSize::Kib8 => size.bytes() - 82,
        PageSize::Kib16 => 4050,
        PageSize::Kib32 => 8150,
    }
}

/// A long value tree that grows by whole values.
#[derive(Debug)]
pub(super) struct LongValueWriter {
    pub(super) tree: TreeIdentity,
    nodes: TreeWriter,
    space: Space,
    last_lid: u32,
}

impl LongValueWriter {
    pub(super) fn new(file: &mut PageFile, objid: u32) -> JetResult<Self> {
        let (root, space) = Space::create(file, Growth::Runs)?;
        let tree = TreeIdentity {
            root,
            objid,
            kind: PageFlags::LONG_VALUE,
        };
        Ok(LongValueWriter {
            tree,
            nodes: TreeWriter::new(file, tree),
            space,
            last_lid: 0,
        })
    }

    /// Appends a value, referred to once; returns its LID.
    pub(super) fn push(&mut self, file: &mut PageFile, value: &[u8]) -> JetResult<u32> {
        let lid = self.last_lid + 1;
        if lid > LID_MOST {
            return Err(JetError::rule(
                JetErr::OutOfLongValueIDs,
                "no long value ids are left",
            ));
        }
        let total = length(value.len())?;
        let root = [1u32.to_le_bytes(), total.to_le_bytes()].concat();
        self.nodes
            .push(file, &mut self.space, lid.to_be_bytes().to_vec(), root)?;
        let chunk_len = chunk_len(file.size());
        for (index, chunk) in value.chunks(chunk_len).enumerate() {
            let offset = length(index * chunk_len)?;
            let key = [lid.to_be_bytes(), offset.to_be_bytes()].concat();
            self.nodes.push(file, &mut self.space, key, chunk.to_vec())?;
        }
        self.last_lid = lid;
        Ok(lid)
    }

    /// Writes the rest of the tree of the table rooted at `parent`.
    pub(super) fn finish(self, file: &mut PageFile, parent: u32) -> JetResult<()> {
        let LongValueWriter {
            tree,
            nodes,
            mut space,
            ..
        } = self;
        nodes.finish(file, &mut space, |_, space| Ok(space.header(tree, parent)))?;
        space.write_trees(file, tree)
    }
}

fn length(len: usize) -> JetResult<u32> {
    u32::try_from(len)
        .ok()
        .filter(|&len| i32::try_from(len).is_ok())
        .ok_or_else(|| JetError::rule(JetErr::ColumnTooBig, "a long value has 2 GiB or more"))
}
