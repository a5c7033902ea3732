//! Sessions for Poem.
