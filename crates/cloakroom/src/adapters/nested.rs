//! Sessions inside sessions: what a request's extensions hold where an application puts one adapter inside another.

use crate::answer::Reply;
use crate::manager::SessionManager;
use crate::session::Session;

/// A request's values by type, as its framework has them.
pub(super) trait Extensions {
    fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<&T>;
    fn get_mut<T: Clone + Send + Sync + 'static>(&mut self) -> Option<&mut T>;
    /// Answers what was there before.
    fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) -> Option<T>;
}

macro_rules! extensions {
    ($Extensions:path) => {
        impl Extensions for $Extensions {
            fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<&T> {
                self.get()
            }

            fn get_mut<T: Clone + Send + Sync + 'static>(&mut self) -> Option<&mut T> {
                self.get_mut()
            }

            fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
                self.insert(value)
            }
        }
    };
}

#[cfg(feature = "actix_v4")]
extensions!(actix_web4::dev::Extensions);
#[cfg(feature = "http_v1")]
extensions!(http::Extensions);

/// Sessions of adapters further out that are not the one in the extensions, because another adapter put its own there.
/// Made where adapters with different cookie names are inside each other, and only there.
#[derive(Clone, Default)]
struct Hidden(Vec<Session>);

/// What an adapter finds that adapters further out have left for it.
pub(super) enum Outer {
    /// No session of this cookie name: the adapter opens its own.
    Nothing,
    /// The session that it shares, which is the one in the extensions now.
    Shared,
    /// A session of the same cookie name from another [`SessionManager`]. Each would overwrite the cookie of the other:
    /// the adapter responds with this.
    Clash(Reply),
}

/// Looks for the session of an adapter further out with the cookie name of `sessions`.
pub(super) fn find(extensions: &mut impl Extensions, sessions: &SessionManager) -> Outer {
    let is_wanted = |session: &Session| session.cookie_name() == sessions.settings().cookie_name;
    let Some(shown) = extensions.get::<Session>() else { return Outer::Nothing };
    if is_wanted(shown) {
        return shared(shown, sessions);
    }
    let Some(Hidden(hidden)) = extensions.get_mut() else { return Outer::Nothing };
    let Some(place) = hidden.iter().position(is_wanted) else { return Outer::Nothing };
    let outer = shared(&hidden[place], sessions);
    if matches!(outer, Outer::Shared) {
        let session = hidden.swap_remove(place);
        put(extensions, session);
    }
    outer
}

fn shared(session: &Session, sessions: &SessionManager) -> Outer {
    match session.is_of(sessions.engine()) {
        true => Outer::Shared,
        false => Outer::Clash(Reply::clash(session.cookie_name())),
    }
}

/// Puts `session` into the extensions, and remembers the one that was there.
pub(super) fn put(extensions: &mut impl Extensions, session: Session) {
    if let Some(outer) = extensions.insert(session) {
        match extensions.get_mut() {
            Some(Hidden(hidden)) => hidden.push(outer),
            None => drop(extensions.insert(Hidden(vec![outer]))),
        }
    }
}
