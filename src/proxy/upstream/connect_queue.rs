//! Requests of a thread that wait for a connection that many of them can share.
//!
//! If each connected for itself, a burst would open as many connections as it has requests. So a few are opened, aside from any request
//! and whatever becomes of it, and the requests wait for them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::error::ForwardError;
use super::h1::H1Connection;

/// A connection that is for one request alone; `None`: to look again whether there is room on one that is shared; or why there is none.
type Told = Result<Option<Box<H1Connection>>, Arc<ForwardError>>;

/// Connections of a thread to one endpoint that are about to be, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct ConnectQueue {
    connecting: Cell<usize>,
    /// In the order in which they came.
    waiting: RefCell<Vec<oneshot::Sender<Told>>>,
}

/// A connection that is about to be. When this is dropped all that wait look again, unless it has failed.
#[derive(Debug)]
pub(super) struct Connecting {
    queue: Rc<ConnectQueue>,
    failure: Option<Arc<ForwardError>>,
}

impl ConnectQueue {
    /// How many are about to be.
    pub(super) fn connecting(&self) -> usize {
        self.connecting.get()
    }

    /// Whether those that are about to be are too few for one more request, if each carries so many.
    pub(super) fn is_short(&self, each: usize) -> bool {
        self.waiting.borrow().len() >= self.connecting.get().saturating_mul(each)
    }

    pub(super) fn begin(self: &Rc<Self>) -> Connecting {
        self.connecting.set(self.connecting.get() + 1);
        Connecting { queue: Rc::clone(self), failure: None }
    }

    /// Until there may be room, or the last connection of those that were about to be has not come about.
    pub(super) async fn wait(&self) -> Told {
        let (tell, told) = oneshot::channel();
        self.waiting.borrow_mut().push(tell);
        // Nobody who is about to tell goes without doing so.
        told.await.unwrap_or(Ok(None))
    }

    /// Who has gone needs to know nothing.
    fn tell(&self, failure: Option<&Arc<ForwardError>>) {
        for waiting in self.waiting.take() {
            let _ = waiting.send(failure.map_or(Ok(None), |failure| Err(Arc::clone(failure))));
        }
    }
}

impl Connecting {
    /// Some can go already.
    pub(super) fn has_some_room(&self) {
        self.queue.tell(None);
    }

    /// It is for one alone, who has waited longest. Given back if nobody waits any more.
    pub(super) fn gives(self, connection: Box<H1Connection>) -> Option<Box<H1Connection>> {
        let mut given = Ok(Some(connection));
        let mut waiting = self.queue.waiting.borrow_mut();
        while !waiting.is_empty() {
            match waiting.remove(0).send(given) {
                Ok(()) => return None,
                Err(back) => given = back,
            }
        }
        given.ok().flatten()
    }

    /// Nothing comes of it. Who waits is told so if nothing else is about to be.
    pub(super) fn fails(mut self, error: ForwardError) {
        self.failure = Some(Arc::new(error));
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let left = self.queue.connecting.get().saturating_sub(1);
        self.queue.connecting.set(left);
        match self.failure.take() {
            None => self.queue.tell(None),
            Some(failure) if left == 0 => self.queue.tell(Some(&failure)),
            Some(_) => {}
        }
    }
}
