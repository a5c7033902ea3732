//! The tower layer and the axum extractor: nesting, routers, panics, streams.
