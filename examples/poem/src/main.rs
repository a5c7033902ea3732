//! A counter and a login.
fn main() {}
