//! The power is cut at every write and every sync of seeded work: what a start finds afterwards is what was promised.

use super::disk::{Disk, Shape};
use super::model::Promise;
use super::skipped::measured;
use super::world::{Done, Plan, Promised, live};
use super::{full, number, recovered};
use jetfs::io::{Operation, Seeded, Which};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which moments are looked at.
#[derive(Debug, Clone, Copy)]
enum Choice {
    /// None: only to count them.
    None,
    /// About so many of so many.
    Part(u64, u64),
    /// One.
    One(u64),
}

impl Choice {
    fn has(self, plan: Plan, moment: u64) -> bool {
        match self {
            Choice::None => false,
            Choice::Part(wanted, all) => wanted >= all || mix(plan, moment).below(all) < wanted,
            Choice::One(one) => moment == one,
        }
    }
}

fn mix(plan: Plan, moment: u64) -> Seeded {
    Seeded::new(plan.seed.wrapping_mul(1_000_003) ^ moment)
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    moments: u64,
    cuts: u64,
    in_recovery: u64,
    kinds: BTreeMap<String, u64>,
    /// Lazily committed transactions that survived, and that did not.
    lazy: [u64; 2],
    /// Operations in order, to see that runs are the same.
    trace: Vec<Operation>,
}

/// Works once, and looks at the chosen moments.
fn run(plan: Plan, choice: Choice) -> (Seen, Done) {
    let disk = Disk::new();
    let promised = Promised::default();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (see, promise, memory) = (Arc::clone(&seen), Arc::clone(&promised), disk.memory.clone());
    disk.fs.watch(move |moment| {
        let mut seen = see.lock();
        seen.moments = moment.number;
        seen.trace.push(moment.operation);
        if !choice.has(plan, moment.number) {
            return;
        }
        let mut random = mix(plan, moment.number);
        let copy = memory.fork();
        let cut = moment.cut_power_in(&copy, random.next_u64()).unwrap();
        let hint = format!(
            "{plan:?}, cut {} in {:?}, {cut}\nagain: JETFS_SEED={} JETFS_CUT={} cargo test --test engine power",
            moment.number, moment.operation, plan.seed, moment.number
        );
        *seen.kinds.entry(format!("{:?}", cut.kind)).or_default() += 1;
        check_cut(Disk::on(copy), plan.shape, &promise.lock().clone(), &hint, &mut random, &mut seen);
    });
    let mut done = Done::default();
    live(&disk, plan, &promised, &mut done).unwrap_or_else(|error| panic!("{plan:?}: {error}"));
    let promise = promised.lock().clone();
    recovered::check(&disk.fork(), plan.shape, &promise)
        .unwrap_or_else(|error| panic!("{plan:?}, at the end: {error}"));
    (std::mem::take(&mut seen.lock()), done)
}

/// A cut, now and then one in the recovery from it too, and what is there then.
fn check_cut(disk: Disk, shape: Shape, promise: &Promise, hint: &str, random: &mut Seeded, seen: &mut Seen) {
    let image = disk.fork();
    let fail = |what: String| -> usize {
        let saved = image.save("power-cut");
        panic!("{hint}{what}\nthe files as they were are in {}", saved.display());
    };
    let mut again = String::new();
    while random.one_in(3) {
        let (at, seed) = (1 + random.below(60), random.next_u64());
        disk.fs.cut_power_at(at, Which::Changing, seed);
        let started = disk.start(shape).map(drop);
        let reached = disk.fs.reached();
        if let (false, Err(error)) = (reached, started) {
            fail(format!("{again}: start: {error}"));
        }
        disk.fs.restart();
        if reached {
            seen.in_recovery += 1;
            again += &format!(", then at operation {at} of recovery with seed {seed}");
        }
    }
    let kept = recovered::check(&disk, shape, promise);
    let kept = kept.unwrap_or_else(|error| fail(format!("{again}: {error}")));
    seen.cuts += 1;
    seen.lazy[0] += kept as u64;
    seen.lazy[1] += (promise.pending.len() - kept) as u64;
}

fn plans() -> Vec<Plan> {
    let shape = |page_size, is_circular, cache| Shape {
        page_size,
        is_circular,
        cache,
    };
    let plan = |(seed, shape)| Plan {
        seed: number("JETFS_SEED").unwrap_or(seed),
        shape,
        lives: 5,
        operations: 1100,
    };
    [
        (1, shape(4096, true, 64)),
        (2, shape(4096, false, 5000)),
        (3, shape(8192, false, 64)),
    ]
    .map(plan)
    .to_vec()
}

fn power_cuts(plan: Plan, wanted: u64) {
    if let Some(one) = number("JETFS_CUT") {
        run(plan, Choice::One(one));
        return;
    }
    let (all, done) = run(plan, Choice::None);
    let wanted = if full() { all.moments } else { wanted };
    let (seen, _) = run(plan, Choice::Part(wanted, all.moments));
    assert!(
        seen.trace == all.trace,
        "the same seed does not give the same run"
    );
    measured(&format!(
        "engine power cuts, seed {}: {} of {} moments of {done:?}, {} cuts in recovery, {:?}, lazy commits kept and lost {:?}",
        plan.seed, seen.cuts, seen.moments, seen.in_recovery, seen.kinds, seen.lazy
    ));
    assert!(done.operations >= 5000 && seen.cuts * 3 > wanted);
}

#[test]
fn power_cuts_of_work_in_a_small_cache_with_circular_logging() {
    power_cuts(plans()[0], 150);
}

#[test]
fn power_cuts_of_work_in_a_large_cache() {
    power_cuts(plans()[1], 150);
}

#[test]
fn power_cuts_of_work_on_larger_pages() {
    power_cuts(plans()[2], 150);
}
