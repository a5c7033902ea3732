//! Broken stores: the checker has to reject each within a fixed number of seeds, and to name the property. A checker that
//! accepts everything proves nothing.

mod broken;
mod leases;
mod store;

use cloakroom_test_checker::{Budget, Stores, find, forever_green};

use self::broken::{Broken, Fault};

/// Each way to be broken, the property that it violates, and a workload that brings it to light.
const CANARIES: &[(Fault, &str, &str)] = &[
    (Fault::BlindUpsert, "U1", "list"),
    (Fault::UpsertOnMissing, "D1", "sleepers"),
    (Fault::CreateOverwrites, "R1", "list"),
    (Fault::TouchRevives, "D1", "ends"),
    (Fault::TouchWritesBack, "U1", "ends"),
    (Fault::AcknowledgedNotWritten, "H2", "list"),
    (Fault::ReplyOfAnotherKey, "R1", "list"),
    (Fault::SweepsByAStaleRead, "D4", "sweeps"),
    (Fault::SweepsTheLiving, "D4", "sweeps"),
    (Fault::SentTwice, "U4", "list"),
    (Fault::StaleCache, "U1", "list"),
    (Fault::EndAllForgets, "D5", "revoke"),
    (Fault::LockedTwice, "L1", "locks only"),
    (Fault::AnybodyReleases, "L1", "locks only"),
    (Fault::FreedBeforeTheCommit, "L1", "locks only"),
];

/// Two instances of the application on one store that is broken like this.
fn stores(fault: Fault) -> Stores {
    Stores::new("canary", move |lot| {
        let store = Broken::new(fault, lot);
        vec![store.clone(), store]
    })
}

#[test]
fn every_broken_store_is_rejected_for_what_it_violates() {
    let mut accepted = Vec::new();
    for &(fault, property, workload) in CANARIES {
        let broken = stores(fault).only(workload);
        match find(&broken, Budget::fixed(SEEDS), &[property]) {
            Some((seed, _)) => {
                println!("{fault:?}: {property} after {seed} seeds of {workload}");
                // Nothing but the fault makes the difference.
                forever_green(&stores(Fault::None).only(workload), Budget::one(seed));
            }
            None => accepted.push(format!("{fault:?}: no {property} in {SEEDS} seeds of {workload}")),
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n"));
}

#[test]
fn the_same_store_unbroken_is_accepted() {
    forever_green(&stores(Fault::None), Budget::fixed(300));
}

/// Each is rejected within so many.
const SEEDS: u64 = 1000;
