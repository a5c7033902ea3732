//! Structs of options that can grow: public fields, their defaults, and a setter for each.

/// Declares a struct of options. Each field has a default and a setter, and the setter has the field's name and text.
///
/// A setter takes what converts into the field's type: for `String` and `Option<String>` any string, for
/// `Option<T>` a `T` or an `Option<T>`, for `Vec<T>` whatever can be iterated over, for a `SubjectLimit` a number or `None`.
macro_rules! options {
    (
        $(#[$meta:meta])*
        pub struct $Options:ident {$(
            $(#[doc = $doc:literal])*
            $(#[serde($($serde:tt)*)])?
            pub $name:ident: $type:ident $(<$of:ident>)? = $default:expr,
        )*}
    ) => {
        $(#[$meta])*
        #[non_exhaustive]
        pub struct $Options {$(
            $(#[doc = $doc])*
            $(#[serde($($serde)*)])?
            pub $name: $type $(<$of>)?,
        )*}

        impl Default for $Options {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl $Options {
            /// The defaults, to be changed by the methods that follow.
            pub fn new() -> Self {
                Self::default()
            }

            $($crate::options::options! { @setter $name: $type $(<$of>)?, $(#[doc = $doc])* })*
        }
    };
    (@setter $name:ident: String, $($doc:tt)*) => {
        $crate::options::options! { @setter $name(value: impl Into<String>) = value.into(), $($doc)* }
    };
    (@setter $name:ident: Option<String>, $($doc:tt)*) => {
        $crate::options::options! { @setter $name(value: impl Into<String>) = Some(value.into()), $($doc)* }
    };
    (@setter $name:ident: Option<$of:ident>, $($doc:tt)*) => {
        $crate::options::options! { @setter $name(value: impl Into<Option<$of>>) = value.into(), $($doc)* }
    };
    (@setter $name:ident: Vec<$of:ident>, $($doc:tt)*) => {
        $crate::options::options! {
            @setter $name(values: impl IntoIterator<Item = $of>) = values.into_iter().collect(), $($doc)*
        }
    };
    (@setter $name:ident: SubjectLimit, $($doc:tt)*) => {
        $crate::options::options! { @setter $name(value: impl Into<SubjectLimit>) = value.into(), $($doc)* }
    };
    (@setter $name:ident: $type:ident, $($doc:tt)*) => {
        $crate::options::options! { @setter $name(value: $type) = value, $($doc)* }
    };
    (@setter $name:ident($value:ident: $type:ty) = $converted:expr, $($doc:tt)*) => {
        $($doc)*
        #[must_use]
        pub fn $name(mut self, $value: $type) -> Self {
            self.$name = $converted;
            self
        }
    };
}

pub(crate) use options;
