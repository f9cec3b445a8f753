//! What the process says about itself.

mod series;
