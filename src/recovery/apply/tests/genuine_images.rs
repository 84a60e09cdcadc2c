use super::genuine_logs::each_record;
use crate::format::decode_before_image;
use crate::format::log_record::{ImageFlags, LogRecord};
use std::collections::BTreeMap;

#[test]
fn every_genuine_before_image_is_a_page_of_its_tree() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let found = each_record(&mut |path, size, logged| {
        let (page, objid, image, flags) = match logged.record {
            LogRecord::Split(split) => (split.page, split.objid, split.before_image, split.image_flags),
            LogRecord::Merge(merge) => (merge.page, merge.objid, merge.before_image, merge.image_flags),
            _ => return,
        };
        if image.is_empty() {
            return;
        }
        let decoded = decode_before_image(image, flags, size, page.page)
            .unwrap_or_else(|error| panic!("{} at {}: {error}", path.display(), logged.position));
        assert_eq!(decoded.dbtime(), page.dbtime, "{}", path.display());
        assert_eq!(decoded.header().unwrap().objid, objid, "{}", path.display());
        let scheme = if flags.contains(ImageFlags::COMPRESSED) {
            image[0] >> 3
        } else {
            0
        };
        *counts
            .entry(format!("{size}, flags {}, scheme {scheme}", flags.bits()))
            .or_default() += 1;
    });
    assert!(!found || !counts.is_empty());
    println!("{counts:#?}");
}
