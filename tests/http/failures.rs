//! What happens when things fail (F1 to F20).
