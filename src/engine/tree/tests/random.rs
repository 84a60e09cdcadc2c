//! Whatever several transactions do to a tree, each sees what a model says, the tree stays whole, and its log leads to
//! the same pages.

use super::check::check;
use super::model::{Model, Name, Writer};
use super::replay::replay;
use super::rig::Rig;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::open_transaction::OpenTransaction;
use crate::engine::state::Look;
use crate::engine::tree::limits::{capacity, longest_key};
use crate::engine::tree::{From, delete, find, insert, replace};
use crate::error::JetErr;
use crate::format::PageSize;
use crate::io::Seeded;

/// A session with an open transaction.
struct Session {
    transaction: OpenTransaction,
    writer: Writer,
}

struct World {
    rig: Rig,
    tree: TreeId,
    model: Model,
    sessions: Vec<Session>,
    names: Vec<Vec<u8>>,
    size: PageSize,
    random: Seeded,
    /// The longest data.
    longest: usize,
    too_big: usize,
}

impl World {
    fn new(size: PageSize, is_unique: bool, seed: u64, longest: usize) -> World {
        let rig = Rig::new(size, true);
        let tree = rig.tree(is_unique);
        let mut random = Seeded::new(seed);
        let names = (0..150).map(|_| key(&mut random, size, is_unique)).collect();
        World {
            rig,
            tree,
            model: Model::default(),
            sessions: Vec::new(),
            names,
            size,
            random,
            longest,
            too_big: 0,
        }
    }

    fn data(&mut self, key: &[u8]) -> Vec<u8> {
        let most = if self.tree.is_unique {
            capacity(self.size) - 16 - 6 - key.len()
        } else {
            longest_key(self.size)
        };
        let most = match self.random.below(8) {
            0 => most,
            1..4 => most.min(20),
            _ => most.min(self.longest),
        };
        let mut data = vec![0; 1 + self.random.index(most)];
        self.random.fill(&mut data);
        if !self.tree.is_unique {
            // A few only, so that they come again.
            data = vec![data[0] & 3; 1 + usize::from(data[0] & 1) * (most - 1)];
        }
        data
    }

    fn step(&mut self) {
        match self.random.below(40) {
            0..2 if self.sessions.len() < 3 => self.begin(),
            _ if self.sessions.is_empty() => self.begin(),
            2..4 => self.end(),
            4 => self.rig.clean_up(),
            5 => self.level_up(),
            6 => self.level_down(),
            _ => self.operate(),
        }
    }

    fn begin(&mut self) {
        let session = u16::try_from(7 + self.sessions.len()).unwrap();
        let transaction = self.rig.begin(session);
        let writer = self.model.begin();
        self.sessions.push(Session { transaction, writer });
    }

    fn end(&mut self) {
        let at = self.random.index(self.sessions.len());
        let mut session = self.sessions.remove(at);
        if self.random.one_in(3) {
            self.rig.roll_back(&mut session.transaction, 1);
        } else {
            self.rig.commit(&session.transaction);
            self.model.commit(&session.writer);
        }
    }

    fn level_up(&mut self) {
        let at = self.random.index(self.sessions.len());
        let session = &mut self.sessions[at];
        if session.writer.level() < 5 {
            session.writer.begin_level();
            session.transaction.set_level(session.transaction.level() + 1);
        }
    }

    fn level_down(&mut self) {
        let at = self.random.index(self.sessions.len());
        let commits = self.random.one_in(2);
        let session = &mut self.sessions[at];
        let level = session.transaction.level();
        if level == 1 {
            return;
        }
        if commits {
            session.writer.commit_level();
            let state = session.transaction.state();
            self.rig
                .database
                .write_anyway()
                .versions
                .commit_level(state, level - 1);
            session.transaction.set_level(level - 1);
        } else {
            let to = 2 + u8::try_from(self.random.index(usize::from(level - 1))).unwrap();
            self.rig.roll_back(&mut session.transaction, to);
            session.writer.roll_back_to(usize::from(to - 1));
        }
    }

    fn operate(&mut self) {
        let at = self.random.index(self.sessions.len());
        let which = self.random.index(self.names.len());
        let key = self.names[which].clone();
        let data = self.data(&key);
        let name: Name = match self.tree.is_unique {
            true => (key.clone(), Vec::new()),
            false => (key.clone(), data.clone()),
        };
        let kind = self.random.below(if self.tree.is_unique { 4 } else { 3 });
        let tree = self.tree;
        let mut session = self.sessions.remove(at);
        let others: Vec<&Writer> = self.sessions.iter().map(|session| &session.writer).collect();
        let expected = self.model.verdict(&session.writer, &others, &name, kind < 2);
        let bookmark = BookmarkRef {
            key: &name.0,
            data: &name.1,
        };
        let result = self.rig.change(&mut session.transaction, |change| match kind {
            0 | 1 => insert(change, tree, &key, &data),
            2 => delete(change, tree, bookmark),
            _ => replace(change, tree, bookmark, &data),
        });
        let code = result.as_ref().err().map(crate::JetError::code);
        if code == Some(JetErr::RecordTooBig) {
            // Nearly a page, on a page whose prefix is the key of a node that is gone.
            assert!(data.len() > capacity(self.size) * 3 / 4);
            self.too_big += 1;
            self.sessions.insert(at, session);
            return;
        }
        assert_eq!(code, expected, "operation {kind} on {name:?}: {result:?}");
        if code.is_none() {
            session.writer.does(name, (kind != 2).then_some(data));
        }
        self.sessions.insert(at, session);
    }

    fn check(&self) {
        check(&self.rig, self.tree);
        for session in &self.sessions {
            self.check_view(session);
        }
    }

    fn check_view(&self, session: &Session) {
        let expected: Vec<(Name, Vec<u8>)> = session.writer.all().into_iter().collect();
        let reader = session.transaction.state();
        let scan = |forward: bool| {
            let mut all: Vec<(Name, Vec<u8>)> = Vec::new();
            loop {
                let from = match (all.last(), forward) {
                    (None, true) => From::First,
                    (None, false) => From::Last,
                    (Some((name, _)), true) => From::After(BookmarkRef {
                        key: &name.0,
                        data: &name.1,
                    }),
                    (Some((name, _)), false) => From::Before(BookmarkRef {
                        key: &name.0,
                        data: &name.1,
                    }),
                };
                let found = self.rig.database.read(|state| -> Look<_> {
                    let found = find(state, self.tree, from, reader)?;
                    Ok(found.map(|found| {
                        let key = found.node.key().into_owned();
                        let data = found.data.into_owned();
                        let name = if self.tree.is_unique {
                            Vec::new()
                        } else {
                            data.clone()
                        };
                        ((key, name), data)
                    }))
                });
                match found.unwrap() {
                    Some(node) => all.push(node),
                    None => return all,
                }
            }
        };
        let forward = scan(true);
        assert!(
            forward == expected,
            "{} nodes, not {}",
            forward.len(),
            expected.len()
        );
        let mut backward = scan(false);
        backward.reverse();
        assert!(backward == expected);
    }
}

/// Keys that share beginnings. In a tree whose keys are not unique none begins another one.
fn key(random: &mut Seeded, size: PageSize, is_unique: bool) -> Vec<u8> {
    let mut key: Vec<u8> = b"common"[..random.index(7)].to_vec();
    let len = match random.below(6) {
        0 => longest_key(size) - key.len(),
        _ => 1 + random.index(24),
    };
    let start = key.len();
    key.resize(start + len, 0);
    random.fill(&mut key[start..]);
    key[start..].iter_mut().for_each(|byte| *byte &= 3);
    if !is_unique {
        key.truncate(longest_key(size) - 1);
        key.push(0xff);
    }
    key
}

fn run(size: PageSize, is_unique: bool, seed: u64, longest: usize, steps: usize) {
    println!("{size:?}, unique {is_unique}, seed {seed}, data up to {longest}");
    let mut world = World::new(size, is_unique, seed, longest);
    for step in 0..steps {
        world.step();
        if step % 16 == 0 || step + 1 == steps {
            world.check();
        }
    }
    println!(
        "{} leaves, {} times too big",
        check(&world.rig, world.tree).len(),
        world.too_big
    );
    assert!(world.too_big < steps / 100);
    // What is left is ended, cleaned up, and replayed.
    while !world.sessions.is_empty() {
        world.end();
    }
    world.rig.clean_up();
    world.check();
    let (live, again) = (world.rig.pages(), replay(&world.rig.records(), size));
    for (pgno, page) in &again {
        let (mut live, mut again) = (live[pgno].clone(), page.clone());
        live.set_uncommitted_free(0);
        again.set_uncommitted_free(0);
        assert!(live == again, "page {pgno} is not what its log says");
    }
    assert!(again.len() >= live.len());
}

#[test]
fn transactions_on_a_unique_tree_see_what_they_should() {
    for (seed, size, longest) in [
        (1, PageSize::Kib4, 100),
        (2, PageSize::Kib4, 700),
        (3, PageSize::Kib32, 5000),
        (4, PageSize::Kib8, 4000),
    ] {
        run(size, true, seed, longest, 2500);
    }
}

#[test]
fn transactions_on_a_tree_whose_keys_are_not_unique_see_what_they_should() {
    for (seed, size) in [(11, PageSize::Kib4), (12, PageSize::Kib32)] {
        run(size, false, seed, 100, 2500);
    }
}

#[test]
#[ignore = "long"]
fn many_random_worlds() {
    for seed in 100..200 {
        let size = [PageSize::Kib4, PageSize::Kib8, PageSize::Kib32][usize::try_from(seed % 3).unwrap()];
        run(
            size,
            seed % 4 != 0,
            seed,
            [60, 900, 3000][usize::try_from(seed / 3 % 3).unwrap()],
            2000,
        );
    }
}

#[test]
fn nobody_waits_for_additions() {
    use crate::engine::tree::{add, add64};
    let rig = Rig::new(PageSize::Kib4, true);
    let tree = rig.tree(true);
    let bookmark = BookmarkRef { key: b"k", data: b"" };
    rig.run(|change| insert(change, tree, b"k", &[0; 16])).unwrap();
    let (mut one, mut two) = (rig.begin(7), rig.begin(8));
    rig.change(&mut one, |change| add(change, tree, bookmark, 4, 5))
        .unwrap();
    assert_eq!(
        rig.change(&mut two, |change| add(change, tree, bookmark, 4, -2))
            .unwrap(),
        5
    );
    rig.change(&mut two, |change| add64(change, tree, bookmark, 8, -1))
        .unwrap();
    let conflict = rig.change(&mut two, |change| replace(change, tree, bookmark, b"x"));
    assert_eq!(conflict.unwrap_err().code(), JetErr::WriteConflict);
    rig.roll_back(&mut two, 1);
    rig.change(&mut one, |change| replace(change, tree, bookmark, b"xyz"))
        .unwrap();
    rig.roll_back(&mut one, 1);
    let data = |rig: &Rig| {
        let reader = rig.begin(9);
        let at = |state: &_| {
            Ok(find(state, tree, From::At(bookmark), reader.state())?.map(|found| found.data.into_owned()))
        };
        rig.database.read(at).unwrap().unwrap()
    };
    assert_eq!(data(&rig), [0; 16]);
    let again = replay(&rig.records(), PageSize::Kib4);
    assert!(again[&tree.root] == rig.pages()[&tree.root]);
}
