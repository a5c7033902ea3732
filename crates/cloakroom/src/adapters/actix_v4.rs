//! Sessions for actix-web.
