//! Writes sessions into a folder without an end, one task for each slot: `writer FOLDER DURABILITY SLOT:STEPS …`, where
//! STEPS is what was done in that slot before. It says `ready`, and then each step that was acknowledged: `SLOT STEPS`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::sync::Arc;

use cloakroom_tests::{Slot, file_store};
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (folder, durability) = (arguments.next().unwrap(), arguments.next().unwrap());
    let store = Arc::new(file_store(&folder, &durability));
    println!("ready");
    for slot in arguments {
        let (number, steps) = slot.split_once(':').unwrap();
        let (slot, store) = (Slot(number.parse().unwrap()), Arc::clone(&store));
        let mut steps: u64 = steps.parse().unwrap();
        tokio::spawn(async move {
            loop {
                if let Err(error) = slot.step(&*store, steps).await {
                    // Heard by the test, which expects none.
                    println!("slot {slot:?}, step {steps}: {error:?}");
                    return;
                }
                steps += 1;
                println!("{} {steps}", slot.0);
            }
        });
    }
    stdin().read_to_end(&mut Vec::new()).await.unwrap();
}
