//! The faults, by property: mistakes that session engines make.

use super::Canary;

pub(super) const CANARIES: &[Canary] = &[
    Canary {
        name: "an unanswered write is taken for applied",
        property: "U1",
        test: "hostile",
        file: "engine.rs",
        find: "                Err(error) => error,
            };
            match error.kind() {",
        replace: "                Err(_) if {broken} => return Ok(Written::Applied),
                Err(error) => error,
            };
            match error.kind() {",
    },
    Canary {
        name: "what was read is overwritten although it has changed",
        property: "U1",
        test: "reference",
        file: "session/commit.rs",
        find: "engine.settings.on_conflict == OnConflict::Reject",
        replace: "!{broken} && engine.settings.on_conflict == OnConflict::Reject",
    },
    Canary {
        name: "a failed request is saved",
        property: "U2",
        test: "reference",
        file: "session/close.rs",
        find: "if status >= 500 {",
        replace: "if status >= 500 && !{broken} {",
    },
    Canary {
        name: "an update is made again after an unknown outcome",
        property: "U4",
        test: "hostile",
        file: "engine.rs",
        find: "StoreErrorKind::Unavailable(Applied::Maybe) => unsure = true,",
        replace: "StoreErrorKind::Unavailable(Applied::Maybe) if {broken} => return Ok(Written::Conflict),
                StoreErrorKind::Unavailable(Applied::Maybe) => unsure = true,",
    },
    Canary {
        name: "a sign-out is answered and not stored",
        property: "D1",
        test: "reference",
        file: "session/ends.rs",
        find: "let written = self.engine.write(&mut state.budget, key, &record, Some(expected), lease).await?;",
        replace: "let written = if {broken} {
                Written::Applied
            } else {
                self.engine.write(&mut state.budget, key, &record, Some(expected), lease).await?
            };",
    },
    Canary {
        name: "a late request begins a session anew after a sign-out",
        property: "D1",
        test: "reference",
        file: "session/load.rs",
        find: "        events::lost(&held.key);
        state.attached = Attached::Dropped;",
        replace: "        events::lost(&held.key);
        state.attached = if {broken} { Attached::Nothing } else { Attached::Dropped };",
    },
    Canary {
        name: "expiry is left to the sweeper",
        property: "D3",
        test: "reference",
        file: "lifecycle.rs",
        find: "    if !snapshot.is_live(now, policy) {
        return Standing::Expired;",
        replace: "    if !{broken} && !snapshot.is_live(now, policy) {
        return Standing::Expired;",
    },
    Canary {
        name: "changes are replayed across a change of user",
        property: "I5",
        test: "reference",
        file: "session/load.rs",
        find: "if self.standing(&snapshot, &held.token) == Standing::Live {",
        replace: "if {broken} || self.standing(&snapshot, &held.token) == Standing::Live {",
    },
    Canary {
        name: "an unknown cookie is removed",
        property: "R1",
        test: "reference",
        file: "session/load.rs",
        find: "                events::unknown(&key);
                state.origin = SessionStatus::Unknown;",
        replace: "                events::unknown(&key);
                state.origin = SessionStatus::Unknown;
                if {broken} {
                    state.cookie = Cookie::Remove;
                }",
    },
    Canary {
        name: "a rotation leaves no grace",
        property: "R2",
        test: "reference",
        file: "lifecycle.rs",
        find: "let until = if changes.sign_in.is_some() { NEVER }",
        replace: "let until = if {broken} || changes.sign_in.is_some() { NEVER }",
    },
    Canary {
        name: "a sign-in keeps the secret",
        property: "R3",
        test: "reference",
        file: "lifecycle.rs",
        find: "self.sign_in.is_some() || self.rotate",
        replace: "!{broken} && self.sign_in.is_some() || self.rotate",
    },
    Canary {
        name: "each of several rotations takes a secret of its own",
        property: "R4",
        test: "reference",
        file: "lifecycle.rs",
        find: "&& !snapshot.header.in_grace(now)",
        replace: "&& ({broken} || !snapshot.header.in_grace(now))",
    },
    Canary {
        name: "the lock is freed before the commit",
        property: "L1",
        test: "reference",
        file: "session/close.rs",
        find: "        state.closing = true;",
        replace: "        state.closing = true;
        if {broken} {
            state.release();
        }",
    },
    Canary {
        name: "the lock holds within one process only",
        property: "L1",
        test: "reference",
        file: "session/exclusive.rs",
        find: "            Some(_) => self.lease(state, key, watch).await?,
            None",
        replace: "            Some(_) if !{broken} => self.lease(state, key, watch).await?,
            _",
    },
    Canary {
        name: "a holder that lost its lock goes on saving",
        property: "L2",
        test: "reference",
        file: "session/commit.rs",
        find: "        self.check_lock(state).await
    }",
        replace: "        if {broken} { Ok(()) } else { self.check_lock(state).await }
    }",
    },
    Canary {
        name: "the response does not wait for the commit",
        property: "H2",
        test: "reference",
        file: "session/close.rs",
        find: "            let work = Arc::clone(&inner);
",
        replace: "            let work = Arc::clone(&inner);
            if {broken} {
                inner.engine.tasks.spawn(async move { drop(work.end(status).await) });
                return Answer::Keep(Headers::default());
            }
",
    },
    Canary {
        name: "a failing store removes the cookie",
        property: "H3",
        test: "hostile",
        file: "session/close.rs",
        find: "let mut reply = Reply::instead(&error);",
        replace: "let mut reply = Reply::instead(&error);
                if {broken} {
                    reply.set_cookie = Some(self.engine.cookie.removal());
                }",
    },
];
