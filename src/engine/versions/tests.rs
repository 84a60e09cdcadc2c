use super::*;
use crate::engine::transactions::Transactions;
use crate::format::PageFlags;

const TREE: TreeId = TreeId {
    fdp: 31,
    root: 31,
    objid: 8,
    is_unique: true,
    kind: PageFlags::empty(),
};
const NODE: BookmarkRef<'_> = BookmarkRef {
    key: b"key",
    data: b"",
};

/// A database of one node, and its versions.
struct Node {
    transactions: Transactions,
    versions: Versions,
    data: Vec<u8>,
    is_deleted: bool,
    rceid: u32,
}

impl Node {
    fn new(data: &[u8]) -> Self {
        Node {
            transactions: Transactions::new(),
            versions: Versions::default(),
            data: data.to_vec(),
            is_deleted: false,
            rceid: 1,
        }
    }

    fn add(&mut self, transaction: &Arc<TransactionState>, level: u8, operation: Operation) {
        self.rceid += 2;
        let version = Version {
            rceid: self.rceid,
            operation,
            transaction: Arc::clone(transaction),
            level,
            page: 31,
            has_undo_info: false,
        };
        self.versions.add(TREE, NODE, version);
    }

    fn replace(&mut self, transaction: &Arc<TransactionState>, level: u8, data: &[u8]) {
        let before = std::mem::replace(&mut self.data, data.to_vec()).into();
        self.add(transaction, level, Operation::Replace { before });
    }

    fn commit(&mut self, transaction: &Arc<TransactionState>) {
        self.transactions.commit(transaction);
        self.versions.commit(transaction);
    }

    fn seen(&self, reader: &TransactionState) -> Option<Vec<u8>> {
        let seen = Versions::see(self.versions.of(TREE, NODE), &self.data, self.is_deleted, reader);
        (!seen.is_deleted).then(|| seen.data.into_owned())
    }
}

#[test]
fn a_reader_sees_what_was_committed_when_it_began_and_what_it_did_itself() {
    let mut node = Node::new(b"old");
    let before = node.transactions.begin(7);
    let writer = node.transactions.begin(8);
    node.replace(&writer, 1, b"new");
    let during = node.transactions.begin(9);
    node.commit(&writer);
    let after = node.transactions.begin(10);
    assert_eq!(node.seen(&before).as_deref(), Some(&b"old"[..]));
    assert_eq!(node.seen(&during).as_deref(), Some(&b"old"[..]));
    assert_eq!(node.seen(&writer).as_deref(), Some(&b"new"[..]));
    assert_eq!(node.seen(&after).as_deref(), Some(&b"new"[..]));
}

#[test]
fn a_deletion_that_is_not_committed_is_seen_by_nobody_else() {
    let mut node = Node::new(b"old");
    let reader = node.transactions.begin(7);
    let writer = node.transactions.begin(8);
    node.add(&writer, 1, Operation::FlagDelete);
    node.is_deleted = true;
    assert_eq!(node.seen(&reader).as_deref(), Some(&b"old"[..]));
    assert_eq!(node.seen(&writer), None);
}

#[test]
fn an_insertion_over_a_deleted_node_is_seen_as_it_was_by_those_who_began_before() {
    let mut node = Node::new(b"old");
    node.is_deleted = true;
    let reader = node.transactions.begin(7);
    let writer = node.transactions.begin(8);
    node.add(&writer, 1, Operation::Insert);
    node.replace(&writer, 1, b"new");
    node.is_deleted = false;
    assert_eq!(node.seen(&reader), None);
    assert_eq!(node.seen(&writer).as_deref(), Some(&b"new"[..]));
}

#[test]
fn additions_of_several_transactions_are_taken_back_one_by_one() {
    let mut node = Node::new(&10_i32.to_le_bytes());
    let (one, two) = (node.transactions.begin(7), node.transactions.begin(8));
    for (writer, delta) in [(&one, 5), (&two, -3), (&one, 1)] {
        let sum = i32::from_le_bytes(node.data.as_slice().try_into().unwrap()) + delta;
        node.data = sum.to_le_bytes().to_vec();
        node.add(writer, 1, Operation::Delta { offset: 0, delta });
    }
    let number = |bytes: Option<Vec<u8>>| i32::from_le_bytes(bytes.unwrap().try_into().unwrap());
    assert_eq!(number(node.seen(&one)), 16);
    assert_eq!(number(node.seen(&two)), 7);
    let reader = node.transactions.begin(9);
    assert_eq!(number(node.seen(&reader)), 10);
    node.commit(&two);
    assert_eq!(number(node.seen(&reader)), 10);
    assert_eq!(number(node.seen(&node.transactions.begin(10))), 7);
}

#[test]
fn a_level_that_is_committed_gives_its_versions_to_the_level_above() {
    let mut node = Node::new(b"0");
    let writer = node.transactions.begin(7);
    node.replace(&writer, 1, b"1");
    node.replace(&writer, 2, b"2");
    node.versions.commit_level(&writer, 1);
    node.replace(&writer, 2, b"3");
    let newest = node.versions.newest(&writer, 2).unwrap();
    assert_eq!(newest.rceid, node.rceid);
    node.versions.forget_newest(&writer);
    assert!(node.versions.newest(&writer, 2).is_none());
    assert_eq!(node.versions.of_transaction(&writer).len(), 2);
    assert!(node.versions.newest(&writer, 1).is_some());
}

#[test]
fn versions_go_when_everybody_sees_them_and_deleted_nodes_are_named() {
    let mut node = Node::new(b"old");
    let reader = node.transactions.begin(7);
    let writer = node.transactions.begin(8);
    node.add(&writer, 1, Operation::FlagDelete);
    node.commit(&writer);
    assert!(
        node.versions
            .drop_seen(node.transactions.oldest_snapshot())
            .is_none()
    );
    node.transactions.roll_back(&reader);
    let dropped = node
        .versions
        .drop_seen(node.transactions.oldest_snapshot())
        .unwrap();
    assert_eq!((dropped.deleted.len(), dropped.added.len()), (1, 0));
    assert!(!node.versions.has_any(TREE));
    assert_eq!(node.versions.transactions(), 0);
}
