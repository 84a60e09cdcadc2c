//! Moved, scrubbed and emptied pages of a tree made here.

use super::super::{apply_empty_tree, apply_page_move, apply_root_page_move, apply_scrub};
use super::made_tree::{AFTER, BEFORE, LEAF, PARENT, node, operation, three_leaves, tree};
use crate::error::JetErr;
use crate::format::PageFlags;
use crate::format::log_record::{
    EmptyTree, LogRecord, MoveFlags, PageMove, Replace, RootPageMove, ScrubPage, SetExternalHeader,
};

#[test]
fn a_page_that_moves_takes_its_place_among_its_neighbours_along() {
    let record = PageMove {
        page: operation(10, 0),
        page_destination: 30,
        page_left: 9,
        page_right: 11,
        page_parent: 4,
        dbtime_left_before: BEFORE,
        dbtime_right_before: BEFORE,
        dbtime_parent_before: BEFORE,
        page_fdp: 4,
        objid: 7,
        line_parent: 1,
        move_flags: MoveFlags::empty(),
        header: &[],
        trailer: &[],
    };
    let source = three_leaves().pages[&10].clone();
    let header = source.header().unwrap();
    let (end, tags) = (
        40 + usize::from(header.mic_free),
        4096 - 4 * usize::from(header.tags),
    );
    let record = PageMove {
        header: &source.bytes()[..end],
        trailer: &source.bytes()[tags..],
        ..record
    };
    let mut done = three_leaves();
    apply_page_move(&mut done, &record).unwrap();
    done.check();
    assert_eq!(done.keys(30).len(), 4);
    assert_eq!(done.nodes(4)[1].1, 30u32.to_le_bytes());
    let siblings = |page| {
        let header = done.pages[&page].header().unwrap();
        (header.prev, header.next)
    };
    assert_eq!(
        [siblings(9), siblings(30), siblings(11)],
        [(0, 30), (9, 11), (30, 0)]
    );
    assert!(done.keys(10).is_empty());
    // The source was written already: the destination comes from the image.
    let mut pages = three_leaves();
    pages.pages.insert(10, done.pages[&10].clone());
    apply_page_move(&mut pages, &record).unwrap();
    assert!(pages.pages == done.pages);
    // The parent points elsewhere, the image is too long, the root has no macro.
    for record in [
        PageMove {
            line_parent: 0,
            ..record
        },
        PageMove {
            line_parent: -1,
            ..record
        },
        PageMove {
            page_destination: 4,
            ..record
        },
        PageMove {
            move_flags: MoveFlags::ROOT_FDP,
            ..record
        },
    ] {
        let error = apply_page_move(&mut three_leaves(), &record).unwrap_err();
        assert_eq!(error.code(), JetErr::LogCorrupted);
    }
    let long = PageMove {
        header: source.bytes(),
        ..record
    };
    let mut pages = three_leaves();
    pages.pages.get_mut(&10).unwrap().set_dbtime(AFTER);
    assert_eq!(
        apply_page_move(&mut pages, &long).unwrap_err().code(),
        JetErr::LogCorrupted
    );
}

#[test]
fn a_scrub_overwrites_data_and_what_is_left_of_old_nodes() {
    let scrub = |operations, scrub_flags| ScrubPage {
        node: node(10, 0),
        scrub_flags,
        operation_count: 4,
        operations,
    };
    let mut pages = tree();
    apply_scrub(&mut pages, &scrub(&[0, 1, 2, 0], 0)).unwrap();
    pages.check();
    let data: Vec<_> = pages.nodes(10).into_iter().map(|(_, data)| data).collect();
    assert_eq!(data, [&b"A"[..], b"D", &[0x20], b"D"]);
    assert!(
        pages.pages[&10]
            .header()
            .unwrap()
            .flags
            .contains(PageFlags::SCRUBBED)
    );
    assert!(pages.pages[&10].bytes().contains(&b'Z'));
    for bad in [&[0, 1, 2][..], &[0, 1, 2, 3]] {
        assert_eq!(
            apply_scrub(&mut tree(), &scrub(bad, 0)).unwrap_err().code(),
            JetErr::LogCorrupted
        );
    }
    let mut pages = tree();
    apply_scrub(&mut pages, &scrub(&[], 1)).unwrap();
    assert!(pages.keys(10).is_empty());
    assert_eq!(
        pages.pages[&10]
            .bytes()
            .iter()
            .filter(|byte| **byte == b'U')
            .count(),
        4096 - 40 - 4
    );
}

#[test]
fn a_tree_that_becomes_empty_keeps_its_root_as_a_leaf() {
    let list: Vec<u8> = [5u64.to_le_bytes().as_slice(), &10u32.to_le_bytes(), &[0; 4]].concat();
    let record = |list: &[u8]| -> Vec<u8> {
        let mut bytes = vec![48u8];
        bytes.extend_from_slice(&1u16.to_le_bytes());
        bytes.push(1);
        bytes.extend_from_slice(&4u32.to_le_bytes());
        bytes.extend_from_slice(&AFTER.to_le_bytes());
        bytes.extend_from_slice(&BEFORE.to_le_bytes());
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&7u32.to_le_bytes());
        bytes.extend_from_slice(&u16::try_from(list.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(list);
        bytes
    };
    let decoded = |bytes: &[u8]| -> JetErrOr {
        let LogRecord::EmptyTree(record) = LogRecord::decode(bytes).unwrap() else {
            panic!("no EmptyTree")
        };
        empty_tree_outcome(&record)
    };
    decoded(&record(&list)).unwrap();
    let twice = [list.as_slice(), &list].concat();
    assert_eq!(decoded(&record(&twice)).unwrap_err(), JetErr::LogCorrupted);
}

type JetErrOr = Result<(), JetErr>;

fn empty_tree_outcome(record: &EmptyTree<'_>) -> JetErrOr {
    let mut pages = tree();
    pages.add(
        4,
        PageFlags::ROOT | PARENT,
        BEFORE,
        &[0; 16],
        &[(b"", &[10, 0, 0, 0])],
    );
    apply_empty_tree(&mut pages, record).map_err(|error| error.code())?;
    pages.check();
    assert!(pages.keys(4).is_empty() && pages.keys(10).is_empty());
    let flags = |page| pages.pages[&page].header().unwrap().flags;
    assert_eq!(
        flags(4) & (PageFlags::ROOT | LEAF | PARENT),
        PageFlags::ROOT | LEAF
    );
    assert!(flags(10).contains(PageFlags::EMPTY));
    Ok(())
}

/// Root 40 with space trees 41 and 42 goes to 50 to 52; 60 is the root of a child, and 61 has its rows of the catalog.
#[test]
fn a_root_that_moves_takes_its_space_trees_along_and_tells_child_and_catalog() {
    let root_flags = PageFlags::ROOT | LEAF;
    let space_flags = root_flags | PageFlags::SPACE_TREE;
    let space_header = |parent: u32, owned: u32| -> Vec<u8> {
        [3u32, parent, 1, owned]
            .iter()
            .flat_map(|field| field.to_le_bytes())
            .collect()
    };
    let mut before = tree();
    let extended = [&[3][..], &space_header(1, 41), &[9; 8]].concat();
    before.add(40, root_flags, BEFORE, &extended, &[(b"k", b"v")]);
    before.add(41, space_flags, BEFORE, &[0; 16], &[(b"oe", b"1234")]);
    before.add(42, space_flags, BEFORE, &[0; 16], &[(b"ae", b"5678")]);
    before.add(60, root_flags, BEFORE, &space_header(40, 70), &[(b"child", b"c")]);
    before.add(61, LEAF, BEFORE, &[], &[(b"row1", b"old1"), (b"row2", b"old2")]);
    let images: Vec<(Vec<u8>, Vec<u8>)> = [40, 41, 42]
        .map(|page| {
            let page = &before.pages[&page];
            let header = page.header().unwrap();
            let (end, tags) = (
                40 + usize::from(header.mic_free),
                4096 - 4 * usize::from(header.tags),
            );
            (page.bytes()[..end].to_vec(), page.bytes()[tags..].to_vec())
        })
        .into();
    let mut records = vec![LogRecord::RootPageMove(RootPageMove {
        dbtime: AFTER,
        database: 1,
        objid: 7,
        session: 1,
    })];
    let flags = [MoveFlags::ROOT_FDP, MoveFlags::ROOT_OE, MoveFlags::ROOT_AE];
    for (page, ((header, trailer), move_flags)) in (40..).zip(images.iter().zip(flags)) {
        records.push(LogRecord::PageMove(PageMove {
            page: operation(page, 0),
            page_destination: page + 10,
            page_left: 0,
            page_right: 0,
            page_parent: 0,
            dbtime_left_before: 0,
            dbtime_right_before: 0,
            dbtime_parent_before: 0,
            page_fdp: 40,
            objid: 7,
            line_parent: 0,
            move_flags,
            header,
            trailer,
        }));
    }
    let child = space_header(50, 70);
    records.push(LogRecord::SetExternalHeader(SetExternalHeader {
        node: node(60, 0),
        data: &child,
    }));
    for (line, image) in [(0, &b"new1"[..]), (1, b"new22")] {
        records.push(LogRecord::Replace(Replace {
            node: node(61, line),
            stored_len: 0,
            old_len: 4,
            new_len: 0,
            image,
        }));
    }
    let mut done = three_leaves();
    done.pages.append(&mut before.pages.clone());
    let start = done.pages.clone();
    apply_root_page_move(&mut done, &records).unwrap();
    done.check();
    let header = |page| done.pages[&page].external_header().unwrap().to_vec();
    assert_eq!(header(50), [&[3][..], &space_header(1, 51), &[9; 8]].concat());
    assert_eq!(header(60), space_header(50, 70));
    assert_eq!([50, 51, 52].map(|page| done.keys(page).len()), [1; 3]);
    assert_eq!([40, 41, 42].map(|page| done.keys(page).len()), [0; 3]);
    let rows: Vec<_> = done.nodes(61).into_iter().map(|(_, data)| data).collect();
    assert_eq!(rows, [&b"new1"[..], b"new22"]);
    // Any of them may have been written already.
    for written in 0..256u32 {
        let mut pages = tree();
        pages.pages = start.clone();
        for (bit, page) in [40, 41, 42, 50, 51, 52, 60, 61].into_iter().enumerate() {
            if written >> bit & 1 == 1 {
                pages.pages.insert(page, done.pages[&page].clone());
            }
        }
        apply_root_page_move(&mut pages, &records).unwrap();
        assert!(pages.pages == done.pages, "pages written: {written:#b}");
    }
    for wrong in [&records[..3], &records[1..], &[]] {
        let mut pages = tree();
        pages.pages = start.clone();
        assert_eq!(
            apply_root_page_move(&mut pages, wrong).unwrap_err().code(),
            JetErr::LogCorrupted
        );
    }
}
