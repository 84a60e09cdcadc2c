//! How a page of a database is judged (database-file.md section 3).

use super::block_file::{BlockFile, Damage};
use crate::backup::Outcome;
use crate::error::{JetErr, JetResult};
use crate::format::PageSize;
use crate::format::checksum::{PageState, repair_page};

/// What happens to a page of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRule {
    pub(crate) size: PageSize,
    pub(crate) allow_damaged: bool,
}

impl PageRule {
    /// Judges a page in place: repairs it, lets it pass, or refuses it.
    pub(crate) fn judge(self, file: &dyn BlockFile, pgno: u32, block: &mut [u8]) -> JetResult<()> {
        match repair_page(block, self.size, pgno) {
            PageState::Good | PageState::Uninitialised => Ok(()),
            PageState::Correctable { bit } => {
                let what = format!("bit {} of byte {} of the page was wrong", bit % 8, bit / 8);
                file.note(&self.damage(pgno, what), Outcome::Repaired);
                Ok(())
            }
            PageState::Damaged { stored, computed } => {
                let what = format!("the page's checksum is {stored:#x}, but its bytes give {computed:#x}");
                let damage = self.damage(pgno, what);
                if self.allow_damaged {
                    file.note(&damage, Outcome::ServedDamaged);
                    return Ok(());
                }
                Err(file.refuse(damage))
            }
        }
    }

    fn damage(self, pgno: u32, what: String) -> Damage {
        Damage {
            offset: self.size.offset_of(pgno),
            page: Some(pgno),
            code: JetErr::ReadVerifyFailure,
            what,
        }
    }
}
