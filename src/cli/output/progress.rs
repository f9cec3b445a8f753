//! How far something has come, for whoever sits at the terminal: a bar on stderr, which is gone when it is done.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};

/// How often it is drawn anew, at most.
const REDRAW: Duration = Duration::from_millis(100);
const CELLS: u64 = 30;

/// A bar. Where stderr is no terminal, it is nothing.
pub(crate) struct Progress {
    what: &'static str,
    total: u64,
    clock: Option<SystemClock>,
    drawn: Option<Duration>,
}

impl Progress {
    /// `what` is counted up to `total`.
    pub(crate) fn of(what: &'static str, total: u64) -> Self {
        let clock = io::stderr().is_terminal().then(SystemClock::start);
        Self { what, total, clock, drawn: None }
    }

    pub(crate) fn at(&mut self, done: u64) {
        let Some(now) = self.clock.as_ref().map(|clock| clock.now().monotonic) else { return };
        if self.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < REDRAW) {
            return;
        }
        self.drawn = Some(now);
        draw(&format!("\r\x1b[K{}", bar(self.what, done, self.total)));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            draw("\r\x1b[K");
        }
    }
}

/// `[#########·····]  60 %  600 of 1000 entries`
fn bar(what: &str, done: u64, total: u64) -> String {
    let done = done.min(total);
    let share = |of: u64| done.saturating_mul(of).checked_div(total).unwrap_or(of);
    let full = "#".repeat(usize::try_from(share(CELLS)).unwrap_or_default());
    let open = "·".repeat(usize::try_from(CELLS - share(CELLS)).unwrap_or_default());
    format!("[{full}{open}] {:>3} %  {done} of {total} {what}", share(100))
}

fn draw(text: &str) {
    let mut stderr = io::stderr().lock();
    // A bar that cannot be drawn is nothing that anybody would miss.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_fills_up_and_says_how_far_it_is() {
        assert_eq!(bar("entries", 0, 600), "[······························]   0 %  0 of 600 entries");
        assert_eq!(bar("entries", 300, 600), "[###############···············]  50 %  300 of 600 entries");
        assert_eq!(bar("entries", 700, 600), "[##############################] 100 %  600 of 600 entries");
        assert!(bar("entries", 0, 0).contains("100 %"));
    }
}
