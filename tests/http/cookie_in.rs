//! What browsers and attackers send (SECURITY C).
