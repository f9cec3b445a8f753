//! What the process says about itself.

mod access_lines;
mod series;
mod unread_log;
