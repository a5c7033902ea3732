use cloakroom_store::{ErrorKind, Revision, Subject};
use proptest::prelude::*;

use super::*;

const KEY: Key = Key::new([7; 32]);

fn item(lease: Option<Lease>) -> Item {
    let record = Record::new(Revision::new(u64::MAX), Timestamp::MAX, [0xff, 0].as_slice());
    Item { lease, record: record.with_subject(Subject::new("ann").unwrap()) }
}

/// Written out, so that whoever changes the format notices: what is stored already must stay readable.
#[test]
fn an_item_is_these_bytes() {
    let lease = Lease { holder: LeaseId::new(0x0102), until: Timestamp::from_millis(0x0304) };
    #[rustfmt::skip]
    let lease_bytes = [
        1, 1,                         // version, held
        0x02, 0x01, 0, 0, 0, 0, 0, 0, // holder
        0x04, 0x03, 0, 0, 0, 0, 0, 0, // until
    ];
    let leased = item(Some(lease));
    assert_eq!(leased.write(&KEY), [&lease_bytes, &*encode(&KEY, &leased.record)].concat());
    let free_bytes = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(item(None).write(&KEY), [&free_bytes, &*encode(&KEY, &leased.record)].concat());
}

#[test]
fn an_item_reads_back_as_it_was_written() {
    let ends = [(0, 0), (u64::MAX, Timestamp::MAX.as_millis()), (0, 1), (1, 0)];
    let leases = ends
        .map(|(holder, until)| Lease { holder: LeaseId::new(holder), until: Timestamp::from_millis(until) });
    for lease in leases.map(Some).into_iter().chain([None]) {
        let item = item(lease);
        assert_eq!(Item::read(&KEY, &item.write(&KEY)).unwrap(), item);
    }
}

#[test]
fn what_is_no_item_of_this_key_is_corrupt() {
    let good = item(None).write(&KEY);
    let mut damaged = [good.clone(), good.clone(), good.clone()];
    damaged[0][1] = 2;
    damaged[1][5] = 1;
    damaged[2].push(0);
    let bare = encode(&KEY, &item(None).record);
    let cut = good[..LEASE_LEN].to_vec();
    for bad in damaged.into_iter().chain([bare, cut, vec![], vec![1; 10], vec![2; 10]]) {
        assert_eq!(Item::read(&KEY, &bad).unwrap_err().kind(), ErrorKind::Corrupt, "{bad:?}");
    }
    let others = Item::read(&Key::new([8; 32]), &good).unwrap_err();
    assert_eq!(others.kind(), ErrorKind::Corrupt);
}

#[test]
fn an_item_of_a_later_version_is_not_taken_for_a_damaged_one() {
    let good = item(None).write(&KEY);
    let (mut later_item, mut later_record) = (good.clone(), good);
    later_item[0] = 2;
    later_item[1] = 0xff;
    later_record[0] = 2;
    later_record[LEASE_LEN + 2] = 2;
    for later in [later_item, later_record] {
        assert_eq!(Item::read(&KEY, &later).unwrap_err().kind(), ErrorKind::UnknownVersion);
    }
}

#[test]
fn a_held_lease_makes_no_item_larger() {
    let lease = Lease { holder: LeaseId::new(u64::MAX), until: Timestamp::MAX };
    assert_eq!(item(Some(lease)).write(&KEY).len(), item(None).write(&KEY).len());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_written_again(data in proptest::collection::vec(any::<u8>(), 0..100)) {
        properties::an_item_is_refused_or_written_again_as_it_was(&data);
    }

    #[test]
    fn any_lease_is_refused_or_written_again(head in (0..3_u8, 0..3_u8), rest in any::<[u8; 16]>()) {
        let data = [&[head.0, head.1], &rest[..]].concat();
        properties::an_item_is_refused_or_written_again_as_it_was(&data);
    }
}
