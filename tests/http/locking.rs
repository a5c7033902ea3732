//! Who has a session to itself, and for how long.
