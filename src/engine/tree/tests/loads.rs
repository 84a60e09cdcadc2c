//! Many nodes at once: how full pages get, and how fast it goes.

use super::check::check;
use super::rig::Rig;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::tree::{From, delete, find, insert};
use crate::format::PageSize;
use crate::io::Seeded;
use std::time::Instant;

fn key(number: u32) -> Vec<u8> {
    [&[0x7f][..], &(number ^ 0x8000_0000).to_be_bytes()].concat()
}

fn load(rig: &Rig, tree: TreeId, numbers: impl Iterator<Item = u32>, data: &[u8]) {
    let mut transaction = rig.begin(7);
    for (done, number) in numbers.enumerate() {
        rig.change(&mut transaction, |change| {
            insert(change, tree, &key(number), data)
        })
        .unwrap();
        if done % 100 == 99 {
            rig.commit(&transaction);
            rig.clean_up();
            transaction = rig.begin(7);
        }
    }
    rig.commit(&transaction);
    rig.clean_up();
}

fn shuffled(count: u32) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count).collect();
    let mut random = Seeded::new(5);
    for at in (1..numbers.len()).rev() {
        numbers.swap(at, random.index(at + 1));
    }
    numbers
}

#[test]
fn a_sequential_load_fills_its_pages() {
    for (size, count) in [(PageSize::Kib4, 20_000), (PageSize::Kib32, 50_000)] {
        let rig = Rig::new(size, false);
        let tree = rig.tree(true);
        load(&rig, tree, 0..count, &[7; 50]);
        let leaves = check(&rig, tree);
        let least = usize::try_from(count).unwrap() * (50 + 4 + 4 + 1) / size.bytes();
        assert!(
            leaves.len() <= least * 11 / 10 + 1,
            "{} leaves, at least {least}",
            leaves.len()
        );
    }
}

#[test]
fn a_random_load_fills_two_thirds_of_its_pages() {
    let rig = Rig::new(PageSize::Kib4, false);
    let tree = rig.tree(true);
    load(&rig, tree, shuffled(20_000).into_iter(), &[7; 50]);
    let leaves = check(&rig, tree);
    let least = 20_000 * (50 + 4 + 4 + 1) / 4096;
    assert!(
        leaves.len() <= least * 3 / 2,
        "{} leaves, at least {least}",
        leaves.len()
    );
}

/// Separators of nearly a quarter of a page: there are many levels, and every one is split often.
#[test]
fn pages_are_split_on_all_levels() {
    for is_sequential in [true, false] {
        let rig = Rig::new(PageSize::Kib4, true);
        let tree = rig.tree(true);
        let mut numbers = shuffled(600);
        if is_sequential {
            numbers.sort_unstable();
        }
        for number in numbers {
            // The beginnings differ, and so do the last bytes of neighbours.
            let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
            let mut key = vec![low >> 4; 990];
            key[0] = high;
            key.extend([low >> 4, low]);
            rig.run(|change| insert(change, tree, &key, &[7; 300])).unwrap();
        }
        assert!(check(&rig, tree).len() > 40);
        let again = super::replay::replay(&rig.records(), PageSize::Kib4);
        assert!(rig.pages().iter().all(|(pgno, page)| again[pgno] == *page));
    }
}

#[test]
fn a_tree_whose_nodes_were_all_deleted_is_an_empty_root_and_its_pages_are_free() {
    let rig = Rig::new(PageSize::Kib4, true);
    let tree = rig.tree(true);
    let mut last = 0;
    for _ in 0..3 {
        load(&rig, tree, shuffled(3000).into_iter(), &[7; 200]);
        check(&rig, tree);
        for number in shuffled(3000) {
            let key = key(number);
            rig.run(|change| delete(change, tree, BookmarkRef { key: &key, data: b"" }))
                .unwrap();
            if number % 97 == 0 {
                rig.clean_up();
                check(&rig, tree);
            }
        }
        rig.clean_up();
        assert_eq!(check(&rig, tree), [tree.root]);
        let now = rig.database.look().last_page;
        assert!(
            last == 0 || now == last,
            "the file grew from {last} to {now} pages"
        );
        last = now;
    }
    let again = super::replay::replay(&rig.records(), PageSize::Kib4);
    assert!(rig.pages().iter().all(|(pgno, page)| again[pgno] == *page));
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    for (size, logged) in [
        (PageSize::Kib4, false),
        (PageSize::Kib32, false),
        (PageSize::Kib32, true),
    ] {
        let rig = Rig::new(size, logged);
        let tree = rig.tree(true);
        let count = 1_000_000;
        let begun = Instant::now();
        load(&rig, tree, 0..count, &[7; 100]);
        let inserts = f64::from(count) / begun.elapsed().as_secs_f64();
        let reader = rig.begin(8);
        let numbers = shuffled(count);
        let begun = Instant::now();
        for number in &numbers {
            let key = key(*number);
            let from = From::At(BookmarkRef { key: &key, data: b"" });
            let found =
                |state: &_| Ok(find(state, tree, from, reader.state())?.map(|found| found.data.len()));
            assert_eq!(rig.database.read(found).unwrap(), Some(100));
        }
        let reads = f64::from(count) / begun.elapsed().as_secs_f64();
        println!("{size:?}, logged {logged}: {inserts:.0} inserts/s, {reads:.0} reads/s");
        drop(rig);
        let rig = Rig::new(size, logged);
        let tree = rig.tree(true);
        let begun = Instant::now();
        load(&rig, tree, shuffled(200_000).into_iter(), &[7; 100]);
        let inserts = 200_000.0 / begun.elapsed().as_secs_f64();
        println!("{size:?}, logged {logged}: {inserts:.0} random inserts/s");
    }
}
