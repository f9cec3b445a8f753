//! Everything that can be set, as one value.

use std::collections::BTreeMap;
use std::time::Duration;

use super::admin::AdminSettings;
use super::audit::AuditSettings;
use super::cache::CacheSettings;
use super::limits::LimitSettings;
use super::log::LogSettings;
use super::login::LoginSettings;
use super::ops::OpsSettings;
use super::parse::duration;
use super::policies::PolicySettings;
use super::proxy::ProxySettings;
use super::quantity::hours;
use super::reader::Reader;
use super::routes::RouteSettings;
use super::store::{StoreSettings, StoreUrl};
use super::token::TokenSettings;
use super::upstream::UpstreamSettings;

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
    /// `[upstreams.NAME]`: those that routes may name.
    pub upstreams: BTreeMap<String, UpstreamSettings>,
    /// `[[routes]]`, in the order of the file; none: every request is for one that needs a key and nothing else.
    pub routes: Vec<RouteSettings>,
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
    /// `[audit]`
    pub audit: AuditSettings,
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
            upstreams: BTreeMap::new(),
            routes: Vec::new(),
            login: LoginSettings::default(),
            token: TokenSettings::default(),
            store: StoreSettings::default(),
            policies: PolicySettings::default(),
            cache: CacheSettings::default(),
            limits: LimitSettings::default(),
            admin: AdminSettings::default(),
            ops: OpsSettings::default(),
            audit: AuditSettings::default(),
            log: LogSettings::default(),
        }
    }
}

impl Settings {
    /// Every upstream, and the section that says so: `[upstream]` first, then those that have names, then those of which a route says the url alone.
    pub fn all_upstreams(&self) -> impl Iterator<Item = (String, &UpstreamSettings)> {
        let named = self.upstreams.iter().map(|(name, upstream)| (format!("upstreams.{name}"), upstream));
        let own = self.routes.iter().enumerate().filter_map(|(number, route)| {
            let upstream = route.upstream.as_ref().filter(|upstream| upstream.name.is_none())?;
            Some((format!("routes.{number}"), &upstream.settings))
        });
        [("upstream".to_owned(), &self.upstream)].into_iter().chain(named).chain(own)
    }

    /// The upstream of this route.
    pub fn upstream_of<'a>(&'a self, route: &'a RouteSettings) -> &'a UpstreamSettings {
        route.upstream.as_ref().map_or(&self.upstream, |upstream| &upstream.settings)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let mut top = reader.top();
        let drain_delay = top.live("drain_delay", Self::default().drain_delay, duration(Duration::ZERO..=hours(1)));
        let drain_timeout = top.live("drain_timeout", Self::default().drain_timeout, duration(Duration::ZERO..=hours(1)));
        let upstreams = UpstreamSettings::read_named(&mut top);
        let routes = RouteSettings::read_all(&mut top, &upstreams);
        let mut settings = Self {
            drain_delay,
            drain_timeout,
            upstreams: upstreams.into_iter().filter_map(|(name, upstream)| Some((name, upstream?))).collect(),
            routes,
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
            audit: AuditSettings::read(&mut reader.section("audit")),
            log: LogSettings::read(&mut reader.section("log")),
        };
        if let StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) = settings.store.url
            && reader.given("admin.listen").is_none()
        {
            settings.admin.listen = None;
        }
        reader.leftovers();
        settings
    }
}
