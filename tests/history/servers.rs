//! Histories over real servers, and over an SQLite file: two instances of the application, each with connections of its own.
//! And over the same stores broken on purpose, so that a checker that accepts everything there is noticed.

mod tampered;

use std::sync::{Arc, OnceLock};

use cloakroom_store::DynStore;
use cloakroom_test_checker::{Budget, Stores, find, forever_green};
use cloakroom_tests::Backend;
use tokio::runtime::Runtime;

use self::tampered::{Fault, Tampered};

/// Where connections live: histories stop the clock of the runtime that they are made on.
fn network() -> &'static Runtime {
    static NETWORK: OnceLock<Runtime> = OnceLock::new();
    NETWORK.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

/// Connecting takes longer than a history, so all go over the same two stores. Each has users of its own.
fn histories(name: &'static str, backend: Backend) {
    let running = backend.start();
    let stores = network().block_on(async { [running.open().await, running.open().await] });
    let opened = stores.clone();
    let sound = Stores::of(name, move |_| opened.to_vec()).on(network().handle().clone());
    forever_green(&sound, Budget::of(SEEDS));
    let canaries =
        CANARIES.iter().filter(|(fault, ..)| !backend.has_a_clock() || *fault != Fault::UpsertOnMissing);
    for (fault, property, workload) in canaries {
        let broken = tampered(name, &stores, *fault).only(workload);
        let found = find(&broken, Budget::fixed(CANARY_SEEDS), &[property]);
        let (seed, _) = found.unwrap_or_else(|| panic!("{fault:?} on {name}: no {property} in {workload}"));
        println!("{name}, {fault:?}: {property} after {seed} seeds of {workload}");
        // Nothing but the fault makes the difference.
        forever_green(&tampered(name, &stores, Fault::None).only(workload), Budget::one(seed));
    }
}

fn tampered(name: &'static str, stores: &[Arc<dyn DynStore>], fault: Fault) -> Stores {
    let stores = stores.to_vec();
    let open = move |_: &_| -> Vec<_> {
        stores
            .iter()
            .map(|store| Arc::new(Tampered::new(Arc::clone(store), fault)) as Arc<dyn DynStore>)
            .collect()
    };
    Stores::of(name, open).on(network().handle().clone())
}

/// What fits: the faults that need nothing but the contract. Where the backend removes records by a clock of its own, no
/// record is ever missing in a history, whose sweeps are in the future.
const CANARIES: &[(Fault, &str, &str)] = &[
    (Fault::BlindUpsert, "U1", "list"),
    (Fault::UpsertOnMissing, "D1", "sleepers"),
    (Fault::AcknowledgedNotWritten, "H2", "list"),
    (Fault::LockedTwice, "L1", "locks only"),
];

const SEEDS: u64 = 100;
const CANARY_SEEDS: u64 = 1000;

macro_rules! histories {
    ($($backend:ident)*) => {
        $(#[test]
        fn $backend() {
            histories(concat!("servers::", stringify!($backend)), Backend::$backend());
        })*
    };
}

histories! { redis redis_cluster redis_sentinel postgres mariadb sqlite memcached memcached_pair }
