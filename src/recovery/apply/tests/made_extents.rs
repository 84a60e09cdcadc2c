//! Trees made and converted, with the space that they own.

use super::memory::MemoryPages;
use crate::error::JetErr;
use crate::format::log_record::{
    ConvertFdp, CreateMultipleExtentFdp, CreateSingleExtentFdp, NewPage, OperationFlags, PageOperation,
};
use crate::format::{FreeSpace, PageFlags, PageSize, RootHeader, SpaceFlags, SpaceNode};
use crate::recovery::{
    RedoPages, apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent, apply_new_page,
};

fn page(dbtime_before: u64, flags: OperationFlags) -> PageOperation {
    PageOperation {
        session: 1,
        database: 1,
        page: 50,
        dbtime: 200,
        dbtime_before,
        trx: 4,
        level: 1,
        line: 0,
        flags,
    }
}

/// First page and count of every extent on the root of a space tree.
fn extents(pages: &MemoryPages, pgno: u32) -> Vec<(u32, u32)> {
    let extents = pages.nodes(pgno).into_iter().map(|(key, data)| {
        let extent = SpaceNode::read(&key, &data).unwrap().extent;
        (*extent.pages().start(), extent.count)
    });
    extents.collect()
}

fn root(pages: &mut MemoryPages) -> RootHeader {
    RootHeader::read(pages.page(50).unwrap().external_header().unwrap()).unwrap()
}

fn single(primary_pages: u32) -> CreateSingleExtentFdp {
    CreateSingleExtentFdp {
        page: page(u64::MAX, OperationFlags::UNIQUE),
        objid: 7,
        page_parent_fdp: 1,
        primary_pages,
        page_flags: 0,
    }
}

fn convert(primary_pages: u32, free_bits: u32, secondary: (u32, u32)) -> ConvertFdp {
    ConvertFdp {
        page: page(200, OperationFlags::empty()),
        objid: 7,
        page_oe: secondary.0,
        page_ae: secondary.0.wrapping_add(1),
        page_parent_fdp: 1,
        page_secondary_first: secondary.0,
        primary_pages,
        secondary_pages: secondary.1,
        free_bits,
        page_flags: PageFlags::INDEX.bits(),
    }
}

#[test]
fn a_page_that_was_never_filled_belongs_to_its_tree() {
    let mut pages = MemoryPages::new(PageSize::Kib16);
    let record = NewPage {
        session: 1,
        database: 1,
        page: 9,
        objid: 7,
        dbtime: 5,
    };
    apply_new_page(&mut pages, &record).unwrap();
    pages.check();
    let header = pages.page(9).unwrap().header().unwrap();
    assert_eq!((header.objid, header.dbtime, header.tags), (7, 5, 0));
}

#[test]
fn the_free_pages_of_a_single_extent_are_bits() {
    for (primary, bits) in [
        (1, 0),
        (2, 1),
        (32, u32::MAX >> 1),
        (33, u32::MAX),
        (100, u32::MAX),
    ] {
        let mut pages = MemoryPages::new(PageSize::Kib4);
        apply_create_single_extent(&mut pages, &single(primary)).unwrap();
        pages.check();
        let space = root(&mut pages).space.unwrap();
        assert_eq!(
            (space.primary, space.parent, space.free),
            (primary, 1, FreeSpace::Bitmap(bits))
        );
    }
    let mut pages = MemoryPages::new(PageSize::Kib4);
    for impossible in [0, u32::MAX] {
        let error = apply_create_single_extent(&mut pages, &single(impossible)).unwrap_err();
        assert_eq!(error.code(), JetErr::LogCorrupted);
    }
}

#[test]
fn a_tree_with_space_trees_lends_all_but_three_pages() {
    let record = CreateMultipleExtentFdp {
        page: page(u64::MAX, OperationFlags::empty()),
        objid: 7,
        page_oe: 51,
        page_ae: 52,
        page_parent_fdp: 1,
        primary_pages: 20,
        page_flags: 0,
    };
    let mut pages = MemoryPages::new(PageSize::Kib4);
    apply_create_multiple_extent(&mut pages, &record).unwrap();
    pages.check();
    let space = root(&mut pages).space.unwrap();
    assert_eq!(space.flags, SpaceFlags::MULTIPLE_EXTENT | SpaceFlags::NON_UNIQUE);
    assert_eq!(space.owned_extents(), Some(51));
    assert_eq!(
        (extents(&pages, 51), extents(&pages, 52)),
        (vec![(50, 20)], vec![(53, 17)])
    );
    let smallest = CreateMultipleExtentFdp {
        primary_pages: 3,
        ..record
    };
    let mut pages = MemoryPages::new(PageSize::Kib4);
    apply_create_multiple_extent(&mut pages, &smallest).unwrap();
    assert_eq!(extents(&pages, 52), []);
    for wrong in [
        CreateMultipleExtentFdp {
            primary_pages: 2,
            ..record
        },
        CreateMultipleExtentFdp {
            page_ae: 51,
            ..record
        },
        CreateMultipleExtentFdp {
            page_oe: 50,
            ..record
        },
    ] {
        let error = apply_create_multiple_extent(&mut pages, &wrong).unwrap_err();
        assert_eq!(error.code(), JetErr::LogCorrupted);
    }
}

/// Pages 53 and 54, and 58 to 61 are free: the last of these are not tracked by bits.
#[test]
fn a_converted_tree_keeps_its_free_pages_in_runs() {
    let mut pages = MemoryPages::new(PageSize::Kib4);
    apply_create_single_extent(&mut pages, &single(40)).unwrap();
    let header = [
        &[3][..],
        &root(&mut pages).space.unwrap().to_bytes(),
        &30u64.to_le_bytes(),
    ]
    .concat();
    pages.page(50).unwrap().set_external_header(&header).unwrap();
    let bits = 0b1100 | 1 << 31;
    let mut record = convert(40, bits, (20, 5));
    record.page.dbtime = 201;
    apply_convert_fdp(&mut pages, &record).unwrap();
    pages.check();
    assert_eq!(extents(&pages, 20), [(20, 5), (50, 40)]);
    assert_eq!(extents(&pages, 21), [(22, 3), (53, 2), (82, 8)]);
    let header = root(&mut pages);
    assert_eq!(
        header.auto_increment,
        Some(30),
        "the rest of the external header stays"
    );
    assert_eq!(header.space.unwrap().owned_extents(), Some(20));
    assert_eq!(pages.page(50).unwrap().dbtime(), 201);
    let space_root = pages.page(20).unwrap().header().unwrap();
    assert!(
        space_root
            .flags
            .contains(PageFlags::INDEX | PageFlags::SPACE_TREE | PageFlags::ROOT)
    );
}

#[test]
fn each_page_of_a_conversion_decides_alone() {
    let mut pages = MemoryPages::new(PageSize::Kib4);
    apply_create_single_extent(&mut pages, &single(2)).unwrap();
    let mut record = convert(2, 1, (60, 2));
    record.page.dbtime = 201;
    apply_convert_fdp(&mut pages, &record).unwrap();
    let done = pages.pages.clone();
    for lost in [60, 61] {
        pages.pages.remove(&lost);
        apply_convert_fdp(&mut pages, &record).unwrap();
        assert_eq!(pages.pages, done);
    }
    assert_eq!(extents(&pages, 61), [(51, 1)]);
}

#[test]
fn a_conversion_that_cannot_be_is_refused() {
    let mut pages = MemoryPages::new(PageSize::Kib4);
    apply_create_single_extent(&mut pages, &single(4)).unwrap();
    let mut wrong = convert(4, 1, (60, 3));
    wrong.page_ae = 62;
    let mut of_another = convert(4, 1, (60, 3));
    of_another.objid = 8;
    for mut record in [
        wrong,
        of_another,
        convert(4, 0b1000, (60, 3)),
        convert(4, 1, (60, 1)),
        convert(0, 0, (60, 3)),
        convert(4, 1, (u32::MAX - 1, 3)),
        convert(4, 1, (u32::MAX, 3)),
    ] {
        record.page.dbtime = 201;
        let error = apply_convert_fdp(&mut pages, &record).unwrap_err();
        assert_eq!(error.code(), JetErr::LogCorrupted, "{record:?}");
    }
}
