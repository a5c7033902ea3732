//! Settings for the requests of one route.

use crate::config::Locking;
use crate::options::options;

options! {
    /// Settings for the requests of one route.
    ///
    /// They take effect with the first use of the session. Where [`Settings`](crate::Settings) have it loaded before
    /// the handler (`locking = early`, `ignore_expiry = false`, `ignore_change_ip = false`), `locking` and `degraded`
    /// come too late, and `off` for what is done until then.
    ///
    /// ```
    /// use cloakroom::{Locking, RouteOptions};
    ///
    /// let uploads = RouteOptions::new().locking(Locking::Explicit);
    /// let polls = RouteOptions::new().touch(false);
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct RouteOptions {
        /// Which requests have the session to themselves, instead of what [`Settings`](crate::Settings) say.
        /// [`Locking::Early`] means the first access here; what the settings lock early is released. Defaults to what the
        /// settings say.
        pub locking: Option<Locking> = None,
        /// Requests extend the idle time. Defaults to true.
        pub touch: bool = true,
        /// When the store is down, the request continues with an empty session that cannot be written, instead of an
        /// error at its first access. Defaults to false.
        pub degraded: bool = false,
        /// Requests have no session: each call fails with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), and
        /// their responses neither depend on the cookie nor set one. A write whose error is ignored is not saved, and
        /// the response goes out as it is. For routes below an adapter that covers the whole application.
        /// Defaults to false.
        pub off: bool = false,
    }
}

impl RouteOptions {
    /// Adds `more`: its way of locking takes the place of an earlier one, and what either says about the rest holds.
    pub(crate) fn add(&mut self, more: Self) {
        self.locking = more.locking.or(self.locking);
        self.touch &= more.touch;
        self.degraded |= more.degraded;
        self.off |= more.off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_options_keep_what_was_set_before_but_for_another_way_of_locking() {
        let mut options = RouteOptions::new();
        options.add(RouteOptions::new().locking(Locking::Explicit).touch(false));
        options.add(RouteOptions::new().degraded(true));
        options.add(RouteOptions::new().off(true).locking(Locking::Implicit));
        let expected = RouteOptions::new().locking(Locking::Implicit).touch(false).degraded(true).off(true);
        assert_eq!(options, expected);
        options.add(RouteOptions::new());
        assert_eq!(options, expected);
    }
}
