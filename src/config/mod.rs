//! What the operator wants, as types.
//!
//! Three layers, each above the last: the file, the environment, the flags. Whatever is wrong is found in one go: every fault of every
//! layer comes with its place, the offending text and, where it can be guessed, what was meant. A configuration that holds one fault
//! is refused as a whole, and so is one that asks for what this version does not do: a rule that is silently ignored would be a hole.

mod admin;
mod audit;
mod cache;
mod credentials;
mod environment;
mod faults;
mod header;
mod instead;
mod limits;
mod live;
mod load;
mod log;
mod login;
mod of_decisions;
mod ops;
mod parse;
mod policies;
mod postgres;
mod proxy;
mod quantity;
mod rate;
mod reader;
#[cfg(test)]
mod reader_tests;
mod relations;
mod removed_headers;
mod routes;
mod server_url;
mod settings;
mod store;
mod syntax;
mod tls;
mod token;
mod token_headers;
mod upstream;
mod upstream_url;
mod value;

pub use admin::AdminSettings;
pub use audit::{AuditKeep, AuditSettings, WebhookSettings};
pub use cache::CacheSettings;
pub use credentials::CredentialPlace;
pub use environment::{environment, without_line_end};
pub use faults::Faults;
pub use limits::LimitSettings;
pub use live::LiveSettings;
pub use load::{Loaded, ShownKey, Survey, Values};
pub use log::{AccessLog, LogFormat, LogSettings};
pub use login::LoginSettings;
pub use ops::OpsSettings;
pub use policies::{PolicyEvaluator, PolicySettings};
pub use postgres::{Password, PostgresHost, PostgresSettings, TlsMode};
pub use proxy::{ClientIp, EndStreams, ProxySettings};
pub use quantity::{QuantityError, parse_duration, parse_size, show_duration, show_size};
pub use rate::RateSettings;
pub use reader::TakesEffect;
pub use removed_headers::HeaderPattern;
pub use routes::{HostPattern, RouteAuth, RouteSettings, RouteSpace, RouteUpstream};
pub use server_url::{ServerUrl, ServerUrlError};
pub use settings::Settings;
pub use store::{StoreSettings, StoreUrl};
pub use tls::{ClientCertificates, TlsPair, UpstreamTlsSettings};
pub use token::{TokenAlgorithm, TokenSettings, TokenType};
pub use token_headers::{ClaimName, TokenHeader};
pub use upstream::{UpstreamProtocol, UpstreamSettings};
pub use upstream_url::{UpstreamUrl, UpstreamUrlError, UpstreamUrls};
pub use value::WrittenIn;
