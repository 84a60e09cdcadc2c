//! The header of the next generation (log-and-recovery.md sections 2 and 2.4).

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{AttachList, LogBody, LogHeader, LogPosition, LogTime, LogVersion, SEGMENT_LEN};

/// The last generation that an engine writes, recovery included (section 1.1).
const GENERATION_MOST: u32 = 0x7FFF_FA00;

/// What the headers of new generations say about the instance.
#[derive(Debug, Clone)]
pub(in crate::store) struct Roll {
    pub(in crate::store) checkpoint: LogPosition,
    pub(in crate::store) attach_list: AttachList,
}

impl Roll {
    pub(super) fn of(header: &LogHeader) -> Self {
        Roll {
            checkpoint: header.checkpoint,
            attach_list: header.attach_list.clone(),
        }
    }
}

/// The header of the generation after `previous`, whose segments have the sum `segments_checksum`.
pub(in crate::store) fn next_header(
    previous: &LogHeader,
    segments_checksum: u64,
    time: LogTime,
    roll: Option<&Roll>,
) -> JetResult<LogHeader> {
    let generation = previous.generation.saturating_add(1);
    if generation > GENERATION_MOST {
        let what = format!("there is no generation after {:#x}", previous.generation);
        return Err(JetError::rule(JetErr::LogSequenceEnd, what));
    }
    let mut header = match previous.body()? {
        LogBody::Segments => previous.clone(),
        LogBody::ChecksumRecords => first_of_segments(previous)?,
    };
    header.generation = generation;
    (header.create_time, header.previous_create_time) = (time, previous.create_time);
    header.previous_segments_checksum = segments_checksum;
    header.flags.remove(crate::format::LogFlags::FROM_RESERVE);
    if let Some(roll) = roll {
        (header.checkpoint, header.attach_list) = (roll.checkpoint, roll.attach_list.clone());
    }
    Ok(header)
}

/// A header of version 8 for a sequence that had version 7.
fn first_of_segments(previous: &LogHeader) -> JetResult<LogHeader> {
    let sectors = previous.file_len() / SEGMENT_LEN as u64;
    let sectors = u16::try_from(sectors).unwrap_or(u16::MAX);
    let mut param = previous.dbms_param.clone();
    param.log_file_sectors = sectors.into();
    let mut header = LogHeader::new(previous.generation, sectors, previous.signature, param)?;
    header.set_version(LogVersion::NEW_LOG);
    header.stored_page_size = previous.stored_page_size;
    header.flags = previous.flags;
    (header.checkpoint, header.attach_list) = (previous.checkpoint, previous.attach_list.clone());
    Ok(header)
}
