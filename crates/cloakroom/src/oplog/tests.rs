use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::{Strategy, any};
use proptest::{option, prop_oneof};

use super::*;
use crate::envelope::samples::{entries, envelope, header};

/// What a handler may call. Values are a byte long, as in [`entries`].
#[derive(Clone, Debug)]
enum Call {
    Insert(String, u8),
    Remove(String),
    Clear,
}

type Map = BTreeMap<String, u8>;

fn key() -> impl Strategy<Value = String> {
    "[a-d]"
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => (key(), 0..3_u8).prop_map(|(key, value)| Call::Insert(key, value)),
        2 => key().prop_map(Call::Remove),
        1 => any::<()>().prop_map(|()| Call::Clear),
    ]
}

fn base() -> impl Strategy<Value = Map> {
    btree_map(key(), 0..3_u8, 0..4)
}

fn recorded(calls: &[Call]) -> OpLog {
    let mut log = OpLog::default();
    for call in calls {
        match call {
            Call::Insert(key, value) => log.record(key, Some([*value].into())),
            Call::Remove(key) => log.record(key, None),
            Call::Clear => log.clear(),
        }
    }
    log
}

/// One call after the other, as if each had been saved at once.
fn one_by_one(base: &Map, calls: &[Call]) -> Map {
    let mut map = base.clone();
    for call in calls {
        match call {
            Call::Insert(key, value) => drop(map.insert(key.clone(), *value)),
            Call::Remove(key) => drop(map.remove(key)),
            Call::Clear => map.clear(),
        }
    }
    map
}

fn applied(log: &OpLog, base: &Map) -> Map {
    log.apply(&entries(base)).map(|(key, value)| (key.to_owned(), value[0])).collect()
}

/// The size of what comes out, by adding it up.
fn naive_size(log: &OpLog, base: &Entries) -> Size {
    log.apply(base).fold(Size::default(), |size, (key, value)| size.plus(key, value.len()))
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

proptest::proptest! {
    #[test]
    fn applying_a_log_is_making_its_calls_one_by_one(base in base(), calls in vec(call(), 0..8)) {
        assert_eq!(applied(&recorded(&calls), &base), one_by_one(&base, &calls));
    }

    #[test]
    fn a_log_can_be_replayed_on_whatever_others_left(base in base(), calls in vec(call(), 0..8)) {
        let log = recorded(&calls);
        let once = applied(&log, &base);
        assert_eq!(applied(&log, &once), once);
    }

    #[test]
    fn applying_goes_through_the_keys_in_ascending_order(base in base(), calls in vec(call(), 0..8)) {
        let (log, base) = (recorded(&calls), entries(&base));
        assert!(log.apply(&base).is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn a_read_sees_what_will_be_stored(base in base(), calls in vec(call(), 0..8), key in key()) {
        let log = recorded(&calls);
        let expected = one_by_one(&base, &calls).get(&key).copied();
        assert_eq!(log.get(&entries(&base), &key).map(|value| value[0]), expected);
    }

    #[test]
    fn an_effect_is_what_becomes_of_a_key_whatever_is_underneath(calls in vec(call(), 0..8), key in key()) {
        let log = recorded(&calls);
        let over = |value| one_by_one(&Map::from([(key.clone(), value)]), &calls).get(&key).copied();
        let expected = match (over(10), over(11)) {
            (Some(10), Some(11)) => Effect::None,
            (Some(a), Some(b)) if a == b => Effect::Set(&[a]),
            (None, None) => Effect::Gone,
            other => panic!("{other:?} for {calls:?}"),
        };
        assert_eq!(log.effect(&key), expected);
        assert_eq!(log.writes(&key), expected != Effect::None);
    }

    #[test]
    fn changes_are_the_keys_that_come_out_different(base in base(), calls in vec(call(), 0..8)) {
        let (log, after) = (recorded(&calls), one_by_one(&base, &calls));
        let stored = entries(&base);
        let mut changes: Vec<_> = log.changes(&stored).collect();
        changes.sort_unstable();
        let expected: Vec<_> = KEYS.into_iter().filter(|key| base.get(*key) != after.get(*key)).collect();
        assert_eq!(changes, expected);
    }

    #[test]
    fn keys_are_those_the_log_says_something_about(base in base(), calls in vec(call(), 0..8)) {
        let (log, stored) = (recorded(&calls), entries(&base));
        let mut keys: Vec<_> = log.keys(&stored).collect();
        keys.sort_unstable();
        let cleared = calls.iter().rposition(|call| matches!(call, Call::Clear));
        let named = |key: &str| {
            calls[cleared.map_or(0, |at| at + 1)..].iter().any(|call| {
                matches!(call, Call::Insert(named, _) | Call::Remove(named) if named == key)
            })
        };
        let expected: Vec<_> =
            KEYS.into_iter().filter(|key| named(key) || cleared.is_some() && base.contains_key(*key)).collect();
        assert_eq!(keys, expected);
        assert_eq!(log.is_cleared(), cleared.is_some());
        assert_eq!(log.is_empty(), calls.is_empty());
    }

    #[test]
    fn the_size_of_the_outcome_is_known_without_making_it(
        base in btree_map("[a-d]{1,2}", vec(0..3_u8, 0..4), 0..6),
        calls in vec(("[a-d]{1,2}", option::of(vec(0..3_u8, 0..4))), 0..6),
        clear_at in option::of(0..6_usize),
        key in "[a-d]{1,2}",
        value in vec(0..3_u8, 0..4),
    ) {
        let stored: Vec<_> = base.iter().map(|(key, value)| (&**key, &**value)).collect();
        let stored = envelope(header(0, 0, 0), &stored, &[]).entries;
        let mut log = OpLog::default();
        for (at, (key, value)) in calls.iter().enumerate() {
            if clear_at == Some(at) {
                log.clear();
            }
            log.record(key, value.clone().map(Arc::from));
        }
        assert_eq!(log.size(&stored), naive_size(&log, &stored));

        let foreseen = log.size_with(&stored, &key, value.len());
        log.record(&key, Some(value.into()));
        assert_eq!(foreseen, naive_size(&log, &stored));
    }

    /// Which is how a request that writes back what it read, or removes what is not there, stays a reading one.
    #[test]
    fn forgetting_what_changes_nothing_changes_nothing(
        base in base(),
        calls in vec(call(), 0..8),
        key in key(),
    ) {
        let mut log = recorded(&calls);
        log.record(&key, base.get(&key).map(|value| [*value].into()));
        let before = applied(&log, &base);
        log.forget(&key);
        assert_eq!(applied(&log, &base), before);
        assert!(log.is_cleared() || !log.writes(&key));
    }
}
