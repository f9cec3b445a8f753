//! Bytes and frames, as hostile as they come.

mod address;
mod answers;
mod cases;
pub(crate) mod frames;
mod half_closed;
mod hostile;
mod http2_hostile;
mod http2_leaving;
mod http2_upstream;
mod interim;
mod lines;
mod many_streams;
mod open_streams;
mod places;
mod proxy_protocol;
mod refused_uploads;
mod stalled;
mod targets;
mod uploads;
mod websocket;
