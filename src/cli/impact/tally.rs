//! How many would feel a change, and how.

use serde::Serialize;

use crate::exchange::Difference;

/// Counts of differences. One that gains a role may lose another, and is counted for both.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Tally {
    pub(crate) cut_off: usize,
    let_in: usize,
    gain: usize,
    lose: usize,
}

impl Tally {
    pub(crate) fn take_in(&mut self, difference: &Difference) {
        self.cut_off += usize::from(difference.cut_off);
        self.let_in += usize::from(difference.let_in);
        self.gain += usize::from(!difference.gained.is_empty());
        self.lose += usize::from(!difference.lost.is_empty());
    }

    pub(crate) fn summary(&self) -> String {
        let Self { cut_off, let_in, gain, lose } = self;
        format!("{cut_off} cut off, {let_in} let in, {gain} gain roles, {lose} lose roles")
    }
}
