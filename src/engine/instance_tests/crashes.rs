//! Instances that die.

use super::*;
use crate::io::{Seeded, Which, count_up};
use crate::store::read_checkpoint;

/// Works for a while: rounds of changes, some rolled back, some lazily committed, one never ended. Returns what is
/// committed durably, and what may be there instead.
fn live(disk: &Disk, seed: u64, steps: u32, durable: &mut Vec<Rows>) -> JetResult<()> {
    let mut random = Seeded::new(seed);
    let instance = disk.init_with(parameters().cache_size_max(70 * 4096))?;
    let lives = [
        Live::attach(disk, &instance, A)?,
        Live::attach(disk, &instance, B)?,
    ];
    let mut never = Work::begin(&instance);
    for step in 1..=steps {
        let mut work = Work::begin(&instance);
        let mut rows = durable.last().unwrap().clone();
        for _ in 0..random.below(40) {
            let key = u32::try_from(random.below(1200)).unwrap();
            if key % 7 == 0 {
                continue;
            }
            let value = Some(step).filter(|_| random.below(5) > 0);
            let change = |live: &Live, work: &mut Work<'_>| live.set(work, key, value);
            let first = change(&lives[0], &mut work);
            if first
                .as_ref()
                .is_err_and(|error| error.code() == JetErr::RecordNotFound)
            {
                continue;
            }
            first?;
            change(&lives[1], &mut work)?;
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        match random.below(8) {
            0 => work.roll_back()?,
            _ => {
                // From now on it may be there.
                durable.push(rows);
                work.commit()?;
                let last = durable.len() - 1;
                durable.drain(..last);
            }
        }
        // Every seventh row is his: a new one, another value, a deletion.
        lives[0].set(&mut never, 100_001 + 2 * step, Some(1))?;
        lives[0].set(&mut never, 14 * (step % 40), Some(1))?;
        lives[1].set(&mut never, 14 * (step % 40), Some(step))?;
        if step % 3 == 0 {
            lives[0].set(&mut never, 14 * (step % 40), None)?;
        }
        if random.below(3) == 0 {
            instance.work()?;
        }
        if random.below(6) == 0 {
            instance.flush()?;
        }
        if random.below(8) == 0 {
            for file in instance.core().attachments.all() {
                instance.core().log_before_images(&file)?;
            }
            instance.flush()?;
        }
    }
    Ok(())
}

/// After a crash both databases have the same of the rows that may be there.
fn check(disk: &Disk, durable: &[Rows], hint: &str) {
    let instance = disk.init().unwrap_or_else(|error| panic!("{hint}: {error}"));
    let headers = [A, B].map(|path| disk.header(path));
    assert!(headers.iter().all(|header| header.state.is_clean()), "{hint}");
    instance.term(Term::Complete).unwrap();
    let rows = [A, B].map(|path| disk.rows(path));
    assert!(rows[0] == rows[1], "{hint}: the databases differ");
    assert!(
        durable.contains(&rows[0]),
        "{hint}: neither before nor after the last commit"
    );
}

#[test]
fn what_was_committed_survives_the_death_of_the_program() {
    let new = Disk::new(&[A, B]);
    for seed in 0..6 {
        let disk = new.copy();
        let mut durable = vec![first_rows()];
        for life in 0..3 {
            live(&disk, seed * 10 + life, 25, &mut durable).unwrap();
            check(&disk, &durable, &format!("seed {seed}, life {life}"));
        }
    }
}

#[test]
fn what_was_committed_survives_a_power_cut_at_any_operation() {
    let new = Disk::new(&[A, B]);
    let mut seed = 0;
    let met = count_up(|k| {
        let k = 1 + (k - 1) * 5;
        seed += 1;
        let disk = new.copy();
        disk.fs.cut_power_at(k, Which::Changing, seed);
        let mut durable = vec![first_rows()];
        let lived = live(&disk, 77, 12, &mut durable);
        let reached = disk.fs.reached();
        assert!(reached || lived.is_ok(), "{lived:?}");
        if !reached {
            disk.fs.cut_power(seed).unwrap();
        }
        disk.fs.restart();
        check(
            &disk,
            &durable,
            &format!("operation {k}, {:?}", disk.fs.last_cut()),
        );
        reached
    });
    assert!(met > 20, "{met}");
}

#[test]
fn a_lazy_commit_may_be_lost_but_only_whole() {
    let disk = Disk::new(&[A, B]);
    let instance = disk.init().unwrap();
    let lives = [A, B].map(|path| Live::attach(&disk, &instance, path).unwrap());
    let mut durable = vec![first_rows()];
    for step in 1..20 {
        let mut work = Work::begin(&instance);
        let mut rows = durable.last().unwrap().clone();
        for key in (step..500).step_by(31) {
            lives
                .iter()
                .for_each(|live| live.set(&mut work, key, Some(step)).unwrap());
            rows.insert(key, step);
        }
        work.commit_lazily().unwrap();
        durable.push(rows);
        if step == 10 {
            instance.flush().unwrap();
            durable.drain(..10);
        }
    }
    disk.fs.cut_power(5).unwrap();
    drop(instance);
    disk.fs.restart();
    check(&disk, &durable, "lazy");
}

#[test]
fn a_crashed_instance_is_recovered_without_its_checkpoint_too() {
    let disk = Disk::new(&[A, B]);
    let mut durable = vec![first_rows()];
    live(&disk, 3, 30, &mut durable).unwrap();
    disk.memory.remove(Path::new(CHECKPOINT)).unwrap();
    disk.fs.restart();
    check(&disk, &durable, "no checkpoint");
}

#[test]
fn a_copy_of_a_crashed_instance_is_recovered_without_touching_the_original() {
    let disk = Disk::new(&[B]);
    let instance = disk.init().unwrap();
    let live = Live::attach(&disk, &instance, B).unwrap();
    let mut work = Work::begin(&instance);
    live.set(&mut work, 2, Some(8)).unwrap();
    work.commit().unwrap();
    drop(instance);
    disk.memory.create_dir_all(Path::new("/copy")).unwrap();
    for entry in disk.memory.list(Path::new("/i")).unwrap() {
        let bytes = disk
            .memory
            .read_file(PathBuf::from("/i").join(&entry.name))
            .unwrap();
        disk.memory
            .write_file(PathBuf::from("/copy").join(&entry.name), &bytes)
            .unwrap();
    }
    let before = disk.memory.read_file(B).unwrap();
    let copy = parameters()
        .system_path("/copy")
        .log_file_path("/copy")
        .temp_path("/copy");
    disk.init_with(copy).unwrap().term(Term::Complete).unwrap();
    assert_eq!(disk.memory.read_file(B).unwrap(), before);
    assert_eq!(disk.rows("/copy/b.edb")[&2], 8);
    disk.init().unwrap().term(Term::Complete).unwrap();
    assert_eq!(disk.rows(B)[&2], 8);
}

#[test]
fn logs_that_a_checkpoint_needs_and_that_are_gone_are_missed() {
    let disk = Disk::new(&[A]);
    let instance = disk.init().unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut work = Work::begin(&instance);
    live.set(&mut work, 2, Some(8)).unwrap();
    work.commit().unwrap();
    instance.flush().unwrap();
    drop(instance);
    for name in disk.archived().into_iter().chain(["edb.log".to_owned()]) {
        disk.memory.remove(&PathBuf::from("/i").join(name)).unwrap();
    }
    assert_eq!(disk.init().unwrap_err().code(), JetErr::MissingLogFile);
    assert!(disk.exists(CHECKPOINT));
}

#[test]
fn a_checkpoint_at_the_end_of_a_generation_is_where_redo_begins() {
    let disk = Disk::new(&[A]);
    let instance = disk.init().unwrap();
    let live = Live::attach(&disk, &instance, A).unwrap();
    let mut met = 0;
    for value in 1..400 {
        let mut work = Work::begin(&instance);
        live.set(&mut work, 2 * (value % 100), Some(value)).unwrap();
        work.commit().unwrap();
        let checkpoint = read_checkpoint(&disk.memory, Path::new(CHECKPOINT));
        let checkpoint = checkpoint.unwrap().unwrap().unwrap().checkpoint;
        let newest = instance.core().shared.log.end().generation;
        if checkpoint.generation < newest && checkpoint.sector == 15 {
            met += 1;
            let copy = disk.copy();
            copy.init().unwrap().term(Term::Complete).unwrap();
            assert_eq!(copy.rows(A)[&(2 * (value % 100))], value);
        }
        instance.flush().unwrap();
    }
    assert!(met > 0);
}
