//! Splits of a tree made here.

use super::super::apply_split;
use super::made_tree::{AFTER, BEFORE, FOUR, LEAF, PARENT, node, operation, tree};
use super::memory::MemoryPages;
use crate::error::JetErr;
use crate::format::PageFlags;
use crate::format::log_record::{
    DBTIME_NIL, ImageFlags, Insert, LogRecord, Replace, Split, SplitOperation, SplitType,
};

fn pointer_only(page: u32) -> Split<'static> {
    Split {
        page: operation(page, 0),
        page_new: 0,
        page_right: 0,
        dbtime_right_before: DBTIME_NIL,
        page_parent: 0,
        dbtime_parent_before: DBTIME_NIL,
        page_fdp: 4,
        objid: 7,
        split_type: SplitType::Vertical,
        operation: SplitOperation::None,
        line_operation: 0,
        line_split: 0,
        line_count: 0,
        new_page_flags: 0,
        split_page_flags: 0,
        uncommitted_free_source: 0,
        uncommitted_free_new: 0,
        line_prefix_split: 0,
        line_prefix_new: 0,
        image_flags: ImageFlags::empty(),
        parent_key: &[],
        old_prefix: &[],
        new_prefix: &[],
        before_image: &[],
    }
}

/// The right split of leaf 10 into 10 and 20, with leaf 11 on the right, at line 2 of 4 and without an operation.
fn right_split(image: &[u8]) -> Split<'_> {
    Split {
        page_new: 20,
        page_right: 11,
        dbtime_right_before: BEFORE,
        page_parent: 4,
        dbtime_parent_before: BEFORE,
        split_type: SplitType::Right,
        line_split: 2,
        line_count: 4,
        new_page_flags: LEAF.bits(),
        split_page_flags: LEAF.bits(),
        uncommitted_free_source: 3,
        uncommitted_free_new: 4,
        line_prefix_split: -1,
        line_prefix_new: -1,
        parent_key: b"bb",
        before_image: image,
        ..pointer_only(10)
    }
}

fn image_of_10() -> Vec<u8> {
    let mut page = tree().pages.remove(&10).unwrap();
    page.set_dbtime(AFTER);
    page.bytes().to_vec()
}

fn assert_split(pages: &MemoryPages) {
    pages.check();
    let pointer = |key: &[u8], page: u32| (key.to_vec(), page.to_le_bytes().to_vec());
    assert_eq!(
        pages.nodes(4),
        [pointer(b"bb", 10), pointer(b"c", 20), pointer(b"", 11)]
    );
    assert_eq!(pages.keys(10), [b"aaaa1", b"aaaa2"]);
    assert_eq!(pages.keys(20), [b"bbbb1", b"bbbb2"]);
    let header = |page| pages.pages[&page].header().unwrap();
    assert_eq!((header(10).prev, header(10).next), (0, 20));
    assert_eq!((header(20).prev, header(20).next), (10, 11));
    assert_eq!((header(11).prev, header(11).next), (20, 0));
    assert_eq!(header(20).uncommitted_free, 4);
    assert_eq!(header(20).objid, 7);
    for page in [4, 10, 11, 20] {
        assert_eq!(pages.pages[&page].dbtime(), AFTER);
    }
}

#[test]
fn a_right_split_moves_lines_links_the_leaves_and_tells_the_parent() {
    let image = image_of_10();
    let mut pages = tree();
    assert_eq!(
        apply_split(&mut pages, &[pointer_only(4), right_split(&image)], None).unwrap(),
        None
    );
    assert_split(&pages);
    assert_eq!(pages.pages[&10].uncommitted_free(), 3);
}

/// Whatever of the four pages was written before the crash, the outcome is the same.
#[test]
fn each_page_of_a_split_decides_alone() {
    let image = image_of_10();
    let levels = [pointer_only(4), right_split(&image)];
    let mut done = tree();
    apply_split(&mut done, &levels, None).unwrap();
    for written in 0..16 {
        let mut pages = tree();
        for (bit, page) in [4, 10, 11, 20].into_iter().enumerate() {
            if written >> bit & 1 == 1 {
                pages.pages.insert(page, done.pages[&page].clone());
            }
        }
        apply_split(&mut pages, &levels, None).unwrap();
        assert!(pages.pages == done.pages, "pages written: {written:#b}");
        assert_split(&pages);
    }
}

#[test]
fn without_an_image_a_new_page_cannot_be_made_from_a_page_that_is_newer() {
    let mut pages = tree();
    pages.pages.get_mut(&10).unwrap().set_dbtime(AFTER + 1);
    let error = apply_split(&mut pages, &[pointer_only(4), right_split(&[])], None).unwrap_err();
    assert_eq!(
        (error.code(), error.place().page),
        (JetErr::DatabaseCorrupted, Some(10))
    );
}

fn insert(key: &'static [u8], data: &'static [u8]) -> LogRecord<'static> {
    LogRecord::Insert(Insert {
        node: node(10, 4),
        prefix_len: 0,
        key,
        data,
    })
}

#[test]
fn an_append_needs_no_image_and_gives_its_line_the_version_flag() {
    let append = Split {
        page_right: 0,
        split_type: SplitType::Append,
        operation: SplitOperation::Insert,
        line_operation: 4,
        line_split: 4,
        line_count: 5,
        line_prefix_new: 0,
        parent_key: b"bbbb2x",
        ..right_split(&[])
    };
    let leaf = insert(b"bbbb3", b"new");
    for newer in [false, true] {
        let mut pages = tree();
        if newer {
            pages.pages.get_mut(&10).unwrap().set_dbtime(AFTER);
        }
        apply_split(&mut pages, &[pointer_only(4), append], Some(&leaf)).unwrap();
        pages.check();
        assert_eq!(pages.keys(10).len(), 4);
        let page = pages.pages[&20].view().unwrap();
        let node = page.node(0).unwrap();
        assert_eq!(
            (node.prefix, node.suffix, node.data),
            (&b"bbbb3"[..], &b""[..], &b"new"[..])
        );
        assert!(node.flags.contains(crate::format::NodeFlags::VERSIONED));
    }
}

#[test]
fn the_prefixes_of_both_pages_change_and_all_keys_stay() {
    let split = Split {
        operation: SplitOperation::Insert,
        line_operation: 1,
        line_split: 3,
        line_count: 5,
        line_prefix_split: 1,
        line_prefix_new: 1,
        old_prefix: b"bbbb2",
        new_prefix: b"aaaa11",
        ..right_split(&[])
    };
    let mut pages = tree();
    pages.add(10, LEAF, BEFORE, b"bbbb2", &FOUR);
    let leaf = insert(b"aaaa11", b"new");
    apply_split(&mut pages, &[pointer_only(4), split], Some(&leaf)).unwrap();
    pages.check();
    assert_eq!(pages.keys(10), [&b"aaaa1"[..], b"aaaa11", b"aaaa2"]);
    assert_eq!(pages.keys(20), [b"bbbb1", b"bbbb2"]);
    let prefix = |page| pages.pages[&page].external_header().unwrap().to_vec();
    assert_eq!((prefix(10), prefix(20)), (b"aaaa11".to_vec(), b"bbbb2".to_vec()));
    let lens = |page: u32| -> Vec<usize> {
        let page = pages.pages[&page].view().unwrap();
        page.nodes().map(|node| node.unwrap().prefix.len()).collect()
    };
    assert_eq!((lens(10), lens(20)), (vec![5, 6, 4], vec![4, 5]));
}

#[test]
fn a_replacement_within_a_split_returns_what_it_overwrites() {
    let leaf = LogRecord::Replace(Replace {
        node: node(10, 3),
        stored_len: 6,
        old_len: 1,
        new_len: 6,
        image: b"longer",
    });
    for line in [1u16, 3] {
        let split = Split {
            operation: SplitOperation::Replace,
            line_operation: line,
            ..right_split(&[])
        };
        let mut pages = tree();
        let before = apply_split(&mut pages, &[pointer_only(4), split], Some(&leaf))
            .unwrap()
            .unwrap();
        let (key, data) = FOUR[usize::from(line)];
        assert_eq!((before.key.as_slice(), before.data.as_slice()), (key, data));
        let nodes = [pages.nodes(10), pages.nodes(20)].concat();
        assert_eq!(nodes[usize::from(line)], (key.to_vec(), b"longer".to_vec()));
        assert_eq!(nodes.len(), 4);
    }
}

#[test]
fn a_vertical_split_leaves_a_pointer_on_the_root() {
    let split = Split {
        page_right: 0,
        split_type: SplitType::Vertical,
        line_split: 0,
        split_page_flags: (PageFlags::ROOT | PARENT).bits(),
        parent_key: &[],
        ..right_split(&[])
    };
    let mut pages = tree();
    pages.add(10, PageFlags::ROOT | LEAF, BEFORE, &[0; 16], &FOUR);
    apply_split(&mut pages, &[split], None).unwrap();
    pages.check();
    assert_eq!(pages.nodes(10), [(vec![], 20u32.to_le_bytes().to_vec())]);
    assert_eq!(pages.pages[&10].external_header().unwrap(), [0; 16]);
    assert_eq!(
        pages.pages[&10].header().unwrap().flags & !PageFlags::NEW_RECORD_FORMAT,
        PageFlags::ROOT | PARENT
    );
    assert_eq!(pages.keys(20).len(), 4);
}

/// Every number of a split replaced by others: an answer, never a panic, and a page that is no page is never put.
#[test]
fn hostile_splits_end_in_errors() {
    let image = image_of_10();
    let leaf = insert(b"bbbb3", b"new");
    type Change = fn(&mut Split<'_>, u16);
    let changes: [Change; 9] = [
        |split, value| split.page_new = value.into(),
        |split, value| split.page_right = value.into(),
        |split, value| split.page.page = value.into(),
        |split, value| split.line_operation = value,
        |split, value| split.line_split = value,
        |split, value| split.line_count = value,
        |split, value| split.line_prefix_new = i32::from(value) - 1,
        |split, value| split.line_prefix_split = i32::from(value) - 1,
        |split, value| split.new_page_flags = value.into(),
    ];
    for (leaf, base) in [
        (None, right_split(&image)),
        (None, right_split(&image[..100])),
        (
            Some(&leaf),
            Split {
                operation: SplitOperation::Insert,
                line_operation: 4,
                line_count: 5,
                ..right_split(&image)
            },
        ),
    ] {
        for change in changes {
            for value in [0, 1, 2, 3, 4, 5, 9, 10, 11, 20, 0x7fff, 0xffff] {
                for dbtime in [BEFORE, AFTER] {
                    let mut split = base;
                    change(&mut split, value);
                    let mut pages = tree();
                    pages.pages.get_mut(&10).unwrap().set_dbtime(dbtime);
                    if apply_split(&mut pages, &[pointer_only(4), split], leaf).is_ok() {
                        pages.check();
                    }
                }
            }
        }
    }
    let mut pages = tree();
    assert!(apply_split(&mut pages, &[pointer_only(4)], None).is_err());
    assert!(apply_split(&mut pages, &[], None).is_ok());
}
