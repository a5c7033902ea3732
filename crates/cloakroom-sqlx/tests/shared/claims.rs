//! Which leases count as expired, and which records a guard keeps from being leased.

use cloakroom_store::{Acquired, Claim, LeaseId, Leases, Record, Revision, SeenLease, Store as _};

use crate::dialect::Store;
use crate::shared::{Table, ann, at, claim, fresh, fresh_key, record};

const GUARD: [u8; 16] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];

/// A record whose data has the guard, and that expires at the millisecond 50.
fn guarded() -> Record {
    Record::new(Revision::new(1), at(50), (0..40).collect::<Vec<u8>>())
}

/// A claim at the millisecond 10 on a record with this guard.
fn guarding(holder: u64, guard: [u8; 16]) -> Claim {
    guarding_at(10, holder, guard)
}

fn guarding_at(now: u64, holder: u64, guard: [u8; 16]) -> Claim {
    let mut claim = claim(holder).guarded(guard);
    claim.now = at(now);
    claim
}

#[tokio::test]
async fn a_guard_keeps_a_claim_from_every_other_session_whether_its_lease_is_free_or_not() {
    let mut other = GUARD;
    other[15] += 1;
    let untouched =
        "SELECT COUNT(*) FROM {table} WHERE lease IS NULL AND lease_until IS NULL AND revision = 1";
    for stored in [guarded(), guarded().with_subject(Some(ann()))] {
        let (store, table) = fresh().await;
        let key = fresh_key();
        let acquire = async |claim| store.acquire(&key, &claim).await.unwrap();
        assert_eq!(acquire(guarding(1, GUARD)).await, Acquired::Missing);
        store.create(&key, &stored, at(0)).await.unwrap();
        assert_eq!(acquire(guarding(1, other)).await, Acquired::Mismatch(stored.clone()));
        assert_eq!(table.number(untouched).await, 1, "nothing is written");
        assert_eq!(acquire(guarding(1, GUARD)).await, Acquired::Held(stored.clone()));
        assert_eq!(acquire(guarding(2, other)).await, Acquired::Mismatch(stored.clone()));
        assert!(matches!(acquire(guarding(2, GUARD)).await, Acquired::Busy(_)));
        assert_eq!(acquire(guarding(1, other)).await, Acquired::Mismatch(stored.clone()));
        assert_eq!(acquire(guarding(1, GUARD)).await, Acquired::Held(stored.clone()));
        assert_eq!(table.number("SELECT lease FROM {table}").await, 1);

        // Nor does an expired lease help.
        table.run("UPDATE {table} SET lease_until = -1").await;
        assert_eq!(acquire(guarding(2, other)).await, Acquired::Mismatch(stored.clone()));
        let mut taken_over = stored;
        taken_over.revision = Revision::new(1_000);
        assert_eq!(acquire(guarding(2, GUARD)).await, Acquired::Held(taken_over));
    }
}

#[tokio::test]
async fn a_guarded_claim_leases_no_record_that_has_expired_or_is_too_short_for_a_guard() {
    let (store, table) = fresh().await;
    let key = fresh_key();
    store.create(&key, &guarded(), at(0)).await.unwrap();
    let late = guarding_at(50, 1, GUARD);
    assert_eq!(store.acquire(&key, &late).await.unwrap(), Acquired::Mismatch(guarded()));
    assert_eq!(table.number("SELECT COUNT(*) FROM {table} WHERE lease IS NULL").await, 1);
    let in_time = guarding_at(49, 1, GUARD);
    assert_eq!(store.acquire(&key, &in_time).await.unwrap(), Acquired::Held(guarded()));
    assert!(store.release(&key, LeaseId::new(1)).await.unwrap());
    let mut unguarded = late;
    unguarded.guard = None;
    assert_eq!(store.acquire(&key, &unguarded).await.unwrap(), Acquired::Held(guarded()));

    let short = fresh_key();
    store.create(&short, &record(1, 50), at(0)).await.unwrap();
    let acquired = store.acquire(&short, &guarding(1, GUARD)).await.unwrap();
    assert_eq!(acquired, Acquired::Mismatch(record(1, 50)));
}

/// A store whose only record is leased to the first holder, until this time.
async fn leased() -> (Store, Table, i64) {
    let (store, table) = fresh().await;
    store.create(&KEY, &record(1, 1), at(0)).await.unwrap();
    assert_eq!(store.acquire(&KEY, &claim(1)).await.unwrap(), Acquired::Held(record(1, 1)));
    let until = table.number(UNTIL).await;
    (store, table, until)
}

const KEY: cloakroom_store::Key = cloakroom_store::Key::new([7; 32]);
const UNTIL: &str = "SELECT lease_until FROM {table}";

/// Whether the lease ends a minute after the one that was taken at the beginning, or before that.
async fn ends_in_time(table: &Table, first: i64) -> bool {
    (first..first + 60_000).contains(&table.number(UNTIL).await)
}

#[tokio::test]
async fn a_lease_that_ends_too_far_ahead_is_free_under_a_new_revision() {
    let (store, table, until) = leased().await;
    table.run("UPDATE {table} SET lease_until = lease_until + 4000").await;
    assert!(matches!(store.acquire(&KEY, &claim(2)).await.unwrap(), Acquired::Busy(_)), "clocks differ");
    for holder in [2, 3] {
        table.run("UPDATE {table} SET lease_until = lease_until + 3600000").await;
        let acquired = store.acquire(&KEY, &claim(holder)).await.unwrap();
        assert_eq!(acquired, Acquired::Held(record(1_000, 1)));
        assert!(ends_in_time(&table, until).await);
        assert!(!store.renew(&KEY, &claim(holder - 1)).await.unwrap(), "it was taken over");
    }
}

#[tokio::test]
async fn its_holder_puts_a_lease_right_that_ends_too_far_ahead() {
    let (store, table, until) = leased().await;
    table.run("UPDATE {table} SET lease_until = lease_until + 3600000").await;
    assert!(store.renew(&KEY, &claim(1)).await.unwrap());
    assert!(ends_in_time(&table, until).await);
    assert!(matches!(store.acquire(&KEY, &claim(2)).await.unwrap(), Acquired::Busy(_)));
}

#[tokio::test]
async fn a_lease_without_an_end_is_free_under_a_new_revision() {
    let (store, table, until) = leased().await;
    table.run("UPDATE {table} SET lease_until = NULL").await;
    assert!(!store.renew(&KEY, &claim(1)).await.unwrap());
    assert_eq!(store.acquire(&KEY, &claim(2)).await.unwrap(), Acquired::Held(record(1_000, 1)));
    assert!(ends_in_time(&table, until).await);
}

#[tokio::test]
async fn a_lease_is_overruled_only_while_it_is_the_one_that_was_seen() {
    let (store, _table, until) = leased().await;
    let until = at(until.cast_unsigned());
    let next = at(until.as_millis() + 1);
    for (holder, until) in [(1, next), (3, until)] {
        let another = claim(2).overruling(SeenLease::new(LeaseId::new(holder), until));
        assert!(matches!(store.acquire(&KEY, &another).await.unwrap(), Acquired::Busy(_)));
    }
    let seen = claim(2).overruling(SeenLease::new(LeaseId::new(1), until));
    assert_eq!(store.acquire(&KEY, &seen).await.unwrap(), Acquired::Held(record(1_000, 1)));
    assert!(!store.renew(&KEY, &claim(1)).await.unwrap());
    // A claim on a free lease has nothing to overrule.
    assert!(store.release(&KEY, LeaseId::new(2)).await.unwrap());
    let mut free = seen;
    free.takeover = Revision::new(2_000);
    assert_eq!(store.acquire(&KEY, &free).await.unwrap(), Acquired::Held(record(1_000, 1)));
}
