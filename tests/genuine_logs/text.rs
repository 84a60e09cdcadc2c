//! The text that the genuine dump has for a record, made from the decoded record.

use jetfs::format::log_record::{
    ImageFlags, LogRecord, MergeFlags, NodeOperation, OperationFlags, PageOperation, SplitType,
};
use std::fmt::Write;

/// Bytes of a record that the dump shows.
const SHOWN: usize = 16;

/// The text after the name, for the types that change pages; `None` for the others.
pub(crate) fn of(record: &LogRecord<'_>) -> Option<String> {
    Some(match record {
        LogRecord::Insert(insert) => {
            let prefix = usize::from(insert.prefix_len);
            let lens = [prefix, insert.key.len() - prefix, insert.data.len()].map(|len| len.to_string());
            let flags = flags(&insert.node.page, "U:V:D:S:Y:C");
            let shown = hex(&[insert.key, insert.data]);
            format!(
                "{}{flags},{},{}){shown}",
                at_line(&insert.node.page),
                lens.join(","),
                version(&insert.node)
            )
        }
        LogRecord::FlagDelete(delete) => {
            let flags = flags(&delete.node.page, "U:V:S:Y:C");
            format!("{}{flags}),{}", at_line(&delete.node.page), version(&delete.node))
        }
        LogRecord::Delete(delete) => {
            let flags = flags(&delete.node.page, "U:S:Y");
            format!("{}{flags},{})", at_line(&delete.node.page), objid(&delete.node))
        }
        LogRecord::FlagInsertAndReplaceData(insert) => format!(
            "{}{},{:5},rceidInsert:{},rceidReplace:{},{}){}",
            at_line(&insert.node.page),
            flags(&insert.node.page, "U:V:S:Y:C"),
            insert.key.len() + insert.data.len(),
            insert.node.rceid,
            insert.rceid_replace,
            objid(&insert.node),
            hex(&[insert.key, insert.data])
        ),
        LogRecord::Replace(replace) | LogRecord::ReplaceDiff(replace) => {
            let is_whole = matches!(record, LogRecord::Replace(_));
            format!(
                "{}{},{:5},{:5},{:5},{}){}",
                at_line(&replace.node.page),
                flags(&replace.node.page, "U:V:S:Y:C"),
                replace.image.len(),
                replace.new_len,
                replace.old_len,
                version(&replace.node),
                if is_whole {
                    hex(&[replace.image])
                } else {
                    String::new()
                }
            )
        }
        LogRecord::Delta(delta) => format!(
            "{}{},{},offset:{},{})",
            at_line(&delta.node.page),
            flags(&delta.node.page, "U:V:Y:C"),
            delta.delta,
            delta.offset,
            version(&delta.node)
        ),
        LogRecord::SetExternalHeader(set) => format!(
            "{}{},{:5}){}",
            at_page(&set.node.page),
            flags(&set.node.page, "U:S:Y"),
            set.data.len(),
            hex(&[set.data])
        ),
        LogRecord::Undo(undo) => {
            let flags = flags(&undo.node.page, "U:Y");
            let operation = number(undo.operation);
            let (level, rceid) = (undo.version_level, undo.node.rceid);
            format!(
                "{}{flags},{level},{operation},rceid:{rceid})",
                at_line(&undo.node.page)
            )
        }
        LogRecord::UndoInfo(info) => {
            let page = &info.node.page;
            let lens = [info.key, info.bookmark_data, info.before_image].map(|part| part.len().to_string());
            format!(
                "{:x}:{}({:x},[{}:{}],{},{},{}){}",
                page.trx,
                page.level,
                page.session,
                page.database,
                page.page,
                flags(page, "U:Y"),
                lens.join(","),
                version(&info.node),
                hex(&[info.key, info.bookmark_data, info.before_image])
            )
        }
        LogRecord::Split(split) => return split_text(split),
        LogRecord::Merge(merge) => merge_text(merge),
        _ => return None,
    })
}

fn split_text(split: &jetfs::format::log_record::Split<'_>) -> Option<String> {
    let page = &split.page;
    let database = page.database;
    if split.page_new == 0 {
        let parent = format!(
            "parent:{:x},[{database}:{}])",
            split.dbtime_parent_before, page.page
        );
        return Some(format!("ParentOfSplitPage {}{parent}", times(page)));
    }
    let kind = match split.split_type {
        SplitType::Vertical => "SplitVertical",
        SplitType::Append => "Append",
        SplitType::Right => "SplitRight",
        SplitType::Unknown(_) => return None,
    };
    Some(format!(
        "{kind} {}split:[{database}:{}:{}],oper/last:[{}/{}],new:[{database}:{}],parent:{},right:{}, objid:[{database}:{}], {}, splitoper:{:?}, {})",
        times(page),
        page.page,
        split.line_split,
        split.line_operation,
        split.line_count - 1,
        split.page_new,
        sibling(database, split.dbtime_parent_before, split.page_parent),
        sibling(database, split.dbtime_right_before, split.page_right),
        split.objid,
        flags(page, "U:S:Y:C"),
        split.operation,
        image(split.before_image, split.image_flags)
    ))
}

fn merge_text(merge: &jetfs::format::log_record::Merge<'_>) -> String {
    let page = &merge.page;
    let database = page.database;
    let has = |flag, yes, no| if merge.merge_flags.contains(flag) { yes } else { no };
    format!(
        "{}merge:[{database}:{}:{}],right:{},left:{},parent:{},{}:{}:{}:{}:{:?},size:{},maxsize:{},uncfree:{},{}){}",
        times(page),
        page.page,
        merge.line_merge,
        sibling(database, merge.dbtime_right_before, merge.page_right),
        sibling(database, merge.dbtime_left_before, merge.page_left),
        sibling(database, merge.dbtime_parent_before, merge.page_parent),
        flags(page, "U:S:Y"),
        has(MergeFlags::KEY_CHANGE, "KC", "NKC"),
        has(MergeFlags::EMPTY_PAGE, "EP", "NEP"),
        has(MergeFlags::DELETE_NODE, "D", "ND"),
        merge.merge_type,
        merge.size_total,
        merge.size_most_total,
        merge.uncommitted_free_destination,
        image(merge.before_image, merge.image_flags),
        hex(&[merge.separator_key])
    )
}

/// `oper` as its number.
fn number(operation: jetfs::format::log_record::UndoneOperation) -> u16 {
    use jetfs::format::log_record::UndoneOperation as Operation;
    match operation {
        Operation::Insert => 1,
        Operation::Replace => 2,
        Operation::FlagDelete => 3,
        Operation::Delta => 4,
        Operation::Delta64 => 9,
        Operation::Unknown(number) => number,
    }
}

/// A sibling that is not there has the dbtime 0 in the dump, and nil in the record.
fn sibling(database: u8, dbtime: u64, page: u32) -> String {
    let dbtime = if page == 0 { 0 } else { dbtime };
    format!("{dbtime:x},[{database}:{page}]")
}

fn image(bytes: &[u8], flags: ImageFlags) -> String {
    let mark = if flags.contains(ImageFlags::COMPRESSED) {
        "X"
    } else {
        ""
    };
    let gap = if flags.contains(ImageFlags::DEHYDRATED) {
        "D"
    } else {
        ""
    };
    format!("beforeImage:{}[{gap}{mark}]", bytes.len())
}

fn times(page: &PageOperation) -> String {
    let PageOperation {
        dbtime,
        dbtime_before,
        trx,
        level,
        session,
        ..
    } = page;
    format!("{dbtime:x},{dbtime_before:x},{trx:x}:{level}({session:x},")
}

fn at_page(page: &PageOperation) -> String {
    format!("{}[{}:{}],", times(page), page.database, page.page)
}

fn at_line(page: &PageOperation) -> String {
    format!("{}[{}:{}:{}],", times(page), page.database, page.page, page.line)
}

fn objid(node: &NodeOperation) -> String {
    format!("objid:[{}:{}]", node.page.database, node.objid)
}

fn version(node: &NodeOperation) -> String {
    format!("rceid:{},{}", node.rceid, objid(node))
}

/// The flags that `which` names, as the dump writes them.
fn flags(page: &PageOperation, which: &str) -> String {
    let written = which.split(':').map(|which| {
        let (flag, yes, no) = match which {
            "U" => (OperationFlags::UNIQUE, "U", "NU"),
            "V" => (OperationFlags::VERSIONED, "V", "NV"),
            "D" => (OperationFlags::DELETED, "D", "ND"),
            "S" => (OperationFlags::SPACE, "SP", "NSP"),
            "Y" => (OperationFlags::SYSTEM, "SYS", "USR"),
            _ => (OperationFlags::CREATING_INDEX, "CI", "NCI"),
        };
        if page.flags.contains(flag) { yes } else { no }
    });
    written.collect::<Vec<_>>().join(":")
}

fn hex(parts: &[&[u8]]) -> String {
    let mut text = String::new();
    for byte in parts.iter().copied().flatten().take(SHOWN) {
        write!(text, "{byte:02X} ").unwrap();
    }
    text
}
