//! What a database is made of, as lines of text: header, catalog, system tables, trees with their pages and space. Names
//! stand for objids and root pages, so that databases that differ in these alone have the same lines.

use jetfs::format::{
    Extent, FreeSpace, NodeFlags, Page, PageFlags, RootHeader, SpaceNode, SplitBuffer, Value,
};
use jetfs::store::{Database, Schema, Table};
use std::collections::BTreeMap;

/// Bits of a page that say nothing of its content: checksum format and flush type.
const NOT_CONTENT: PageFlags = PageFlags::FLUSH_TYPE_LOW
    .union(PageFlags::FLUSH_TYPE_HIGH)
    .union(PageFlags::SCRUBBED);

/// Lines by what they are about.
pub(crate) type Lines = BTreeMap<String, String>;

/// A tree: its name, root page and objid.
#[derive(Debug, Clone)]
pub(crate) struct NamedTree {
    pub(crate) name: String,
    pub(crate) root: u32,
    pub(crate) objid: u32,
}

/// Every tree of a database but those of space.
pub(crate) fn trees(schema: &Schema) -> Vec<NamedTree> {
    let tree = |name: String, root, objid| NamedTree { name, root, objid };
    let mut trees = vec![tree("root".into(), 1, 1)];
    for table in &schema.tables {
        trees.push(tree(table.name.clone(), table.table.pgno_fdp, table.objid));
        let secondary = table
            .indexes
            .iter()
            .filter(|index| index.entry.objid != table.objid);
        trees.extend(secondary.map(|index| {
            let name = format!("{}.{}", table.name, index.name);
            tree(name, index.entry.pgno_fdp, index.entry.objid)
        }));
        let long_value = table.long_value.as_ref();
        trees.extend(long_value.map(|lv| tree(format!("{}.LV", table.name), lv.pgno_fdp, lv.objid)));
    }
    trees
}

/// The columns of every row of the catalog, numbers of trees replaced by their names.
pub(crate) fn catalog(database: &Database, catalog: &str) -> Lines {
    let schema = Schema::load(database).unwrap();
    let trees = trees(&schema);
    let name_of = |objid: i64| {
        let found = trees.iter().find(|tree| i64::from(tree.objid) == objid);
        found.map_or(format!("tree {objid}"), |tree| tree.name.clone())
    };
    let mut lines = Lines::new();
    let table = Table::open(database, &schema, catalog).unwrap();
    for row in table.rows().unwrap() {
        let row = row.unwrap();
        let mut fields: BTreeMap<&str, String> = BTreeMap::new();
        for (column, value) in table.columns().iter().zip(&row.values) {
            let value = value.as_ref().unwrap();
            if !value.is_null() {
                fields.insert(&column.schema.name, text(value));
            }
        }
        let number = |name: &str| fields[name].parse::<i64>().unwrap();
        let kind = number("Type");
        let table_name = name_of(number("ObjidTable"));
        let id = if kind == 2 {
            number("Id").to_string()
        } else {
            name_of(number("Id"))
        };
        let is_same_tree = kind == 2 || {
            let root = number("ColtypOrPgnoFDP");
            trees
                .iter()
                .any(|tree| i64::from(tree.root) == root && tree.name == id)
        };
        assert!(is_same_tree, "{fields:?}");
        fields.insert("ObjidTable", table_name.clone());
        fields.insert("Id", id.clone());
        if kind != 2 {
            fields.remove("ColtypOrPgnoFDP");
        }
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let name = if kind == 2 { id } else { fields_name(&fields) };
        lines.insert(format!("{table_name} {kind} {name}"), fields.join(" "));
    }
    lines
}

fn fields_name(fields: &[String]) -> String {
    let name = fields.iter().find_map(|field| field.strip_prefix("Name="));
    name.unwrap().to_owned()
}

/// Rows of a table by their keys, in hexadecimal digits.
pub(crate) fn rows(database: &Database, table: &str) -> Lines {
    let schema = Schema::load(database).unwrap();
    let table = Table::open(database, &schema, table).unwrap();
    let line = |row: jetfs::store::Row| {
        let values: Vec<String> = row
            .values
            .iter()
            .map(|value| text(value.as_ref().unwrap()))
            .collect();
        (hex(&row.key), values.join(" "))
    };
    table.rows().unwrap().map(|row| line(row.unwrap())).collect()
}

/// Key and data of the nodes of a tree in hexadecimal digits, those that are deleted left out.
pub(crate) fn nodes(database: &Database, tree: &NamedTree) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for pgno in levels(database, tree.root, tree.objid).pop().unwrap() {
        let page = database.read_page(pgno).unwrap();
        let nodes = Page::of(&page).unwrap().nodes().map(Result::unwrap);
        let visible = nodes.filter(|node| !node.is_deleted());
        lines.extend(visible.map(|node| (hex(&node.key()), hex(node.data))));
    }
    lines
}

/// Pages of a tree by levels, the root first, each from left to right.
pub(crate) fn levels(database: &Database, root: u32, objid: u32) -> Vec<Vec<u32>> {
    let mut levels = vec![vec![root]];
    loop {
        let mut below = Vec::new();
        for pgno in levels.last().unwrap() {
            let page = database.read_page(*pgno).unwrap();
            let page = Page::of(&page).unwrap();
            assert_eq!(page.objid(), objid, "page {pgno}");
            if !page.is_leaf() {
                below.extend((0..page.node_count()).map(|line| page.child(line).unwrap()));
            }
        }
        if below.is_empty() {
            return levels;
        }
        assert!(levels.len() < 8);
        levels.push(below);
    }
}

/// What a tree's pages look like: for each its number, flags, nodes, free bytes, prefix, last key and siblings.
pub(crate) fn pages(database: &Database, tree: &NamedTree) -> Lines {
    let mut lines = Lines::new();
    for (depth, level) in levels(database, tree.root, tree.objid).iter().enumerate() {
        for (at, pgno) in level.iter().enumerate() {
            let page = database.read_page(*pgno).unwrap();
            let page = Page::of(&page).unwrap();
            let nodes: Vec<_> = page.nodes().map(Result::unwrap).collect();
            let compressed = nodes
                .iter()
                .filter(|node| node.flags.contains(NodeFlags::COMPRESSED));
            let header = &page.header;
            lines.insert(
                format!("{} level {depth} page {at:03}", tree.name),
                format!(
                    "page {pgno} flags {:#x} nodes {} compressed {} free {} prefix {} last {} siblings {} {}",
                    (header.flags - NOT_CONTENT).bits(),
                    nodes.len(),
                    compressed.count(),
                    header.free,
                    if *pgno == tree.root {
                        "-".into()
                    } else {
                        hex(page.prefix_key().unwrap())
                    },
                    nodes.last().map_or("-".into(), |node| hex(&node.key())),
                    header.prev,
                    header.next,
                ),
            );
        }
    }
    lines
}

/// The space of a tree: its header, the extents that it owns and those that are free.
pub(crate) fn space(database: &Database, tree: &NamedTree) -> Lines {
    let page = database.read_page(tree.root).unwrap();
    let header = RootHeader::read(Page::of(&page).unwrap().external_header().unwrap()).unwrap();
    let space = header.space.unwrap();
    let mut lines = Lines::new();
    let mut add = |what: &str, line: String| lines.insert(format!("{} {what}", tree.name), line);
    let place = match space.free {
        FreeSpace::Bitmap(bits) => format!("bitmap {bits:#x}"),
        FreeSpace::OwnedExtents(root) => {
            add("owned", extents(database, root, tree.objid));
            add("available", extents(database, root + 1, tree.objid));
            format!("trees {root}")
        }
    };
    let line = format!(
        "primary {} flags {:#x} {place}",
        space.primary,
        space.flags.bits()
    );
    add("space", line);
    lines
}

fn extents(database: &Database, root: u32, objid: u32) -> String {
    let levels = levels(database, root, objid);
    let page = database.read_page(root).unwrap();
    let external = Page::of(&page).unwrap().external_header().unwrap().to_vec();
    let buffer = SplitBuffer::read(&external).unwrap();
    let reserve = |extent: &Extent| format!("{}-{}", extent.last, extent.count);
    let reserves: Vec<String> = buffer.reserves.iter().map(reserve).collect();
    let mut text = format!("levels {} reserves {}:", levels.len(), reserves.join(","));
    for pgno in levels.last().unwrap() {
        let page = database.read_page(*pgno).unwrap();
        for node in Page::of(&page).unwrap().nodes() {
            let node = node.unwrap();
            let read = SpaceNode::read(&node.key(), node.data).unwrap();
            let deleted = if node.is_deleted() { "!" } else { "" };
            text += &format!(" {}-{}{deleted}", read.extent.last, read.extent.count);
        }
    }
    text
}

/// The fields of the header that do not say when, where and by whom.
pub(crate) fn header(database: &Database) -> Lines {
    let header = database.header();
    let is_set = |bytes: &jetfs::format::Signature| *bytes != Default::default();
    let lines = [
        ("version", format!("{:#x}", header.version)),
        (
            "update",
            format!("{} {}", header.update_major, header.update_minor),
        ),
        (
            "created",
            format!("{:#x} {}", header.create_version, header.create_update),
        ),
        ("state", format!("{:?}", header.state)),
        ("attributes", header.attributes.to_string()),
        ("dbid", header.dbid.to_string()),
        ("flags", header.flags.to_string()),
        ("page size", format!("{:?}", header.page_size)),
        ("sort version", format!("{:#x}", header.sort_version)),
        ("file type", format!("{:?}", header.file_type)),
        ("signature", is_set(&header.signature).to_string()),
        ("log signature", is_set(&header.log_signature).to_string()),
        (
            "consistent is detach",
            (header.consistent == header.detach).to_string(),
        ),
        (
            "required",
            format!(
                "{} {}",
                header.generation_min_required, header.generation_max_required
            ),
        ),
        ("committed", header.generation_max_committed.to_string()),
    ];
    lines
        .into_iter()
        .map(|(name, line)| (name.to_owned(), line))
        .collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Binary(bytes) => format!("x{}", hex(bytes)),
        value => value.to_string(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lines that are not the same.
pub(crate) fn differences(ours: &Lines, genuine: &Lines) -> Vec<String> {
    let mut found = Vec::new();
    for (name, line) in genuine {
        match ours.get(name) {
            Some(own) if own == line => {}
            Some(own) => found.push(format!("{name}:\n  ours    {own}\n  genuine {line}")),
            None => found.push(format!("{name}: only genuine: {line}")),
        }
    }
    let only = ours.iter().filter(|(name, _)| !genuine.contains_key(*name));
    found.extend(only.map(|(name, line)| format!("{name}: only ours: {line}")));
    found
}
