//! One session through any run of requests.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    Insert(&'static str),
    Remove(&'static str),
    Clear,
    Rotate,
    SignIn(&'static str),
    Remember(Duration),
    Touch,
    End,
    /// A later version adds a tag with these bits, or changes its value.
    Tag(u16, u16),
}

/// A session, and what its clients were promised.
struct World {
    now: Timestamp,
    snapshot: Snapshot,
    /// The secrets that may be used, each until when; the current one without an end.
    accepted: BTreeMap<u8, Option<Timestamp>>,
    issued: u8,
    ends_at: Timestamp,
    subject: Option<&'static str>,
    values: BTreeMap<String, u8>,
    /// The bits of each tag.
    tags: BTreeMap<u16, u16>,
}

fn step() -> impl Strategy<Value = Step> {
    let waits = vec![
        Duration::ZERO,
        MILLI,
        POLICY.grace - MILLI,
        POLICY.grace,
        POLICY.idle / 20,
        POLICY.idle - MILLI,
        POLICY.idle,
        POLICY.absolute - POLICY.idle,
    ];
    let key = sample::select(vec!["a", "b"]);
    prop_oneof![
        6 => sample::select(waits).prop_map(Step::Wait),
        3 => key.clone().prop_map(Step::Insert),
        1 => key.prop_map(Step::Remove),
        1 => Just(Step::Clear),
        3 => Just(Step::Rotate),
        2 => sample::select(vec!["ann", "bob"]).prop_map(Step::SignIn),
        1 => sample::select(vec![SECOND, 2 * POLICY.absolute]).prop_map(Step::Remember),
        4 => Just(Step::Touch),
        1 => Just(Step::End),
        3 => (1..5_u16, 0..8_u16).prop_map(|(number, bits)| Step::Tag(number, bits)),
    ]
}

impl World {
    fn new() -> Self {
        Self {
            now: START,
            snapshot: session(),
            accepted: [(1, None)].into(),
            issued: 1,
            ends_at: START.saturating_add(POLICY.absolute),
            subject: None,
            values: [("a".into(), 1)].into(),
            tags: BTreeMap::new(),
        }
    }

    fn run(&mut self, step: &Step) {
        let mut changes = match step {
            Step::Wait(duration) => return self.now = self.now.saturating_add(*duration),
            // Only who may use a session changes it.
            _ if !self.snapshot.is_live(self.now, &POLICY) => return,
            Step::Touch => return self.touch(),
            Step::Tag(number, bits) => return self.tag(*number, *bits),
            Step::End => {
                self.accepted.clear();
                self.tags.clear();
                return self.snapshot = stored(end(&self.snapshot, self.now, &POLICY));
            }
            Step::Insert(key) => inserting(key),
            Step::Rotate => rotating(),
            Step::SignIn(subject) => signing_in(subject),
            Step::Remember(duration) => remembering(*duration),
            Step::Remove(_) | Step::Clear => Changes::default(),
        };
        match step {
            Step::Remove(key) => changes.record(key, None),
            Step::Clear => changes.log.clear(),
            _ => {}
        }
        self.revise(&changes);
    }

    fn touch(&mut self) {
        if let Some(expires_at) = touch(&self.snapshot, self.now, &POLICY) {
            assert!(expires_at > self.snapshot.expires_at, "a touch moves the expiry forward");
            assert!(expires_at <= self.ends_at, "and never past the absolute limit");
            self.snapshot.expires_at = expires_at;
        }
    }

    fn tag(&mut self, number: u16, bits: u16) {
        self.tags.insert(number, bits);
        let Snapshot { header, entries, .. } = &self.snapshot;
        let tags: Vec<_> = self.tags.iter().map(|(number, bits)| tag(*number, *bits, b"new")).collect();
        let raw = tags.iter().map(Vec::as_slice);
        let later = envelope::write(header.clone(), entries.size(), entries.iter(), raw);
        let Envelope { header, entries, extensions, .. } = envelope::read(&later.data).unwrap();
        self.snapshot = Snapshot { header, entries, extensions, ..self.snapshot.clone() };
    }

    fn revise(&mut self, changes: &Changes) {
        let before = self.snapshot.clone();
        let open_grace = self.accepted.values().flatten().any(|until| self.now < *until);
        let secret = changes.takes_secret(&before, self.now).then(|| {
            self.issued += 1;
            self.issued
        });
        let signs_in = changes.sign_in.is_some();
        assert_eq!(
            secret.is_some(),
            signs_in || changes.rotate && !open_grace,
            "one successor for each grace"
        );
        let expected = self.after(changes);
        match revise(&before, changes, secret.map(verifier), true, self.now, &POLICY).unwrap() {
            Revised::Unchanged => {
                assert!(secret.is_none() && changes.remember.is_none() && expected == self.values);
                assert!(self.tags.is_empty() || !changes.log.is_cleared(), "a clear drops the tags");
                return;
            }
            Revised::Emptied => {
                assert!(expected.is_empty() && self.subject.is_none() && !signs_in);
                self.accepted.clear();
                self.tags.clear();
                return self.snapshot = stored(end(&before, self.now, &POLICY));
            }
            Revised::Write(draft) => {
                self.snapshot = stored(draft);
            }
        }
        self.values = expected;
        let other_user = signs_in && self.subject.is_some_and(|old| Some(old) != Self::signs_in(changes));
        self.tags.retain(|_, bits| {
            let bit = |bit: u16| *bits & bit != 0;
            let survives = bit(4) && (bit(2) || secret.is_none()) && (bit(1) || !signs_in);
            survives && !other_user && !changes.log.is_cleared()
        });
        if let Some(secret) = secret {
            let until = self.now.saturating_add(if signs_in { Duration::ZERO } else { POLICY.grace });
            self.accepted
                .values_mut()
                .filter(|end| end.is_none() || signs_in)
                .for_each(|end| *end = Some(until));
            self.accepted.insert(secret, None);
        }
        if let Some(sign_in) = &changes.sign_in {
            let same_user = self.subject.is_none_or(|before| before == sign_in.subject.as_str());
            let remembered = before.header.remembered.filter(|_| same_user);
            self.subject = Self::signs_in(changes);
            self.ends_at = self.now.saturating_add(remembered.unwrap_or(POLICY.absolute));
        }
        if let Some(duration) = changes.remember {
            self.ends_at = self.now.saturating_add(duration);
        }
        let idle = self.snapshot.header.remembered.unwrap_or(POLICY.idle);
        assert_eq!(self.snapshot.expires_at, self.now.saturating_add(idle).min(self.ends_at));
    }

    fn signs_in(changes: &Changes) -> Option<&'static str> {
        let subject = changes.sign_in.as_ref()?.subject.as_str();
        ["ann", "bob"].into_iter().find(|name| *name == subject)
    }

    fn after(&self, changes: &Changes) -> BTreeMap<String, u8> {
        changes.log.apply(&entries(&self.values)).map(|(key, value)| (key.into(), value[0])).collect()
    }

    fn check(&self) {
        let Self { snapshot, now, .. } = self;
        let in_time = *now < snapshot.expires_at && *now < self.ends_at;
        for secret in 0..=self.issued {
            let accepted = self.accepted.get(&secret).is_some_and(|end| end.is_none_or(|end| *now < end));
            let standing = standing(snapshot, secret, *now);
            match standing {
                Standing::Live => assert!(accepted && in_time, "secret {secret} is live"),
                Standing::Expired => assert!(accepted && !in_time, "secret {secret} has expired"),
                Standing::Superseded { .. } | Standing::Gone => {
                    assert!(!accepted, "secret {secret} is refused")
                }
                Standing::Moved => panic!("addresses do not matter here"),
            }
            assert_eq!(snapshot.header.accepts(&verifier(secret), *now), accepted);
        }
        let header = &snapshot.header;
        assert!(numbers(&snapshot.extensions).iter().eq(self.tags.keys()), "tags live as their bits say");
        if header.ended {
            assert!(snapshot.expires_at <= *now, "a tombstone is no session to anybody who counts");
            assert_eq!(
                (&snapshot.subject, snapshot.entries.size().count),
                (&None, 0),
                "a tombstone holds nothing"
            );
            return;
        }
        assert_eq!(header.ends_at, self.ends_at, "only a sign-in and `remember` move the absolute limit");
        assert_eq!(header.created_at, START);
        assert_eq!(snapshot.subject.as_ref().map(Subject::as_str), self.subject);
        let held: BTreeMap<_, _> =
            snapshot.entries.iter().map(|(key, value)| (key.to_owned(), value[0])).collect();
        assert_eq!(held, self.values);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2000))]

    #[test]
    fn every_secret_is_worth_what_its_client_was_promised(steps in vec(step(), 0..16)) {
        let mut world = World::new();
        world.check();
        for step in &steps {
            world.run(step);
            world.check();
        }
    }

    /// A clock that is set back, another instance that wrote more recently: whatever the times, no touch revives, moves
    /// back or passes the limit.
    #[test]
    fn a_touch_moves_forward_and_never_past_the_limit(
        created_at in 0..100_000_u64,
        ends_at in 0..100_000_u64,
        expires_at in 0..100_000_u64,
        now in 0..100_000_u64,
        idle in 1..50_000_u64,
    ) {
        let snapshot = Snapshot {
            expires_at: Timestamp::from_millis(expires_at),
            header: header(1, created_at, ends_at),
            ..session()
        };
        let policy = Policy { idle: Duration::from_millis(idle), ..POLICY };
        let now = Timestamp::from_millis(now);
        if let Some(moved) = touch(&snapshot, now, &policy) {
            assert!(moved > snapshot.expires_at && moved <= snapshot.header.ends_at);
            assert!(moved <= now.saturating_add(policy.idle));
        }
    }
}
