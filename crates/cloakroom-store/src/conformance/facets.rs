//! The store has exactly the facets that its author lists.

use super::probe::Probe;
use super::{Facet, Harness};

/// [`Leases`](crate::Leases) is there if it is listed, and not if it is not.
pub async fn leases_are_there_exactly_if_listed(harness: &dyn Harness) {
    Probe::with(Facet::Leases, harness);
}

/// [`Subjects`](crate::Subjects) is there if it is listed, and not if it is not.
pub async fn subjects_are_there_exactly_if_listed(harness: &dyn Harness) {
    Probe::with(Facet::Subjects, harness);
}

/// [`Scan`](crate::Scan) is there if it is listed, and not if it is not.
pub async fn scan_is_there_exactly_if_listed(harness: &dyn Harness) {
    Probe::with(Facet::Scan, harness);
}
