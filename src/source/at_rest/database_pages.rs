//! How the pages of a database are judged while they are read (database-file.md sections 1.4 and 3).
//!
//! ```text
//! block   0        1        2 …                              last owned page + 1 …
//!         header   shadow   page 1 …  checksum verified      delivered as it is
//! ```

use super::inspect::DatabaseFacts;
use crate::backup::Outcome;
use crate::error::{JetErr, JetResult};
use crate::format::{HeaderCopy, OtherCopy};
use crate::source::verified::{BlockFile, Blocks, Damage, PageRule};

/// The pages of one database.
#[derive(Debug)]
pub(super) struct DatabasePages {
    pages: PageRule,
    judged_len: u64,
    header: HeaderRule,
}

/// What happens to the two copies of the header.
#[derive(Debug)]
enum HeaderRule {
    /// Both are good, equal or not: delivered as they are.
    AsTheyAre,
    /// The copy in block `damaged` is replaced by the good one.
    Replace { damaged: u64, good: Vec<u8> },
    /// The copy in block `damaged` is delivered as it is, because the user wants that.
    Show { damaged: u64 },
}

impl DatabasePages {
    /// Pages up to the last owned one are judged; all of the file where that one is not known.
    pub(super) fn new(facts: &DatabaseFacts, file_len: u64, allow_damaged: bool) -> Self {
        let size = facts.header.page_size;
        let in_file = file_len / size.bytes_u64();
        let owned = facts.last_owned_page.map_or(u64::MAX, |last| u64::from(last) + 2);
        DatabasePages {
            pages: PageRule { size, allow_damaged },
            judged_len: owned.min(in_file) * size.bytes_u64(),
            header: HeaderRule::of(facts, allow_damaged),
        }
    }

    fn judge_header(&self, file: &dyn BlockFile, index: u64, block: &mut [u8]) {
        let (damaged, outcome) = match &self.header {
            HeaderRule::AsTheyAre => return,
            HeaderRule::Replace { damaged, .. } => (*damaged, Outcome::Repaired),
            HeaderRule::Show { damaged } => (*damaged, Outcome::ServedDamaged),
        };
        if index != damaged {
            return;
        }
        if let HeaderRule::Replace { good, .. } = &self.header
            && good.len() == block.len()
        {
            block.copy_from_slice(good);
        }
        let damage = Damage {
            offset: index * self.pages.size.bytes_u64(),
            page: Some(0),
            code: JetErr::ReadVerifyFailure,
            what: format!(
                "copy {} of the header is damaged, the other one is good",
                index + 1
            ),
        };
        file.note(&damage, outcome);
    }
}

impl HeaderRule {
    fn of(facts: &DatabaseFacts, allow_damaged: bool) -> Self {
        let damaged = match (facts.used, &facts.other) {
            (HeaderCopy::Shadow, OtherCopy::Damaged(_)) => 0,
            (HeaderCopy::Primary, OtherCopy::Damaged(_)) => 1,
            (_, OtherCopy::Same | OtherCopy::Different) => return HeaderRule::AsTheyAre,
        };
        if allow_damaged {
            HeaderRule::Show { damaged }
        } else {
            HeaderRule::Replace {
                damaged,
                good: facts.header_page.clone(),
            }
        }
    }
}

impl Blocks for DatabasePages {
    fn block_len(&self) -> usize {
        self.pages.size.bytes()
    }

    fn judged_len(&self) -> u64 {
        self.judged_len
    }

    fn judge(&self, file: &dyn BlockFile, index: u64, block: &mut [u8]) -> JetResult<()> {
        let pgno = match index.checked_sub(1).map(u32::try_from) {
            None | Some(Ok(0)) => {
                self.judge_header(file, index, block);
                return Ok(());
            }
            Some(Ok(pgno)) => pgno,
            // A database cannot have that many pages, so none of them is owned.
            Some(Err(_)) => return Ok(()),
        };
        self.pages.judge(file, pgno, block)
    }
}
