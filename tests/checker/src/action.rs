use std::fmt;
use std::str::FromStr;

/// Names one write: no two writes of a history have the same.
pub type Token = u64;

/// A user's name.
pub type User = String;

/// What a request does to its session, one after the other. Written out, they are the path of the request:
/// `/lock/put-7/pause`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reads everything.
    Look,
    /// Adds a token to the list with `update`; answers the list that was stored.
    Append(Token),
    /// Reads the list and inserts it with one token more; answers the list as it was read.
    Put(Token),
    /// Inserts the token under two keys, without reading anything.
    Pair(Token),
    /// Takes the list.
    Take,
    /// Moves this much from one account to another. Opens the accounts where there are none.
    Transfer(usize, usize, i64),
    /// Takes the lock.
    Lock,
    /// Saves, and gives the lock back.
    Unlock,
    /// Saves.
    Save,
    /// Signs in.
    SignIn(User),
    /// Makes the session last for [`REMEMBERED`](Self::REMEMBERED), right after a sign-in.
    Remember,
    /// Ends the session.
    SignOut,
    /// Asks for a new secret.
    Rotate,
    /// Asks for a new secret, and that no other works from then on.
    Elevate,
    /// Ends all sessions of a user: nothing to do with the request's own.
    EndAll(User),
    /// Removes what expired long ago: nothing to do with the request's own session.
    Purge,
    /// Waits as long as the schedule wants.
    Pause,
    /// Answers 500 at the end.
    Fail,
}

impl Action {
    /// For how many milliseconds a session is remembered.
    pub const REMEMBERED: u64 = 30 * 24 * 3_600_000;

    /// Whether it is stored when it returns, rather than with the response.
    pub fn is_immediate(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Take | Self::Save | Self::Unlock)
    }

    /// Whether it writes to the session, if it is the first to do so.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Put(_) | Self::Pair(_) | Self::Transfer(..))
    }

    /// Whether it asks anything of the request's own session.
    pub fn uses_session(&self) -> bool {
        !matches!(self, Self::Pause | Self::Fail | Self::EndAll(_) | Self::Purge)
    }

    /// Whether the secret of the session may be another one afterwards, or the session over.
    pub fn ends_secret(&self) -> bool {
        matches!(self, Self::SignIn(_) | Self::SignOut | Self::Rotate | Self::Elevate)
    }

    /// Whether no secret that the session had works afterwards.
    pub fn drops_secrets(&self) -> bool {
        matches!(self, Self::SignIn(_) | Self::Elevate)
    }

    /// The path of a request that does these.
    pub fn path(actions: &[Self]) -> String {
        actions.iter().map(|action| format!("/{action}")).collect()
    }

    /// Reads a path.
    ///
    /// # Errors
    /// Names what is no action.
    pub fn parse_path(path: &str) -> Result<Vec<Self>, String> {
        path.split('/').filter(|part| !part.is_empty()).map(str::parse).collect()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Look => f.write_str("look"),
            Self::Append(token) => write!(f, "append-{token}"),
            Self::Put(token) => write!(f, "put-{token}"),
            Self::Pair(token) => write!(f, "pair-{token}"),
            Self::Take => f.write_str("take"),
            Self::Transfer(from, to, amount) => write!(f, "transfer-{from}-{to}-{amount}"),
            Self::Lock => f.write_str("lock"),
            Self::Unlock => f.write_str("unlock"),
            Self::Save => f.write_str("save"),
            Self::SignIn(user) => write!(f, "sign_in-{user}"),
            Self::Remember => f.write_str("remember"),
            Self::SignOut => f.write_str("sign_out"),
            Self::Rotate => f.write_str("rotate"),
            Self::Elevate => f.write_str("elevate"),
            Self::EndAll(user) => write!(f, "end_all-{user}"),
            Self::Purge => f.write_str("purge"),
            Self::Pause => f.write_str("pause"),
            Self::Fail => f.write_str("fail"),
        }
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("no such action: {text}");
        let mut parts = text.split('-');
        let name = parts.next().unwrap_or_default();
        let mut next = || parts.next().ok_or_else(unknown);
        let number = |text: &str| text.parse::<u64>().map_err(|_| unknown());
        Ok(match name {
            "look" => Self::Look,
            "append" => Self::Append(number(next()?)?),
            "put" => Self::Put(number(next()?)?),
            "pair" => Self::Pair(number(next()?)?),
            "take" => Self::Take,
            "transfer" => {
                let (from, to, amount) = (number(next()?)?, number(next()?)?, number(next()?)?);
                Self::Transfer(from as usize, to as usize, amount as i64)
            }
            "lock" => Self::Lock,
            "unlock" => Self::Unlock,
            "save" => Self::Save,
            "sign_in" => Self::SignIn(next()?.to_owned()),
            "remember" => Self::Remember,
            "sign_out" => Self::SignOut,
            "rotate" => Self::Rotate,
            "elevate" => Self::Elevate,
            "end_all" => Self::EndAll(next()?.to_owned()),
            "purge" => Self::Purge,
            "pause" => Self::Pause,
            "fail" => Self::Fail,
            _ => return Err(unknown()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        let user = || "ann.7".to_owned();
        let actions = [
            Action::Look,
            Action::Append(1),
            Action::Put(2),
            Action::Pair(3),
            Action::Take,
            Action::Transfer(0, 2, 5),
            Action::Lock,
            Action::Unlock,
            Action::Save,
            Action::SignIn(user()),
            Action::Remember,
            Action::SignOut,
            Action::Rotate,
            Action::Elevate,
            Action::EndAll(user()),
            Action::Purge,
            Action::Pause,
            Action::Fail,
        ];
        assert_eq!(Action::parse_path(&Action::path(&actions)).unwrap(), actions);
        assert_eq!(Action::parse_path("/look/leap"), Err("no such action: leap".into()));
    }
}
