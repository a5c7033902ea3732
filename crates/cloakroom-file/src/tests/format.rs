//! What is written, as `docs/format.md` says it. Written out, so that whoever changes it notices.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use cloakroom_store::{Key, encode};

use super::{claim, fresh, held, key, names_in, of, record};

#[test]
fn a_folder_is_these_files() {
    let (place, folder) = fresh();
    let key = key(0x3f);
    let stored = of("ann", record(1, 1_700_000_000_123));
    folder.create(&key, &stored).unwrap();
    held(folder.acquire(&key, &claim(0x0102, 0x0304, 2)).unwrap());

    let root = place.path().join("s");
    assert_eq!(fs::read(root.join("cloakroom")).unwrap(), b"cloakroom sessions, version 1\n");
    let name = "3f".repeat(32);
    let path = root.join("sessions/3f").join(&name);
    assert_eq!(fs::read(&path).unwrap(), encode(&key, &stored));
    let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);

    // sha256sum of "ann".
    let ann = "49915e0d7d4b402e3017d010bc1c0e83cac6c797d6c16e66340fe3268693a6a1";
    let marker = root.join("subjects").join(&ann[..2]).join(ann).join(&name);
    assert_eq!(fs::read(marker).unwrap(), b"");

    let [instance] = &names_in(&root.join("instances"))[..] else { panic!("one store is open") };
    assert_eq!(instance.len(), 16);
    let instance = u64::from_str_radix(instance, 16).unwrap();
    #[rustfmt::skip]
    let lease = [
        &[0x02, 0x01, 0, 0, 0, 0, 0, 0][..], // holder
        &[0xec, 0x06, 0, 0, 0, 0, 0, 0],     // until: 0x0304 and a second
        &instance.to_le_bytes(),
    ];
    assert_eq!(fs::read(root.join("leases").join(&name)).unwrap(), lease.concat());
    assert!(folder.presence.draft_name().starts_with(&format!("{instance:016x}.")));
}

#[test]
fn a_record_is_changed_under_the_lock_of_its_first_eight_bytes() {
    let (_place, mut folder) = fresh();
    folder.locks.patience = Duration::ZERO;
    let mut bytes = [0; Key::LEN];
    bytes[7] = 0x57;
    folder.create(&Key::new(bytes), &record(1, 1_000)).unwrap();
    let lock = File::open(folder.layout.locks.join("17")).unwrap();
    lock.lock().unwrap();
    folder.delete(&Key::new(bytes)).unwrap_err();
    lock.unlock().unwrap();
    assert!(folder.delete(&Key::new(bytes)).unwrap());
}
