//! Between those who have something to say and the one thread that writes it.
//!
//! Saying is copying into memory, and never waits for whoever reads the log. What does not fit any more is dropped and counted, and once
//! lines are read again, one of them says how many are missing.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::telemetry::metrics::LogLosses;

/// Some thousand lines.
const MOST: usize = 1 << 20;

/// Lines that wait to be written.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    said: Condvar,
    /// There is nothing left to write.
    written: Condvar,
    losses: LogLosses,
    most: usize,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Dropped since the last line that told of it.
    dropped: u64,
    /// What was taken from here is not written yet.
    writing: bool,
}

impl Queue {
    pub(super) fn new(losses: LogLosses) -> Self {
        Self { waiting: Mutex::default(), said: Condvar::new(), written: Condvar::new(), losses, most: MOST }
    }

    /// Leaves a line to be written, or drops it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        if waiting.lines.len() + line.len() > self.most {
            waiting.dropped += 1;
            drop(waiting);
            self.losses.full();
            return;
        }
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        self.said.notify_one();
    }

    /// Waits until all is written, or for so long.
    pub(super) fn flush(&self, patience: Duration) {
        let waiting = self.waiting();
        let left = |waiting: &mut Waiting| !waiting.lines.is_empty() || waiting.writing;
        drop(self.written.wait_timeout_while(waiting, patience, left));
    }

    /// Starts the thread that writes. It has a handle of its own: the standard library's would be locked for as long as nobody reads, and
    /// whoever else writes there would wait with it.
    pub(super) fn write_to_stderr(queue: &Arc<Self>) -> io::Result<()> {
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let queue = Arc::clone(queue);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || queue.write_all_to(stderr)).map(drop)
    }

    fn write_all_to(&self, mut to: impl Write) -> ! {
        let mut lines = Vec::new();
        loop {
            let dropped = self.take(&mut lines);
            // A line that was not taken here is as lost as one that did not fit.
            for _ in 0..unwritten(&mut to, &lines) {
                self.losses.full();
            }
            self.done();
            if dropped > 0 {
                tracing::warn!(lines = dropped, "lines of the log were dropped: they were not read as fast as they came");
            }
        }
    }

    /// Waits for lines and takes them; how many have been dropped before.
    fn take(&self, lines: &mut Vec<u8>) -> u64 {
        let nothing = |waiting: &mut Waiting| waiting.lines.is_empty();
        let mut waiting = self.said.wait_while(self.waiting(), nothing).unwrap_or_else(PoisonError::into_inner);
        lines.clear();
        std::mem::swap(lines, &mut waiting.lines);
        waiting.writing = true;
        std::mem::take(&mut waiting.dropped)
    }

    fn done(&self) {
        let mut waiting = self.waiting();
        waiting.writing = false;
        drop(waiting);
        self.written.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes; how many lines could not be written.
fn unwritten(to: &mut impl Write, mut lines: &[u8]) -> usize {
    while !lines.is_empty() {
        match to.write(lines) {
            Ok(written) if written > 0 => lines = lines.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => break,
        }
    }
    lines.split(|byte| *byte == b'\n').count() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_and_the_rest_stays_whole() {
        let queue = Queue { most: 10, ..Queue::new(LogLosses::default()) };
        for line in ["one\n", "two\n", "three\n", "4\n"] {
            queue.push(line.as_bytes());
        }
        let mut lines = Vec::new();
        assert_eq!((queue.take(&mut lines), &*lines), (1, b"one\ntwo\n4\n".as_slice()));
        queue.push(b"six\n");
        assert_eq!((queue.take(&mut lines), &*lines), (0, b"six\n".as_slice()));
    }

    /// Takes three bytes at a time, and after six of them no more.
    struct Failing(Vec<u8>);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() == 6 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(&bytes[..3]);
            Ok(3)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let mut to = Failing(Vec::new());
        assert_eq!(unwritten(&mut to, b"one\ntwo\nsix\n"), 2);
        assert_eq!(to.0, b"one\ntw");
    }
}
