//! How many connections to the upstream a thread has open.
//!
//! A client over HTTP/1.1 needs one at a time, and clients are counted; one over HTTP/2 asks for as many as it has requests. Without a
//! bound a few such clients take all open files.

use std::cell::Cell;
use std::rc::Rc;

/// The connections of a thread that are open, whatever they do.
#[derive(Debug)]
pub(crate) struct OpenConnections {
    open: Cell<usize>,
    most: usize,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct OpenConnection(Rc<OpenConnections>);

impl OpenConnections {
    pub(crate) fn new(most: usize) -> Rc<Self> {
        Rc::new(Self { open: Cell::new(0), most })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.open.get()
    }

    /// One more, if there may be.
    pub(crate) fn open(self: &Rc<Self>) -> Option<OpenConnection> {
        let open = self.open.get();
        if open >= self.most {
            return None;
        }
        self.open.set(open + 1);
        Some(OpenConnection(Rc::clone(self)))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}
