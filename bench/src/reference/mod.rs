//! References: the least a process could do for the same datagrams, measured in the same run.
//!
//! Owns: three helpers, each a process of its own on the measured core ([`role`]), and their cost:
//! an echo for signalling, a plain relay for forwarded packets, a plain sender for played ones.
//! Does not own: what is compared with them.

pub mod role;

use crate::bench::{Bench, us_each};
use crate::load::audio::Audio;
use crate::load::histogram::Histogram;
use crate::load::phones::Sound;
use crate::process;
use role::Role;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How an echo is driven: as the row it stands beside.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many under way.
    Window(usize),
    /// So many a second.
    Rate(f64),
}

/// Bytes of the echoed datagrams: a SIP message's.
const ECHO_BYTES: usize = 500;
/// Before a helper's cost is taken.
const WARM_UP: Duration = Duration::from_millis(500);

/// Cost of one datagram in and one out by a plain echo, in µs.
pub fn echo_us(bench: &Bench, pace: Pace) -> Result<f64, String> {
    let helper = Helper::start(bench, Role::Echo, 1)?;
    let text = |error: std::io::Error| format!("echo: {error}");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    socket.connect(helper.address(0)).map_err(text)?;
    let stop = bench.stop(bench.reference_cpu());
    let before = helper.cpu()?;
    let mut echoed = 0;
    while !stop.reached(helper.cpu()?.saturating_sub(before)) {
        echoed += match pace {
            Pace::Window(window) => echo_window(&socket, window),
            Pace::Rate(rate) => echo_rate(&socket, rate),
        }
        .map_err(text)?;
    }
    let cpu = helper.cpu()? - before;
    if echoed == 0 { Err("echo: nothing came back".into()) } else { Ok(us_each(cpu, echoed)) }
}

/// 20,000 echoes, `window` under way.
fn echo_window(socket: &UdpSocket, window: usize) -> std::io::Result<u64> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut buffer = [0; 2 * ECHO_BYTES];
    for _ in 0..window {
        socket.send(&buffer[..ECHO_BYTES])?;
    }
    let mut echoed = 0;
    loop {
        match socket.recv(&mut buffer) {
            Ok(_) => echoed += 1,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(echoed);
            }
            Err(error) => return Err(error),
        }
        if echoed <= 20_000 {
            socket.send(&buffer[..ECHO_BYTES])?;
        }
    }
}

/// A second of echoes at a rate.
fn echo_rate(socket: &UdpSocket, rate: f64) -> std::io::Result<u64> {
    socket.set_nonblocking(true)?;
    let began = Instant::now();
    let mut buffer = [0; 2 * ECHO_BYTES];
    let (mut sent, mut echoed) = (0, 0);
    while began.elapsed() < Duration::from_secs(1) {
        while sent < (began.elapsed().as_secs_f64() * rate) as u64 {
            socket.send(&buffer[..ECHO_BYTES])?;
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(200));
        while socket.recv(&mut buffer).is_ok() {
            echoed += 1;
        }
    }
    Ok(echoed)
}

/// A plain relay's cost of a packet forwarded, in µs, and its delays.
pub fn relay(bench: &Bench, calls: usize) -> Result<(f64, Histogram), String> {
    let helper = Helper::start(bench, Role::Relay, 2 * calls)?;
    let audio = Audio::open(2 * calls)?;
    for phone in 0..2 * calls {
        audio.talk(phone, helper.address(phone));
    }
    std::thread::sleep(WARM_UP);
    let _warm_up = audio.take_delays();
    let (cpu, before) = (helper.cpu()?, audio.counts());
    let stop = bench.stop(bench.reference_cpu());
    let used = stop.wait(&|| Ok(helper.cpu()?.saturating_sub(cpu)))?;
    let forwarded = audio.counts().since(before).forwarded;
    Ok((us_each(used, forwarded.max(1)), audio.take_delays()))
}

/// A plain sender's cost of a packet, in µs.
pub fn sender_us(bench: &Bench, listeners: usize) -> Result<f64, String> {
    let audio = Audio::open(listeners)?;
    let mut helper = Helper::start(bench, Role::Sender, listeners)?;
    let ports: Vec<String> = (0..listeners).map(|phone| audio.port(phone).to_string()).collect();
    helper.tell(&ports.join(" "))?;
    std::thread::sleep(WARM_UP);
    let (cpu, before) = (helper.cpu()?, audio.counts());
    let stop = bench.stop(bench.reference_cpu());
    let used = stop.wait(&|| Ok(helper.cpu()?.saturating_sub(cpu)))?;
    Ok(us_each(used, audio.counts().since(before).played.max(1)))
}

/// A helper's process; ends with the value.
struct Helper {
    child: Child,
    ports: Vec<u16>,
}

impl Helper {
    fn start(bench: &Bench, role: Role, size: usize) -> Result<Helper, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = bench.cores.measured(&own);
        command.args(["--role", role.name(), "--size", &size.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let mut helper = Helper { child, ports: Vec::new() };
        let mut line = String::new();
        if let Some(out) = helper.child.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        helper.ports = line.split_whitespace().filter_map(|port| port.parse().ok()).collect();
        match helper.ports.len() == size {
            true => Ok(helper),
            false => Err(format!("{}: did not start: {line:?}", role.name())),
        }
    }

    fn address(&self, place: usize) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.ports[place])
    }

    fn tell(&mut self, line: &str) -> Result<(), String> {
        let stdin = self.child.stdin.as_mut().ok_or("no standard input")?;
        writeln!(stdin, "{line}").map_err(|error| error.to_string())
    }

    fn cpu(&self) -> Result<Duration, String> {
        process::cpu(self.child.id())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}
