//! What the browser is told (SECURITY B).
