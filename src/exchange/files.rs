//! Reads files that may never answer: those of a network file system whose server is gone, say.
//!
//! Each reading has a thread of its own, which nobody waits for: neither a request, nor a change, nor the end of the process. One that
//! takes too long is told of and left behind, and as long as it hangs no other is begun.

use std::io;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

/// How long the files may take.
const FILES_TIMEOUT: Duration = Duration::from_secs(5);

/// One reading at a time.
pub(super) struct FileReader {
    most: Duration,
    /// Ends when the last reading that was begun does.
    last: Mutex<Option<oneshot::Receiver<()>>>,
}

impl FileReader {
    pub(super) fn new() -> Self {
        Self::within(FILES_TIMEOUT)
    }

    fn within(most: Duration) -> Self {
        Self { most, last: Mutex::new(None) }
    }

    /// What `work`, which reads `what`, comes to.
    ///
    /// # Errors
    /// If it takes too long, or another one still does.
    pub(super) async fn read<T: Send + 'static>(&self, what: &'static str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let late = |what: &str| {
            io::Error::new(io::ErrorKind::TimedOut, format!("{what} cannot be read: the file system has not answered for {:?}", self.most))
        };
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_mut()
            && timeout(self.most, last).await.is_err()
        {
            return Err(late(what));
        }
        let (answer, answered) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        *last = Some(ended);
        std::thread::Builder::new().name("files".to_owned()).spawn(move || {
            // Whoever wanted it may be gone.
            let _gone = answer.send(work());
            drop(end);
        })?;
        match timeout(self.most, answered).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(_crashed)) => Err(io::Error::other(format!("{what} cannot be read: the thread that reads them crashed"))),
            Err(_) => Err(late(what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn files_that_hang_are_told_of_do_not_pile_up_and_are_read_again_when_they_answer() {
        let files = FileReader::within(Duration::from_millis(20));
        let (free, hung) = mpsc::channel::<()>();
        let first = files.read("keys", move || hung.recv()).await;
        assert_eq!(first.unwrap_err().kind(), io::ErrorKind::TimedOut);

        let second = files.read::<()>("keys", || panic!("no second reading is begun while the first hangs")).await;
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::TimedOut);

        free.send(()).unwrap();
        let read_again = async {
            loop {
                if let Ok(answer) = files.read("keys", || 7).await {
                    return answer;
                }
            }
        };
        assert_eq!(timeout(Duration::from_mins(1), read_again).await, Ok(7));
    }
}
