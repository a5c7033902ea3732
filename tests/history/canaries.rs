//! Broken stores: the checker has to reject each within a fixed number of seeds, and to name the property. A checker that
//! accepts everything proves nothing.

mod broken;
mod leases;
mod store;

use cloakroom_tests::history::run::{Budget, Stores, find, forever_green};

use self::broken::{Broken, Fault};

/// Each way to be broken, and the properties of which the first violation must be one.
const CANARIES: &[(Fault, &[&str])] = &[
    (Fault::None, &[]),
    (Fault::BlindUpsert, &["U1", "H2", "L2"]),
    (Fault::UpsertOnMissing, &["D1"]),
    (Fault::CreateOverwrites, &["D4", "H1", "H2", "R1", "U1"]),
    (Fault::TouchRevives, &["D1"]),
    (Fault::TouchWritesBack, &["U1", "H2", "U4", "D1", "L2", "R3"]),
    (Fault::AcknowledgedNotWritten, &["H1", "H2", "U1", "L2"]),
    (Fault::ReplyOfAnotherKey, &["I3", "H1", "H2", "R1", "R2"]),
    (Fault::SweepsByAStaleRead, &["D4"]),
    (Fault::SweepsTheLiving, &["D4"]),
    (Fault::SentTwice, &["U1", "H2", "U4", "D1", "L2", "R3"]),
    (Fault::StaleCache, &["U1", "H2", "D1", "R1", "R3"]),
    (Fault::EndAllForgets, &["D5"]),
    (Fault::LockedTwice, &["L1"]),
    (Fault::AnybodyReleases, &["L1"]),
    (Fault::FreedBeforeTheCommit, &["L1"]),
];

/// Two instances of the application on one store that is broken like this.
fn stores(fault: Fault) -> Stores {
    Stores::new("canary", move |lot| {
        let store = Broken::new(fault, lot);
        vec![store.clone(), store]
    })
}

#[test]
fn every_broken_store_is_rejected_and_the_same_store_unbroken_is_not() {
    let mut missed = Vec::new();
    for (fault, expected) in CANARIES.iter().filter(|(fault, _)| *fault != Fault::None) {
        match find(&stores(*fault), Budget::fixed(SEEDS)) {
            None => missed.push(format!("{fault:?}: accepted for {SEEDS} seeds")),
            Some((seed, violations)) => {
                let property = violations[0].property;
                println!("{fault:?}: {property} after {seed} seeds");
                if !expected.contains(&property) {
                    missed.push(format!("{fault:?}: rejected for the wrong reason: {}", violations[0]));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn the_same_store_unbroken_is_green() {
    forever_green(&stores(Fault::None), Budget::fixed(SEEDS));
}

/// Each is caught within so many.
const SEEDS: u64 = 400;
