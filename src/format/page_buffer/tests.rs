use super::*;
use crate::error::JetErr;
use crate::format::NodeFlags;
use proptest::collection::vec;
use proptest::prelude::*;

/// A node of the model, its key in full.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ModelNode {
    flags: NodeFlags,
    prefix_len: usize,
    suffix: Vec<u8>,
    data: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Change {
    Insert(usize, ModelNode),
    ReplaceNode(usize, ModelNode),
    ReplaceData(usize, Vec<u8>),
    Delete(usize),
    Flags(usize, NodeFlags),
    ExternalHeader(Vec<u8>),
    UncommittedFree(usize),
    Clear,
}

fn node() -> impl Strategy<Value = ModelNode> {
    (
        0u8..4,
        0usize..6,
        vec(any::<u8>(), 1..40),
        vec(any::<u8>(), 1..600),
    )
        .prop_map(|(flags, prefix_len, suffix, data)| ModelNode {
            flags: NodeFlags::from_bits_truncate(flags),
            prefix_len,
            suffix,
            data,
        })
}

fn change() -> impl Strategy<Value = Change> {
    let line = 0usize..40;
    prop_oneof![
        8 => (line.clone(), node()).prop_map(|(line, node)| Change::Insert(line, node)),
        2 => (line.clone(), node()).prop_map(|(line, node)| Change::ReplaceNode(line, node)),
        4 => (line.clone(), vec(any::<u8>(), 1..900)).prop_map(|(line, data)| Change::ReplaceData(line, data)),
        4 => line.clone().prop_map(Change::Delete),
        2 => (line, 0u8..4).prop_map(|(line, flags)| Change::Flags(line, NodeFlags::from_bits_truncate(flags))),
        1 => vec(any::<u8>(), 5..60).prop_map(Change::ExternalHeader),
        1 => (0usize..300).prop_map(Change::UncommittedFree),
        1 => Just(Change::Clear),
    ]
}

/// What a page should hold.
#[derive(Debug, Default)]
struct Model {
    external: Vec<u8>,
    nodes: Vec<ModelNode>,
    uncommitted: usize,
}

impl Model {
    fn used(&self) -> usize {
        let nodes = self.nodes.iter().map(|node| TAG_LEN + parts(node).stored_len());
        TAG_LEN + self.external.len() + nodes.sum::<usize>()
    }

    /// Applies a change to both; afterwards both agree on whether it was possible.
    fn apply(&mut self, page: &mut PageBuffer, change: Change) -> Result<(), TestCaseError> {
        let free = page.free();
        let count = self.nodes.len();
        let possible = match change {
            Change::Insert(line, node) => {
                let fits = line <= count && parts(&node).stored_len() + TAG_LEN <= free - self.uncommitted;
                prop_assert_eq!(page.insert_node(line, parts(&node)).is_ok(), fits);
                fits.then(|| self.nodes.insert(line, node))
            }
            Change::ReplaceNode(line, node) => {
                let fits =
                    line < count && parts(&node).stored_len() <= free + parts(&self.nodes[line]).stored_len();
                prop_assert_eq!(page.replace_node(line, parts(&node)).is_ok(), fits);
                fits.then(|| self.nodes[line] = node)
            }
            Change::ReplaceData(line, data) => {
                let fits = line < count && data.len() <= free + self.nodes[line].data.len();
                prop_assert_eq!(page.replace_data(line, &data).is_ok(), fits);
                fits.then(|| self.nodes[line].data = data)
            }
            Change::Delete(line) => {
                prop_assert_eq!(page.delete_node(line).is_ok(), line < count);
                (line < count).then(|| drop(self.nodes.remove(line)))
            }
            Change::Flags(line, flags) => {
                prop_assert_eq!(page.set_node_flags(line, flags).is_ok(), line < count);
                (line < count).then(|| self.nodes[line].flags = flags)
            }
            Change::ExternalHeader(bytes) => {
                let fits = bytes.len() <= free + self.external.len();
                prop_assert_eq!(page.set_external_header(&bytes).is_ok(), fits);
                fits.then(|| self.external = bytes)
            }
            Change::UncommittedFree(bytes) => {
                page.set_uncommitted_free(bytes);
                self.uncommitted = bytes;
                Some(())
            }
            Change::Clear => {
                page.clear_nodes().unwrap();
                self.nodes.clear();
                Some(())
            }
        };
        let _ = possible;
        self.uncommitted = self.uncommitted.min(page.body_len() - self.used());
        Ok(())
    }

    fn check(&self, page: &PageBuffer) -> Result<(), TestCaseError> {
        let view = page.view().unwrap();
        view.check()
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(page.free(), page.body_len() - self.used());
        prop_assert_eq!(page.uncommitted_free(), self.uncommitted);
        prop_assert_eq!(page.external_header().unwrap(), &self.external);
        prop_assert_eq!(page.node_count(), self.nodes.len());
        for (line, expected) in self.nodes.iter().enumerate() {
            let node = view.node(line).unwrap();
            prop_assert_eq!(node.flags, parts(expected).stored_flags());
            prop_assert_eq!(node.prefix, &self.external[..expected.prefix_len]);
            prop_assert_eq!(
                (node.suffix, node.data),
                (&expected.suffix[..], &expected.data[..])
            );
        }
        let longest = self.nodes.iter().map(|node| node.prefix_len).max();
        prop_assert_eq!(page.longest_prefix().unwrap(), longest.unwrap_or(0));
        Ok(())
    }
}

fn parts(node: &ModelNode) -> NodeParts<'_> {
    NodeParts {
        flags: node.flags,
        prefix_len: node.prefix_len,
        suffix: &node.suffix,
        data: &node.data,
    }
}

fn size() -> impl Strategy<Value = PageSize> {
    prop::sample::select(PageSize::ALL.to_vec())
}

fn leaf(size: PageSize) -> PageBuffer {
    let mut page = PageBuffer::blank(size, 7);
    page.initialise(30, PageFlags::LEAF, 1000);
    page
}

fn plain(key: &'static [u8], data: &'static [u8]) -> NodeParts<'static> {
    NodeParts {
        flags: NodeFlags::empty(),
        prefix_len: 0,
        suffix: key,
        data,
    }
}

proptest! {
    #[test]
    fn a_page_holds_what_a_list_of_nodes_would_hold(size in size(), changes in vec(change(), 1..150)) {
        let mut page = leaf(size);
        page.set_external_header(b"prefix").unwrap();
        let mut model = Model { external: b"prefix".to_vec(), ..Model::default() };
        for change in changes {
            model.apply(&mut page, change)?;
            model.check(&page)?;
        }
    }

    /// The engine places bytes by these rules too, so both come to the same page; here only that hostile pages are
    /// survived, whatever is done to them.
    #[test]
    fn no_change_of_an_arbitrary_page_panics(
        size in size(),
        header in vec(any::<u8>(), 40),
        tags in vec(any::<u8>(), 200),
        changes in vec(change(), 1..20),
        plausible in any::<bool>(),
    ) {
        let mut page = PageBuffer::blank(size, 7);
        let end = size.bytes();
        page.bytes[..40].copy_from_slice(&header);
        page.bytes[end - 200..].copy_from_slice(&tags);
        if plausible {
            page.put_word(offset::TAG_STATE, usize::from(header[34]) % 60);
            page.put_word(offset::MIC_FREE, page.mic_free_of_test() % (size.bytes() - 400));
        }
        for change in changes {
            let _ = match change {
                Change::Insert(line, node) => page.insert_node(line, parts(&node)),
                Change::ReplaceNode(line, node) => page.replace_node(line, parts(&node)),
                Change::ReplaceData(line, data) => page.replace_data(line, &data),
                Change::Delete(line) => page.delete_node(line),
                Change::Flags(line, flags) => page.set_node_flags(line, flags),
                Change::ExternalHeader(bytes) => page.set_external_header(&bytes),
                Change::UncommittedFree(bytes) => {
                    page.set_uncommitted_free(bytes);
                    page.node_data_mut(bytes % 8).map(|data| data.fill(1))
                }
                Change::Clear => page.make_empty(),
            };
            let _ = page.longest_prefix();
        }
    }
}

impl PageBuffer {
    fn mic_free_of_test(&self) -> usize {
        self.word(offset::MIC_FREE)
    }
}

/// Offsets of the nodes' bytes from the end of the header.
fn starts(page: &PageBuffer) -> Vec<usize> {
    (1..=page.node_count())
        .map(|index| page.place(index).unwrap().start)
        .collect()
}

#[test]
fn a_new_node_goes_behind_the_data_and_holes_stay() {
    let mut page = leaf(PageSize::Kib4);
    for key in [b"a", b"b", b"c"] {
        page.insert_node(page.node_count(), plain(key, b"1234567"))
            .unwrap();
    }
    assert_eq!(starts(&page), [0, 10, 20]);
    page.delete_node(1).unwrap();
    page.insert_node(0, plain(b"A", b"1")).unwrap();
    assert_eq!(starts(&page), [30, 0, 20]);
    page.delete_node(0).unwrap();
    assert_eq!(page.mic_free_of_test(), 30, "the end of the last node comes free");
}

#[test]
fn a_node_grows_in_place_only_as_the_last_one() {
    let mut page = leaf(PageSize::Kib4);
    page.insert_node(0, plain(b"a", b"1234567")).unwrap();
    page.insert_node(1, plain(b"b", b"1234567")).unwrap();
    page.replace_data(1, b"123456789").unwrap();
    assert_eq!((starts(&page), page.mic_free_of_test()), (vec![0, 10], 22));
    page.replace_data(0, b"123").unwrap();
    page.replace_data(0, b"1234").unwrap();
    assert_eq!((starts(&page), page.mic_free_of_test()), (vec![22, 10], 29));
    assert_eq!(page.view().unwrap().node(0).unwrap().suffix, b"a");
}

#[test]
fn a_narrow_gap_moves_all_nodes_together_in_their_order() {
    let mut page = leaf(PageSize::Kib2);
    let long: &'static [u8] = &[7; 497];
    for line in 0..3 {
        page.insert_node(line, plain(b"k", long)).unwrap();
    }
    page.delete_node(0).unwrap();
    page.insert_node(0, plain(b"j", &[8; 600])).unwrap();
    assert_eq!(starts(&page), [1000, 0, 500]);
    page.view().unwrap().check().unwrap();
}

#[test]
fn an_emptied_page_has_no_used_byte() {
    let mut page = leaf(PageSize::Kib4);
    page.set_external_header(b"prefix").unwrap();
    for line in 0..3 {
        page.insert_node(line, plain(b"k", b"v")).unwrap();
    }
    page.make_empty().unwrap();
    let header = page.header().unwrap();
    assert_eq!((header.mic_free, header.tags, header.free), (0, 1, 4052));
    assert!(header.flags.contains(PageFlags::EMPTY));
    page.view().unwrap().check().unwrap();
}

#[test]
fn an_insertion_may_not_take_what_a_rollback_may_need() {
    let mut page = leaf(PageSize::Kib4);
    page.set_uncommitted_free(4050);
    let error = page.insert_node(0, plain(b"k", b"v")).unwrap_err();
    assert_eq!(error.jet_err(), JetErr::DatabaseCorrupted);
    page.set_uncommitted_free(0);
    page.insert_node(0, plain(b"k", b"v")).unwrap();
}

#[test]
fn a_node_that_could_not_be_read_again_is_refused() {
    let mut page = leaf(PageSize::Kib32);
    page.set_external_header(b"abc").unwrap();
    let mut node = plain(b"d", b"1");
    node.prefix_len = 4;
    assert!(page.insert_node(0, node).is_err());
    assert!(page.insert_node(0, plain(b"", b"1")).is_err());
    assert!(page.insert_node(0, plain(b"d", b"")).is_err());
    assert!(page.insert_node(1, plain(b"d", b"1")).is_err());
    node.prefix_len = 3;
    page.insert_node(0, node).unwrap();
    assert!(page.replace_data(0, b"").is_err());
    assert_eq!(page.view().unwrap().node(0).unwrap().key(), b"abcd");
}

/// The bytes of database-file.md section 11.2.
#[test]
fn the_pages_of_a_new_database_have_the_bytes_of_the_specification() {
    let mut page = PageBuffer::blank(PageSize::Kib4, 2);
    page.initialise(1, PageFlags::ROOT | PageFlags::LEAF | PageFlags::SPACE_TREE, 1000);
    page.set_external_header(&[0; 16]).unwrap();
    page.insert_node(0, plain(&[0, 0, 0, 254], &[254, 0, 0, 0]))
        .unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        hex(&page.bytes[8..36]),
        "e803000000000000000000000000000001000000b60f00001a000200"
    );
    assert_eq!(
        hex(&page.bytes[40..66]),
        "000000000000000000000000000000000400000000fefe000000"
    );
    assert_eq!(hex(&page.bytes[4088..]), "0a00100010000000");
}

#[test]
fn a_page_that_was_never_filled_is_a_page() {
    for size in PageSize::ALL {
        let mut page = PageBuffer::blank(size, 9);
        page.pre_initialise(4, 77);
        page.view().unwrap().check().unwrap();
        assert!(page.insert_node(0, plain(b"k", b"v")).is_err());
        let image = PageBuffer::from_image(page.bytes(), size, 9).unwrap();
        assert_eq!(image, page);
    }
}

#[test]
fn an_image_is_checked() {
    let page = leaf(PageSize::Kib4);
    let mut bytes = page.bytes().to_vec();
    assert!(PageBuffer::from_image(&bytes[1..], PageSize::Kib4, 7).is_err());
    bytes[offset::FREE] ^= 1;
    assert!(PageBuffer::from_image(bytes, PageSize::Kib4, 7).is_err());
}
