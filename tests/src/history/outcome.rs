use super::{Action, Received, Request};

/// What became of an action, as far as the client can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It certainly was not, and never will be.
    Failed,
    /// Who knows.
    Unknown,
}

impl Request {
    /// What became of the action with this number.
    ///
    /// An immediate one is known when it returns. The others are stored with the next immediate one, or with a response
    /// below 500. Of those a 200 says too much in one case, which is not decided here: what the session's end or another
    /// user's sign-in overtook is dropped (failure F5).
    pub fn outcome(&self, number: usize) -> Outcome {
        let Some(response) = &self.response else { return Outcome::Unknown };
        let action = &self.actions[number];
        let later = &self.actions[number + 1..];
        let Some(report) = &response.report else {
            // The engine answered instead of the application. With 409 it has saved nothing at the end.
            let at_the_end = !action.is_immediate() && !later.iter().any(Action::is_immediate);
            return if response.status == 409 && at_the_end { Outcome::Failed } else { Outcome::Unknown };
        };
        let Some(done) = report.get(number) else { return Outcome::Failed };
        if let Some(error) = &done.error {
            return if error == "Unavailable" { Outcome::Unknown } else { Outcome::Failed };
        }
        if action.is_immediate() || matches!(action, Action::EndAll(_) | Action::Purge | Action::Lock) {
            return Outcome::Ok;
        }
        if *action == Action::SignOut {
            // It says so by taking the cookie away.
            return if response.cookie == Received::Nothing { Outcome::Unknown } else { Outcome::Ok };
        }
        for (action, done) in self.actions.iter().zip(report).skip(number + 1) {
            match action {
                Action::SignOut if done.error.is_none() => return Outcome::Failed,
                Action::SignIn(user) if done.user.as_ref().is_some_and(|before| before != user) => {
                    return Outcome::Failed;
                }
                action if action.is_immediate() => match done.error.as_deref() {
                    None => return Outcome::Ok,
                    Some("Unavailable") => return Outcome::Unknown,
                    // With a lock that was lost, all that was recorded is; with a key that had changed, it is kept.
                    Some("Conflict") => return Outcome::Unknown,
                    Some(_) => {}
                },
                _ => {}
            }
            if done.error.as_deref() == Some("Ended") {
                // Everything recorded was dropped with the session, but for a sign-in and what followed it.
                let salvaged = self.actions.iter().any(|action| matches!(action, Action::SignIn(_)));
                return if salvaged { Outcome::Unknown } else { Outcome::Failed };
            }
        }
        if response.status < 500 { Outcome::Ok } else { Outcome::Failed }
    }

    /// When the action with this number was done, if it was: an immediate one when it returned.
    pub(crate) fn done_at(&self, number: usize) -> Option<super::Moment> {
        let done = self.report().and_then(|report| report.get(number));
        match done {
            Some(done) if self.actions[number].is_immediate() => Some(done.until),
            _ => self.end(),
        }
    }
}
