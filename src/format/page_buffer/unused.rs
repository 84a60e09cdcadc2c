//! Overwriting what is left of deleted nodes (log-and-recovery.md section 4.6, ScrubPage).

use super::PageBuffer;
use super::body::{Place, damaged};
use crate::format::error::FormatError;
use crate::format::page::offset;

impl PageBuffer {
    /// Overwrites every byte that belongs to no tag. Nothing moves.
    ///
    /// # Errors
    /// The tags contradict the page.
    pub fn overwrite_unused(&mut self, fill: u8) -> Result<(), FormatError> {
        if self.gap()? != self.free() {
            self.overwrite_holes(fill)?;
        }
        let (start, len) = (self.word(offset::MIC_FREE), self.gap()?);
        self.fill(start, len, fill);
        Ok(())
    }

    /// The holes between the bytes of the tags; `ibMicFree` goes back to the end of the last ones.
    fn overwrite_holes(&mut self, fill: u8) -> Result<(), FormatError> {
        let mut places = (0..self.tag_count())
            .map(|index| self.place(index))
            .collect::<Result<Vec<Place>, _>>()?;
        places.retain(|place| place.len > 0);
        places.sort_unstable_by_key(|place| place.start);
        let mut end = 0;
        for place in places {
            let Some(hole) = place.start.checked_sub(end) else {
                return Err(damaged(offset::MIC_FREE, "two tags overlap"));
            };
            self.fill(end, hole, fill);
            end = place.end();
        }
        self.put_word(offset::MIC_FREE, end);
        Ok(())
    }

    fn fill(&mut self, start: usize, len: usize, byte: u8) {
        let start = self.size.header_len() + start;
        if let Some(bytes) = self.bytes.get_mut(start..start + len) {
            bytes.fill(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{NodeFlags, NodeParts, PageBuffer, PageFlags, PageSize};

    #[test]
    fn only_bytes_of_no_node_are_overwritten() {
        let mut page = PageBuffer::blank(PageSize::Kib4, 9);
        page.initialise(5, PageFlags::LEAF, 1);
        for key in [b'a', b'b', b'c', b'd'] {
            let node = NodeParts {
                flags: NodeFlags::empty(),
                prefix_len: 0,
                suffix: &[key],
                data: &[key; 20],
            };
            page.insert_node(page.node_count(), node).unwrap();
        }
        page.delete_node(3).unwrap();
        page.delete_node(1).unwrap();
        page.overwrite_unused(b'Z').unwrap();
        page.view().unwrap().check().unwrap();
        let body = &page.bytes()[40..];
        assert!(!body.iter().any(|byte| [b'b', b'd'].contains(byte)));
        assert_eq!(body.iter().filter(|byte| **byte == b'a').count(), 21);
        assert_eq!(body.iter().filter(|byte| **byte == b'Z').count(), page.free());
    }
}
