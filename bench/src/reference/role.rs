//! What a helper does: this program, started by itself with `--role`.
//!
//! Each binds so many sockets, prints their ports on one line, and ends when its standard input
//! does.

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// G.711 of 20 ms with its RTP header.
const PACKET_BYTES: usize = 172;

/// What a helper is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Sends each datagram back.
    Echo,
    /// Socket 2n and 2n + 1 are the two legs of a call: what one hears the other sends on.
    Relay,
    /// Sends a packet every 20 ms from each socket to the port it was told.
    Sender,
}

impl Role {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Echo => "echo",
            Role::Relay => "relay",
            Role::Sender => "sender",
        }
    }

    /// Does it until standard input ends.
    pub fn play(self, size: usize) -> std::io::Result<()> {
        let bind = |_| UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        match self {
            Role::Echo => {
                let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
                print_ports([socket.local_addr()?.port()].into_iter())?;
                end_with_input();
                echo(&socket)
            }
            Role::Relay => {
                let sockets: Vec<UdpSocket> = (0..size).map(bind).collect::<Result<_, _>>()?;
                print_ports(
                    sockets.iter().filter_map(|socket| Some(socket.local_addr().ok()?.port())),
                )?;
                end_with_input();
                relay(sockets)
            }
            Role::Sender => {
                let sockets: Vec<UdpSocket> = (0..size).map(bind).collect::<Result<_, _>>()?;
                print_ports(
                    sockets.iter().filter_map(|socket| Some(socket.local_addr().ok()?.port())),
                )?;
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
                end_with_input();
                let ports = line.split_whitespace().filter_map(|port| port.parse::<u16>().ok());
                let to = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
                send(&sockets, &to.collect::<Vec<_>>())
            }
        }
    }
}

fn print_ports(ports: impl Iterator<Item = u16>) -> std::io::Result<()> {
    let ports: Vec<String> = ports.map(|port| port.to_string()).collect();
    let mut out = std::io::stdout();
    writeln!(out, "{}", ports.join(" "))?;
    out.flush()
}

fn end_with_input() {
    std::thread::spawn(|| {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
}

fn echo(socket: &std::net::UdpSocket) -> std::io::Result<()> {
    let mut buffer = [0; 2_048];
    loop {
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _lost = socket.send_to(&buffer[..length], from);
        }
    }
}

fn relay(mut sockets: Vec<UdpSocket>) -> std::io::Result<()> {
    let mut poll = Poll::new()?;
    for (place, socket) in sockets.iter_mut().enumerate() {
        poll.registry().register(socket, Token(place), Interest::READABLE)?;
    }
    let mut sources: Vec<Option<SocketAddr>> = vec![None; sockets.len()];
    let mut events = Events::with_capacity(1_024);
    let mut buffer = [0; 2_048];
    loop {
        if poll.poll(&mut events, None).is_err() {
            continue;
        }
        for event in &events {
            let place = event.token().0;
            let peer = place ^ 1;
            while let Ok((length, from)) = sockets[place].recv_from(&mut buffer) {
                sources[place] = Some(from);
                if let (Some(to), Some(socket)) =
                    (sources.get(peer).copied().flatten(), sockets.get(peer))
                {
                    let _lost = socket.send_to(&buffer[..length], to);
                }
            }
        }
    }
}

/// One phase a millisecond, each socket in one of twenty.
fn send(sockets: &[UdpSocket], to: &[SocketAddr]) -> std::io::Result<()> {
    let packet = [0x80; PACKET_BYTES];
    let mut next = Instant::now();
    for phase in (0..20).cycle() {
        for (socket, to) in sockets.iter().zip(to).skip(phase).step_by(20) {
            let _lost = socket.send_to(&packet, *to);
        }
        next += Duration::from_millis(1);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}
