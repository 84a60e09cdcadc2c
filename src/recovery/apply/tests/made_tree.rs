//! A small tree made here, and what its records have in common.

use super::memory::MemoryPages;
use crate::format::log_record::{NodeOperation, OperationFlags, PageOperation};
use crate::format::{PageFlags, PageSize};

pub(super) const LEAF: PageFlags = PageFlags::LEAF;
pub(super) const PARENT: PageFlags = PageFlags::PARENT_OF_LEAF;
/// The pages have dbtime 5; the records bring them to 9.
pub(super) const BEFORE: u64 = 5;
pub(super) const AFTER: u64 = 9;

pub(super) fn operation(page: u32, line: u16) -> PageOperation {
    PageOperation {
        session: 1,
        database: 1,
        page,
        dbtime: AFTER,
        dbtime_before: BEFORE,
        trx: 4,
        level: 1,
        line,
        flags: OperationFlags::VERSIONED,
    }
}

pub(super) fn node(page: u32, line: u16) -> NodeOperation {
    NodeOperation {
        page: operation(page, line),
        rceid: 1,
        page_fdp: 4,
        objid: 7,
    }
}

pub(super) const FOUR: [(&[u8], &[u8]); 4] = [
    (b"aaaa1", b"A"),
    (b"aaaa2", b"B"),
    (b"bbbb1", b"C"),
    (b"bbbb2", b"D"),
];

/// Root 4 above the leaves 10 and 11.
pub(super) fn tree() -> MemoryPages {
    let mut pages = MemoryPages::new(PageSize::Kib4);
    let pointers: [(&[u8], &[u8]); 2] = [(b"c", &[10, 0, 0, 0]), (b"", &[11, 0, 0, 0])];
    pages.add(4, PARENT, BEFORE, b"", &pointers);
    pages.add(10, LEAF, BEFORE, b"", &FOUR);
    pages.add(11, LEAF, BEFORE, b"", &[(b"cccc1", b"E")]);
    pages.pages.get_mut(&10).unwrap().set_next(11);
    pages.pages.get_mut(&11).unwrap().set_prev(10);
    pages
}

/// Root 4 above the leaves 9, 10 and 11.
pub(super) fn three_leaves() -> MemoryPages {
    let mut pages = tree();
    let pointers: [(&[u8], &[u8]); 3] = [
        (b"aa", &[9, 0, 0, 0]),
        (b"c", &[10, 0, 0, 0]),
        (b"", &[11, 0, 0, 0]),
    ];
    pages.add(4, PARENT, BEFORE, b"", &pointers);
    pages.add(9, LEAF, BEFORE, b"aaaa0", &[(b"aaaa0", b"Z")]);
    pages.pages.get_mut(&9).unwrap().set_next(10);
    pages.pages.get_mut(&10).unwrap().set_prev(9);
    pages
}
