//! What the operator wants, as types.
//!
//! Three layers, each above the last: the file, the environment, the flags. Whatever is wrong is found in one go: every fault of every
//! layer comes with its place, the offending text and, where it can be guessed, what was meant. A configuration that holds one fault
//! is refused as a whole, and so is one that asks for what this version does not do: a rule that is silently ignored would be a hole.

mod admin;
mod cache;
mod environment;
mod faults;
mod header;
mod instead;
mod limits;
mod live;
mod load;
mod log;
mod login;
mod ops;
mod parse;
mod policies;
mod proxy;
mod quantity;
mod reader;
#[cfg(test)]
mod reader_tests;
mod relations;
mod removed_headers;
mod store;
mod syntax;
mod token;
mod upstream;
mod value;

use std::time::Duration;

pub use admin::AdminSettings;
pub use cache::CacheSettings;
pub use environment::{environment, without_line_end};
pub use faults::Faults;
pub use limits::LimitSettings;
pub use live::LiveSettings;
pub use load::{Loaded, Survey, Values};
pub use log::{AccessLog, LogFormat, LogSettings};
pub use login::LoginSettings;
pub use ops::OpsSettings;
pub use policies::{PolicyEvaluator, PolicySettings};
pub use proxy::{ClientIp, EndStreams, ProxySettings};
pub use quantity::{QuantityError, parse_duration, parse_size, show_duration, show_size};
pub use removed_headers::HeaderPattern;
pub use store::{StoreSettings, StoreUrl};
pub use token::{TokenAlgorithm, TokenSettings, TokenType};
pub use upstream::UpstreamSettings;

pub use reader::TakesEffect;

use parse::duration;
use reader::Reader;

/// Everything that can be set. Paths are absolute or relative to the process's working directory: a configuration file's relative paths,
/// and the default ones beside it, are taken from the file's directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long connections are still taken after SIGTERM, when the process is no longer ready.
    pub drain_delay: Duration,
    /// How long requests that run may go on after that.
    pub drain_timeout: Duration,
    /// `[proxy]`
    pub proxy: ProxySettings,
    /// `[upstream]`
    pub upstream: UpstreamSettings,
    /// `[login]`
    pub login: LoginSettings,
    /// `[token]`
    pub token: TokenSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[policies]`
    pub policies: PolicySettings,
    /// `[cache]`
    pub cache: CacheSettings,
    /// `[limits]`
    pub limits: LimitSettings,
    /// `[admin]`
    pub admin: AdminSettings,
    /// `[ops]`
    pub ops: OpsSettings,
    /// `[log]`
    pub log: LogSettings,
}

impl Default for Settings {
    /// What holds where nothing is said: the values of the reference, `config/claviger.toml`.
    fn default() -> Self {
        Self {
            drain_delay: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(20),
            proxy: ProxySettings::default(),
            upstream: UpstreamSettings::default(),
            login: LoginSettings::default(),
            token: TokenSettings::default(),
            store: StoreSettings::default(),
            policies: PolicySettings::default(),
            cache: CacheSettings::default(),
            limits: LimitSettings::default(),
            admin: AdminSettings::default(),
            ops: OpsSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Settings {
    fn read(reader: &mut Reader<'_>) -> Self {
        let mut top = reader.top();
        top.refuse("routes", "routes are not in this version, and a rule that nobody enforces is worse than none: take them out");
        let drain_delay = top.live("drain_delay", Self::default().drain_delay, duration(Duration::ZERO..=hours(1)));
        let drain_timeout = top.live("drain_timeout", Self::default().drain_timeout, duration(Duration::ZERO..=hours(1)));
        let settings = Self {
            drain_delay,
            drain_timeout,
            proxy: ProxySettings::read(&mut reader.section("proxy")),
            upstream: UpstreamSettings::read(&mut reader.section("upstream")),
            login: LoginSettings::read(&mut reader.section("login")),
            token: TokenSettings::read(&mut reader.section("token")),
            store: StoreSettings::read(&mut reader.section("store")),
            policies: PolicySettings::read(&mut reader.section("policies")),
            cache: CacheSettings::read(&mut reader.section("cache")),
            limits: LimitSettings::read(&mut reader.section("limits")),
            admin: AdminSettings::read(&mut reader.section("admin")),
            ops: OpsSettings::read(&mut reader.section("ops")),
            log: LogSettings::read(&mut reader.section("log")),
        };
        reader.leftovers();
        settings
    }
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}
