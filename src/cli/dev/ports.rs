//! The ports that `dev` needs, taken before anything is made: all that others hold are told at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::config::Settings;

/// What the directory's configuration says for its own ports. With other ports, the issuer follows the ops listener.
const ISSUER: &str = "http://127.0.0.1:9464";

/// Ports that are free.
pub(super) struct Ports {
    proxy: SocketAddr,
    ops: SocketAddr,
    /// `None`: switched off.
    admin: Option<SocketAddr>,
    /// The example's upstream listens already.
    upstream: TcpListener,
}

impl Ports {
    pub(super) async fn take(settings: &Settings, out: &Output) -> Result<Self, Failure> {
        let upstream = settings.upstream.url.first().authority();
        // All of them at once: port 0 must not find for one what another has just let go.
        let proxy = listen("proxy", &settings.proxy.listen.to_string(), "proxy.listen=127.0.0.1:PORT").await;
        let ops = listen("ops listener", &settings.ops.listen.to_string(), "ops.listen=127.0.0.1:PORT").await;
        let admin = match settings.admin.listen {
            Some(address) => {
                listen("admin API", &address.to_string(), "admin.listen=127.0.0.1:PORT").await.map(|(_, address)| Some(address))
            }
            None => Ok(None),
        };
        let upstream = listen("example upstream", upstream, "upstream.url=http://127.0.0.1:PORT").await;
        match (proxy, ops, admin, upstream) {
            (Ok((_, proxy)), Ok((_, ops)), Ok(admin), Ok((upstream, _))) => Ok(Self { proxy, ops, admin, upstream }),
            (proxy, ops, admin, upstream) => {
                let taken: Vec<String> = [proxy.err(), ops.err(), admin.err(), upstream.err()].into_iter().flatten().collect();
                for told in &taken {
                    out.note(told);
                }
                Err(match taken.len() {
                    1 => Failure::refused("a port that is needed cannot be had"),
                    many => Failure::refused(format_args!("{many} ports that are needed cannot be had")),
                })
            }
        }
    }

    /// What is set so that these very ports are used, and that tokens name the issuer that answers.
    pub(super) fn flags(&self, settings: &Settings) -> Vec<(String, String)> {
        let set = |key: &str, value: String| (key.to_owned(), value);
        let derived = (settings.token.issuer == ISSUER).then(|| set("token.issuer", format!("http://{}", reachable(self.ops))));
        let ports = [set("proxy.listen", self.proxy.to_string()), set("ops.listen", self.ops.to_string())];
        let admin = self.admin.map(|admin| set("admin.listen", admin.to_string()));
        ports.into_iter().chain(admin).chain(derived).collect()
    }

    pub(super) fn into_upstream(self) -> TcpListener {
        self.upstream
    }
}

/// Where a client on this machine finds a listener: one on every address is found on loopback.
pub(super) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// Listens, if only to see that it can be done. Port 0 becomes the one that was found.
async fn listen(who: &str, address: &str, other: &str) -> Result<(TcpListener, SocketAddr), String> {
    let failed = |error| format!("the {who} cannot listen on {address}: {error}; another port: --set {other}");
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
