//! The command line, as a process.

mod audit_trail;
mod check;
mod command_line;
mod declared;
mod dev;
mod doctor;
mod either_way;
mod explain;
mod impact;
mod inject;
mod route;
mod token_keys;
mod unread;
