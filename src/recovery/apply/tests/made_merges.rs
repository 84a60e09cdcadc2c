//! Merges of a tree made here.

use super::super::apply_merge;
use super::made_tree::{BEFORE, operation, three_leaves};
use crate::format::PageFlags;
use crate::format::log_record::{ImageFlags, Merge, MergeFlags, MergeType};

/// The merge of leaf 10, all of it or from line 2 on, with leaf 11 on its right and 9 on its left.
fn merge(merge_type: MergeType, flags: MergeFlags, line: u16) -> [Merge<'static>; 2] {
    let leaf = Merge {
        page: operation(10, 0),
        page_right: 11,
        dbtime_right_before: BEFORE,
        page_left: 9,
        dbtime_left_before: BEFORE,
        page_parent: 4,
        dbtime_parent_before: BEFORE,
        page_fdp: 4,
        objid: 7,
        size_total: 0,
        size_most_total: 0,
        uncommitted_free_destination: 2,
        line_merge: line,
        merge_flags: flags,
        merge_type,
        image_flags: ImageFlags::empty(),
        separator_key: b"ab",
        before_image: &[],
    };
    let parent_flags = match merge_type {
        MergeType::FullLeft => MergeFlags::DELETE_NODE | MergeFlags::KEY_CHANGE,
        MergeType::PartialLeft | MergeType::PartialRight => MergeFlags::KEY_CHANGE,
        _ => MergeFlags::DELETE_NODE,
    };
    let parent = Merge {
        page: operation(4, 1),
        merge_type: MergeType::None,
        merge_flags: parent_flags,
        page_left: 0,
        page_right: 0,
        separator_key: &[],
        ..leaf
    };
    [parent, leaf]
}

#[test]
fn merges_move_lines_to_a_sibling_but_not_deleted_ones() {
    let deleted = crate::format::NodeFlags::DELETED;
    for (merge_type, line, counts, parents) in [
        (MergeType::EmptyPage, 0, [1, 0, 1], vec![9, 11]),
        (MergeType::FullRight, 0, [1, 0, 4], vec![9, 11]),
        (MergeType::FullLeft, 3, [4, 0, 1], vec![9, 11]),
        (MergeType::PartialRight, 1, [1, 1, 3], vec![9, 10, 11]),
        (MergeType::PartialLeft, 1, [2, 2, 1], vec![9, 10, 11]),
    ] {
        let partial = parents.len() == 3;
        let flags = if partial {
            MergeFlags::empty()
        } else {
            MergeFlags::EMPTY_PAGE
        };
        let mut pages = three_leaves();
        pages
            .pages
            .get_mut(&10)
            .unwrap()
            .set_node_flags(1, deleted)
            .unwrap();
        apply_merge(&mut pages, &merge(merge_type, flags, line)).unwrap();
        pages.check();
        assert_eq!(
            [9, 10, 11].map(|page| pages.keys(page).len()),
            counts,
            "{merge_type:?}"
        );
        let pointed = pages.nodes(4).into_iter().map(|(_, data)| u32::from(data[0]));
        assert_eq!(pointed.collect::<Vec<_>>(), parents, "{merge_type:?}");
        let header = |page| pages.pages[&page].header().unwrap();
        let linked = if partial { (10, 10) } else { (11, 9) };
        assert_eq!((header(9).next, header(11).prev), linked, "{merge_type:?}");
        assert_eq!(header(10).flags.contains(PageFlags::EMPTY), !partial);
    }
}

#[test]
fn a_merge_changes_the_separator_of_the_line_that_moved_lines_belong_to() {
    for (merge_type, line) in [(MergeType::PartialRight, 1), (MergeType::PartialLeft, 0)] {
        let mut pages = three_leaves();
        apply_merge(&mut pages, &merge(merge_type, MergeFlags::empty(), 1)).unwrap();
        assert_eq!(pages.keys(4)[line], b"ab", "{merge_type:?}");
    }
}

#[test]
fn when_the_last_pointer_of_a_level_goes_the_one_before_gets_the_empty_key() {
    let mut pages = three_leaves();
    let [mut parent, mut leaf] = merge(MergeType::EmptyPage, MergeFlags::EMPTY_PAGE, 0);
    parent.page.line = 2;
    leaf.page.page = 11;
    (leaf.page_left, leaf.page_right) = (10, 0);
    apply_merge(&mut pages, &[parent, leaf]).unwrap();
    assert_eq!(pages.keys(4), [&b"aa"[..], b""]);
    assert_eq!(pages.pages[&10].header().unwrap().next, 0);
}

#[test]
fn each_page_of_a_merge_decides_alone() {
    for (merge_type, line) in [
        (MergeType::FullRight, 0),
        (MergeType::FullLeft, 3),
        (MergeType::PartialRight, 2),
        (MergeType::PartialLeft, 1),
    ] {
        let partial = matches!(merge_type, MergeType::PartialRight | MergeType::PartialLeft);
        let flags = if partial {
            MergeFlags::empty()
        } else {
            MergeFlags::EMPTY_PAGE
        };
        let image = three_leaves().pages[&10].bytes().to_vec();
        let [parent, leaf] = merge(merge_type, flags, line);
        let levels = [
            parent,
            Merge {
                before_image: &image,
                ..leaf
            },
        ];
        let mut done = three_leaves();
        apply_merge(&mut done, &levels).unwrap();
        for written in 0..16 {
            let mut pages = three_leaves();
            for (bit, page) in [4, 9, 10, 11].into_iter().enumerate() {
                if written >> bit & 1 == 1 {
                    pages.pages.insert(page, done.pages[&page].clone());
                }
            }
            apply_merge(&mut pages, &levels).unwrap();
            assert!(
                pages.pages == done.pages,
                "{merge_type:?}, pages written: {written:#b}"
            );
        }
    }
}

#[test]
fn hostile_merges_end_in_errors() {
    type Change = fn(&mut [Merge<'_>; 2], u16);
    let changes: [Change; 7] = [
        |[_, leaf], value| leaf.page_left = value.into(),
        |[_, leaf], value| leaf.page_right = value.into(),
        |[_, leaf], value| leaf.line_merge = value,
        |[parent, _], value| parent.page.line = value,
        |[parent, _], value| parent.page.page = value.into(),
        |[parent, _], value| parent.merge_flags = MergeFlags::from_bits_retain(value.to_le_bytes()[0]),
        |[_, leaf], value| leaf.merge_flags = MergeFlags::from_bits_retain(value.to_le_bytes()[0]),
    ];
    let types = [
        MergeType::None,
        MergeType::EmptyPage,
        MergeType::FullRight,
        MergeType::PartialRight,
        MergeType::EmptyTree,
        MergeType::FullLeft,
        MergeType::PartialLeft,
        MergeType::PageMove,
        MergeType::Unknown(9),
    ];
    for merge_type in types {
        for change in changes {
            for value in [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 0x7fff, 0xffff] {
                let mut levels = merge(merge_type, MergeFlags::EMPTY_PAGE, 0);
                change(&mut levels, value);
                let mut pages = three_leaves();
                if apply_merge(&mut pages, &levels).is_ok() {
                    pages.check();
                }
            }
        }
    }
}
