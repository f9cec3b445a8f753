//! A PostgreSQL, and how to reach it: `postgres://USER@HOST:5432/DATABASE?sslmode=verify-full`.
//!
//! Where anybody could stand in between, the server's certificate and name are verified unless the url says otherwise. No message here
//! quotes the url: it may hold a password.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::parse::{ValueError, plain_path};
use crate::diagnostics::nearest;

const EXAMPLE: &str = "such stores look like \"postgres://claviger@db.example:5432/claviger\"";
const PORT: u16 = 5432;
const PARAMETERS: [&str; 4] = ["sslmode", "sslrootcert", "password_file", "host"];
const MODES: [(&str, TlsMode); 4] = [
    ("disable", TlsMode::Disabled),
    ("require", TlsMode::Unverified),
    ("verify-ca", TlsMode::Issuer),
    ("verify-full", TlsMode::IssuerAndName),
];

/// How many connections there may be at once, if nobody says.
pub(super) const CONNECTIONS: u32 = 8;

/// Which database, as whom, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresSettings {
    /// Where the server is.
    pub host: PostgresHost,
    /// Also of a socket, whose name it is part of.
    pub port: u16,
    /// Whom we are to the server.
    pub user: String,
    /// Which of its databases.
    pub database: String,
    /// What the url has of a password.
    pub password: Option<Password>,
    /// Where else it is read, for each connection anew.
    pub password_file: Option<PathBuf>,
    /// What is asked of the server before anything is told it.
    pub tls: TlsMode,
    /// Certificates of authorities that are trusted besides the public ones.
    pub ca: Option<PathBuf>,
    /// How many connections at most, without the one that listens for changes.
    pub connections: u32,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresHost {
    /// A name or an address.
    Name(String),
    /// The directory of a socket on this machine.
    Socket(PathBuf),
}

/// What is asked of the server's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Nothing: all is told in the clear.
    Disabled,
    /// That it is encrypted, to whomever.
    Unverified,
    /// That its certificate is of an authority that is trusted.
    Issuer,
    /// And that it is of the name that the url has.
    IssuerAndName,
}

/// A password; nothing tells it by mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// For the server alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// What it is called where people see it: without a password.
impl fmt::Display for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, database, .. } = self;
        match host {
            PostgresHost::Name(name) if name.contains(':') => write!(f, "postgres://{user}@[{name}]:{port}/{database}"),
            PostgresHost::Name(name) => write!(f, "postgres://{user}@{name}:{port}/{database}"),
            PostgresHost::Socket(directory) => write!(f, "postgres://{user}@:{port}/{database}?host={}", directory.display()),
        }
    }
}

/// What stands behind `postgres://`.
pub(super) fn read(rest: &str) -> Result<PostgresSettings, ValueError> {
    let (address, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if address.contains('#') || parameters.contains('#') {
        return Err(ValueError::new("a # in the url means nothing here").suggest("write %23 if it is part of the password"));
    }
    let (authority, database) = address.split_once('/').ok_or_else(|| ValueError::new("the url names no database").suggest(EXAMPLE))?;
    let (login, server) = authority.rsplit_once('@').ok_or_else(|| ValueError::new("the url names no user").suggest(EXAMPLE))?;
    let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let (mut host, port) = place(server)?;

    let (mut mode, mut ca, mut password_file) = (None, None, None);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = decoded(value)?;
        match name {
            "sslmode" => mode = Some(mode_of(&value)?),
            "sslrootcert" => ca = Some(file(&value)?),
            "password_file" => password_file = Some(file(&value)?),
            "host" => host = Some(value),
            _ => {
                let wrong = ValueError::new("the url has a parameter that means nothing here");
                return Err(match nearest(name, PARAMETERS) {
                    Some(near) => wrong.suggest(format!("did you mean {near}?")),
                    None => wrong.suggest(format!("it may have {}", PARAMETERS.join(", "))),
                });
            }
        }
    }
    let host = match host {
        None => {
            return Err(ValueError::new("the url names no host").suggest(format!("{EXAMPLE}; a socket's directory stands behind ?host=")));
        }
        Some(directory) if directory.starts_with('/') => PostgresHost::Socket(file(&directory)?),
        Some(name) if name.contains(',') => {
            return Err(ValueError::new("the url names several hosts").suggest("name one that leads to the primary"));
        }
        Some(name) => PostgresHost::Name(name),
    };
    let (user, database) = (decoded(user)?, decoded(database)?);
    if user.is_empty() {
        return Err(ValueError::new("the url names no user").suggest(EXAMPLE));
    }
    if database.is_empty() {
        return Err(ValueError::new("the url names no database").suggest(EXAMPLE));
    }
    Ok(PostgresSettings {
        tls: mode.unwrap_or_else(|| if host.is_this_machine() { TlsMode::Disabled } else { TlsMode::IssuerAndName }),
        host,
        port,
        user,
        database,
        password: password.map(decoded).transpose()?.map(Password::from),
        password_file,
        ca,
        connections: CONNECTIONS,
    })
}

impl PostgresHost {
    /// Whether nobody else can stand in between.
    fn is_this_machine(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Name(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        }
    }
}

/// `host`, `host:port`, `[::1]:port`, or nothing.
fn place(server: &str) -> Result<(Option<String>, u16), ValueError> {
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => server.rsplit_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None | Some("") => PORT,
        Some(port) => {
            port.parse().ok().filter(|port| *port > 0).ok_or_else(|| ValueError::new("the url's port is no number from 1 to 65535"))?
        }
    };
    let host = decoded(host)?;
    Ok((Some(host).filter(|host| !host.is_empty()), port))
}

fn mode_of(word: &str) -> Result<TlsMode, ValueError> {
    if let Some((_, mode)) = MODES.iter().find(|(known, _)| *known == word) {
        return Ok(*mode);
    }
    let wrong = ValueError::new(match word {
        "allow" | "prefer" => "this sslmode leaves it to whoever stands in between whether anything is encrypted",
        _ => "there is no such sslmode",
    });
    Err(wrong.suggest("write sslmode=verify-full, or else verify-ca, require or disable"))
}

fn file(text: &str) -> Result<PathBuf, ValueError> {
    plain_path(text)?;
    match text {
        "" => Err(ValueError::new("a path is wanted in the url, not an empty text")),
        text => Ok(Path::new(text).to_owned()),
    }
}

/// With `%40` for what it stands for.
fn decoded(text: &str) -> Result<String, ValueError> {
    let wrong = || ValueError::new("a % in the url is not followed by two hexadecimal digits of UTF-8").suggest("write %25 for a % itself");
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())).ok_or_else(wrong)?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    if text.contains('\0') {
        return Err(ValueError::new("the url holds a NUL character"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_everything_that_a_connection_takes() {
        let read = |rest: &str| read(rest).unwrap();
        let plain = read("claviger@db.example/keys");
        assert_eq!((plain.host, plain.port, plain.tls), (PostgresHost::Name("db.example".to_owned()), 5432, TlsMode::IssuerAndName));
        assert_eq!((plain.user.as_str(), plain.database.as_str(), plain.password), ("claviger", "keys", None));
        let all = read("a%40b:s3%3Acret@[::1]:6432/k%2Fs?sslmode=verify-ca&sslrootcert=/ca.pem&password_file=/p");
        assert_eq!((all.host.clone(), all.port), (PostgresHost::Name("::1".to_owned()), 6432));
        assert_eq!((all.user.as_str(), all.database.as_str(), all.password.as_ref().unwrap().reveal()), ("a@b", "k/s", "s3:cret"));
        assert_eq!((all.tls, all.ca.clone(), all.password_file.clone()), (TlsMode::Issuer, Some("/ca.pem".into()), Some("/p".into())));
        assert!(!format!("{all:?} {all}").contains("s3"), "{all:?} {all}");
        for socket in ["me@%2Frun%2Fpg/db", "me@/db?host=/run/pg", "me@:5433/db?host=%2Frun%2Fpg"] {
            assert_eq!((read(socket).host, read(socket).tls), (PostgresHost::Socket("/run/pg".into()), TlsMode::Disabled), "{socket}");
        }
        for near in ["localhost", "127.0.0.1", "127.9.9.9:1", "[::1]"] {
            assert_eq!(read(&format!("me@{near}/db")).tls, TlsMode::Disabled, "{near}");
        }
        for far in ["localhost.example", "10.0.0.1", "db", "[fd00::1]"] {
            assert_eq!(read(&format!("me@{far}/db")).tls, TlsMode::IssuerAndName, "{far}");
        }
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_being_quoted() {
        for (rest, why) in [
            ("", "no database"),
            ("me:s3cret@db", "no database"),
            ("db/claviger", "no user"),
            (":s3cret@db/claviger", "no user"),
            ("me:s3cret@/claviger", "no host"),
            ("me:s3cret@db/", "no database"),
            ("me:s3cret@db:port/claviger", "port"),
            ("me:s3cret@db:0/claviger", "port"),
            ("me:s3cret@a,b/claviger", "several hosts"),
            ("me:s3cret%zz@db/claviger", "hexadecimal"),
            ("me:s3cret%ff@db/claviger", "hexadecimal"),
            ("me:s3cret@db/claviger?sslmode=prefer", "stands in between"),
            ("me:s3cret@db/claviger?sslmode=full", "no such sslmode"),
            ("me:s3cret@db/claviger?ssl_mode=disable", "means nothing"),
            ("me:s3cret#@db/claviger", "%23"),
            ("me:s3cret@db/claviger?sslrootcert=", "a path"),
        ] {
            let wrong = read(rest).expect_err(rest);
            let said = format!("{} {}", wrong.message, wrong.suggestion.unwrap_or_default());
            assert!(said.contains(why) && !said.contains("s3cret"), "{rest}: {said}");
        }
    }
}
