//! One session through any run of requests.

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(Duration),
    Insert(&'static str),
    Remove(&'static str),
    Clear,
    /// By a request with the current secret, or with the one before.
    Rotate(By),
    Elevate,
    SignIn(&'static str),
    Remember(Duration),
    Forget,
    /// A request that writes nothing.
    Read(By),
    End,
    /// A later version adds a tag with these bits, or changes its value.
    Tag(u16, u16),
}

/// Which secret a request presents.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Current,
    Previous,
}

/// A session, and what its clients were promised.
struct World {
    now: Timestamp,
    snapshot: Snapshot,
    current: u8,
    /// The secret before it, and until when it may be used.
    previous: Option<(u8, Timestamp)>,
    /// When the current one was made, and whether it was presented since.
    since: Timestamp,
    presented: bool,
    ended: bool,
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
    let by = sample::select(vec![By::Current, By::Previous]);
    prop_oneof![
        6 => sample::select(waits).prop_map(Step::Wait),
        3 => key.clone().prop_map(Step::Insert),
        1 => key.prop_map(Step::Remove),
        1 => Just(Step::Clear),
        4 => by.clone().prop_map(Step::Rotate),
        1 => Just(Step::Elevate),
        2 => sample::select(vec!["ann", "bob"]).prop_map(Step::SignIn),
        1 => sample::select(vec![SECOND, 2 * POLICY.absolute]).prop_map(Step::Remember),
        1 => Just(Step::Forget),
        4 => by.prop_map(Step::Read),
        1 => Just(Step::End),
        3 => (4..8_u16, 0..8_u16).prop_map(|(number, bits)| Step::Tag(number, bits)),
    ]
}

impl World {
    fn new() -> Self {
        Self {
            now: START,
            snapshot: session(),
            current: 1,
            previous: None,
            since: START,
            presented: true,
            ended: false,
            issued: 1,
            ends_at: START.saturating_add(POLICY.absolute),
            subject: None,
            values: [("a".into(), 1)].into(),
            tags: BTreeMap::new(),
        }
    }

    fn run(&mut self, step: &Step) {
        let (mut changes, by) = match step {
            Step::Wait(duration) => return self.now = self.now.saturating_add(*duration),
            // Only who may use a session changes it.
            _ if !self.snapshot.is_live(self.now, &POLICY) => return,
            Step::Rotate(By::Previous) | Step::Read(By::Previous) if !self.grace_is_open() => return,
            Step::Read(by) => return self.read(*by),
            Step::Tag(number, bits) => return self.tag(*number, *bits),
            Step::End => return self.end(),
            Step::Insert(key) => (inserting(key), By::Current),
            Step::Rotate(by) => (rotating(), *by),
            Step::Elevate => (elevating(), By::Current),
            Step::SignIn(subject) => (signing_in(subject), By::Current),
            Step::Remember(duration) => (remembering(*duration), By::Current),
            Step::Forget => (forgetting(), By::Current),
            Step::Remove(_) | Step::Clear => (Changes::default(), By::Current),
        };
        match step {
            Step::Remove(key) => changes.record(key, None),
            Step::Clear => changes.log.clear(),
            _ => {}
        }
        self.revise(&changes, by);
    }

    fn grace_is_open(&self) -> bool {
        self.previous.is_some_and(|(_, until)| self.now < until)
    }

    fn presents(&self, by: By) -> Visit {
        let previous = self.previous.map(|(secret, _)| secret);
        let secret = if by == By::Previous { previous } else { Some(self.current) };
        visit(secret.expect("only a secret that there was"), self.now)
    }

    /// The current secret was presented in a write.
    fn confirm(&mut self) {
        let open = self.grace_is_open();
        if let Some((_, until)) = self.previous.as_mut().filter(|_| open && !self.presented) {
            *until = self.now.saturating_add(POLICY.grace).min(*until);
        }
        self.presented = true;
    }

    fn end(&mut self) {
        (self.ended, self.previous) = (true, None);
        self.tags.clear();
        self.snapshot = stored(end(&self.snapshot, self.now));
    }

    fn read(&mut self, by: By) {
        let first = by == By::Current && !self.presented && self.grace_is_open();
        match upkeep(&self.snapshot, &self.presents(by), true, self.now, &POLICY) {
            Upkeep::Touch(expires_at) => {
                assert!(!first, "the first request with a new secret writes that down");
                assert!(expires_at > self.snapshot.expires_at, "a touch moves the expiry forward");
                assert!(expires_at <= self.ends_at, "and never past the absolute limit");
                self.snapshot.expires_at = expires_at;
            }
            Upkeep::Correct(draft) => {
                assert!(first, "and no other request writes");
                self.confirm();
                self.tags.retain(|_, bits| *bits & 4 != 0);
                self.snapshot = stored(draft);
            }
            Upkeep::Nothing => assert!(!first),
        }
    }

    fn tag(&mut self, number: u16, bits: u16) {
        self.tags.insert(number, bits);
        let Snapshot { header, entries, .. } = &self.snapshot;
        let tags: Vec<_> = self.tags.iter().map(|(number, bits)| tag(*number, *bits, b"new")).collect();
        let own = Tags::of(&self.snapshot.extensions).stored(None, self.now);
        let raw = own.beside(Extensions::EMPTY, Bits::default()).chain(tags.iter().map(Vec::as_slice));
        let later = envelope::write(header.clone(), entries.size(), entries.iter(), raw);
        let Envelope { header, entries, extensions, .. } = envelope::read(&later.data).unwrap();
        self.snapshot = Snapshot { header, entries, extensions, ..self.snapshot.clone() };
    }

    fn revise(&mut self, changes: &Changes, by: By) {
        let before = self.snapshot.clone();
        let visit = self.presents(by);
        let secret = changes.takes_secret(&before, visit.presented, self.now, &POLICY).then(|| {
            self.issued += 1;
            self.issued
        });
        let signs_in = changes.sign_in.is_some();
        let drops = signs_in || changes.elevate;
        let lost =
            by == By::Previous && !self.presented && self.now >= self.since.saturating_add(POLICY.grace);
        let rotates = changes.rotate && (!self.grace_is_open() || lost);
        assert_eq!(secret.is_some(), drops || rotates, "one successor for each grace");
        let expected = self.after(changes);
        match revise(&before, changes, secret.map(verifier), &visit, true, self.now, &POLICY).unwrap() {
            Revised::Unchanged => {
                assert!(secret.is_none() && expected == self.values);
                assert!(changes.remember.is_none_or(|remember| {
                    remember == Remember::No && before.header.remembered.is_none()
                }));
                assert!(self.tags.is_empty() || !changes.log.is_cleared(), "a clear drops the tags");
                return;
            }
            Revised::Emptied => {
                assert!(expected.is_empty() && self.subject.is_none() && !signs_in);
                return self.end();
            }
            Revised::Write(draft) => self.snapshot = stored(draft),
        }
        self.values = expected;
        let other_user = signs_in && self.subject.is_some_and(|old| Some(old) != Self::signs_in(changes));
        self.tags.retain(|_, bits| {
            let bit = |bit: u16| *bits & bit != 0;
            let survives = bit(4) && (bit(2) || secret.is_none()) && (bit(1) || !signs_in);
            survives && !other_user && !changes.log.is_cleared()
        });
        match secret {
            Some(secret) => {
                let known = self.previous.filter(|_| lost).map_or(self.current, |(secret, _)| secret);
                self.previous = (!drops).then(|| (known, self.now.saturating_add(POLICY.idle)));
                (self.current, self.since, self.presented) = (secret, self.now, drops);
            }
            None if by == By::Current => self.confirm(),
            None => {}
        }
        let remembered = before.header.remembered;
        if let Some(sign_in) = &changes.sign_in {
            let same_user = self.subject == Some(sign_in.subject.as_str());
            self.subject = Self::signs_in(changes);
            if !same_user || remembered.is_none() {
                self.ends_at = self.now.saturating_add(POLICY.absolute);
            }
        }
        match changes.remember {
            Some(Remember::For(duration)) => self.ends_at = self.now.saturating_add(duration),
            Some(Remember::No) if remembered.is_some() => {
                self.ends_at = self.ends_at.min(self.now.saturating_add(POLICY.absolute));
            }
            _ => {}
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
            let previous = self.previous.filter(|(_, until)| *now < *until).map(|(secret, _)| secret);
            let accepted = !self.ended && (secret == self.current || previous == Some(secret));
            let standing = standing(snapshot, secret, *now);
            match standing {
                Standing::Live => assert!(accepted && in_time, "secret {secret} is live"),
                Standing::Expired => assert!(accepted && !in_time, "secret {secret} has expired"),
                Standing::Superseded { .. } | Standing::Gone => {
                    assert!(!accepted, "secret {secret} is refused")
                }
                Standing::Moved => panic!("addresses do not matter here"),
            }
            assert_eq!(snapshot.accepts(&verifier(secret), *now, *now, &POLICY), accepted);
        }
        let header = &snapshot.header;
        let foreign = numbers(&snapshot.extensions).into_iter().filter(|number| *number > 3);
        assert!(foreign.eq(self.tags.keys().copied()), "tags live as their bits say");
        if header.ended {
            assert!(snapshot.expires_at <= *now, "a tombstone is no session to anybody who counts");
            assert_eq!(
                (&snapshot.subject, snapshot.entries.size().count),
                (&None, 0),
                "a tombstone holds nothing"
            );
            return;
        }
        assert_eq!(
            header.ends_at, self.ends_at,
            "only a sign-in, `remember` and `forget` move the absolute limit"
        );
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
        if let Upkeep::Touch(moved) = upkeep(&snapshot, &visit(1, now), true, now, &policy) {
            assert!(moved > snapshot.expires_at && moved <= snapshot.header.ends_at);
            assert!(moved <= now.saturating_add(policy.idle));
        }
    }
}
