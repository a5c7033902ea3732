//! Every rule of the contract, over real servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fresh;
#[path = "../support/mod.rs"]
mod support;

mod standalone {
    cloakroom_store::conformance::suite!(
        test = #[tokio::test(flavor = "multi_thread")],
        harness = crate::fresh::Fresh::on(cloakroom_test_services::redis()).await,
    );
}

mod sentinel {
    cloakroom_store::conformance::suite!(
        test = #[tokio::test(flavor = "multi_thread")],
        harness = crate::fresh::Fresh::on(cloakroom_test_services::redis_sentinel()).await,
    );
}

mod cluster {
    cloakroom_store::conformance::suite!(
        test = #[tokio::test(flavor = "multi_thread")],
        harness = crate::fresh::Fresh::on(cloakroom_test_services::redis_cluster()).await,
    );
}
