//! Long values: roots and chunks in their tree, and whether each counts the references that there are
//! (database-file.md section 8).
//!
//! References are those of records that are not deleted. As in the engine's own check, a count that is too low is
//! damage, one that is too high and a value without references are notes: both are left behind by a crash between the
//! steps of a deletion.
//!
//! Memory is bounded by windows: as many roots as are allowed are kept with their counts; where there are more, the
//! records are read once for every window.

use super::finding::FindingKind;
use super::records;
use super::walk::LeafNode;
use super::{Check, TreeShape};
use crate::format::{FormatError, Lid, LongValueKey, LongValueRoot, Record};
use crate::store::{Tree, plain_chunk};

/// A root, and how many references to it were found.
#[derive(Debug, Clone, Copy)]
struct Counted {
    lid: u64,
    pgno: u32,
    stored: u32,
    found: u32,
}

/// Roots in the order of their LIDs, from one LID to below another.
#[derive(Debug, Default)]
pub(super) struct Window {
    roots: Vec<Counted>,
    from: u64,
    /// The first LID that did not fit.
    below: Option<u64>,
}

impl Window {
    fn push(&mut self, lid: u64, pgno: u32, stored: u32, most: usize) {
        if self.below.is_some() {
            return;
        }
        if self.roots.len() >= most {
            self.below = Some(lid);
            return;
        }
        self.roots.push(Counted {
            lid,
            pgno,
            stored,
            found: 0,
        });
    }

    /// Counts a reference. False if there is no such value, although the window would have it.
    fn count(&mut self, lid: u64) -> bool {
        if lid < self.from || self.below.is_some_and(|below| lid >= below) {
            return true;
        }
        let found = self.roots.binary_search_by_key(&lid, |root| root.lid).ok();
        match found.and_then(|at| self.roots.get_mut(at)) {
            Some(root) => {
                root.found = root.found.saturating_add(1);
                true
            }
            None => false,
        }
    }
}

/// LIDs of 4 and 8 bytes in one order, which is that of the tree.
fn number(lid: Lid) -> u64 {
    match lid {
        Lid::Lid32(lid) => lid.into(),
        Lid::Lid64(lid) => lid,
    }
}

/// The value whose chunks come next.
struct Current {
    lid: Lid,
    root: LongValueRoot,
    pgno: u32,
    seen: u32,
}

impl Current {
    /// Of a value that is being deleted nothing is certain.
    fn is_alive(&self) -> bool {
        self.root.references != 0 && !self.root.is_partially_deleted()
    }
}

/// What is being done while the long value tree is walked.
pub(super) struct LongValueWalk<'t> {
    tree: &'t TreeShape,
    chunk_size: u32,
    current: Option<Current>,
    window: Window,
}

impl<'t> LongValueWalk<'t> {
    pub(super) fn new(tree: &'t TreeShape, chunk_size: u32) -> Self {
        LongValueWalk {
            tree,
            chunk_size,
            current: None,
            window: Window::default(),
        }
    }

    /// The next node of the tree.
    pub(super) fn node(&mut self, check: &mut Check<'_>, node: &LeafNode<'_>) {
        if node.is_deleted {
            return;
        }
        let result = match LongValueKey::read(node.key) {
            Ok(LongValueKey::Root(lid)) => self.root(check, node, lid),
            Ok(LongValueKey::Chunk(lid, offset)) => self.chunk(check, node, lid, offset),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            self.find(check, node.pgno, error.to_string());
        }
    }

    fn find(&self, check: &mut Check<'_>, pgno: u32, what: String) {
        check
            .findings
            .add(FindingKind::LongValueChunks, Some(pgno), &self.tree.name, what);
    }

    fn root(&mut self, check: &mut Check<'_>, node: &LeafNode<'_>, lid: Lid) -> Result<(), FormatError> {
        self.end_value(check);
        let root = LongValueRoot::read(node.data)?;
        check.counts.long_values += 1;
        let most = check.limits.roots_in_memory;
        self.window.push(number(lid), node.pgno, root.references, most);
        self.current = Some(Current {
            lid,
            root,
            pgno: node.pgno,
            seen: 0,
        });
        Ok(())
    }

    /// The value before has all its bytes.
    fn end_value(&mut self, check: &mut Check<'_>) {
        let Some(value) = self.current.take() else { return };
        if value.is_alive() && value.seen != value.root.size {
            let what = format!("{:?} has {} of {} bytes", value.lid, value.seen, value.root.size);
            self.find(check, value.pgno, what);
        }
    }

    fn chunk(
        &mut self,
        check: &mut Check<'_>,
        node: &LeafNode<'_>,
        lid: Lid,
        offset: u32,
    ) -> Result<(), FormatError> {
        let Some(value) = self.current.as_mut().filter(|value| value.lid == lid) else {
            let what = format!("a chunk of {lid:?} at {offset} has no root before it");
            self.find(check, node.pgno, what);
            return Ok(());
        };
        if !value.is_alive() {
            return Ok(());
        }
        if offset != value.seen || offset >= value.root.size {
            let what = format!(
                "a chunk of {lid:?} is at {offset}, after {} of {} bytes",
                value.seen, value.root.size
            );
            self.find(check, node.pgno, what);
            return Ok(());
        }
        let expected = self.chunk_size.min(value.root.size - offset);
        value.seen += expected;
        // How long an encrypted chunk is cannot be told.
        if !value.root.encrypted
            && let Err(error) = plain_chunk(node.data, expected)
        {
            let what = format!("the chunk of {lid:?} at {offset}: {error}");
            self.find(check, node.pgno, what);
        }
        Ok(())
    }

    /// The first window, whose references are to be counted.
    pub(super) fn finish(mut self, check: &mut Check<'_>) -> Window {
        self.end_value(check);
        self.window
    }
}

impl Check<'_> {
    /// Counts a record's references; one to a value that does not exist is damage.
    pub(super) fn count_references(
        &mut self,
        table: &TreeShape,
        window: &mut Window,
        pgno: u32,
        record: &Record<'_>,
    ) {
        let mut missing = Vec::new();
        let counted = records::references(record, |lid| {
            if !window.count(number(lid)) {
                missing.push(lid);
            }
        });
        if let Err(error) = counted {
            self.findings
                .add(FindingKind::Record, Some(pgno), &table.name, error.to_string());
        }
        for lid in missing {
            let what = format!("a record refers to {lid:?}, which does not exist");
            self.findings
                .add(FindingKind::LongValueMissing, Some(pgno), &table.name, what);
        }
    }

    /// Judges a window whose references were counted, and all that come after it.
    pub(super) fn judge_references(&mut self, table: &TreeShape, tree: &TreeShape, mut window: Window) {
        loop {
            for root in &window.roots {
                self.judge_root(tree, root);
            }
            let Some(from) = window.below else { return };
            window = self.next_window(tree, from);
            let rows = Tree::new(self.database, table.root, table.objid).scan();
            for entry in rows.into_iter().flatten().map_while(Result::ok) {
                if let Ok(record) = Record::read(self.database.page_size(), entry.data()) {
                    self.count_references(table, &mut window, entry.pgno(), &record);
                }
            }
        }
    }

    fn next_window(&self, tree: &TreeShape, from: u64) -> Window {
        let mut window = Window {
            from,
            ..Window::default()
        };
        let first = match u32::try_from(from) {
            Ok(lid) => Lid::Lid32(lid),
            Err(_) => Lid::Lid64(from),
        };
        let nodes = Tree::new(self.database, tree.root, tree.objid).seek(&first.root_key());
        for entry in nodes.into_iter().flatten().map_while(Result::ok) {
            if let (Ok(LongValueKey::Root(lid)), Ok(root)) =
                (LongValueKey::read(entry.key()), LongValueRoot::read(entry.data()))
            {
                let most = self.limits.roots_in_memory;
                window.push(number(lid), entry.pgno(), root.references, most);
                if window.below.is_some() {
                    break;
                }
            }
        }
        window
    }

    fn judge_root(&mut self, tree: &TreeShape, root: &Counted) {
        let Counted {
            lid, stored, found, ..
        } = *root;
        let is_being_deleted = LongValueRoot {
            references: stored,
            size: 0,
            encrypted: false,
        }
        .is_partially_deleted();
        let (kind, what) = match found {
            0 => (
                FindingKind::LongValueOrphan,
                format!("no record refers to long value {lid:#x}"),
            ),
            _ if is_being_deleted => (
                FindingKind::LongValueReferences,
                format!("long value {lid:#x} was deleted in part, but {found} references to it are left"),
            ),
            _ if found > stored => (
                FindingKind::LongValueReferences,
                format!("long value {lid:#x} counts {stored} references, but there are {found}"),
            ),
            _ if found < stored => (
                FindingKind::LongValueSurplus,
                format!("long value {lid:#x} counts {stored} references, but there are only {found}"),
            ),
            _ => return,
        };
        self.findings.add(kind, Some(root.pgno), &tree.name, what);
    }
}
