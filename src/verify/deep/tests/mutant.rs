//! A clean genuine database in memory, of which single rules are broken: every changed page gets a right checksum.

use super::super::{DeepReport, Finding, FindingKind, Limits, check};
use crate::format::{
    FreeSpace, NodeFlags, NodeParts, Page, PageBuffer, PageSize, RootHeader, Verified, VerifiedPage,
};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode};
use crate::store::{Database, IndexSchema, Schema, TableSchema};
use std::path::Path;
use std::sync::Arc;

/// A table of 400 rows with an index, long values, and several pages in each tree.
pub(super) const USUAL: &str = "genuine-4k/clean/test.edb";

#[derive(Clone)]
pub(super) struct Mutant {
    bytes: Vec<u8>,
    size: PageSize,
    schema: Arc<Schema>,
}

impl Mutant {
    /// The sample, which must be good before anything is broken.
    pub(super) fn of(sample: &str) -> Option<Mutant> {
        let bytes = std::fs::read(crate::genuine_samples::sample(sample)?).unwrap();
        let database = open(&bytes);
        let schema = Arc::new(Schema::load(&database).unwrap());
        let mutant = Mutant {
            size: database.page_size(),
            bytes,
            schema,
        };
        assert_eq!(mutant.report().damage, 0, "{sample}");
        Some(mutant)
    }

    pub(super) fn report(&self) -> DeepReport {
        check(&open(&self.bytes), Limits::default(), &|| ()).unwrap()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn table(&self, name: &str) -> &TableSchema {
        self.schema.table(name).unwrap()
    }

    pub(super) fn index(&self, table: &str, name: &str) -> &IndexSchema {
        let indexes = &self.table(table).indexes;
        indexes.iter().find(|index| index.name == name).unwrap()
    }

    /// Root page of a table.
    pub(super) fn root(&self, table: &str) -> u32 {
        self.table(table).table.pgno_fdp
    }

    pub(super) fn page(&self, pgno: u32) -> PageBuffer {
        let start = self.start(pgno);
        let bytes = &self.bytes[start..start + self.size.bytes()];
        match VerifiedPage::verify(bytes, self.size, pgno).unwrap() {
            Verified::Good(page) => page.into(),
            other => panic!("page {pgno}: {other:?}"),
        }
    }

    /// The page, unless it was never written.
    pub(super) fn page_if_used(&self, pgno: u32) -> Option<PageBuffer> {
        let start = self.start(pgno);
        let bytes = self.bytes.get(start..start + self.size.bytes())?;
        match VerifiedPage::verify(bytes, self.size, pgno).ok()? {
            Verified::Good(page) => Some(page.into()),
            _ => None,
        }
    }

    /// Changes a page.
    pub(super) fn edit(&mut self, pgno: u32, change: impl FnOnce(&mut PageBuffer)) {
        let mut page = self.page(pgno);
        change(&mut page);
        self.write(page);
    }

    pub(super) fn write(&mut self, page: PageBuffer) {
        let start = self.start(page.pgno());
        let page = page.into_verified();
        self.bytes[start..start + self.size.bytes()].copy_from_slice(page.bytes());
    }

    fn start(&self, pgno: u32) -> usize {
        usize::try_from(self.size.offset_of(pgno)).unwrap()
    }

    /// Children of an internal page.
    pub(super) fn children(&self, pgno: u32) -> Vec<u32> {
        let page = self.page(pgno);
        let view = page.view().unwrap();
        (0..view.node_count())
            .map(|index| view.child(index).unwrap())
            .collect()
    }

    /// The leaves of a tree, from left to right.
    pub(super) fn leaves(&self, root: u32) -> Vec<u32> {
        let mut level = vec![root];
        while !self.page(level[0]).view().unwrap().is_leaf() {
            level = level.iter().flat_map(|&pgno| self.children(pgno)).collect();
        }
        level
    }

    /// Root of the OE tree; that of the AE tree is the next page.
    pub(super) fn owned_extents(&self, root: u32) -> u32 {
        let page = self.page(root);
        let space = RootHeader::read(page.external_header().unwrap())
            .unwrap()
            .space
            .unwrap();
        match space.free {
            FreeSpace::OwnedExtents(pgno) => pgno,
            FreeSpace::Bitmap(_) => panic!("page {root} has no space trees"),
        }
    }

    /// Inserts a node where its key belongs.
    pub(super) fn insert(&mut self, pgno: u32, key: &[u8], data: &[u8]) {
        self.edit(pgno, |page| {
            let line = line_of(&page.view().unwrap(), key);
            let node = NodeParts {
                flags: NodeFlags::empty(),
                prefix_len: 0,
                suffix: key,
                data,
            };
            page.insert_node(line, node).unwrap();
        });
    }

    /// Key and data of all nodes of a page.
    pub(super) fn nodes(&self, pgno: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        let page = self.page(pgno);
        let nodes = page.view().unwrap().nodes();
        nodes
            .map(|node| node.map(|node| (node.key(), node.data.to_vec())).unwrap())
            .collect()
    }

    /// The leaf and line of the first node that fits and is not deleted.
    pub(super) fn find(&self, root: u32, fits: impl Fn(&[u8], &[u8]) -> bool) -> (u32, usize) {
        for pgno in self.leaves(root) {
            let page = self.page(pgno);
            for (line, node) in page.view().unwrap().nodes().enumerate() {
                let node = node.unwrap();
                if !node.is_deleted() && fits(&node.key(), node.data) {
                    return (pgno, line);
                }
            }
        }
        panic!("no such node below page {root}");
    }

    /// Changes the data of a node, without changing its length.
    pub(super) fn change_data(&mut self, (pgno, line): (u32, usize), change: impl FnOnce(&mut [u8])) {
        self.edit(pgno, |page| change(page.node_data_mut(line).unwrap()));
    }

    pub(super) fn delete(&mut self, (pgno, line): (u32, usize)) {
        self.edit(pgno, |page| page.delete_node(line).unwrap());
    }

    /// All tables.
    pub(super) fn tables(&self) -> &[TableSchema] {
        &self.schema.tables
    }

    pub(super) fn report_within(&self, limits: Limits) -> DeepReport {
        check(&open(&self.bytes), limits, &|| ()).unwrap()
    }
}

fn line_of(view: &Page<'_>, key: &[u8]) -> usize {
    view.nodes()
        .take_while(|node| node.as_ref().unwrap().key().as_slice() < key)
        .count()
}

fn open(bytes: &[u8]) -> Database {
    let fs = MemoryFileSystem::default();
    fs.write_file("/m.edb", bytes).unwrap();
    let file = fs.open(Path::new("/m.edb"), OpenMode::ReadOnly).unwrap();
    Database::open(file, Path::new("m.edb")).unwrap()
}

/// The finding of this kind about this tree; fails, showing what was found instead, if there is none.
pub(super) fn found<'r>(report: &'r DeepReport, kind: FindingKind, tree: &str) -> &'r Finding {
    let mut findings = report.findings.kept().iter();
    findings
        .find(|finding| finding.kind == kind && finding.tree == tree)
        .unwrap_or_else(|| panic!("no {kind:?} of {tree} in {:#?}", report.findings))
}
