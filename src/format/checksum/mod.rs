//! Checksums of every file of an instance, and the repair of a single flipped bit (database-file.md section 3).
//!
//! * `sum`: the arithmetic: header XOR, and the ECC and XOR of a block;
//! * `header`: headers, verified and stamped;
//! * `page`: where a page, a log segment or a flush map page keeps its checksums, and what state it is in.

mod header;
mod page;
mod sum;

pub use header::{stamp_header, verify_header};
pub use page::{
    PageState, check_page, check_segment, flip_bit, repair_page, repair_segment, stamp_page, stamp_segment,
};
pub use sum::{Block, block_checksum, header_checksum, old_page_checksum, segment_checksum};
