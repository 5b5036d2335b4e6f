//! Who opens a connection, told by the loopback address it comes from.
//!
//! Everything in the lab runs on one machine, so each kind of client binds an address of its own
//! before it connects. It is not authentication: a client that lies about its address is only
//! cheating its own test.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

/// A kind of client, as a security group would tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// Landfall itself and the operator's own sessions.
    Landfall,
    /// The application, when it goes to the database directly.
    Application,
    /// The gateway's upstream connections.
    Gateway,
    /// Change data capture.
    Consumer,
    /// Connections that the source instance opens, such as a subscription's.
    Source,
    /// Connections that the target instance opens.
    Target,
    /// Replication that AWS manages; no security group of a customer concerns it.
    Managed,
}

impl Actor {
    pub const ALL: [Self; 7] = [
        Self::Landfall,
        Self::Application,
        Self::Gateway,
        Self::Consumer,
        Self::Source,
        Self::Target,
        Self::Managed,
    ];

    /// The address that this actor connects from.
    pub const fn address(self) -> Ipv4Addr {
        let last = match self {
            Self::Landfall => 1,
            Self::Application => 2,
            Self::Gateway => 3,
            Self::Consumer => 4,
            Self::Source => 5,
            Self::Target => 6,
            Self::Managed => 7,
        };
        Ipv4Addr::new(127, 0, 0, last)
    }

    /// Anyone unknown counts as an application.
    pub fn from_address(address: IpAddr) -> Self {
        let known = Self::ALL.into_iter().find(|actor| IpAddr::V4(actor.address()) == address);
        known.unwrap_or(Self::Application)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Landfall => "landfall",
            Self::Application => "application",
            Self::Gateway => "gateway",
            Self::Consumer => "consumer",
            Self::Source => "source",
            Self::Target => "target",
            Self::Managed => "managed",
        })
    }
}

/// Connects to a port of 127.0.0.1 as that actor.
pub async fn connect_as(actor: Actor, port: u16) -> io::Result<TcpStream> {
    connect_from(actor.address().into(), SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
}

/// Connects from one loopback address to another.
pub(super) async fn connect_from(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_actor_is_known_by_its_own_address() {
        for actor in Actor::ALL {
            assert_eq!(Actor::from_address(actor.address().into()), actor);
        }
        let stranger = IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9));
        assert_eq!(Actor::from_address(stranger), Actor::Application);
    }
}
