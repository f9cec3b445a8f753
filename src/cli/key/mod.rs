//! `claviger key`: API keys.

mod bulk;
mod change;
mod make;
mod view;

pub(crate) use self::make::shown_once;
use super::failure::Failure;
use super::output::Output;
use super::place::Place;

#[derive(Debug, clap::Args)]
pub(crate) struct KeyCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Debug, clap::Subcommand)]
enum KeyVerb {
    /// Print the text of a new key; nothing is stored
    Generate,
    /// Make a key and print its text, once
    Create(make::CreateKey),
    /// Take over a key of another system by the SHA-256 of its text
    Import(make::ImportKey),
    /// Keys that are not revoked
    List(view::ListKeys),
    /// One key
    Show {
        /// The key
        #[arg(value_name = "NAME_OR_ID")]
        key: String,
    },
    /// Change a key's name, description, groups or expiry
    Update(change::UpdateKey),
    /// Give a key a new secret and print its text, once
    Rotate(change::RotateKey),
    /// Switch a key off
    Disable {
        /// The key
        #[arg(value_name = "NAME_OR_ID")]
        key: String,
    },
    /// Switch a key on again
    Enable {
        /// The key
        #[arg(value_name = "NAME_OR_ID")]
        key: String,
    },
    /// Take a key back for good
    Revoke(change::RevokeKey),
    /// Make, end or switch many keys at once: all of them, or none
    #[command(subcommand)]
    Bulk(bulk::BulkVerb),
}

impl KeyCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let place = self.place;
        match self.verb {
            KeyVerb::Generate => make::generate(out),
            KeyVerb::Create(create) => create.run(&place.open(out).await?, out).await,
            KeyVerb::Import(import) => import.run(&place.open(out).await?, out).await,
            KeyVerb::List(list) => list.run(&place.look(out).await?, out).await,
            KeyVerb::Show { key } => view::show(&key, &place.look(out).await?, out).await,
            KeyVerb::Update(update) => update.run(&place.look(out).await?, out).await,
            KeyVerb::Rotate(rotate) => rotate.run(&place.look(out).await?, out).await,
            KeyVerb::Disable { key } => change::switch(&key, change::Switch::Off, &place.look(out).await?, out).await,
            KeyVerb::Enable { key } => change::switch(&key, change::Switch::On, &place.look(out).await?, out).await,
            KeyVerb::Revoke(revoke) => revoke.run(&place.look(out).await?, out).await,
            KeyVerb::Bulk(bulk) => bulk.run(&place.look(out).await?, out).await,
        }
    }
}
