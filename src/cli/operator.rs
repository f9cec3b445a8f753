//! Who is at the command line, for the audit.

use std::env::VarError;

use super::failure::Failure;
use crate::model::OperatorName;

/// Says who it is where the system's user says little: in a pipeline, in a container, behind `sudo`.
const ACTOR: &str = "CLAVIGER_ACTOR";

/// What `CLAVIGER_ACTOR` says, else the system's user and the machine: `alice@build-7`. Whoever has the store in their hands can say what
/// they like; this is for telling apart those who mean well.
pub(crate) fn name() -> Result<OperatorName, Failure> {
    match std::env::var(ACTOR) {
        Ok(text) if !text.trim().is_empty() => {
            text.trim().parse().map_err(|error| Failure::usage(format_args!("{ACTOR} names nobody: {error}")))
        }
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format_args!("{ACTOR} names nobody: it is not UTF-8"))),
        Ok(_) | Err(VarError::NotPresent) => Ok(of_system()),
    }
}

fn of_system() -> OperatorName {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = user_in(&users, uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    let both = if machine.is_empty() { user.clone() } else { format!("{user}@{machine}") };
    both.parse().unwrap_or_else(|_| format!("uid {uid}").parse().expect("a number makes a name"))
}

/// The name that `/etc/passwd` has for a user. Users that stand elsewhere, as in a directory, are told by their number.
fn user_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid) && !name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_called_what_the_system_calls_them() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(user_in(passwd, 1000), Some("alice"));
        assert_eq!(user_in(passwd, 0), Some("root"));
        assert_eq!(user_in(passwd, 7), None);
    }
}
