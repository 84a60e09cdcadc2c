//! Pages in memory that decide as the specification says, outside of the required range (section 6.4).

use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::DBTIME_NIL;
use crate::format::{NodeFlags, NodeParts, PageBuffer, PageFlags, PageSize};
use crate::recovery::pages::{Decision, PageChange, RedoPages};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct MemoryPages {
    pub(super) size: PageSize,
    pub(super) pages: BTreeMap<u32, PageBuffer>,
    taken: BTreeSet<u32>,
}

impl MemoryPages {
    pub(super) fn new(size: PageSize) -> Self {
        MemoryPages {
            size,
            pages: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }

    /// A page with these nodes, in a tree with objid 7.
    pub(super) fn add(
        &mut self,
        pgno: u32,
        flags: PageFlags,
        dbtime: u64,
        prefix: &[u8],
        nodes: &[(&[u8], &[u8])],
    ) {
        let mut page = PageBuffer::blank(self.size, pgno);
        page.initialise(7, flags, dbtime);
        page.set_external_header(prefix).unwrap();
        for (line, (key, data)) in nodes.iter().enumerate() {
            let prefix_len = super::super::line::shared_prefix(prefix, key);
            let node = NodeParts {
                flags: NodeFlags::VERSIONED,
                prefix_len,
                suffix: &key[prefix_len..],
                data,
            };
            page.insert_node(line, node).unwrap();
        }
        self.pages.insert(pgno, page);
    }

    /// Key and data of every node of a page.
    pub(super) fn nodes(&self, pgno: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
        let page = self.pages[&pgno].view().unwrap();
        page.check().unwrap();
        page.nodes()
            .map(|node| {
                let node = node.unwrap();
                (node.key(), node.data.to_vec())
            })
            .collect()
    }

    pub(super) fn keys(&self, pgno: u32) -> Vec<Vec<u8>> {
        self.nodes(pgno).into_iter().map(|(key, _)| key).collect()
    }

    /// All pages are there, and each is what a page can be.
    pub(super) fn check(&self) {
        assert!(self.taken.is_empty(), "pages {:?} were not put back", self.taken);
        for page in self.pages.values() {
            page.view().unwrap().check().unwrap();
        }
    }
}

fn missing(page: u32) -> JetError {
    JetError::rule(JetErr::PageNotInitialized, "the page is not there").on_page(page)
}

impl RedoPages for MemoryPages {
    fn page_size(&self) -> PageSize {
        self.size
    }

    fn decide(&mut self, change: PageChange) -> JetResult<Decision> {
        let dbtime = self.page(change.page)?.dbtime();
        if change.dbtime <= dbtime {
            return Ok(Decision::Newer);
        }
        let before = change.dbtime_before;
        if before == DBTIME_NIL || before == dbtime {
            return Ok(Decision::Apply);
        }
        let code = if dbtime < before {
            JetErr::DbTimeTooOld
        } else {
            JetErr::DbTimeTooNew
        };
        let what = format!("dbtime {dbtime:#x} where the log has {before:#x}");
        Err(JetError::rule(code, what).on_page(change.page))
    }

    fn decide_new(&mut self, page: u32, dbtime: u64) -> JetResult<bool> {
        Ok(self.pages.get(&page).is_none_or(|page| page.dbtime() < dbtime))
    }

    fn page(&mut self, page: u32) -> JetResult<&mut PageBuffer> {
        self.pages.get_mut(&page).ok_or_else(|| missing(page))
    }

    fn take(&mut self, page: u32) -> JetResult<PageBuffer> {
        let taken = self.pages.remove(&page).ok_or_else(|| missing(page))?;
        self.taken.insert(page);
        Ok(taken)
    }

    fn put(&mut self, page: PageBuffer) {
        self.taken.remove(&page.pgno());
        self.pages.insert(page.pgno(), page);
    }
}
