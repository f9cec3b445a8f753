//! Sockets that listen, and what is served on them beside the data plane.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::error::AppError;
use crate::admin::{self, AdminState, Pages};
use crate::edge::tls::ListenerTls;
use crate::ops::{self, OpsState};

/// How many connections may wait to be taken; the system has a limit of its own, which is the smaller one.
const BACKLOG: i32 = 1024;

/// A listener that is served beside the data plane.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    pub(super) fn ops(listener: (TcpListener, ListenerTls), state: OpsState) -> std::io::Result<Self> {
        Self::start(listener, |listener, stopped| async move {
            ops::serve(listener, state, async {
                let _ = stopped.await;
            })
            .await;
        })
    }

    pub(super) fn admin(listener: (TcpListener, ListenerTls), state: AdminState, pages: Pages) -> std::io::Result<Self> {
        Self::start(listener, |listener, stopped| async move {
            admin::serve(listener, state, pages, async {
                let _ = stopped.await;
            })
            .await;
        })
    }

    fn start<F>(
        listener: (TcpListener, ListenerTls),
        serve: impl FnOnce((TcpListener, ListenerTls), oneshot::Receiver<()>) -> F,
    ) -> std::io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.0.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { address, stop, task: tokio::spawn(serve(listener, stopped)) })
    }

    /// Finishes what runs.
    pub(super) async fn end(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Binds. `[::]` takes IPv4 as well, whatever the system's default is; where there is no IPv6 at all, IPv4 alone is what is left of it.
pub(super) fn bind(listener: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    let bound = match (listen_on(address), address.ip()) {
        (Err(error), IpAddr::V6(ip)) if ip.is_unspecified() && has_no_ipv6(&error) => {
            listen_on(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        (bound, _) => bound,
    };
    bound.map_err(|error| AppError::Bind { listener, address, error })
}

fn listen_on(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip().is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn has_no_ipv6(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL | Errno::PROTONOSUPPORT))
}
