//! Keys of session values: plain strings, or constants that know their type.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

/// The name of a session value together with its type.
///
/// Declared once, it makes every use agree on both:
///
/// ```
/// use cloakroom::{Session, SessionKey};
///
/// const CART: SessionKey<Vec<u32>> = SessionKey::new("cart");
///
/// # async fn handler(session: Session) -> Result<(), cloakroom::Error> {
/// let cart = session.get(CART).await?.unwrap_or_default(); // a Vec<u32>
/// session.insert(CART, &[cart.as_slice(), &[7]].concat()).await?;
/// # Ok(())
/// # }
/// ```
pub struct SessionKey<T: ?Sized> {
    name: &'static str,
    value: PhantomData<fn() -> Box<T>>,
}

impl<T: ?Sized> SessionKey<T> {
    /// The key with this name, for values of type `T`.
    pub const fn new(name: &'static str) -> Self {
        Self { name, value: PhantomData }
    }

    /// The name values are stored under.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: ?Sized> Clone for SessionKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for SessionKey<T> {}

impl<T: ?Sized> fmt::Debug for SessionKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({:?})", self.name)
    }
}

/// Something that names a session value: a string or a [`SessionKey`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key of a session value",
    note = "use a string, or a constant: `const NAME: SessionKey<Type> = SessionKey::new(\"name\");`"
)]
pub trait AnyKey: sealed::Sealed {
    /// The name values are stored under.
    fn name(&self) -> &str;
}

/// A key under which a `T` is read: a string for any type, a [`SessionKey`] for its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key of a session value of type `{T}`",
    note = "use a string, or a `SessionKey<{T}>`"
)]
pub trait ReadKey<T: ?Sized>: AnyKey {}

/// A key under which a `V` may be written: a string for any type, a [`SessionKey<T>`] for whatever a `T` can be
/// borrowed as, so that a `SessionKey<String>` takes a `&str`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key for session values of type `{V}`",
    note = "use a string, or a `SessionKey` of this type"
)]
pub trait WriteKey<V: ?Sized>: AnyKey {}

impl AnyKey for &str {
    fn name(&self) -> &str {
        self
    }
}

impl AnyKey for &String {
    fn name(&self) -> &str {
        self
    }
}

impl AnyKey for String {
    fn name(&self) -> &str {
        self
    }
}

impl<T: ?Sized> AnyKey for SessionKey<T> {
    fn name(&self) -> &str {
        self.name
    }
}

impl<T: ?Sized> AnyKey for &SessionKey<T> {
    fn name(&self) -> &str {
        self.name
    }
}

impl<T: ?Sized> ReadKey<T> for &str {}
impl<T: ?Sized> ReadKey<T> for &String {}
impl<T: ?Sized> ReadKey<T> for String {}
impl<T: ?Sized> ReadKey<T> for SessionKey<T> {}
impl<T: ?Sized> ReadKey<T> for &SessionKey<T> {}

impl<V: ?Sized> WriteKey<V> for &str {}
impl<V: ?Sized> WriteKey<V> for &String {}
impl<V: ?Sized> WriteKey<V> for String {}
impl<V: ?Sized, T: Borrow<V>> WriteKey<V> for SessionKey<T> {}
impl<V: ?Sized, T: Borrow<V>> WriteKey<V> for &SessionKey<T> {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for &String {}
    impl Sealed for String {}
    impl<T: ?Sized> Sealed for super::SessionKey<T> {}
    impl<T: ?Sized> Sealed for &super::SessionKey<T> {}
}

#[cfg(test)]
mod tests;
