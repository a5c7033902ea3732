//! What holds for every input: checked by the tests and by the fuzz targets.

use std::sync::LazyLock;

use super::parts::{LOCATOR_LEN, Secret};
use super::*;
use crate::random::Random;

/// A value is accepted only in the one form that the ring itself prints, and what a ring prints it reads
/// back; with a key nothing else is accepted.
///
/// `data` is tried as a value, then as the random bytes of a token and a change to its printed form.
pub fn a_ring_reads_exactly_what_it_prints(data: &[u8]) {
    for ring in &*RINGS {
        if let Some(token) = ring.parse(data) {
            assert_eq!(ring.print(&token).as_bytes(), data);
        }

        let Some((random, change)) = data.split_first_chunk::<32>() else { continue };
        let Ok(fresh) = ring.mint(&Random::os()) else { continue };
        let (locator, secret) = random.split_at(LOCATOR_LEN);
        let token = Token {
            locator: std::array::from_fn(|i| locator[i]),
            secret: Secret(std::array::from_fn(|i| secret[i])),
            key_number: fresh.key_number,
        };
        let text = ring.print(&token);
        assert_eq!(ring.parse(text.as_bytes()).as_ref(), Some(&token));

        let &[at, byte, ..] = change else { continue };
        let mut changed = text.as_bytes().to_vec();
        let at = usize::from(at) % changed.len();
        changed[at] = byte;
        match ring.parse(&changed) {
            None => {}
            Some(same) if changed == text.as_bytes() => assert_eq!(same, token),
            Some(other) => {
                assert!(token.key_number.is_none(), "a forged value was accepted");
                assert_eq!(ring.print(&other).as_bytes(), changed);
                let same_record = other.locator == token.locator;
                assert_eq!(ring.key(&other) == ring.key(&token), same_record);
                assert_ne!(ring.verifier(&other), ring.verifier(&token));
            }
        }
    }
}

static RINGS: LazyLock<[Keyring; 2]> = LazyLock::new(|| {
    let key: SecretKey = "RuT5k/RmKdS8rOShDxJ7vlnMmWkO8JtyjlR7EOHS6pg=".parse().expect("a good key");
    [None, Some(&key)].map(|key| Keyring::new("__Host-id", key, &[]).expect("a good ring"))
});
