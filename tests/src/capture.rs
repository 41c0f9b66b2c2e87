//! [`Capture`]: what went over the loopback interface, with the kernel's times; and [`Overheard`],
//! what a peer hears that keeps nothing itself.
//!
//! Needs the right to capture: run the tests as root, or give dumpcap its capabilities.

use crate::process::Process;
use crate::speech::Hears;
use crate::{s, within};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Where probes go to, to see that the capture runs.
const PROBE_PORT: u16 = 7;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const ETHERNET_HEADER: usize = 14;
const UDP_HEADER: usize = 8;

/// A capture that runs.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
}

/// A UDP packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When the kernel saw it, in µs.
    pub at_us: u64,
    /// From whom.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What.
    pub payload: Vec<u8>,
}

impl Packet {
    /// The samples of an RTP packet of G.711; none of any other.
    pub fn samples(&self) -> Vec<i16> {
        let Some((header, payload)) = self.payload.split_at_checked(12) else { return Vec::new() };
        if header[0] == 0x80 { crate::rtp::samples(header[1] & 0x7f, payload) } else { Vec::new() }
    }
}

impl Capture {
    /// Captures UDP from and to an address.
    ///
    /// # Panics
    /// If capturing is not possible here.
    pub fn start(ip: IpAddr, dir: &Path) -> Capture {
        let file = dir.join("capture.pcap");
        let mut command = Command::new("dumpcap");
        command.args([
            "-q",
            "-i",
            "lo",
            "-P",
            "-B",
            "16",
            "-f",
            &format!("udp and host {ip}"),
            "-w",
        ]);
        command.arg(&file);
        let capture = Capture { process: Process::start("dumpcap", command, dir), file };
        let socket = UdpSocket::bind((ip, 0)).expect("a socket");
        let runs = within(s(10), || {
            let _ = socket.send_to(b"probe", (ip, PROBE_PORT));
            (!capture.packets().is_empty()).then_some(())
        });
        let tail = capture.process.tail();
        assert!(runs.is_some(), "cannot capture on lo: run the tests as root\n{tail}");
        capture
    }

    /// Ends the capture; every packet but the probes.
    pub fn stop(mut self) -> Vec<Packet> {
        self.process.signal("INT");
        self.process.wait(s(10));
        self.packets().into_iter().filter(|packet| packet.to.port() != PROBE_PORT).collect()
    }

    fn packets(&self) -> Vec<Packet> {
        read(&std::fs::read(&self.file).unwrap_or_default())
    }
}

/// The UDP packets of a classic pcap file of Ethernet frames.
fn read(bytes: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut rest = bytes.get(FILE_HEADER..).unwrap_or_default();
    let number = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
    };
    while let (Some(s), Some(us), Some(length)) =
        (number(rest, 0), number(rest, 4), number(rest, 8))
    {
        let end = RECORD_HEADER + length as usize;
        let Some(frame) = rest.get(RECORD_HEADER..end) else { break };
        let at_us = u64::from(s) * 1_000_000 + u64::from(us);
        packets.extend(udp(at_us, frame.get(ETHERNET_HEADER..).unwrap_or_default()));
        rest = &rest[end..];
    }
    packets
}

fn udp(at_us: u64, ip: &[u8]) -> Option<Packet> {
    if ip.first()? >> 4 != 4 || *ip.get(9)? != 17 {
        return None;
    }
    let (header, datagram) = ip.split_at_checked(usize::from(ip[0] & 0x0f) * 4)?;
    let address = |at: usize| -> Option<IpAddr> {
        let four: [u8; 4] = header.get(at..at + 4)?.try_into().ok()?;
        Some(Ipv4Addr::from(four).into())
    };
    let port = |at: usize| Some(u16::from_be_bytes([*datagram.get(at)?, *datagram.get(at + 1)?]));
    Some(Packet {
        at_us,
        from: SocketAddr::new(address(12)?, port(0)?),
        to: SocketAddr::new(address(16)?, port(2)?),
        payload: datagram.get(UDP_HEADER..)?.to_vec(),
    })
}

/// What goes to some ports, while it is captured: half a second late.
#[derive(Debug)]
pub struct Overheard {
    /// The capture.
    pub capture: Arc<Capture>,
    /// The ports of who hears it.
    pub ports: RangeInclusive<u16>,
}

impl Hears for Overheard {
    fn samples(&self) -> Vec<i16> {
        let packets = self.capture.packets();
        let to_it = packets.iter().filter(|packet| self.ports.contains(&packet.to.port()));
        to_it.flat_map(Packet::samples).collect()
    }
}

/// One direction of an RTP stream in a capture.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Time of each packet, in µs.
    pub times_us: Vec<u64>,
    /// The samples of all packets one after another.
    pub samples: Vec<i16>,
}

impl Stream {
    /// The G.711 packets from one address.
    pub fn of(packets: &[Packet], from: SocketAddr) -> Stream {
        let mut stream = Stream::default();
        for packet in packets.iter().filter(|packet| packet.from == from) {
            let samples = packet.samples();
            if !samples.is_empty() {
                stream.times_us.push(packet.at_us);
                stream.samples.extend(samples);
            }
        }
        stream
    }

    /// The longest time between two packets, in ms.
    pub fn longest_gap_ms(&self) -> u64 {
        self.times_us.windows(2).map(|two| two[1].saturating_sub(two[0])).max().unwrap_or(0) / 1_000
    }
}
