use std::collections::HashSet;

use super::parts::Secret;
use super::*;
use crate::random::Random;

const NAME: &str = "__Host-id";
/// What the secret key of the golden tokens is made of.
const KNOWN: &str = "a fixed key for known answers";

fn secret_key(seed: &str) -> SecretKey {
    use sha2::Digest;
    SecretKey::from_bytes(&sha2::Sha256::digest(seed)).unwrap()
}

fn rings() -> [Keyring; 2] {
    let key = secret_key(KNOWN);
    [Keyring::new(NAME, None, &[]).unwrap(), Keyring::new(NAME, Some(&key), &[]).unwrap()]
}

fn known_token(key_number: Option<u16>) -> Token {
    let locator = std::array::from_fn(|i| i as u8);
    let secret = Secret(std::array::from_fn(|i| 0xf0 + i as u8));
    Token { locator, secret, key_number }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SECURITY 40. The golden tokens were computed apart from this crate, with Python:
///
/// ```python
/// import hashlib, hmac, base64
/// b64 = lambda b: base64.urlsafe_b64encode(b).rstrip(b'=').decode()
/// locator, secret = bytes(range(16)), bytes(range(0xf0, 0x100))
/// named = lambda label: label + len(name).to_bytes(8, "big") + name
/// H = lambda key, message: hmac.new(key, message, hashlib.sha256).digest()
/// k = hashlib.sha256(b"a fixed key for known answers").digest()
/// number = H(k, b"cloakroom/number/1")[:2]
/// for name in b"__Host-id", b"__Host-admin":
///     print("1" + b64(locator + secret))
///     print(hashlib.sha256(named(b"cloakroom/key/1") + locator).hexdigest())
///     print(hashlib.sha256(b"cloakroom/verifier/1" + locator + secret).digest()[:16].hex())
///     signed = named(b"cloakroom/token/1") + number + locator + secret
///     print("1" + b64(number + locator + secret + H(H(k, b"cloakroom/mac/1"), signed)[:16]))
///     print(H(H(k, b"cloakroom/key/1"), named(b"cloakroom/key/1") + locator).hex())
///     print(H(H(k, b"cloakroom/verifier/1"), locator + secret)[:16].hex())
/// ```
#[test]
fn the_golden_tokens_are_read_and_printed_and_stored_as_documented() {
    let tokens = include_str!("../../golden/tokens.txt").lines().filter(|line| !line.starts_with('#'));
    let mut keys = HashSet::new();
    for line in tokens {
        let fields: Vec<_> = line.split(' ').collect();
        let [name, secret_key, text, key, verifier] = fields[..] else { panic!("{line}") };
        let secret_key = (secret_key != "-").then(|| secret_key.parse().unwrap());
        let ring = Keyring::new(name, secret_key.as_ref(), &[]).unwrap();
        let token = ring.parse(text.as_bytes()).unwrap_or_else(|| panic!("{line}"));
        assert_eq!(token, known_token(secret_key.map(|_| 0x8241)));
        assert_eq!(*ring.print(&token), text);
        assert_eq!(ring.key(&token).to_string(), key);
        assert_eq!(hex(ring.verifier(&token).as_bytes()), verifier);
        assert!(keys.insert(key), "{line}");
    }
    assert_eq!(keys.len(), 4);
}

#[test]
fn a_minted_token_reads_back_from_its_printed_form() {
    for (ring, len) in rings().iter().zip([44, 68]) {
        let token = ring.mint(&Random::os()).unwrap();
        let text = ring.print(&token);
        assert_eq!(text.len(), len);
        assert!(len <= Token::MAX_PRINTED_LEN);
        assert_eq!(ring.parse(text.as_bytes()), Some(token));
    }
}

/// SECURITY 1: 128 bits each, all of them used. A fair bit set `n/2` times has a deviation of `√n/2`.
#[test]
fn a_hundred_thousand_tokens_are_distinct_and_without_bias() {
    const TOKENS: usize = 100_000;
    let [ring, _] = rings();
    let mut seen = HashSet::new();
    let mut ones = [0_u32; 256];
    for _ in 0..TOKENS {
        let token = ring.mint(&Random::os()).unwrap();
        for (i, count) in ones.iter_mut().enumerate() {
            let bytes = if i < 128 { &token.locator } else { &token.secret.0 };
            *count += u32::from(bytes[i / 8 % 16] >> (i % 8) & 1);
        }
        assert!(seen.insert(ring.print(&token).to_string()));
    }
    // Of 256 fair bits, one is beyond 4σ in one run of 62; three beyond it, or one beyond 6σ, do not
    // happen.
    let sigma = (TOKENS as f64).sqrt() / 2.0;
    let deviation = |count: &u32| (f64::from(*count) - TOKENS as f64 / 2.0).abs() / sigma;
    assert!(ones.iter().filter(|count| deviation(count) > 4.0).count() < 3, "{ones:?}");
    assert!(ones.iter().all(|count| deviation(count) < 6.0), "{ones:?}");
}

/// SECURITY 1: fail closed.
#[test]
fn without_randomness_there_is_no_token() {
    for ring in rings() {
        ring.mint(&Random::failing()).unwrap_err();
        let token = ring.mint(&Random::os()).unwrap();
        ring.renew(&token, &Random::failing()).unwrap_err();
    }
}

#[test]
fn a_renewed_token_finds_the_same_record_and_does_not_open_it_with_the_old_verifier() {
    for ring in rings() {
        let old = ring.mint(&Random::os()).unwrap();
        let new = ring.renew(&old, &Random::os()).unwrap();
        assert_ne!(old, new);
        assert_eq!(ring.key(&old), ring.key(&new));
        assert_ne!(ring.verifier(&old), ring.verifier(&new));
        assert_eq!(ring.parse(ring.print(&new).as_bytes()), Some(new));
    }
}

/// SECURITY 2: two tokens share their version and key number only.
#[test]
fn two_tokens_of_one_ring_share_nothing_but_the_key_number() {
    for ring in rings() {
        let [a, b] = [(); 2].map(|()| ring.mint(&Random::os()).unwrap());
        assert_ne!(a.locator, b.locator);
        assert_ne!(a.secret, b.secret);
        assert_eq!(a.key_number, b.key_number);
        assert_ne!(ring.key(&a), ring.key(&b));
    }
}

#[test]
fn tokens_are_equal_only_in_all_their_parts() {
    let token = known_token(Some(1));
    assert_eq!(token, token.clone());
    let mut locator = token.locator;
    locator[15] ^= 1;
    assert_ne!(token, Token { locator, ..token.clone() });
    let mut secret = token.secret.clone();
    secret.0[15] ^= 1;
    assert_ne!(token, Token { secret, ..token.clone() });
    assert_ne!(token, Token { key_number: Some(2), ..token.clone() });
}

/// SECURITY 4.
#[test]
fn anything_but_the_one_canonical_form_is_refused() {
    for ring in rings() {
        let text = ring.print(&ring.mint(&Random::os()).unwrap()).to_string();
        let with = |at: usize, byte: u8| {
            let mut changed = text.clone().into_bytes();
            changed[at] = byte;
            changed
        };
        let mut bad: Vec<Vec<u8>> = vec![
            Vec::new(),
            text[1..].into(),
            text[..text.len() - 1].into(),
            format!("{text}A").into(),
            format!("{text}=").into(),
            format!("\"{text}\"").into(),
            format!(" {text}").into(),
            format!("{text}\r\n").into(),
            format!("2{}", &text[1..]).into(),
            format!("0{}", &text[1..]).into(),
            format!("A{}", &text[1..]).into(),
            format!("1{text}").into(),
            vec![b'A'; 8192],
            vec![b'1'; 8192],
            b"../../etc/passwd".to_vec(),
        ];
        bad.extend(
            [0, b'\r', b'\n', b' ', b'%', b'"', b'.', b'/', b'+', b'=', b',', 0x80, 0xff].map(|b| with(5, b)),
        );
        for value in bad {
            assert_eq!(ring.parse(&value), None, "{}", value.escape_ascii());
        }
    }
}

/// SECURITY 4: 43 characters after the version are 258 bits and 67 are 402, so two bits must be zero.
#[test]
fn base64_with_stray_bits_at_its_end_is_refused() {
    for ring in rings() {
        let text = ring.print(&ring.mint(&Random::os()).unwrap());
        let (start, last) = text.split_at(text.len() - 1);
        let twins: Vec<char> = ALPHABET
            .chars()
            .filter(|c| ALPHABET.find(*c).unwrap() / 4 == ALPHABET.find(last).unwrap() / 4)
            .collect();
        assert_eq!(twins.len(), 4);
        let accepted = twins.iter().filter(|c| ring.parse(format!("{start}{c}").as_bytes()).is_some());
        assert_eq!(accepted.count(), 1);
    }
}

#[test]
fn a_keyed_token_with_any_bit_changed_is_refused() {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let [_, ring] = rings();
    let text = ring.print(&ring.mint(&Random::os()).unwrap());
    let bytes = Base64UrlUnpadded::decode_vec(&text[1..]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = format!("1{}", Base64UrlUnpadded::encode_string(&changed));
        assert_eq!(ring.parse(changed.as_bytes()), None, "bit {bit}");
    }
    assert!(ring.parse(text.as_bytes()).is_some());
}

/// SECURITY 3.
#[test]
fn a_ring_with_a_key_refuses_tokens_made_without_one_and_the_other_way_round() {
    let [plain, keyed] = rings();
    let token = plain.print(&plain.mint(&Random::os()).unwrap());
    assert_eq!(keyed.parse(token.as_bytes()), None);
    let token = keyed.print(&keyed.mint(&Random::os()).unwrap());
    assert_eq!(plain.parse(token.as_bytes()), None);
}

/// SECURITY 21.
#[test]
fn a_keyed_token_of_another_cookie_name_is_refused() {
    let key = secret_key("shared");
    let [ours, theirs] =
        ["__Host-id", "__Host-admin"].map(|name| Keyring::new(name, Some(&key), &[]).unwrap());
    let token = ours.print(&ours.mint(&Random::os()).unwrap());
    assert!(ours.parse(token.as_bytes()).is_some());
    assert_eq!(theirs.parse(token.as_bytes()), None);
}

/// SECURITY 21.
#[test]
fn a_token_finds_nothing_under_another_cookie_name_with_a_key_or_without() {
    for name in ["__Host-admin", "__Host-i", "__Host-id0", "id", ""] {
        for (ours, secret_key) in rings().iter().zip([None, Some(secret_key(KNOWN))]) {
            let theirs = Keyring::new(name, secret_key.as_ref(), &[]).unwrap();
            let token = known_token(secret_key.map(|_| 0x8241));
            assert_ne!(ours.key(&token), theirs.key(&token), "{name}");
        }
    }
}

/// SECURITY 38.
#[test]
fn a_previous_key_verifies_until_it_is_removed_and_its_sessions_keep_their_place() {
    let (old, new) = (secret_key("old"), secret_key("new"));
    let before = Keyring::new(NAME, Some(&old), &[]).unwrap();
    let during = Keyring::new(NAME, Some(&new), std::slice::from_ref(&old)).unwrap();
    let after = Keyring::new(NAME, Some(&new), &[]).unwrap();

    let issued = before.mint(&Random::os()).unwrap();
    let text = before.print(&issued);
    let read = during.parse(text.as_bytes()).unwrap();
    assert_eq!(during.key(&read), before.key(&issued));
    assert_eq!(during.verifier(&read), before.verifier(&issued));
    let renewed = during.renew(&read, &Random::os()).unwrap();
    assert_eq!(during.key(&renewed), before.key(&issued));
    assert!(during.parse(during.print(&renewed).as_bytes()).is_some());
    assert_eq!(after.parse(text.as_bytes()), None);

    let fresh = during.print(&during.mint(&Random::os()).unwrap());
    assert!(after.parse(fresh.as_bytes()).is_some(), "the first key signs");
    assert_eq!(before.parse(fresh.as_bytes()), None);
}

#[test]
fn two_secret_keys_put_one_locator_under_unrelated_keys() {
    let [one, two] = ["one", "two"].map(|seed| Keyring::new(NAME, Some(&secret_key(seed)), &[]).unwrap());
    let [a, b] = [&one, &two].map(|ring| {
        let token = known_token(Some(ring.mint(&Random::os()).unwrap().key_number.unwrap()));
        (ring.key(&token), ring.verifier(&token))
    });
    assert_ne!(a.0, b.0);
    assert_ne!(a.1, b.1);
}

#[test]
fn a_ring_refuses_keys_that_repeat_share_a_number_or_only_verify() {
    let key = secret_key("key 359");
    let twin = secret_key("key 589"); // found by search: its number is that of the other one
    for (current, previous, expected) in [
        (Some(&key), vec![key.clone()], "listed twice"),
        (Some(&secret_key("other")), vec![key.clone(), key.clone()], "listed twice"),
        (Some(&key), vec![twin.clone()], "generate another"),
        (Some(&secret_key("other")), vec![twin.clone(), key.clone()], "generate another"),
        (None, vec![key.clone()], "set secret_key as well"),
    ] {
        let error = Keyring::new(NAME, current, &previous).unwrap_err();
        assert_eq!(error.setting(), "previous_secret_keys");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert!(Keyring::new(NAME, Some(&secret_key("other")), &[key]).is_ok());
}

/// SECURITY 35.
#[test]
fn key_and_verifier_contain_neither_locator_nor_secret() {
    let [plain, keyed] = rings();
    for (ring, number) in [(plain, None), (keyed, Some(0x8241))] {
        let token = known_token(number);
        let stored = [&ring.key(&token).as_bytes()[..], ring.verifier(&token).as_bytes()].concat();
        for half in [token.locator, token.secret.0] {
            assert!(half.windows(4).all(|part| !stored.windows(4).any(|window| window == part)));
        }
    }
}

/// SECURITY 12, 39.
#[test]
fn debug_shows_no_token_secret_or_key() {
    let key = secret_key("shown");
    let ring = Keyring::new(NAME, Some(&key), &[]).unwrap();
    let token = ring.mint(&Random::os()).unwrap();
    assert_eq!(format!("{token:?}"), "Token { .. }");
    assert_eq!(format!("{:?}", token.secret), "Secret(..)");
    assert_eq!(format!("{:?}", ring.verifier(&token)), "Verifier(..)");
    assert_eq!(format!("{key:?}"), "SecretKey(..)");
    assert_eq!(format!("{ring:?}"), "Keyring { keys: 1, .. }");
}

#[test]
fn a_verifier_read_from_a_record_equals_the_one_that_was_written() {
    let [ring, _] = rings();
    let verifier = ring.verifier(&known_token(None));
    assert_eq!(Verifier::new(*verifier.as_bytes()), verifier);
    for bit in 0..128 {
        let mut other = *verifier.as_bytes();
        other[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(Verifier::new(other), verifier);
    }
}

#[test]
fn a_secret_key_reads_from_hexadecimal_and_every_base64() {
    use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
    for seed in 0..50 {
        let key = secret_key(&seed.to_string());
        let bytes = key.as_bytes();
        for text in [
            hex(bytes),
            hex(bytes).to_uppercase(),
            Base64::encode_string(bytes),
            Base64Unpadded::encode_string(bytes),
            Base64Url::encode_string(bytes),
            Base64UrlUnpadded::encode_string(bytes),
            format!("  {}\n", Base64::encode_string(bytes)),
        ] {
            assert_eq!(text.parse::<SecretKey>().unwrap(), key, "{text}");
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(serde_json::from_str::<SecretKey>(&json).unwrap(), key);
        }
    }
}

/// SECURITY 38.
#[test]
fn a_secret_key_that_nobody_drew_at_random_is_refused_with_advice() {
    let repeated: Vec<u8> = (0..48).map(|i| b"a pattern of 21 chars"[i % 21]).collect();
    let counting: Vec<u8> = (0..64).collect();
    let few: Vec<u8> = secret_key("x").as_bytes().iter().map(|byte| byte % 7).collect();
    // Few different bytes even though the steps between them differ.
    let spread: Vec<u8> =
        secret_key("x").as_bytes().iter().map(|byte| [0, 1, 4, 13, 33, 80][usize::from(byte % 6)]).collect();
    for (bytes, why) in [
        (&[0; 32][..], "repeats"),
        (&[0xff; 64], "repeats"),
        (&repeated, "repeats"),
        (&counting, "not random"),
        (&few, "not random"),
        (&spread, "not random"),
        (&secret_key("x").as_bytes()[..31], "shorter"),
        (&[], "shorter"),
    ] {
        let error = SecretKey::from_bytes(bytes).unwrap_err();
        assert_eq!(error.setting(), "secret_key");
        assert!(error.to_string().contains(why), "{error}");
        assert!(error.to_string().contains("openssl rand -base64 32"), "{error}");
    }
    for text in ["", "changeme", "correct horse battery staple, in 43 letters", &"0".repeat(64)] {
        let error = text.parse::<SecretKey>().unwrap_err().to_string();
        assert!(error.contains("openssl rand -base64 32"), "{error}");
        assert!(text.is_empty() || !error.contains(text), "{error}");
    }
}

#[test]
fn random_secret_keys_of_every_shape_are_accepted() {
    for _ in 0..1000 {
        let key = SecretKey::generate().unwrap();
        assert_eq!(SecretKey::from_bytes(key.as_bytes()).unwrap(), key);
        assert!(SecretKey::from_bytes(hex(key.as_bytes()).as_bytes()).is_ok());
        assert_ne!(SecretKey::generate().unwrap(), key);
    }
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

proptest::proptest! {
    #[test]
    fn a_ring_has_the_properties_that_are_fuzzed(
        data in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
    ) {
        properties::a_ring_reads_exactly_what_it_prints(&data);
    }

    #[test]
    fn a_ring_has_them_on_text_that_looks_right(data in "[01][A-Za-z0-9_-]{43}|[01][A-Za-z0-9_-]{67}") {
        properties::a_ring_reads_exactly_what_it_prints(data.as_bytes());
    }
}
