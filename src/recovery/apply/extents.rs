//! New pages, and trees made with their space (log-and-recovery.md section 4.6, database-file.md sections 2.5 and 5).
//!
//! Each page of a record decides alone whether it needs it.

use super::fault::misfit;
use crate::error::JetResult;
use crate::format::log_record::{
    ConvertFdp, CreateMultipleExtentFdp, CreateSingleExtentFdp, NewPage, OperationFlags, PageOperation,
};
use crate::format::{
    Extent, FreeSpace, NodeFlags, NodeParts, PageBuffer, PageFlags, RootHeader, SpaceFlags, SpaceHeader,
    SplitBuffer,
};
use crate::recovery::pages::{Decision, PageChange, RedoPages};

/// Pages after the root that a tree of a single extent can tell free from used (`cpgSmallSpaceAvailMost`).
const TRACKED_PAGES: u32 = 32;

/// NewPage: a page that belongs to a tree and was never filled.
///
/// # Errors
/// Those of [`RedoPages::decide_new`].
pub fn apply_new_page(pages: &mut dyn RedoPages, record: &NewPage) -> JetResult<()> {
    if pages.decide_new(record.page, record.dbtime)? {
        let mut page = PageBuffer::blank(pages.page_size(), record.page);
        page.pre_initialise(record.objid, record.dbtime);
        pages.put(page);
    }
    Ok(())
}

/// CreateSingleExtentFDP: the root of a tree whose free pages are bits in it.
///
/// # Errors
/// Those of [`RedoPages::decide_new`]; `JET_errLogCorrupted` where the record's numbers cannot be.
pub fn apply_create_single_extent(
    pages: &mut dyn RedoPages,
    record: &CreateSingleExtentFdp,
) -> JetResult<()> {
    let root = record.page.page;
    let Some(others) = record.primary_pages.checked_sub(1) else {
        return Err(misfit(root, "a tree is made without a page"));
    };
    last_page(root, record.primary_pages)?;
    let free = if others >= TRACKED_PAGES {
        u32::MAX
    } else {
        (1 << others) - 1
    };
    let space = SpaceHeader {
        primary: record.primary_pages,
        parent: record.page_parent_fdp,
        flags: unique_flag(&record.page),
        free: FreeSpace::Bitmap(free),
    };
    let tree = NewTree {
        objid: record.objid,
        flags: PageFlags::from_bits_retain(record.page_flags),
        dbtime: record.page.dbtime,
    };
    tree.make_root(pages, root, space)
}

/// CreateMultipleExtentFDP: the root of a tree, and those of its space trees.
///
/// # Errors
/// Those of [`RedoPages::decide_new`]; `JET_errLogCorrupted` where the record's numbers cannot be.
pub fn apply_create_multiple_extent(
    pages: &mut dyn RedoPages,
    record: &CreateMultipleExtentFdp,
) -> JetResult<()> {
    let root = record.page.page;
    let follow = root.checked_add(1) == Some(record.page_oe) && root.checked_add(2) == Some(record.page_ae);
    let Some(free) = record.primary_pages.checked_sub(3).filter(|_| follow) else {
        return Err(misfit(
            root,
            "the first three pages of a new tree are not its roots",
        ));
    };
    let last = last_page(root, record.primary_pages)?;
    let space = SpaceHeader {
        primary: record.primary_pages,
        parent: record.page_parent_fdp,
        flags: unique_flag(&record.page) | SpaceFlags::MULTIPLE_EXTENT,
        free: FreeSpace::OwnedExtents(record.page_oe),
    };
    let tree = NewTree {
        objid: record.objid,
        flags: PageFlags::from_bits_retain(record.page_flags),
        dbtime: record.page.dbtime,
    };
    tree.make_root(pages, root, space)?;
    let extent = |count| Extent { last, count };
    tree.make_space_root(pages, record.page_oe, &[extent(record.primary_pages)])?;
    tree.make_space_root(pages, record.page_ae, &[extent(free)])
}

/// ConvertFDP2: a tree of a single extent gets a second extent, and in it the roots of space trees.
///
/// # Errors
/// Those of [`RedoPages::decide`] and [`RedoPages::decide_new`]; `JET_errLogCorrupted` where the record's numbers cannot
/// be, or the root belongs to another tree.
pub fn apply_convert_fdp(pages: &mut dyn RedoPages, record: &ConvertFdp) -> JetResult<()> {
    let root = record.page.page;
    let follow = record.page_oe == record.page_secondary_first
        && record.page_oe.checked_add(1) == Some(record.page_ae);
    let Some(free) = record.secondary_pages.checked_sub(2).filter(|_| follow) else {
        return Err(misfit(
            root,
            "the first two pages of a tree's new extent are not its space roots",
        ));
    };
    let primary = Extent {
        last: last_page(root, record.primary_pages)?,
        count: record.primary_pages,
    };
    let secondary = Extent {
        last: last_page(record.page_secondary_first, record.secondary_pages)?,
        count: record.secondary_pages,
    };
    let mut available = vec![Extent {
        count: free,
        ..secondary
    }];
    available.extend(free_runs(root, record.primary_pages, record.free_bits)?);
    let tree = NewTree {
        objid: record.objid,
        flags: PageFlags::from_bits_retain(record.page_flags),
        dbtime: record.page.dbtime,
    };
    convert_root(pages, record)?;
    tree.make_space_root(pages, record.page_oe, &[secondary, primary])?;
    tree.make_space_root(pages, record.page_ae, &available)
}

/// The root's space header changes; what else is in its external header stays.
fn convert_root(pages: &mut dyn RedoPages, record: &ConvertFdp) -> JetResult<()> {
    let change = PageChange {
        page: record.page.page,
        dbtime: record.page.dbtime,
        dbtime_before: record.page.dbtime_before,
    };
    if pages.decide(change)? != Decision::Apply {
        return Ok(());
    }
    let page = pages.page(change.page)?;
    let header = page.header()?;
    let is_root = header.flags.contains(PageFlags::ROOT) && !header.flags.contains(PageFlags::SPACE_TREE);
    if header.objid != record.objid || !is_root {
        return Err(misfit(
            change.page,
            "the page is not the root of the tree that is converted",
        ));
    }
    let space = SpaceHeader {
        primary: record.primary_pages,
        parent: record.page_parent_fdp,
        flags: unique_flag(&record.page) | SpaceFlags::MULTIPLE_EXTENT,
        free: FreeSpace::OwnedExtents(record.page_oe),
    };
    let external = RootHeader::with_space(page.external_header()?, space)?;
    page.set_external_header(&external)?;
    page.dirty(change.dbtime);
    Ok(())
}

/// The free pages of a single extent as runs, the lowest first. Pages beyond the tracked ones are free.
fn free_runs(root: u32, primary_pages: u32, bits: u32) -> JetResult<Vec<Extent>> {
    let others = primary_pages.saturating_sub(1);
    if others < TRACKED_PAGES && bits >> others != 0 {
        return Err(misfit(root, "a page is free that the tree does not own"));
    }
    let mut runs: Vec<Extent> = Vec::new();
    let tracked = (1..=TRACKED_PAGES.min(others)).filter(|bit| bits >> (bit - 1) & 1 != 0);
    for page in tracked.filter_map(|distance| root.checked_add(distance)) {
        add_run(&mut runs, Extent { last: page, count: 1 });
    }
    if let Some(untracked) = others.checked_sub(TRACKED_PAGES).filter(|&count| count > 0) {
        let last = last_page(root, primary_pages)?;
        add_run(
            &mut runs,
            Extent {
                last,
                count: untracked,
            },
        );
    }
    Ok(runs)
}

/// Appends a run, as a part of the last one if it follows that.
fn add_run(runs: &mut Vec<Extent>, run: Extent) {
    match runs.last_mut() {
        Some(before) if before.last == run.last - run.count => {
            before.last = run.last;
            before.count += run.count;
        }
        _ => runs.push(run),
    }
}

/// What the pages of a tree that is made have in common.
struct NewTree {
    objid: u32,
    /// Those of the kind of tree.
    flags: PageFlags,
    dbtime: u64,
}

impl NewTree {
    fn make_root(&self, pages: &mut dyn RedoPages, pgno: u32, space: SpaceHeader) -> JetResult<()> {
        self.make(pages, pgno, PageFlags::empty(), &space.to_bytes(), &[])
    }

    /// Makes the root of a space tree, with the extents that are not empty.
    fn make_space_root(&self, pages: &mut dyn RedoPages, pgno: u32, extents: &[Extent]) -> JetResult<()> {
        self.make(
            pages,
            pgno,
            PageFlags::SPACE_TREE,
            &[0; SplitBuffer::LEN],
            extents,
        )
    }

    fn make(
        &self,
        pages: &mut dyn RedoPages,
        pgno: u32,
        kind: PageFlags,
        external: &[u8],
        extents: &[Extent],
    ) -> JetResult<()> {
        if !pages.decide_new(pgno, self.dbtime)? {
            return Ok(());
        }
        let mut page = PageBuffer::blank(pages.page_size(), pgno);
        let flags = self.flags | kind | PageFlags::ROOT | PageFlags::LEAF;
        page.initialise(self.objid, flags, self.dbtime);
        page.set_external_header(external)?;
        let mut stored: Vec<u32> = Vec::new();
        // In the order given, so that the bytes lie as the engine lays them; in the tags they are in key order.
        for extent in extents.iter().filter(|extent| extent.count > 0) {
            let line = stored.partition_point(|&last| last < extent.last);
            stored.insert(line, extent.last);
            page.insert_node(
                line,
                node_of(&extent.last.to_be_bytes(), &extent.count.to_le_bytes()),
            )?;
        }
        page.view()?.check()?;
        pages.put(page);
        Ok(())
    }
}

fn node_of<'a>(key: &'a [u8], data: &'a [u8]) -> NodeParts<'a> {
    NodeParts {
        flags: NodeFlags::empty(),
        prefix_len: 0,
        suffix: key,
        data,
    }
}

fn unique_flag(page: &PageOperation) -> SpaceFlags {
    if page.flags.contains(OperationFlags::UNIQUE) {
        SpaceFlags::empty()
    } else {
        SpaceFlags::NON_UNIQUE
    }
}

/// The last of `count` pages from `first` on.
fn last_page(first: u32, count: u32) -> JetResult<u32> {
    count
        .checked_sub(1)
        .and_then(|others| first.checked_add(others))
        .filter(|_| first > 0)
        .ok_or_else(|| misfit(first, format!("no extent has {count} pages from here")))
}
