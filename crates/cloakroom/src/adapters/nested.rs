//! Sessions inside sessions: what a request's extensions hold where an application puts one adapter inside another.

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

/// Makes the session of an adapter further out with this cookie name the one in the extensions; false if there is none.
pub(super) fn show(extensions: &mut impl Extensions, cookie_name: &str) -> bool {
    let is_wanted = |session: &Session| session.cookie_name() == cookie_name;
    match extensions.get::<Session>() {
        None => return false,
        Some(shown) if is_wanted(shown) => return true,
        Some(_) => {}
    }
    let Some(Hidden(hidden)) = extensions.get_mut() else { return false };
    let Some(place) = hidden.iter().position(is_wanted) else { return false };
    let session = hidden.swap_remove(place);
    put(extensions, session);
    true
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
