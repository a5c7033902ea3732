//! Fixation, rotation and superseded secrets (SECURITY D).
