//! Access as code: files say who has access, and a [`Plan`] brings a store there.
//!
//! What a file names, it says the whole of: a field that is left out has its default afterwards. What no file names stays as it is, unless
//! earlier files named it and whoever carries the plan out wants it taken away ([`Undeclared::Prune`]): the store remembers what is declared,
//! and never the key that it began with, the roles of the system, or the root.
//!
//! Everything that is wrong with all files is told in one go, each with its place. A plan is carried out in one transaction, and only on the
//! store that it was made for. [`export`] writes what a store holds, so that its plan is empty.

mod bindings;
mod current;
mod document;
mod export;
mod file_store;
mod files;
mod held;
mod keys;
mod on_disk;
mod outcome;
mod plan;
mod planner;
mod policies;
mod prune;
mod roles;
mod schema;
mod spaces;
mod step;
mod text;
mod tree;
mod yaml;

pub use self::export::{Exported, export};
pub use self::file_store::{FileStore, Reloaded};
pub use self::files::DeclaredFile;
pub use self::on_disk::{beside, meant};
pub use self::outcome::Outcome;
pub use self::plan::{NoPlan, NotCarriedOut, Plan, Reading, Undeclared};
pub use self::planner::NewIds;
pub use self::policies::ReadBeside;
pub use self::schema::schema;
pub use self::step::{Deed, FieldChange, Step};
pub(crate) use self::text::{At, PlacedText, Style};
pub(crate) use self::tree::{Node, Value, documents};
