//! RootPageMove: the roots of a tree and of its two space trees go to other places, and what points to them is
//! corrected, all in one macro (log-and-recovery.md section 4.6).

use super::fault::misfit;
use super::page_move::moved_image;
use super::taken::{check_distinct, take_older};
use crate::error::JetResult;
use crate::format::bytes::put;
use crate::format::log_record::{LogRecord, MoveFlags, PageMove, PageOperation};
use crate::format::{PageBuffer, RootHeader, SpaceHeader};
use crate::recovery::pages::{PageChange, RedoPages};
use std::collections::BTreeMap;

/// Offset of `pgnoOE` in a space header.
const PGNO_OE: usize = 12;

/// Applies the macro of a root's move: the marker, the three moves, the children's space headers, which name their
/// parent, and the catalog's rows.
///
/// # Errors
/// Those of the pages; `JET_errLogCorrupted` where the macro is not of this shape, or does not fit its pages.
pub fn apply_root_page_move(pages: &mut dyn RedoPages, records: &[LogRecord<'_>]) -> JetResult<()> {
    let (moves, others) = parts_of(records)?;
    let [_, owned, _] = moves;
    let named = moves
        .iter()
        .flat_map(|record| [record.page.page, record.page_destination]);
    check_distinct(named.chain(others.iter().filter_map(|record| page_once(record))))?;
    let mut sources = Vec::new();
    for record in moves {
        sources.extend(take_older(pages, change_of(&record.page), record.objid)?);
        if pages.decide_new(record.page_destination, record.page.dbtime)? {
            let mut page = moved_image(pages, record)?;
            if record.move_flags == MoveFlags::ROOT_FDP {
                set_space_field(&mut page, PGNO_OE, &owned.page_destination.to_le_bytes())?;
            }
            pages.put(page);
        }
    }
    correct_others(pages, others)?;
    for mut source in sources {
        source.make_empty()?;
        pages.put(source);
    }
    Ok(())
}

type Parts<'r, 'a> = ([&'r PageMove<'a>; 3], &'r [LogRecord<'a>]);

/// The moves of the root, of the root of the owned extents, and of that of the available extents; and the records after
/// them.
fn parts_of<'r, 'a>(records: &'r [LogRecord<'a>]) -> JetResult<Parts<'r, 'a>> {
    if let [
        LogRecord::RootPageMove(_),
        LogRecord::PageMove(root),
        LogRecord::PageMove(owned),
        LogRecord::PageMove(available),
        others @ ..,
    ] = records
    {
        let flags = [root, owned, available].map(|record| record.move_flags);
        let lands = |record: &PageMove<'_>| record.page_destination != 0;
        if flags == [MoveFlags::ROOT_FDP, MoveFlags::ROOT_OE, MoveFlags::ROOT_AE]
            && [root, owned, available].into_iter().all(lands)
        {
            return Ok(([root, owned, available], others));
        }
    }
    let page = records.iter().find_map(LogRecord::page_operation);
    let page = page.map_or(0, |operation| operation.page);
    Err(misfit(
        page,
        "the move of a root (RootPageMove) that does not move a root and its two space trees",
    ))
}

/// The page of a record that must be the only one for it; rows of the catalog may share a page.
fn page_once(record: &LogRecord<'_>) -> Option<u32> {
    match record {
        LogRecord::SetExternalHeader(record) => Some(record.node.page.page),
        _ => None,
    }
}

fn change_of(operation: &PageOperation) -> PageChange {
    PageChange {
        page: operation.page,
        dbtime: operation.dbtime,
        dbtime_before: operation.dbtime_before,
    }
}

/// The children's space headers and the catalog's rows. Two rows on one page name the same dbtime before: it is asked
/// once.
fn correct_others(pages: &mut dyn RedoPages, records: &[LogRecord<'_>]) -> JetResult<()> {
    let mut taken: BTreeMap<u32, Option<PageBuffer>> = BTreeMap::new();
    for record in records {
        let (operation, objid) = match record {
            LogRecord::SetExternalHeader(record) => (&record.node.page, record.node.objid),
            LogRecord::Replace(record) => (&record.node.page, record.node.objid),
            _ => {
                return Err(misfit(
                    0,
                    "the move of a root with a record that has no place in it",
                ));
            }
        };
        if let std::collections::btree_map::Entry::Vacant(entry) = taken.entry(operation.page) {
            entry.insert(take_older(pages, change_of(operation), objid)?);
        }
        if let Some(Some(page)) = taken.get_mut(&operation.page) {
            correct(page, record).map_err(|error| error.on_page(operation.page))?;
        }
    }
    for page in taken.into_values().flatten() {
        pages.put(page);
    }
    Ok(())
}

fn correct(page: &mut PageBuffer, record: &LogRecord<'_>) -> JetResult<()> {
    match record {
        LogRecord::SetExternalHeader(record) if record.data.len() == SpaceHeader::LEN => {
            set_space_field(page, 0, record.data)
        }
        LogRecord::Replace(record) => {
            page.replace_data(usize::from(record.node.page.line), record.image)?;
            Ok(())
        }
        _ => Err(misfit(
            page.pgno(),
            "the move of a root with a record that has no place in it",
        )),
    }
}

/// Changes a part of the space header of a root; the other fields of its external header stay.
fn set_space_field(page: &mut PageBuffer, offset: usize, field: &[u8]) -> JetResult<()> {
    let mut external = page.external_header()?.to_vec();
    let start = match external.first() {
        _ if external.len() == SpaceHeader::LEN => 0,
        Some(present) if external.len() > SpaceHeader::LEN && present & RootHeader::HAS_SPACE != 0 => 1,
        _ => {
            return Err(misfit(
                page.pgno(),
                "a root that moves, or a child of it, has no space header",
            ));
        }
    };
    put(&mut external, start + offset, field);
    page.set_external_header(&external)?;
    Ok(())
}
