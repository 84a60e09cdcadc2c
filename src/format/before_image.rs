//! The page before a split or merge, as `Split2` and `Merge2` carry it (log-and-recovery.md section 4.6, point 8).
//!
//! ```text
//! image ── decompress ──> page without its gap ── rehydrate ──> page
//! ```

use super::bytes::{Fields, put};
use super::compression::decompress;
use super::error::{FormatError, Structure};
use super::log_record::ImageFlags;
use super::page::{PageHeader, TAG_LEN, offset};
use super::page_buffer::PageBuffer;
use super::page_size::PageSize;
use std::borrow::Cow;

/// The page `pgno` as it was before, but for its dbtime, which is that of the record already. For looking at only: what
/// came after the record is not on it.
///
/// # Errors
/// `JET_errLogCorrupted`: flags that are not known, a compression that is not supported, or bytes that give no page;
/// `JET_errDatabaseCorrupted`: the page's header, tags and nodes contradict each other.
pub fn decode_before_image(
    image: &[u8],
    flags: ImageFlags,
    size: PageSize,
    pgno: u32,
) -> Result<PageBuffer, FormatError> {
    if flags.bits() & !ImageFlags::all().bits() != 0 {
        let what = format!("before-image: flags {:#x} are not known", flags.bits());
        return Err(FormatError::misfit(what));
    }
    let mut bytes = Cow::Borrowed(image);
    if flags.contains(ImageFlags::COMPRESSED) {
        bytes = Cow::Owned(decompress(&bytes, size.bytes()).map_err(|error| misfit(&error))?);
    }
    if flags.contains(ImageFlags::DEHYDRATED) {
        bytes = Cow::Owned(rehydrate(&bytes, size).map_err(|error| misfit(&error))?);
    }
    if bytes.len() != size.bytes() {
        let what = format!("before-image: has {} bytes, which are no page", bytes.len());
        return Err(FormatError::misfit(what));
    }
    check_pgno(&bytes, size, pgno)?;
    PageBuffer::from_image(bytes.into_owned(), size, pgno)
}

/// The image of a page that has its new dbtime already: without its gap, if it has one.
///
/// # Errors
/// The page's header contradicts itself.
pub fn encode_before_image(page: &PageBuffer) -> Result<(Vec<u8>, ImageFlags), FormatError> {
    let (header, bytes) = (page.header()?, page.bytes());
    let fields = Fields::new(Structure::Page, bytes);
    let end = page.size().header_len() + usize::from(header.mic_free);
    let tags_len = TAG_LEN * usize::from(header.tags);
    let gap = bytes.len().checked_sub(tags_len + end).map(u16::try_from);
    let Some(Ok(gap)) = gap else {
        return Err(FormatError::other(
            Structure::Page,
            offset::MIC_FREE,
            "ibMicFree lies in the tag array",
        ));
    };
    let free = header.free.checked_sub(gap);
    let Some(free) = free.filter(|_| gap > 0) else {
        return Ok((bytes.to_vec(), ImageFlags::empty()));
    };
    let mut image = [fields.slice(0, end)?, fields.from(end + usize::from(gap))?].concat();
    put(&mut image, offset::FREE, &free.to_le_bytes());
    Ok((image, ImageFlags::DEHYDRATED))
}

/// Puts the gap between data and tags back.
fn rehydrate(bytes: &[u8], size: PageSize) -> Result<Vec<u8>, FormatError> {
    let fields = Fields::new(Structure::Page, bytes);
    let header = PageHeader::read(&fields)?;
    let tags_len = usize::from(header.tags) * TAG_LEN;
    let tags_at = bytes
        .len()
        .checked_sub(tags_len)
        .filter(|&at| at >= size.header_len())
        .ok_or_else(|| fields.truncated(size.header_len(), tags_len))?;
    let gap = size
        .bytes()
        .checked_sub(bytes.len())
        .ok_or_else(|| FormatError::other(Structure::Page, 0, "is longer than a page"))?;
    let free = usize::from(header.free) + gap;
    let free =
        u16::try_from(free).map_err(|_| FormatError::other(Structure::Page, offset::FREE, "is too large"))?;
    let mut page = vec![0; size.bytes()];
    put(&mut page, 0, fields.slice(0, tags_at)?);
    put(&mut page, tags_at + gap, fields.from(tags_at)?);
    put(&mut page, offset::FREE, &free.to_le_bytes());
    Ok(page)
}

fn check_pgno(bytes: &[u8], size: PageSize, pgno: u32) -> Result<(), FormatError> {
    if size.is_small() {
        return Ok(());
    }
    let stored = Fields::new(Structure::Page, bytes).u32(offset::PGNO)?;
    if stored == pgno {
        return Ok(());
    }
    Err(FormatError::misfit(format!(
        "before-image: is page {stored}, not {pgno}"
    )))
}

fn misfit(error: &FormatError) -> FormatError {
    FormatError::misfit(format!("before-image: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::JetErr;
    use crate::format::{NodeFlags, NodeParts, PageFlags};

    fn page(size: PageSize) -> PageBuffer {
        let mut page = PageBuffer::blank(size, 9);
        page.initialise(30, PageFlags::LEAF, 1000);
        page.set_external_header(b"prefix").unwrap();
        for line in 0..5 {
            let node = NodeParts {
                flags: NodeFlags::empty(),
                prefix_len: 6,
                suffix: &[line],
                data: b"data",
            };
            page.insert_node(line.into(), node).unwrap();
        }
        page
    }

    /// The page without its gap, but for `rest` bytes of it.
    fn dehydrated(page: &PageBuffer, rest: usize) -> Vec<u8> {
        let header = page.header().unwrap();
        let bytes = page.bytes();
        let end = page.size().header_len() + usize::from(header.mic_free) + rest;
        let tags = bytes.len() - TAG_LEN * usize::from(header.tags);
        let mut cut = bytes[..end].to_vec();
        let free = usize::from(header.free) - (tags - end);
        cut[offset::FREE..offset::FREE + 2].copy_from_slice(&u16::try_from(free).unwrap().to_le_bytes());
        cut.extend(&bytes[tags..]);
        cut
    }

    #[test]
    fn a_page_without_its_gap_gets_it_back() {
        for size in PageSize::ALL {
            let page = page(size);
            for rest in [0, 1, 100] {
                let image = dehydrated(&page, rest);
                let decoded = decode_before_image(&image, ImageFlags::DEHYDRATED, size, 9).unwrap();
                assert_eq!(decoded, page);
            }
        }
    }

    #[test]
    fn an_image_is_written_without_its_gap() {
        for size in PageSize::ALL {
            let page = page(size);
            let (image, flags) = encode_before_image(&page).unwrap();
            assert_eq!(image, dehydrated(&page, 0));
            assert_eq!(decode_before_image(&image, flags, size, 9).unwrap(), page);
        }
    }

    #[test]
    fn a_whole_page_is_taken_as_it_is() {
        let page = page(PageSize::Kib32);
        let decoded = decode_before_image(page.bytes(), ImageFlags::empty(), PageSize::Kib32, 9).unwrap();
        assert_eq!(decoded, page);
        let error = decode_before_image(page.bytes(), ImageFlags::empty(), PageSize::Kib32, 8).unwrap_err();
        assert_eq!(error.jet_err(), JetErr::LogCorrupted);
    }

    #[test]
    fn what_gives_no_page_is_an_error_of_the_log() {
        let page = page(PageSize::Kib4);
        let size = PageSize::Kib4;
        let unknown = ImageFlags::from_bits_retain(4);
        for (image, flags) in [
            (page.bytes(), unknown),
            (&page.bytes()[1..], ImageFlags::empty()),
            (&page.bytes()[..30], ImageFlags::DEHYDRATED),
            (page.bytes(), ImageFlags::COMPRESSED),
            (&[0x38, 0, 16, 0, 0][..], ImageFlags::COMPRESSED),
        ] {
            let error = decode_before_image(image, flags, size, 9).unwrap_err();
            assert_eq!(error.jet_err(), JetErr::LogCorrupted, "{error}");
        }
    }

    #[test]
    fn no_image_panics() {
        use proptest::prelude::*;
        proptest!(|(bytes: Vec<u8>, flags in 0u32..4, size in prop::sample::select(PageSize::ALL.to_vec()))| {
            let _ = decode_before_image(&bytes, ImageFlags::from_bits_retain(flags), size, 9);
        });
    }
}
