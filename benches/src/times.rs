//! How long calls take, and which sessions they are about.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_store::Key;

/// How long each of many calls took.
#[derive(Debug, Default)]
pub struct Times(Vec<u64>);

impl Times {
    /// Makes a call and notes its time.
    pub fn measure<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let answer = call();
        self.push(started.elapsed());
        answer
    }

    /// Notes the time of a call that was measured already.
    pub fn push(&mut self, time: Duration) {
        self.0.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Keeps the lesser time of each call, of two rounds of the same calls.
    pub fn keep_least(&mut self, round: Self) {
        if self.0.is_empty() {
            return *self = round;
        }
        assert_eq!(self.0.len(), round.0.len(), "rounds of the same calls");
        self.0.iter_mut().zip(round.0).for_each(|(least, time)| *least = time.min(*least));
    }

    /// The longest of them.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.iter().copied().max().unwrap_or(0))
    }

    /// The time that half of them took at most.
    pub fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        Duration::from_nanos(sorted[(sorted.len() - 1) / 2])
    }

    /// Prints their rate and their spread on one line.
    pub fn print(&self, what: &str) {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |share: f64| {
            let time = sorted[((sorted.len() - 1) as f64 * share) as usize];
            Duration::from_nanos(time)
        };
        println!(
            "{what}: {} calls, {:.0} a second, median {:.1?}, 99 % {:.1?}, 99.9 % {:.1?}, 99.99 % {:.1?}, longest {:.1?}",
            sorted.len(),
            sorted.len() as f64 * 1e9 / sorted.iter().sum::<u64>() as f64,
            at(0.5),
            at(0.99),
            at(0.999),
            at(0.9999),
            at(1.0)
        );
    }
}

/// Prints how long loads take on another thread while `work` runs. Each is of one of the sessions
/// with these numbers, and finds it.
pub fn loads_beside(
    numbers: Range<u64>,
    mut load: impl FnMut(&Key) -> bool + Send,
    what: &str,
    work: impl FnOnce(),
) {
    let done = AtomicBool::new(false);
    let loads = thread::scope(|scope| {
        let loads = scope.spawn(|| {
            let mut loads = Times::default();
            for number in numbers.cycle() {
                let key = key(number);
                assert!(loads.measure(|| load(&key)));
                if done.load(Relaxed) {
                    break;
                }
            }
            loads
        });
        work();
        done.store(true, Relaxed);
        loads.join().expect("the loads")
    });
    loads.print(&format!("load beside {what}"));
}

/// A key as mixed as a hash, by splitmix64.
pub fn key(number: u64) -> Key {
    let mut bytes = [0; Key::LEN];
    let mut state = number.wrapping_mul(4);
    for chunk in bytes.chunks_exact_mut(8) {
        state = state.wrapping_add(1);
        let mixed = state.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes());
    }
    Key::new(bytes)
}
