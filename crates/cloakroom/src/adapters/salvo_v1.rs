//! Sessions for Salvo.
