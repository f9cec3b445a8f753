//! `Date` of what a thread answers over HTTP/2 (RFC 9110, section 6.6.1). Over HTTP/1 hyper writes it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderValue;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::Clock;
use crate::proxy::timer::CoarseTimer;

/// What a thread says that the time is. The clock is read once in a tick, and the text is made once in a second.
pub(in crate::proxy::server) struct DateHeader {
    clock: Arc<dyn Clock>,
    timer: Rc<CoarseTimer>,
    said: RefCell<SaidDate>,
}

#[derive(Default)]
struct SaidDate {
    tick: u64,
    second: i64,
    value: Option<HeaderValue>,
}

impl DateHeader {
    pub(in crate::proxy::server) fn new(clock: &Arc<dyn Clock>, timer: &Rc<CoarseTimer>) -> Rc<Self> {
        Rc::new(Self { clock: Arc::clone(clock), timer: Rc::clone(timer), said: RefCell::default() })
    }

    /// `None`: it cannot be said, because the clock is far off.
    pub(super) fn value(&self) -> Option<HeaderValue> {
        let (mut said, tick) = (self.said.borrow_mut(), self.timer.now());
        if said.tick != tick {
            said.tick = tick;
            let now = self.clock.now().wall;
            if said.value.is_none() || said.second != now.as_second() {
                said.second = now.as_second();
                let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok();
                said.value = text.and_then(|text| HeaderValue::try_from(text).ok());
            }
        }
        said.value.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn the_date_goes_on_with_the_clock() {
        let manual = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&manual);
        let timer = CoarseTimer::for_spans(&[Duration::from_secs(1)], &clock);
        let date = DateHeader::new(&clock, &timer);
        for (millis, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (900, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (100, "Thu, 01 Jan 1970 00:00:01 GMT"),
            (86_400_000, "Fri, 02 Jan 1970 00:00:01 GMT"),
        ] {
            manual.advance(Duration::from_millis(millis));
            timer.advance();
            assert_eq!(date.value().unwrap(), text);
        }
    }
}
