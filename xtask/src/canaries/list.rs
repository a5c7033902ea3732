//! The faults, by property: mistakes that session engines make.

/// One fault.
pub(super) struct Canary {
    /// What the broken engine does.
    pub(super) name: &'static str,
    /// The property that it violates, as the checker names it.
    pub(super) property: &'static str,
    /// The test of the history checker that is to find it.
    pub(super) test: &'static str,
    /// Where, in the engine's sources.
    pub(super) file: &'static str,
    /// A piece of text that is there once.
    pub(super) find: &'static str,
    /// What takes its place; `{broken}` is the switch.
    pub(super) replace: &'static str,
}

pub(super) const CANARIES: &[Canary] = &[
    Canary {
        name: "an unanswered write is taken for applied",
        property: "U1",
        test: "hostile",
        file: "write.rs",
        find: "        let Err(error) = answer else { return Ok(Next::Ended(Written::Applied)) };",
        replace: "        let Err(error) = answer else { return Ok(Next::Ended(Written::Applied)) };
        if {broken} {
            return Ok(Next::Ended(Written::Applied));
        }",
    },
    Canary {
        name: "what was read is overwritten although it has changed",
        property: "U1",
        test: "reference",
        file: "request/plan.rs",
        find: "        if rules.settings.on_conflict == OnConflict::Reject",
        replace: "        if !{broken}
            && rules.settings.on_conflict == OnConflict::Reject",
    },
    Canary {
        name: "a failed request is saved",
        property: "U2",
        test: "reference",
        file: "request/close.rs",
        find: "if status >= 500 {",
        replace: "if status >= 500 && !{broken} {",
    },
    Canary {
        name: "an update is made again after an unknown outcome",
        property: "U4",
        test: "hostile",
        file: "write.rs",
        find: "            StoreErrorKind::Exists
            | StoreErrorKind::Conflict
            | StoreErrorKind::Missing
            | StoreErrorKind::Unavailable(Applied::Maybe) => self.unsure += 1,",
        replace: "            StoreErrorKind::Unavailable(Applied::Maybe) if {broken} => {
                return Ok(Next::Ended(Written::Conflict));
            }
            StoreErrorKind::Exists
            | StoreErrorKind::Conflict
            | StoreErrorKind::Missing
            | StoreErrorKind::Unavailable(Applied::Maybe) => self.unsure += 1,",
    },
    Canary {
        name: "a sign-out is answered and not stored",
        property: "D1",
        test: "reference",
        file: "request/plan.rs",
        find: "        if let Some(ending) = self.endings.last() {",
        replace: "        if {broken} {
            self.endings.clear();
        }
        if let Some(ending) = self.endings.last() {",
    },
    Canary {
        name: "a late request begins a session anew after a sign-out",
        property: "D1",
        test: "reference",
        file: "request/load.rs",
        find: "        events::lost(&held.key);
        self.detach();",
        replace: "        events::lost(&held.key);
        if {broken} {
            self.binding = Binding::New;
            return Ok(());
        }
        self.detach();",
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
        file: "request/load.rs",
        find: "            if judge(&snapshot, &verifier, &visit, now, &rules.policy) == Standing::Live {",
        replace: "            if {broken} || judge(&snapshot, &verifier, &visit, now, &rules.policy) == Standing::Live {",
    },
    Canary {
        name: "an unknown cookie is removed",
        property: "R1",
        test: "reference",
        file: "request/load.rs",
        find: "                events::unknown(&key);
                SessionStatus::Unknown",
        replace: "                events::unknown(&key);
                if {broken} {
                    self.cookie = super::Cookie::Remove;
                }
                SessionStatus::Unknown",
    },
    Canary {
        name: "a rotation leaves no grace",
        property: "R2",
        test: "reference",
        file: "lifecycle.rs",
        find: "(Some((known, self.now.saturating_add(hold))), Some(grace))",
        replace: "(Some((known, if {broken} { NEVER } else { self.now.saturating_add(hold) })), Some(grace))",
    },
    Canary {
        name: "it is never noted that the new secret of a rotation came back",
        property: "R3",
        test: "reference",
        file: "lifecycle/snapshot.rs",
        find: "        presented == Some(self.header.verifier)
            && self.open_grace(",
        replace: "        !{broken}
            && presented == Some(self.header.verifier)
            && self.open_grace(",
    },
    Canary {
        name: "a sign-in keeps the secret",
        property: "R3",
        test: "reference",
        file: "lifecycle/changes.rs",
        find: "self.sign_in.is_some() || self.elevate",
        replace: "!{broken} && self.sign_in.is_some() || self.elevate",
    },
    Canary {
        name: "an elevation leaves the old secret a grace",
        property: "R3",
        test: "reference",
        file: "lifecycle.rs",
        find: "rewrite.new_secret(verifier, changes.drops_secrets());",
        replace: "rewrite.new_secret(verifier, changes.drops_secrets() && !({broken} && changes.elevate));",
    },
    Canary {
        name: "a session that is remembered has the usual idle time",
        property: "R1",
        test: "memory",
        file: "lifecycle.rs",
        find: "    header.remembered.unwrap_or(usual)",
        replace: "    header.remembered.filter(|_| !{broken}).unwrap_or(usual)",
    },
    Canary {
        name: "each of several rotations takes a secret of its own",
        property: "R4",
        test: "reference",
        file: "lifecycle/changes.rs",
        find: "            Some(OpenGrace { confirmed: true, .. }) => false,",
        replace: "            Some(_) if {broken} => true,
            Some(OpenGrace { confirmed: true, .. }) => false,",
    },
    Canary {
        name: "no request is late",
        property: "F18",
        test: "reference",
        file: "lifecycle.rs",
        find: "    let late = snapshot.changed_after(",
        replace: "    let late = !{broken} && snapshot.changed_after(",
    },
    Canary {
        name: "the lock is freed before the commit",
        property: "L1",
        test: "reference",
        file: "request/close.rs",
        find: "        self.phase = Phase::Closing;",
        replace: "        self.phase = Phase::Closing;
        if {broken} {
            self.release();
        }",
    },
    Canary {
        name: "the lock holds within one process only",
        property: "L1",
        test: "reference",
        file: "request/locks.rs",
        find: "let has_leases = engine.store.facets().leases.is_some();",
        replace: "let has_leases = !{broken} && engine.store.facets().leases.is_some();",
    },
    Canary {
        name: "a holder that lost its lock goes on saving",
        property: "L2",
        test: "reference",
        file: "request/plan.rs",
        find: "                match self.lease() {",
        replace: "                match self.lease().filter(|_| !{broken}) {",
    },
    Canary {
        name: "the response does not wait for the commit",
        property: "H2",
        test: "reference",
        file: "session/open.rs",
        find: "                let saving = session.closing(request, status, runner);
",
        replace: "                let saving = session.closing(request, status, runner);
                    if {broken} {
                        session.engine.tasks.spawn(async move { drop(saving.await) });
                        return Answer::Keep(crate::answer::Headers::default());
                    }
",
    },
    Canary {
        name: "a failing store removes the cookie",
        property: "H3",
        test: "hostile",
        file: "request/close.rs",
        find: "let mut reply = Reply::instead(&error);",
        replace: "let mut reply = Reply::instead(&error);
                if {broken} {
                    reply.set_cookie = Some(engine.rules.cookie.removal());
                }",
    },
];
