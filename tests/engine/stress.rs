//! Sixteen threads on a real disk: group commit, the background thread, readers beside writers. Money goes from account
//! to account; no snapshot ever shows more or less of it, nor does a crash.

use super::skipped::measured;
use super::{full, number};
use jetfs::engine::{
    ColumnDefinition, CommitMode, Database, IndexDefinition, Instance, Parameters, Seek, Session, Table,
    TableDefinition, Term,
};
use jetfs::format::{ColumnType, Value};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem, Seeded};
use jetfs::verify::deep;
use jetfs::{JetErr, JetResult, store};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const THREADS: u64 = 16;
const ACCOUNTS: i32 = 400;
const EACH: i32 = 1000;

#[derive(Debug, Default)]
struct Counts {
    transfers: AtomicU64,
    conflicts: AtomicU64,
    sums: AtomicU64,
    /// The last transfer that each thread knows to be durable.
    durable: [AtomicU64; THREADS as usize],
}

fn parameters(directory: &Path) -> Parameters {
    Parameters::new(directory)
        .log_file_size(1024)
        .circular_log(true)
        .cache_size_max(1 << 20)
        .checkpoint_depth_max(512 << 10)
}

fn make(instance: &Instance, path: &Path) -> JetResult<Database> {
    let session = instance.session()?;
    let database = instance.create_database(path)?;
    let long = |name| ColumnDefinition::new(name, ColumnType::Long);
    let accounts = TableDefinition::new("accounts")
        .column(long("id").not_null())
        .column(long("money").not_null())
        .column(ColumnDefinition::new("memo", ColumnType::LongBinary))
        .index(IndexDefinition::primary("by_id").ascending("id"))
        .index(IndexDefinition::new("by_money").ascending("money"));
    let transfers = TableDefinition::new("last")
        .column(long("thread").not_null())
        .column(ColumnDefinition::new("count", ColumnType::LongLong))
        .index(IndexDefinition::primary("by_thread").ascending("thread"));
    let transaction = session.begin()?;
    let table = database.create_table(&session, &accounts)?;
    for id in 0..ACCOUNTS {
        let mut update = table.insert()?;
        update.set(table.column("id")?, &Value::Long(id))?;
        update.set(table.column("money")?, &Value::Long(EACH))?;
        update.save()?;
    }
    let table = database.create_table(&session, &transfers)?;
    for thread in 0..THREADS as i32 {
        let mut update = table.insert()?;
        update.set(table.column("thread")?, &Value::Long(thread))?;
        update.set(table.column("count")?, &Value::LongLong(0))?;
        update.save()?;
    }
    transaction.commit()?;
    Ok(database)
}

fn set(table: &mut Table<'_>, id: i32, columns: &[(&str, Value)]) -> JetResult<()> {
    assert!(table.seek(&[Value::Long(id)], Seek::Equal)?);
    let mut update = table.replace()?;
    for (name, value) in columns {
        update.set(table.column(name)?, value)?;
    }
    update.save().map(drop)
}

fn money(table: &mut Table<'_>, id: i32) -> JetResult<i32> {
    assert!(table.seek(&[Value::Long(id)], Seek::Equal)?);
    match table.value(table.column("money")?)? {
        Value::Long(money) => Ok(money),
        other => panic!("{other:?}"),
    }
}

fn transfer(
    database: &Database,
    session: &Session,
    thread: i32,
    count: u64,
    random: &mut Seeded,
) -> JetResult<bool> {
    let transaction = session.begin()?;
    let mut accounts = database.open_table(session, "accounts")?;
    let [from, to] = [0, 1].map(|_| random.below(ACCOUNTS as u64) as i32);
    let amount = 1 + random.below(50) as i32;
    if from == to {
        return Ok(false);
    }
    let left = money(&mut accounts, from)? - amount;
    set(&mut accounts, from, &[("money", Value::Long(left))])?;
    let level = session.begin()?;
    let memo = Value::Binary(vec![thread as u8; random.index(6000)]);
    let more = money(&mut accounts, to)? + amount;
    set(&mut accounts, to, &[("money", Value::Long(more)), ("memo", memo)])?;
    if random.one_in(10) {
        level.roll_back()?;
        transaction.roll_back()?;
        return Ok(false);
    }
    level.commit()?;
    let mut last = database.open_table(session, "last")?;
    set(&mut last, thread, &[("count", Value::LongLong(count as i64))])?;
    let is_lazy = random.one_in(3);
    transaction.commit_with(if is_lazy {
        CommitMode::Lazy
    } else {
        CommitMode::Durable
    })?;
    if is_lazy && random.one_in(5) {
        session.wait_for_commits()?;
        return Ok(true);
    }
    Ok(!is_lazy)
}

/// All the money that a snapshot shows, by one index or the other.
fn sum(database: &Database, session: &Session, index: Option<&str>) -> JetResult<(i32, i64)> {
    let _snapshot = session.begin()?;
    let mut table = database.open_table(session, "accounts")?;
    table.set_current_index(index)?;
    let column = table.column("money")?;
    let (mut count, mut sum) = (0, 0);
    let mut is_there = table.move_first()?;
    while is_there {
        if let Value::Long(money) = table.value(column)? {
            sum += i64::from(money);
        }
        count += 1;
        is_there = table.move_next()?;
    }
    Ok((count, sum))
}

const ALL: (i32, i64) = (ACCOUNTS, ACCOUNTS as i64 * EACH as i64);

fn work(instance: &Instance, database: &Database, thread: u64, until: Instant, seed: u64, counts: &Counts) {
    let session = instance.session().unwrap();
    let mut random = Seeded::new(seed ^ (thread << 32));
    let mut count = 0;
    while Instant::now() < until {
        if thread % 4 == 3 {
            let index = random.one_in(2).then_some("by_money");
            assert_eq!(
                sum(database, &session, index).unwrap(),
                ALL,
                "thread {thread}, seed {seed}"
            );
            counts.sums.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        count += 1;
        match transfer(database, &session, thread as i32, count, &mut random) {
            Ok(is_durable) => {
                counts.transfers.fetch_add(1, Ordering::Relaxed);
                if is_durable {
                    counts.durable[thread as usize].store(count, Ordering::Release);
                }
            }
            Err(error) if error.code() == JetErr::WriteConflict => {
                counts.conflicts.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("thread {thread}, seed {seed}: {error}"),
        }
    }
}

fn check(directory: &Path, counts: &Counts) {
    let path = directory.join("bank.edb");
    let instance = Instance::init(parameters(directory)).unwrap();
    {
        let session = instance.session().unwrap();
        let database = instance.attach_database(&path).unwrap();
        assert_eq!(sum(&database, &session, None).unwrap(), ALL);
        assert_eq!(sum(&database, &session, Some("by_money")).unwrap(), ALL);
        let mut last = database.open_table(&session, "last").unwrap();
        for (thread, durable) in (0..).zip(&counts.durable) {
            assert!(last.seek(&[Value::Long(thread)], Seek::Equal).unwrap());
            let column = last.column("count").unwrap();
            let durable = Value::LongLong(durable.load(Ordering::Acquire) as i64);
            let (Value::LongLong(found), Value::LongLong(durable)) = (last.value(column).unwrap(), durable)
            else {
                panic!("no number");
            };
            assert!(found >= durable, "thread {thread}: a commit is lost");
        }
    }
    instance.term(Term::Complete).unwrap();
    let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
    let database = store::Database::open(file, &path).unwrap();
    let report = deep::check(&database, deep::Limits::default(), &|| ()).unwrap();
    assert_eq!(report.damage, 0, "{:#?}", report.findings);
}

#[test]
fn sixteen_threads_lose_no_money() {
    let seed = number("JETFS_SEED").unwrap_or(1);
    let time = Duration::from_millis(if full() { 60_000 } else { 2500 });
    let top = tempfile::tempdir().unwrap();
    let directory = top.path().join("instance");
    let instance = Instance::init(parameters(&directory)).unwrap();
    let database = make(&instance, &directory.join("bank.edb")).unwrap();
    let counts = Counts::default();
    let until = Instant::now() + time;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (instance, database, counts) = (&instance, &database, &counts);
            scope.spawn(move || work(instance, database, thread, until, seed, counts));
        }
    });
    let session = instance.session().unwrap();
    assert_eq!(sum(&database, &session, None).unwrap(), ALL);
    drop((session, database));
    // As if the program had died.
    drop(instance);
    check(&directory, &counts);
    measured(&format!(
        "engine stress, {THREADS} threads, {} s: {} transfers, {} write conflicts, {} sums",
        time.as_secs(),
        counts.transfers.load(Ordering::Relaxed),
        counts.conflicts.load(Ordering::Relaxed),
        counts.sums.load(Ordering::Relaxed)
    ));
}
