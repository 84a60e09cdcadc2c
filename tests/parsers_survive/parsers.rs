//! The parsers, each with its inputs, what makes a mutated input pass its checksum, and the memory it may take.

use crate::corpus::Samples;
use crate::mutate::mutate;
use crate::{databases, log_files, log_records};
use jetfs::backup::{BackupMode, JsonName, Manifest, ManifestFile, ManifestKind};
use jetfs::format::checksum::{header_checksum, stamp_page};
use jetfs::format::{
    CatalogEntry, CatalogObject, ColumnEntry, ColumnFlags, ColumnId, ColumnType, DatabaseHeader, Lid,
    LongValueKey, LongValueRoot, Node, Page, PageFlags, PageIdentity, PageSize, PageWriter, Record,
    RootHeader, Signature, SpaceNode, SplitBuffer, Storage, TaggedColumn, Value, VerifiedPage, choose_copy,
    decompress,
};
use jetfs::io::Seeded;

/// A parser under test.
pub(crate) struct Parser {
    pub(crate) name: &'static str,
    pub(crate) inputs: Vec<Vec<u8>>,
    /// Changes an input; the others are there to be spliced with.
    pub(crate) mutate: fn(&mut Vec<u8>, &[Vec<u8>], &mut Seeded),
    /// Makes the checksums of a mutated input right, so that it gets past them.
    pub(crate) stamp: Option<fn(&mut [u8])>,
    pub(crate) parse: fn(&[u8]),
    /// Bytes of memory that it may take at once: this much,
    pub(crate) memory_most: usize,
    /// and this many for each byte of input.
    pub(crate) memory_factor: usize,
}

pub(crate) const KIB: usize = 1 << 10;
/// What a decompressed value may have.
const VALUE_LIMIT: usize = 64 * KIB;
/// The page number that pages are stamped with and parsed as.
const PGNO: u32 = 7;

/// All parsers.
pub(crate) fn all(samples: &Samples) -> Vec<Parser> {
    let mut pages = samples.pages();
    pages.extend(PageSize::ALL.map(own_page));
    let mut values: Vec<Vec<u8>> = pages.iter().flat_map(|page| leaf_values(page)).collect();
    values.push(b"\x08\x41".to_vec());
    let mut parsers = vec![
        Parser {
            name: "database-header",
            inputs: database_headers(samples),
            mutate,
            stamp: Some(stamp_header),
            parse: parse_database_header,
            memory_most: 64 * KIB,
            memory_factor: 8,
        },
        Parser {
            name: "page",
            inputs: pages.clone(),
            mutate,
            stamp: None,
            parse: parse_page,
            memory_most: 4 * VALUE_LIMIT,
            memory_factor: 64,
        },
        Parser {
            name: "verified-page",
            inputs: pages,
            mutate,
            stamp: Some(stamp_any_page),
            parse: verify_page,
            memory_most: 64 * KIB,
            memory_factor: 2,
        },
        Parser {
            name: "record-value-key",
            inputs: values,
            mutate,
            stamp: None,
            parse: parse_value,
            memory_most: 4 * VALUE_LIMIT,
            memory_factor: 64,
        },
        Parser {
            name: "manifest",
            inputs: vec![own_manifest().to_bytes().unwrap()],
            mutate,
            stamp: None,
            parse: |bytes| drop(Manifest::from_bytes(bytes)),
            memory_most: 64 * KIB,
            memory_factor: 64,
        },
    ];
    parsers.extend(log_files::all(samples));
    parsers.extend(log_records::all(samples));
    parsers.extend(databases::all(samples));
    parsers
}

fn database_headers(samples: &Samples) -> Vec<Vec<u8>> {
    let own = PageSize::ALL.map(|size| {
        let signature = Signature {
            random: 1,
            ..Signature::default()
        };
        DatabaseHeader::new(size, signature).unwrap().encode().repeat(2)
    });
    let genuine = samples.databases.iter().map(|database| {
        let both = database.bytes.get(..2 * database.size.bytes());
        both.unwrap_or(&database.bytes).to_vec()
    });
    own.into_iter().chain(genuine).collect()
}

/// The header's checksum, for the page size that it says.
fn stamp_header(bytes: &mut [u8]) {
    let stored = bytes
        .get(236..240)
        .map(|field| u32::from_le_bytes(field.try_into().unwrap()));
    let size = stored.and_then(|stored| PageSize::from_stored(stored).ok());
    if let Some(page) = size.and_then(|size| bytes.get_mut(..size.bytes())) {
        let checksum = header_checksum(page);
        page[..4].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn parse_database_header(bytes: &[u8]) {
    if let Ok(chosen) = choose_copy(bytes)
        && let Ok(header) = chosen.header.decode()
    {
        assert!(
            header
                .required_generations()
                .is_none_or(|(low, high)| low <= high)
        );
        let _ = header.version_text();
    }
}

fn size_of(bytes: &[u8]) -> Option<PageSize> {
    PageSize::ALL.into_iter().find(|size| size.bytes() == bytes.len())
}

fn stamp_any_page(bytes: &mut [u8]) {
    if let Some(size) = size_of(bytes) {
        stamp_page(bytes, size, PGNO);
    }
}

fn verify_page(bytes: &[u8]) {
    let size = size_of(bytes).unwrap_or(PageSize::Kib4);
    if let Ok(page) = VerifiedPage::verify(bytes, size, PGNO).and_then(|page| page.initialised()) {
        let _ = Page::of(&page).and_then(|page| page.check());
    }
}

fn parse_page(bytes: &[u8]) {
    let size = size_of(bytes).unwrap_or(PageSize::Kib4);
    let Ok(page) = Page::new(size, PGNO, bytes) else {
        return;
    };
    let _ = page.check();
    let _ = (page.next(), page.prev(), page.flags(), page.prefix_key());
    if let Ok(header) = page.external_header() {
        let _ = (RootHeader::read(header), SplitBuffer::read(header));
    }
    for node in page.nodes().flatten() {
        parse_node(size, &node);
    }
    for index in 0..page.node_count() {
        let _ = page.child(index);
    }
}

fn parse_node(size: PageSize, node: &Node<'_>) {
    let key = node.key();
    assert_eq!(key.len(), node.key_len());
    let _ = (
        node.compare_key(&key),
        node.child(),
        SpaceNode::read(&key, node.data),
    );
    let _ = LongValueKey::read(&key);
    let _ = LongValueRoot::read(node.data);
    parse_record(size, node.data);
}

fn parse_record(size: PageSize, data: &[u8]) {
    let _ = CatalogEntry::read(size, data);
    let _ = Record::read(size, data).map(|record| {
        for id in 0..=255 {
            let id = jetfs::format::ColumnId(id);
            let _ = (record.fixed(id, 4 + usize::from(id.0), 8), record.variable(id));
        }
        let columns = record.tagged_columns().into_iter().flatten().flatten();
        columns.for_each(|(_, _, column)| parse_tagged(&column));
    });
}

fn parse_tagged(column: &TaggedColumn<'_>) {
    for index in 0..column.len().unwrap_or(1) {
        let Ok(instance) = column.instance(index) else {
            continue;
        };
        match instance.storage {
            Storage::Compressed => drop(decompress(instance.data, VALUE_LIMIT)),
            Storage::Separated => drop(Lid::from_record(instance.data)),
            Storage::Plain | Storage::Encrypted => parse_typed(instance.data),
        }
    }
}

fn parse_typed(bytes: &[u8]) {
    for kind in (0..=20).filter_map(ColumnType::from_number) {
        for code_page in [1200, 1252, 0] {
            let value = Value::read(kind, code_page, bytes.to_vec());
            let _ = value.map(|value| (value.to_string(), serde_json::to_string(&value).unwrap()));
        }
    }
}

fn leaf_values(page: &[u8]) -> Vec<Vec<u8>> {
    let size = size_of(page).unwrap_or(PageSize::Kib4);
    let Ok(page) = Page::new(size, PGNO, page) else {
        return Vec::new();
    };
    let nodes = page.nodes().flatten().filter(|_| page.is_leaf());
    nodes.step_by(5).map(|node| node.data.to_vec()).collect()
}

fn parse_value(bytes: &[u8]) {
    parse_record(PageSize::Kib4, bytes);
    parse_record(PageSize::Kib32, bytes);
    parse_typed(bytes);
    let _ = (
        decompress(bytes, VALUE_LIMIT),
        Lid::from_record(bytes),
        LongValueKey::read(bytes),
    );
}

fn own_page(size: PageSize) -> Vec<u8> {
    let mut writer = PageWriter::new(size, &[0; 16]);
    for id in 0..20 {
        let record = own_catalog_row(id).record(size).unwrap();
        assert!(writer.push_node(&u32::from(id).to_be_bytes(), &record));
    }
    let identity = PageIdentity {
        objid: 2,
        flags: PageFlags::ROOT | PageFlags::LEAF,
        dbtime: 1,
    };
    writer.finish(PGNO, identity, 0, 0)
}

fn own_catalog_row(id: u16) -> CatalogEntry {
    CatalogEntry {
        objid_table: 2,
        name: "name".to_owned(),
        object: CatalogObject::Column(ColumnEntry {
            id: ColumnId(id),
            kind: Some(ColumnType::LongText),
            coltyp: 12,
            size: 100,
            flags: ColumnFlags::empty(),
            code_page: 1252,
            record_offset: None,
            default: None,
        }),
    }
}

fn own_manifest() -> Manifest {
    let file = ManifestFile {
        name: JsonName("ntds.dit".into()),
        role: jetfs::backup::FileRole::Database,
        len: 1 << 20,
        modified: std::time::SystemTime::UNIX_EPOCH,
        original: JsonName("/db/ntds.dit".into()),
        signature: None,
        sha256: None,
    };
    Manifest {
        files: vec![file; 5],
        ..Manifest::new(ManifestKind::Full, BackupMode::Frozen)
    }
}
