//! A database's statements, by name, each with the table's name in it.

/// Makes the struct `Statements` of these fields, and `Statements::of`, which makes each of its text.
macro_rules! statements {
    ($($name:ident: $text:ident,)*) => {
        pub(super) struct Statements {
            $(pub(super) $name: sqlx::SqlStr,)*
        }

        impl Statements {
            fn of(fill: impl Fn(&str) -> sqlx::SqlStr) -> Self {
                Self { $($name: fill($text),)* }
            }
        }
    };
}

pub(crate) use statements;
