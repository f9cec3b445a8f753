//! `claviger logout`: forgets what `login` has kept.

use super::failure::Failure;
use super::output::Output;
use super::profile::{Profiles, USUAL};

#[derive(Debug, clap::Args)]
pub(crate) struct Logout {
    /// The profile to forget; else the one that is used if nothing is said
    #[arg(long, value_name = "NAME", help_heading = "Place")]
    profile: Option<String>,
}

impl Logout {
    pub(crate) fn run(self, out: &Output) -> Result<(), Failure> {
        let mut kept = Profiles::read()?;
        let name = self.profile.or_else(|| kept.current.clone()).unwrap_or_else(|| USUAL.to_owned());
        let Some(profile) = kept.profiles.remove(&name) else {
            return Err(Failure::refused(format_args!("there is no profile {name}")));
        };
        if kept.current.as_ref() == Some(&name) {
            kept.current = None;
        }
        kept.write()?;
        out.note(format_args!("forgotten: {}. The key works on; `key revoke` ends it", profile.server));
        Ok(())
    }
}
