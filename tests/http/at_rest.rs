//! What a store holds, and what it is worth to a thief (SECURITY F).
