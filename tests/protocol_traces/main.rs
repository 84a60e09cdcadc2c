//! The recorded traces of the genuine engine (`protocol-traces` of the samples), call by call against a running instance
//! of ours: the same return codes, sizes, names, events and stamps in the headers.
//!
//! What cannot be the same is listed, with its reason, in [`deviations`]; one that is listed and does not happen fails the
//! test as well. That `jetfs restore` restores the recorded sets to the recorded rows is in `restore.rs`.
#![cfg(test)]

mod deviations;
mod facts;
mod instance;
mod replay;
mod trace;

use deviations::Deviations;
use instance::Hosted;
use replay::Replay;
use trace::Trace;

/// The traces in the order of their recording, and how many rows each table has when they begin (`expected.json`, and
/// the `work` lines).
const TRACES: [(&str, i32); 7] = [
    ("full", 450),
    ("incremental", 538),
    ("differential", 613),
    ("copy", 613),
    ("aborted", 613),
    ("stopped", 613),
    ("server_aborted_by_error", 613),
];

#[test]
fn a_running_instance_answers_every_recorded_call_as_the_genuine_engine_did() {
    let Some(directory) = trace::directory() else {
        return;
    };
    let hosted = Hosted::new();
    let mut deviations = Deviations::default();
    let mut calls = 0;
    for (name, rows) in TRACES {
        hosted.fill_to(rows);
        let trace = Trace::read(&directory, name);
        calls += Replay::new(&hosted, &trace, &mut deviations).run();
    }
    assert_eq!(calls, 431, "calls were recorded");
    deviations.assert_all_happened();
}
