//! The log of everything that was done, replayed onto nothing, gives the same pages.

use super::rig::Rig;
use super::*;
use crate::error::{JetError, JetResult};
use crate::format::log_record::LogRecord;
use crate::format::{
    AttachList, DbmsParam, LogHeader, LogPosition, LogTime, PageBuffer, SEGMENT_LEN, Signature, SpaceNode,
};
use crate::io::{FileSystem, MemoryFileSystem, SettableClock};
use crate::recovery::{
    Decision, PageChange, RedoPages, apply_convert_fdp, apply_create_multiple_extent,
    apply_create_single_extent, apply_node,
};
use crate::store::log_reader::{LogPlace, LogReader};
use crate::store::log_stream::{LogObserver, LogStream, LogStreamOptions};
use crate::store::log_writer::{LogDigits, LogNaming};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const SLOTS: u16 = 4096;

#[derive(Debug)]
struct Nobody;

impl LogObserver for Nobody {
    fn generation_begun(&self, _: u32, _: LogTime) -> JetResult<()> {
        Ok(())
    }

    fn state(&self) -> (LogPosition, AttachList) {
        Default::default()
    }
}

fn log(fs: &MemoryFileSystem) -> LogStream {
    let param = DbmsParam::new("C:\\sys\\", "C:\\log\\", SLOTS.into()).unwrap();
    let mut header = LogHeader::new(1, SLOTS, Signature::default(), param).unwrap();
    header.create_time = LogTime::utc(2026, 11, 25, 1, 2, 3, 4);
    fs.create_dir_all(Path::new("/l")).unwrap();
    let options = LogStreamOptions {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(SettableClock::default()),
        naming: LogNaming::new(Path::new("/l"), "edb", "log", LogDigits::FiveOrEight),
        file_len: u64::from(SLOTS) * SEGMENT_LEN as u64,
        buffer_len: 1 << 20,
        observer: Arc::new(Nobody),
        reserve: false,
    };
    LogStream::create(options, header).unwrap()
}

/// Pages made by the log alone.
struct Replayed {
    size: PageSize,
    pages: BTreeMap<u32, PageBuffer>,
    /// The last page of the file.
    last: u32,
}

impl Replayed {
    /// At no point of the log is a page free twice, or free for a tree that has lent it.
    fn check(&self) {
        let (mut free, mut owned) = (BTreeMap::new(), BTreeMap::new());
        for page in self.pages.values().map(|page| page.view().unwrap()) {
            if !page.flags().contains(PageFlags::SPACE_TREE) {
                continue;
            }
            assert!(page.is_leaf());
            // An OE lies right before its AE.
            let before = self.pages.get(&(page.pgno - 1)).map(|page| page.view().unwrap());
            let is_available = before.is_some_and(|before| {
                before.objid() == page.objid() && before.flags().contains(PageFlags::SPACE_TREE)
            });
            for node in page.nodes().map(Result::unwrap).filter(|node| !node.is_deleted()) {
                let extent = SpaceNode::read(&node.key(), node.data).unwrap().extent;
                for pgno in extent.pages() {
                    if is_available {
                        let before = free.insert(pgno, page.objid());
                        assert!(before.is_none(), "page {pgno} is free twice");
                    } else {
                        owned.entry(pgno).or_insert_with(Vec::new).push(page.objid());
                    }
                }
            }
        }
        for (pgno, objid) in free {
            // Who has it free got it last: trees get higher numbers than those that lend to them.
            let owners = owned.get(&pgno).map(|owners| owners.iter().max().copied());
            assert_eq!(owners, Some(Some(objid)), "page {pgno}");
        }
    }

    fn apply(&mut self, record: &LogRecord<'_>) -> JetResult<()> {
        let operation = match record {
            LogRecord::ExtendDatabase(record) => {
                self.last = self.last.max(record.page_last);
                return Ok(());
            }
            LogRecord::CreateMultipleExtentFdp(record) => return apply_create_multiple_extent(self, record),
            LogRecord::CreateSingleExtentFdp(record) => return apply_create_single_extent(self, record),
            LogRecord::ConvertFdp(record) => return apply_convert_fdp(self, record),
            LogRecord::Insert(record) => record.node,
            LogRecord::Replace(record) => record.node,
            LogRecord::Delete(record) | LogRecord::FlagDelete(record) => record.node,
            LogRecord::FlagInsertAndReplaceData(record) => record.node,
            LogRecord::SetExternalHeader(record) => record.node,
            LogRecord::Begin0(_) | LogRecord::Nop2(_) => return Ok(()),
            other => panic!("{}", other.record_type().0),
        };
        let page = self.page(operation.page.page)?;
        assert_eq!(page.dbtime(), operation.page.dbtime_before);
        assert_eq!((operation.rceid, operation.page.level), (0, 1));
        apply_node(page, record).map_err(JetError::format)
    }
}

impl RedoPages for Replayed {
    fn page_size(&self) -> PageSize {
        self.size
    }

    fn decide(&mut self, change: PageChange) -> JetResult<Decision> {
        assert_eq!(self.page(change.page)?.dbtime(), change.dbtime_before);
        Ok(Decision::Apply)
    }

    fn decide_new(&mut self, page: u32, _: u64) -> JetResult<bool> {
        assert!(page <= self.last, "page {page} lies after the end of the file");
        Ok(true)
    }

    fn page(&mut self, page: u32) -> JetResult<&mut PageBuffer> {
        Ok(self.pages.get_mut(&page).unwrap())
    }

    fn take(&mut self, page: u32) -> JetResult<PageBuffer> {
        Ok(self.pages.remove(&page).unwrap())
    }

    fn put(&mut self, page: PageBuffer) {
        self.pages.insert(page.pgno(), page);
    }
}

#[test]
fn replayed_from_nothing_the_log_gives_the_same_pages() {
    for (size, seed, deletes) in [
        (PageSize::Kib4, 11, true),
        (PageSize::Kib32, 12, false),
        (PageSize::Kib4, 13, false),
    ] {
        println!("seed {seed}, {size:?}");
        let logs = MemoryFileSystem::default();
        let mut rig = Rig::without_root(size, log(&logs));
        rig.run(|change| create_root(change, 64)).unwrap();
        let mut random = Seeded::new(seed);
        (0..400).for_each(|_| random_step(&mut rig, &mut random, deletes));
        rig.shared.log.flush_to(rig.shared.log.end()).unwrap();
        let mut replayed = Replayed {
            size,
            pages: BTreeMap::new(),
            last: 0,
        };
        let place = LogPlace {
            path: "/l/edb.log".into(),
            generation: 1,
        };
        let mut reader = LogReader::new(&logs, [place]);
        let mut count = 0;
        while let Some(logged) = reader.next_record().unwrap() {
            replayed.apply(&logged.record).unwrap();
            if !deletes {
                replayed.check();
            }
            count += 1;
        }
        let state = rig.database.look();
        assert_eq!(replayed.last, state.last_page);
        assert!(count > 1000 && replayed.pages.len() > 10);
        for (pgno, page) in &replayed.pages {
            let live = state.pages.get(*pgno).unwrap();
            assert_eq!(live.bytes(), page.bytes(), "page {pgno}");
        }
    }
}
