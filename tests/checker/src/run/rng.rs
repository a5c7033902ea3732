use std::ops::Range;

/// A small generator of numbers that look random: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014). The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in this range, which is not empty.
    pub fn within(&mut self, range: Range<usize>) -> usize {
        range.start + (self.number() % (range.end - range.start) as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.within(0..times) == 0
    }

    /// One of these, of which there are some.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.within(0..all.len())]
    }

    /// The place of one of these weights, each as likely as it weighs; they are not all zero.
    pub fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.within(0..weights.iter().sum());
        weights
            .iter()
            .position(|weight| {
                let here = left < *weight;
                left = left.saturating_sub(*weight);
                here
            })
            .expect("a weight")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_again_and_another_seed_gives_others() {
        let numbers = |seed| {
            let mut rng = Rng::new(seed);
            std::array::from_fn::<_, 4, _>(|_| rng.number())
        };
        assert_eq!(numbers(7), numbers(7));
        assert_ne!(numbers(7), numbers(8));
    }

    #[test]
    fn what_weighs_nothing_is_never_chosen_and_everything_else_is() {
        let mut rng = Rng::new(1);
        let mut counts = [0; 3];
        for _ in 0..1000 {
            counts[rng.weighted(&[1, 0, 3])] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!(counts[0] > 150 && counts[2] > 600, "{counts:?}");
    }
}
