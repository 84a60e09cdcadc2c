mod replay;
mod rig;

use super::*;
use crate::error::JetErr;
use crate::format::PageSize;
use crate::io::Seeded;
use rig::{Rig, TABLE};

const INDEX: PageFlags = PageFlags::INDEX;

fn non_unique() -> PageFlags {
    PageFlags::INDEX | PageFlags::NON_UNIQUE_KEYS
}

#[test]
fn the_trees_of_a_new_database_lie_where_the_engine_has_them() {
    let mut rig = Rig::new(PageSize::Kib4, 254);
    let objects = rig.create(0, TABLE, 20, true);
    let shadow = rig.create(0, TABLE, 5, true);
    let name = rig.create(objects, INDEX, 3, true);
    let root_objects = rig.create(objects, INDEX, 3, true);
    let objids = rig.create(0, TABLE, 1, false);
    let locales = rig.create(0, TABLE, 1, false);
    let user = rig.create(0, TABLE, 4, false);
    let roots = [objects, shadow, name, root_objects, objids, locales, user];
    assert_eq!(roots, [4, 24, 7, 10, 29, 30, 31]);
    rig.check();
}

#[test]
fn the_next_page_of_an_extent_costs_one_record() {
    let mut rig = Rig::new(PageSize::Kib4, 254);
    let table = rig.create(0, TABLE, 20, true);
    let mut near = rig.allocate(table, 0);
    for _ in 0..10 {
        let before = rig.database.look().dbtime;
        let next = rig.allocate(table, near);
        assert_eq!((next, rig.database.look().dbtime), (near + 1, before + 1));
        near = next;
    }
    rig.check();
}

#[test]
fn a_page_goes_back_next_to_its_neighbours() {
    let mut rig = Rig::new(PageSize::Kib4, 254);
    let table = rig.create(0, TABLE, 20, true);
    let id = rig.trees[&table].id;
    let pages: Vec<u32> = (0..17).map(|_| rig.allocate(table, 0)).collect();
    assert_eq!(rig.available(id), []);
    for at in [3, 5, 4, 10, 2, 16, 15] {
        rig.free(table, pages[at]);
        rig.check();
    }
    let free: Vec<_> = rig
        .available(id)
        .into_iter()
        .map(|extent| extent.pages())
        .collect();
    assert_eq!(free, [9..=12, 17..=17, 22..=23]);
    // The page after the given one, if it is free; else the lowest.
    assert_eq!(rig.allocate(table, pages[9]), pages[10]);
    assert_eq!(rig.allocate(table, pages[9]), pages[2]);
    rig.check();
}

#[test]
fn a_tree_of_a_single_extent_gets_space_trees_when_its_bitmap_is_used_up() {
    let mut rig = Rig::new(PageSize::Kib4, 254);
    let table = rig.create(0, TABLE, 4, false);
    let index = rig.create(table, non_unique(), 1, false);
    assert_eq!(index, table + 1);
    for _ in 0..2 {
        rig.allocate(table, table);
    }
    assert!(
        rig.run(|change| Ok(owner::Owner::of(change, rig.trees[&table].id)?.trees()))
            .unwrap()
            .is_none()
    );
    for fdp in [table, index, table, index, index, table] {
        rig.allocate(fdp, 0);
        rig.check();
    }
    let owned = rig.owned(rig.trees[&index].id);
    assert_eq!(owned[0].pages(), index..=index);
    assert!(owned.len() > 1);
    rig.delete(table);
    rig.check();
}

#[test]
fn what_a_deleted_table_had_is_given_to_the_next() {
    let mut rig = Rig::new(PageSize::Kib4, 254);
    let free = rig.available(ROOT);
    for _ in 0..3 {
        let table = rig.create(0, TABLE, 4, false);
        let index = rig.create(table, INDEX, 3, true);
        for near in 0..60 {
            rig.allocate(table, near);
            rig.allocate(index, near);
        }
        rig.check();
        rig.delete(table);
        rig.check();
        assert_eq!(rig.available(ROOT), free);
    }
}

#[test]
fn the_file_grows_by_what_the_parameter_says_and_more_when_it_is_large() {
    let mut rig = Rig::new(PageSize::Kib4, 254);
    let table = rig.create(0, TABLE, 3, true);
    let mut sizes = vec![254];
    for near in 1..9000 {
        rig.allocate(table, near);
        let last = rig.database.look().last_page;
        if sizes.last() != Some(&last) {
            sizes.push(last);
        }
    }
    rig.check();
    assert_eq!(sizes[..3], [254, 510, 766]);
    assert!(
        sizes
            .windows(2)
            .all(|two| (256..=1024).contains(&(two[1] - two[0]))),
        "{sizes:?}"
    );
    let pages = *sizes.last().unwrap();
    assert!(pages < 9000 * 5 / 4, "{pages} pages for 9000");
    let len = rig.fs.read_file("/a.edb").unwrap().len();
    assert_eq!(len, (usize::try_from(pages).unwrap() + 2) * 4096);
    let extents = rig.owned(rig.trees[&table].id).len();
    assert!(extents < 60, "{extents} extents");
}

#[test]
fn a_full_disk_changes_nothing_and_the_instance_goes_on() {
    let mut rig = Rig::new(PageSize::Kib4, 30);
    let table = rig.create(0, TABLE, 3, true);
    rig.fs.set_capacity(32 * 4096);
    let error = loop {
        match rig.try_allocate(table, 0) {
            Ok(_) => rig.check(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), JetErr::DiskFull);
    rig.check();
    let dbtime = rig.database.look().dbtime;
    assert_eq!(rig.try_allocate(table, 0).unwrap_err().code(), JetErr::DiskFull);
    assert_eq!(rig.database.look().dbtime, dbtime);
    assert!(rig.shared.check().is_ok());
    // Room for a few pages only: the file grows by no more.
    rig.fs.set_capacity(42 * 4096);
    rig.allocate(table, 0);
    rig.check();
    assert!(rig.database.look().last_page <= 40);
}

#[test]
fn pages_that_are_free_or_of_others_are_not_given_back() {
    let mut rig = Rig::new(PageSize::Kib4, 254);
    let table = rig.create(0, TABLE, 8, true);
    let single = rig.create(0, TABLE, 4, false);
    for (fdp, pgno, code) in [
        (table, table + 5, JetErr::SPAvailExtCorrupted),
        (table, single, JetErr::SPOwnExtCorrupted),
        (single, single + 1, JetErr::SPAvailExtCorrupted),
        (single, table, JetErr::SPAvailExtCorrupted),
        (single, single + 4, JetErr::SPAvailExtCorrupted),
    ] {
        let id = rig.trees[&fdp].id;
        let error = rig.run(|change| free_page(change, id, pgno)).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    rig.check();
}

#[test]
fn space_trees_split_with_pages_of_their_own() {
    let mut rig = Rig::new(PageSize::Kib4, 64);
    let table = rig.create(0, TABLE, 4, false);
    let index = rig.create(table, non_unique(), 1, false);
    for near in 0..2400 {
        rig.allocate(table, near);
        if near % 3 == 0 {
            rig.allocate(index, 0);
        }
    }
    for fdp in [table, index] {
        // Every second page, so that none has a free neighbour; then the others.
        let pages: Vec<u32> = rig.trees[&fdp]
            .used
            .iter()
            .copied()
            .filter(|pgno| *pgno != fdp)
            .collect();
        for (at, pgno) in pages.iter().step_by(2).enumerate() {
            rig.free(fdp, *pgno);
            if at % 100 == 0 {
                rig.check();
            }
        }
        let id = rig.trees[&fdp].id;
        let available = rig.run(|change| Ok(owner::Owner::of(change, id)?.trees().unwrap().available));
        let root = available.unwrap().root;
        let is_leaf = rig
            .run(|change| Ok(change.page(root)?.view()?.is_leaf()))
            .unwrap();
        assert!(!is_leaf || fdp == index);
        assert!(rig.available(id).len() > pages.len() / 3);
        rig.check();
        for _ in 0..pages.len() / 3 {
            rig.allocate(fdp, 0);
        }
        rig.check();
        let left: Vec<u32> = rig.trees[&fdp]
            .used
            .iter()
            .copied()
            .filter(|pgno| *pgno != fdp)
            .collect();
        left.into_iter().for_each(|pgno| rig.free(fdp, pgno));
        rig.check();
    }
    rig.delete(table);
    rig.check();
}

#[test]
fn whatever_is_made_used_and_given_back_every_page_belongs_to_one() {
    for (page_size, seed) in [
        (PageSize::Kib4, 1),
        (PageSize::Kib4, 2),
        (PageSize::Kib32, 3),
        (PageSize::Kib8, 4),
    ] {
        println!("seed {seed}, {page_size:?}");
        let mut rig = Rig::new(page_size, 64);
        let mut random = Seeded::new(seed);
        for step in 0..1500 {
            random_step(&mut rig, &mut random, true);
            if step % 25 == 0 {
                rig.check();
            }
        }
        rig.check();
        let tables: Vec<u32> = rig
            .trees
            .values()
            .filter(|tree| tree.parent == 0)
            .map(|tree| tree.id.fdp)
            .collect();
        tables.into_iter().for_each(|table| rig.delete(table));
        rig.check();
        let free: u32 = rig.available(ROOT).iter().map(|extent| extent.count).sum();
        assert_eq!(free + 3, rig.database.look().last_page);
    }
}

fn random_step(rig: &mut Rig, random: &mut Seeded, deletes: bool) {
    let tables: Vec<u32> = rig
        .trees
        .values()
        .filter(|tree| tree.parent == 0)
        .map(|tree| tree.id.fdp)
        .collect();
    let all: Vec<u32> = rig.trees.keys().copied().collect();
    let pages = 1 + u32::try_from(random.below(6)).unwrap();
    match random.below(100) {
        0..3 if tables.len() < 12 => {
            rig.create(0, TABLE, pages, random.one_in(3));
        }
        3..6 if !tables.is_empty() => {
            let kind = [INDEX, non_unique(), PageFlags::LONG_VALUE][random.index(3)];
            rig.create(tables[random.index(tables.len())], kind, pages, random.one_in(3));
        }
        6 if deletes => {
            if let Some(table) = tables.get(random.index(tables.len() * 2)) {
                rig.delete(*table);
            }
        }
        7..9 if deletes => {
            if let Some(tree) = all
                .get(random.index(all.len()))
                .filter(|fdp| !tables.contains(fdp))
            {
                rig.delete(*tree);
            }
        }
        9..40 => {
            let Some(fdp) = all.get(random.index(all.len())) else {
                return;
            };
            let used: Vec<u32> = rig.trees[fdp]
                .used
                .iter()
                .copied()
                .filter(|pgno| pgno != fdp)
                .collect();
            if let Some(pgno) = used.get(random.index(used.len())) {
                rig.free(*fdp, *pgno);
            }
        }
        _ => {
            let Some(fdp) = all.get(random.index(all.len())) else {
                return;
            };
            let near = rig.trees[fdp]
                .used
                .iter()
                .nth(random.index(rig.trees[fdp].used.len()))
                .copied();
            for _ in 0..1 + random.below(20) {
                rig.allocate(*fdp, near.unwrap_or(0));
            }
        }
    }
}
