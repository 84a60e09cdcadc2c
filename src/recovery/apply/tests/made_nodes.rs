//! Records of single nodes, on a page of three nodes: what they do, and what they refuse.

use crate::error::JetErr;
use crate::format::log_record::{
    Delta, Delta64, FlagInsert, FlagInsertAndReplaceData, Insert, LogRecord, NodeDeletion, NodeOperation,
    OperationFlags, PageOperation, Replace, SetExternalHeader,
};
use crate::format::{FormatError, NodeFlags, NodeParts, PageBuffer, PageFlags, PageSize, make_diff};
use crate::recovery::{Undoing, apply_node, undo_node};

const NONE: NodeFlags = NodeFlags::empty();

/// Leaf with prefix key "key" and the nodes `keya` (deleted), `keyb` and `keyc`.
fn page(size: PageSize) -> PageBuffer {
    let mut page = PageBuffer::blank(size, 5);
    page.initialise(7, PageFlags::LEAF | PageFlags::SCRUBBED, 100);
    page.set_external_header(b"key").unwrap();
    for (line, (suffix, flags)) in [(b"a", NodeFlags::DELETED), (b"b", NONE), (b"c", NONE)]
        .into_iter()
        .enumerate()
    {
        let node = NodeParts {
            flags,
            prefix_len: 3,
            suffix,
            data: &[1, 0, 0, 0, 0, 0, 0, 0, 9],
        };
        page.insert_node(line, node).unwrap();
    }
    page
}

fn at(line: u16) -> NodeOperation {
    let page = PageOperation {
        session: 1,
        database: 1,
        page: 5,
        dbtime: 101,
        dbtime_before: 100,
        trx: 4,
        level: 1,
        line,
        flags: OperationFlags::VERSIONED | OperationFlags::UNIQUE,
    };
    NodeOperation {
        page,
        rceid: 1,
        page_fdp: 5,
        objid: 7,
    }
}

fn replace<'a>(line: u16, image: &'a [u8], old_len: u16, new_len: u16) -> Replace<'a> {
    Replace {
        node: at(line),
        stored_len: u16::try_from(image.len()).unwrap(),
        old_len,
        new_len,
        image,
    }
}

/// Flags, key and data of a line after a record, on small and large pages.
fn after(record: &LogRecord<'_>, line: usize) -> Result<(NodeFlags, Vec<u8>, Vec<u8>), FormatError> {
    let [small, large] = [PageSize::Kib4, PageSize::Kib32].map(|size| {
        let mut page = page(size);
        apply_node(&mut page, record)?;
        let view = page.view().unwrap();
        view.check().unwrap();
        assert_eq!(view.dbtime(), 101);
        assert!(!view.flags().contains(PageFlags::SCRUBBED));
        let node = view.node(line).unwrap();
        Ok((node.flags - NodeFlags::COMPRESSED, node.key(), node.data.to_vec()))
    });
    assert_eq!(small, large);
    small
}

fn refused(record: &LogRecord<'_>) -> JetErr {
    after(record, 0).unwrap_err().jet_err()
}

fn insert(line: u16, key: &[u8], prefix_len: u16) -> LogRecord<'_> {
    LogRecord::Insert(Insert {
        node: at(line),
        prefix_len,
        key,
        data: b"new",
    })
}

#[test]
fn an_insertion_stores_the_key_with_the_prefix_that_it_says() {
    for prefix_len in [0, 3] {
        let (flags, key, data) = after(&insert(3, b"keyd", prefix_len), 3).unwrap();
        assert_eq!(
            (flags, &key[..], &data[..]),
            (NodeFlags::VERSIONED, &b"keyd"[..], &b"new"[..])
        );
    }
    assert_eq!(refused(&insert(4, b"keyd", 3)), JetErr::LogCorrupted);
    assert_eq!(refused(&insert(3, b"keyd", 5)), JetErr::LogCorrupted);
    assert_eq!(
        refused(&insert(3, b"kezd", 3)),
        JetErr::LogOperationInconsistentWithDatabase
    );
}

#[test]
fn an_insertion_may_use_what_was_held_for_rollbacks_but_no_more() {
    let mut page = page(PageSize::Kib2);
    page.set_uncommitted_free(2000);
    let large = [1; 1800];
    let LogRecord::Insert(mut record) = insert(3, b"keyd", 3) else {
        panic!()
    };
    record.data = &large;
    apply_node(&mut page, &LogRecord::Insert(record)).unwrap();
    let error = apply_node(&mut page, &LogRecord::Insert(record)).unwrap_err();
    assert_eq!(error.jet_err(), JetErr::DatabaseCorrupted);
}

#[test]
fn only_a_deleted_node_comes_back() {
    let come_back = |line, key| {
        LogRecord::FlagInsert(FlagInsert {
            node: at(line),
            key,
            data: b"",
        })
    };
    assert_eq!(after(&come_back(0, b"keya"), 0).unwrap().0, NodeFlags::VERSIONED);
    assert_eq!(refused(&come_back(0, b"keyb")), JetErr::LogCorrupted);
    assert_eq!(refused(&come_back(1, b"keyb")), JetErr::LogCorrupted);
    let with_data = |line, key| {
        LogRecord::FlagInsertAndReplaceData(FlagInsertAndReplaceData {
            node: at(line),
            rceid_replace: 3,
            key,
            data: b"other",
        })
    };
    let (flags, _, data) = after(&with_data(0, b"keya"), 0).unwrap();
    assert_eq!((flags, &data[..]), (NodeFlags::VERSIONED, &b"other"[..]));
    assert_eq!(refused(&with_data(1, b"keyb")), JetErr::LogCorrupted);
}

#[test]
fn a_deletion_flags_and_a_delete_removes() {
    let flagged = after(&LogRecord::FlagDelete(NodeDeletion { node: at(1) }), 1).unwrap();
    assert_eq!(flagged.0, NodeFlags::VERSIONED | NodeFlags::DELETED);
    let removed = after(&LogRecord::Delete(NodeDeletion { node: at(0) }), 0).unwrap();
    assert_eq!(removed.1, b"keyb");
    assert_eq!(
        refused(&LogRecord::Delete(NodeDeletion { node: at(3) })),
        JetErr::LogCorrupted
    );
    assert_eq!(
        refused(&LogRecord::FlagDelete(NodeDeletion { node: at(u16::MAX) })),
        JetErr::LogCorrupted
    );
}

#[test]
fn a_replacement_has_the_lengths_that_it_says() {
    let (flags, key, data) = after(&LogRecord::Replace(replace(1, b"longer than before", 9, 18)), 1).unwrap();
    assert_eq!(flags, NodeFlags::VERSIONED);
    assert_eq!((&key[..], &data[..]), (&b"keyb"[..], &b"longer than before"[..]));
    let old = [1, 0, 0, 0, 0, 0, 0, 0, 9];
    let new = [1, 0, 0, 0, 0, 0, 0, 0, 8];
    let diff = make_diff(&old, &new, false).unwrap();
    assert_eq!(
        after(&LogRecord::ReplaceDiff(replace(1, &diff, 9, 9)), 1)
            .unwrap()
            .2,
        new
    );
    for (record, error) in [
        (replace(1, b"abc", 8, 3), JetErr::LogCorrupted),
        (replace(1, b"abc", 9, 4), JetErr::LogCorrupted),
        (replace(1, b"", 9, 0), JetErr::DatabaseCorrupted),
        (replace(3, b"abc", 9, 3), JetErr::LogCorrupted),
    ] {
        assert_eq!(refused(&LogRecord::Replace(record)), error);
    }
    assert_eq!(
        refused(&LogRecord::ReplaceDiff(replace(1, &diff, 9, 10))),
        JetErr::LogCorrupted
    );
}

#[test]
fn a_delta_adds_to_the_number_at_its_offset() {
    let delta = |offset, delta| {
        LogRecord::Delta(Delta {
            node: at(1),
            delta,
            offset,
            key: b"keyb",
            bookmark_data: b"",
        })
    };
    assert_eq!(
        after(&delta(0, -2), 1).unwrap().2,
        [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 9]
    );
    assert_eq!(after(&delta(5, 1), 1).unwrap().2, [1, 0, 0, 0, 0, 1, 0, 0, 9]);
    assert_eq!(refused(&delta(6, 1)), JetErr::LogCorrupted);
    let delta64 = |offset, delta| {
        LogRecord::Delta64(Delta64 {
            node: at(1),
            delta,
            offset,
            key: b"keyb",
            bookmark_data: b"",
        })
    };
    assert_eq!(
        after(&delta64(0, -2), 1).unwrap().2,
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 9]
    );
    assert_eq!(refused(&delta64(2, 1)), JetErr::LogCorrupted);
}

#[test]
fn an_external_header_keeps_the_prefix_that_nodes_need() {
    let set = |data| LogRecord::SetExternalHeader(SetExternalHeader { node: at(0), data });
    assert_eq!(after(&set(b"keynote"), 1).unwrap().1, b"keyb");
    assert_eq!(refused(&set(b"ke")), JetErr::LogOperationInconsistentWithDatabase);
}

#[test]
fn a_page_of_another_tree_is_refused() {
    let mut node = at(1);
    node.objid = 8;
    let record = LogRecord::Delete(NodeDeletion { node });
    assert_eq!(refused(&record), JetErr::LogOperationInconsistentWithDatabase);
}

#[test]
fn an_operation_that_is_undone_leaves_data_and_delete_flag_as_they_were() {
    let original = page(PageSize::Kib4);
    let before = original.view().unwrap().node(1).unwrap().data.to_vec();
    let large = [7; 400];
    let delta = |offset| Delta {
        node: at(1),
        delta: -9,
        offset,
        key: b"keyb",
        bookmark_data: b"",
    };
    let delta64 = |offset| Delta64 {
        node: at(1),
        delta: i64::MIN,
        offset,
        key: b"keyb",
        bookmark_data: b"",
    };
    for (record, undoing) in [
        (
            LogRecord::FlagDelete(NodeDeletion { node: at(1) }),
            Undoing::FlagDelete,
        ),
        (
            LogRecord::Replace(replace(1, &large, 9, 400)),
            Undoing::Replace { before: &before },
        ),
        (
            LogRecord::Replace(replace(1, b"x", 9, 1)),
            Undoing::Replace { before: &before },
        ),
        (
            LogRecord::Delta(delta(5)),
            Undoing::Delta { offset: 5, delta: -9 },
        ),
        (
            LogRecord::Delta64(delta64(1)),
            Undoing::Delta64 {
                offset: 1,
                delta: i64::MIN,
            },
        ),
    ] {
        let mut page = original.clone();
        apply_node(&mut page, &record).unwrap();
        undo_node(&mut page, 1, undoing).unwrap();
        let node = page.view().unwrap().node(1).unwrap();
        assert_eq!(node.data, before, "{undoing:?}");
        assert_eq!(
            node.flags - NodeFlags::COMPRESSED,
            NodeFlags::VERSIONED,
            "the version flag stays"
        );
        page.view().unwrap().check().unwrap();
    }
    let mut page = original;
    apply_node(&mut page, &insert(3, b"keyd", 3)).unwrap();
    undo_node(&mut page, 3, Undoing::Insert).unwrap();
    assert_eq!(page.node_count(), 4, "its space is given back later");
    assert!(page.node_flags(3).unwrap().contains(NodeFlags::DELETED));
    assert!(undo_node(&mut page, 4, Undoing::Insert).is_err());
}
