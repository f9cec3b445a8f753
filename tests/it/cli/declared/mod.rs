//! Access as code: `claviger apply` and `claviger export`.

mod docs;
mod faults;
mod kill;
mod plan;
mod round_trip;
