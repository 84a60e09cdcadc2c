//! Broken rules of records.

use super::super::FindingKind;
use super::mutant::{Mutant, USUAL, found};
use crate::format::{Record, RootHeader};

#[test]
fn a_record_whose_columns_end_outside_of_it_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let place = mutant.find(mutant.root("t1"), |_, _| true);
    mutant.change_data(place, |record| {
        record[2..4].copy_from_slice(&0x7000_u16.to_le_bytes())
    });
    let report = mutant.report();
    let finding = found(&report, FindingKind::Record, "table t1");
    assert_eq!(finding.page, Some(place.0));
}

#[test]
fn tagged_columns_in_the_wrong_order_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let size = mutant.page(1).size();
    let tagged = |record: &[u8]| Record::read(size, record).unwrap().tagged_count().unwrap();
    let place = mutant.find(mutant.root("t1"), |_, record| tagged(record) >= 2);
    let ids = |record: &[u8]| -> Vec<u16> {
        let record = Record::read(size, record).unwrap();
        record
            .tagged_columns()
            .unwrap()
            .map(|column| column.unwrap().0.0)
            .collect()
    };
    let before = ids(&mutant.nodes(place.0)[place.1].1);
    mutant.change_data(place, |record| {
        // The first TAGFLD is where the id of the first column stands before that of the second.
        let first = (0..record.len() - 8)
            .find(|&at| {
                record[at..at + 2] == before[0].to_le_bytes()
                    && record[at + 4..at + 6] == before[1].to_le_bytes()
            })
            .unwrap();
        record[first..first + 2].copy_from_slice(&before[1].to_le_bytes());
        record[first + 4..first + 6].copy_from_slice(&before[0].to_le_bytes());
    });
    let report = mutant.report();
    let finding = found(&report, FindingKind::Record, "table t1");
    assert!(finding.what.contains("does not follow"), "{finding:?}");
}

#[test]
fn a_record_under_the_key_of_another_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let place = mutant.find(mutant.root("t1"), |_, _| true);
    mutant.change_data(place, |record| record[4] ^= 1);
    let report = mutant.report();
    let finding = found(&report, FindingKind::PrimaryKey, "table t1");
    assert_eq!(finding.page, Some(place.0));
}

#[test]
fn a_maximum_below_a_number_that_was_handed_out_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t2");
    let space = RootHeader::read(mutant.page(root).external_header().unwrap())
        .unwrap()
        .space
        .unwrap();
    let with_maximum = |maximum: u64| [&[3][..], &space.to_bytes(), &maximum.to_le_bytes()].concat();
    mutant.edit(root, |page| {
        page.set_external_header(&with_maximum(1_000_000)).unwrap()
    });
    assert_eq!(mutant.report().damage, 0);
    mutant.edit(root, |page| page.set_external_header(&with_maximum(1)).unwrap());
    let report = mutant.report();
    found(&report, FindingKind::AutoIncrement, "table t2");
}
