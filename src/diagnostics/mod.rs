//! What is wrong, where, and what was probably meant: one form for the configuration, login policies, signing keys and the command line.
//!
//! A [`Diagnostic`] is told to people with the offending text under a caret, to programs as one JSON object, and to the log as one event.
//! What it quotes may come from anybody: nothing of it steers a terminal, and no password in a URL is shown.

mod causes;
mod diagnostic;
mod nearest;
mod place;
mod render;
mod terminal;

pub use causes::with_causes;
pub use diagnostic::{Diagnostic, Severity};
pub use nearest::{nearest, nearest_by};
pub use place::{Excerpt, Place, Source, Spot};
pub use render::Colour;
pub use terminal::{escaped, escaped_lines, steers};
