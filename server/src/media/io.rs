//! [`MediaIo`]: how a worker's packets come and go.
//!
//! Owns: the sockets of port pairs, which of them hold packets. One implementation, on plain
//! sockets: batching system calls gave nothing measurable. Another would go here.

use crate::net::SocketSource;
use hotline_media::worker::{Channel, PortIndex, Sink};
use mio::unix::SourceFd;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// Largest packet sent: header and payload of an Ethernet frame.
const PACKET_BYTES_MAX: usize = 1_500;
/// Packets taken from one socket before the others have their turn.
const PACKETS_PER_TURN: u32 = 8;
const WAKE: mio::Token = mio::Token(usize::MAX);

/// How packets come and go.
pub trait MediaIo: Sink + Send {
    /// Binds one more pair; its index is the number of pairs before it.
    ///
    /// # Errors
    /// A port is taken, or there are no descriptors left.
    fn add_pair(&mut self, address: IpAddr, rtp: u16) -> io::Result<()>;

    /// Waits for packets or a wake-up, at most for `patience`.
    fn wait(&mut self, patience: Option<Duration>);

    /// The next packet that has come.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<(PortIndex, Channel, SocketAddr, usize)>;

    /// Packets that could not be sent so far.
    fn unsent(&self) -> u64;
}

/// Plain sockets.
pub struct UdpIo<S> {
    source: S,
    poll: mio::Poll,
    events: mio::Events,
    sockets: Vec<UdpSocket>,
    /// Sockets that hold packets, each with how many it may still give in this turn.
    ready: VecDeque<(usize, u32)>,
    packet: Box<[u8; PACKET_BYTES_MAX]>,
    unsent: u64,
}

impl<S: SocketSource> UdpIo<S> {
    /// No pair yet; with it, what wakes its thread.
    ///
    /// # Errors
    /// No poller can be made.
    pub fn new(source: S) -> io::Result<(UdpIo<S>, Arc<mio::Waker>)> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKE)?);
        let io = UdpIo {
            source,
            poll,
            events: mio::Events::with_capacity(1_024),
            sockets: Vec::new(),
            ready: VecDeque::new(),
            packet: Box::new([0; PACKET_BYTES_MAX]),
            unsent: 0,
        };
        Ok((io, waker))
    }
}

impl<S: SocketSource> MediaIo for UdpIo<S> {
    fn add_pair(&mut self, address: IpAddr, rtp: u16) -> io::Result<()> {
        let (rtp, rtcp) = self.source.media_pair(address, rtp)?;
        let first = self.sockets.len();
        let register = |socket: &UdpSocket, token| {
            let (descriptor, interest) = (socket.as_raw_fd(), mio::Interest::READABLE);
            self.poll.registry().register(&mut SourceFd(&descriptor), mio::Token(token), interest)
        };
        // Both or none: half a pair would give all that follow the number of another. One that is
        // registered and closed is forgotten by the kernel.
        register(&rtp, first)?;
        register(&rtcp, first + 1)?;
        self.sockets.extend([rtp, rtcp]);
        Ok(())
    }

    fn wait(&mut self, patience: Option<Duration>) {
        let patience = if self.ready.is_empty() { patience } else { Some(Duration::ZERO) };
        match self.poll.poll(&mut self.events, patience) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            Err(error) => {
                tracing::error!(%error, "a media worker cannot wait for its sockets");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let sockets =
            self.events.iter().map(mio::event::Event::token).filter(|token| *token != WAKE);
        self.ready.extend(sockets.map(|token| (token.0, PACKETS_PER_TURN)));
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Option<(PortIndex, Channel, SocketAddr, usize)> {
        while let Some((index, turn)) = self.ready.pop_front() {
            let Some(socket) = self.sockets.get(index) else { continue };
            // Read until it is empty: only then does the poller speak of it again.
            match socket.recv_from(buffer) {
                Ok((length, from)) => {
                    match turn {
                        0 => self.ready.push_back((index, PACKETS_PER_TURN)),
                        turn => self.ready.push_front((index, turn - 1)),
                    }
                    let channel = if index % 2 == 0 { Channel::Rtp } else { Channel::Rtcp };
                    return Some((PortIndex(index as u32 / 2), channel, from, length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An ICMP error, mostly: reading it clears it. One that stays must not hold the
                // worker; the socket's next packet speaks of it again.
                Err(_) if turn > 0 => self.ready.push_front((index, turn - 1)),
                Err(_) => {}
            }
        }
        None
    }

    fn unsent(&self) -> u64 {
        self.unsent
    }
}

impl<S: SocketSource> Sink for UdpIo<S> {
    fn send(
        &mut self,
        port: PortIndex,
        channel: Channel,
        to: SocketAddr,
        header: &[u8],
        payload: &[u8],
    ) {
        let index = port.0 as usize * 2 + usize::from(channel == Channel::Rtcp);
        let length = header.len() + payload.len();
        let (Some(socket), Some(packet)) = (self.sockets.get(index), self.packet.get_mut(..length))
        else {
            self.unsent += 1;
            return;
        };
        let (first, second) = packet.split_at_mut(header.len());
        first.copy_from_slice(header);
        second.copy_from_slice(payload);
        if socket.send_to(packet, to).is_err() {
            self.unsent += 1;
        }
    }
}
