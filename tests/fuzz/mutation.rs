//! Makes inputs out of inputs.

/// A generator of numbers that are the same for the same seed.
pub(crate) struct Mutation {
    state: u64,
    words: &'static [&'static str],
}

impl Mutation {
    pub(crate) fn seeded(seed: u64, words: &'static [&'static str]) -> Self {
        Self { state: seed, words }
    }

    /// `SplitMix64`.
    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or_default()
    }

    /// One of these, changed in one place or several.
    pub(crate) fn of(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let place = self.below(corpus.len());
        let mut input = corpus.get(place).cloned().unwrap_or_default();
        for _ in 0..=self.below(4) {
            self.change(&mut input, corpus);
        }
        input.truncate(16 * 1024);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = at + self.below((input.len() - at).min(64) + 1);
        match self.below(9) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << self.below(8);
                }
            }
            1 => {
                let byte = u8::try_from(self.below(256)).unwrap_or_default();
                input.insert(at, byte);
            }
            2 => drop(input.drain(at..end)),
            3 => {
                let again: Vec<u8> = input.get(at..end).unwrap_or_default().to_vec();
                input.splice(at..at, again);
            }
            4 | 5 => {
                let word = self.below(self.words.len());
                input.splice(at..at, self.words.get(word).copied().unwrap_or_default().bytes());
            }
            6 => {
                let word = self.below(self.words.len());
                input.splice(at..end, self.words.get(word).copied().unwrap_or_default().bytes());
            }
            7 => input.truncate(at),
            _ => {
                let place = self.below(corpus.len());
                let other = corpus.get(place).map(Vec::as_slice).unwrap_or_default();
                let from = self.below(other.len() + 1);
                input.splice(at.., other.get(from..).unwrap_or_default().iter().copied());
            }
        }
    }
}
