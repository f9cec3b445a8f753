//! `claviger key`: API keys.

mod change;
mod make;
mod view;

pub(crate) use self::make::shown_once;
use super::failure::Failure;
use super::open_store::Place;
use super::output::Output;

#[derive(Debug, clap::Args)]
pub(crate) struct KeyCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print the text of a new key; nothing is stored
    Generate,
    /// Make a key and print its text, once
    Create(make::Create),
    /// Take over a key of another system by the SHA-256 of its text
    Import(make::Import),
    /// Keys that are not revoked
    List(view::List),
    /// One key
    Show {
        /// The key
        #[arg(value_name = "NAME_OR_ID")]
        key: String,
    },
    /// Change a key's name, description, groups or expiry
    Update(change::Update),
    /// Give a key a new secret and print its text, once
    Rotate(change::Rotate),
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
    Revoke {
        /// The key
        #[arg(value_name = "NAME_OR_ID")]
        key: String,
    },
}

impl KeyCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let place = self.place;
        match self.verb {
            Verb::Generate => make::generate(out),
            Verb::Create(create) => create.run(&place.open(out).await?, out).await,
            Verb::Import(import) => import.run(&place.open(out).await?, out).await,
            Verb::List(list) => list.run(&place.look(out).await?, out).await,
            Verb::Show { key } => view::show(&key, &place.look(out).await?, out).await,
            Verb::Update(update) => update.run(&place.look(out).await?, out).await,
            Verb::Rotate(rotate) => rotate.run(&place.look(out).await?, out).await,
            Verb::Disable { key } => change::switch(&key, change::Switch::Off, &place.look(out).await?, out).await,
            Verb::Enable { key } => change::switch(&key, change::Switch::On, &place.look(out).await?, out).await,
            Verb::Revoke { key } => change::switch(&key, change::Switch::OffForGood, &place.look(out).await?, out).await,
        }
    }
}
