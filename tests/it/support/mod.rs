//! What the tests stand on: a real server, a real upstream.

pub(crate) mod pyjwt;
