//! The error of a handler that asks for a session where no adapter has put one.

/// Declares the error, and what it says.
macro_rules! missing {
    ($(#[doc = $doc:literal])* pub struct $Missing:ident = $message:literal;) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $Missing;

        impl std::fmt::Display for $Missing {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($message)
            }
        }

        /// As `Display`: what a framework logs of an extractor that fails.
        impl std::fmt::Debug for $Missing {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::error::Error for $Missing {}
    };
}

pub(super) use missing;
