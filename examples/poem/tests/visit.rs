//! The example as its visitors see it.

use cloakroom_tests::Example;

#[tokio::test]
async fn it_counts_and_signs_in() {
    Example::start(env!("CARGO_BIN_EXE_example-poem")).await.counts_and_signs_in().await;
}
