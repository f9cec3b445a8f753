//! What the tests stand on: a real server, a real upstream.

pub(crate) mod certificates;
pub(crate) mod echo;
pub(crate) mod http;
pub(crate) mod place;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod pyjwt;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod waiting;
