//! [`Baresip`]: baresip as an agent's softphone, or as a caller, driven by its control port.
//!
//! baresip 1.0: it ends a call at the end of the file it plays, so the file is long; it has no
//! player for a machine without sound, so what it hears goes to `aubridge` and is judged from a
//! capture. Ending it takes up to 2 s, since it takes its registration back.

use crate::capture::{Capture, Overheard};
use crate::process::Process;
use crate::speech::Listener;
use crate::{Centre, Server, audio, centre, during, s, within};
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const MODULES: &str = "/usr/lib/baresip/modules";
const CONTROL_PORT: u16 = 4444;
/// Seconds of tone: longer than any call.
const TONE_S: u32 = 300;
/// How far apart its keys are.
const KEY: Duration = Duration::from_millis(200);

/// A softphone that runs.
#[derive(Debug)]
pub struct Baresip {
    /// Its process.
    pub process: Process,
    control: TcpStream,
    buffer: Vec<u8>,
    rtp_ports: RangeInclusive<u16>,
}

/// How a softphone is to be.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Its softphone number.
    pub number: &'static str,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// The tone it says, in Hz.
    pub tone_hz: u32,
}

impl Baresip {
    /// Starts a softphone at an address, registered at the server. It rings until [`Baresip::answer`].
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(server: &Server, of: &Centre, ip: IpAddr, options: Options) -> Baresip {
        let mut softphone = Baresip::launch(server, &of.domain(), ip, options, 60);
        softphone.process.until_said("200 OK", s(10));
        softphone
    }

    /// Starts a phone of a trunk's number that does not register, and calls.
    ///
    /// # Panics
    /// If it does not start.
    pub fn caller(server: &Server, ip: IpAddr, options: Options) -> Baresip {
        Baresip::launch(server, &server.net.server().to_string(), ip, options, 0)
    }

    /// Calls a number.
    ///
    /// # Panics
    /// If it will not.
    pub fn dial(&mut self, number: &str, server: &Server) {
        let uri = format!("sip:{number}@{}", server.sip());
        assert_eq!(self.command("dial", &uri)["ok"], true, "{}", self.process.tail());
    }

    fn launch(
        server: &Server,
        domain: &str,
        ip: IpAddr,
        options: Options,
        register_s: u32,
    ) -> Baresip {
        let Options { number, transport, tone_hz } = options;
        let home = server.dir().join(format!("baresip-{number}"));
        std::fs::create_dir_all(&home).expect("a directory");
        let wav = home.join("tone.wav");
        audio::write_tone(&wav, tone_hz, TONE_S);
        let control = SocketAddr::new(ip, CONTROL_PORT);
        let ports = free_ports(ip);
        let (first, last) = (ports.start(), ports.end());
        let config = format!(
            "poll_method epoll\nsip_listen {ip}:5060\nnet_interface {ip}\n\
             audio_path /usr/share/baresip\naudio_player aubridge,{number}\n\
             audio_source aufile,{}\naudio_alert aubridge,{number}-alert\naudio_txmode thread\n\
             rtp_ports {first}-{last}\nmodule_path {MODULES}\nmodule g711.so\nmodule aufile.so\n\
             module aubridge.so\nmodule_tmp account.so\nmodule_app menu.so\n\
             module_app ctrl_tcp.so\nctrl_tcp_listen {control}\n",
            wav.display()
        );
        let account = format!(
            "<sip:{number}@{domain};transport={transport}>;auth_user={number};auth_pass={};\
             outbound=\"sip:{};transport={transport}\";regint={register_s};answermode=manual;\
             audio_codecs=PCMA/8000/1\n",
            centre::password(number),
            server.sip(),
        );
        std::fs::write(home.join("config"), config).expect("a file");
        std::fs::write(home.join("accounts"), account).expect("a file");
        std::fs::write(home.join("contacts"), "").expect("a file");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&home);
        let process = Process::start("baresip", command, &home);
        let control = within(s(10), || TcpStream::connect(control).ok());
        let control = control.unwrap_or_else(|| panic!("baresip\n{}", process.tail()));
        control.set_read_timeout(Some(s(5))).expect("a time-out");
        Baresip { process, control, buffer: Vec::new(), rtp_ports: ports }
    }

    /// An ear for what it hears from now on, in a capture of the server's packets.
    pub fn ear(&self, capture: &Arc<Capture>) -> Listener {
        let ports = self.rtp_ports.clone();
        let mut ear = Listener::to(Arc::new(Overheard { capture: Arc::clone(capture), ports }));
        ear.forget();
        ear
    }

    /// Presses keys (RFC 4733), one after the other.
    ///
    /// # Panics
    /// If it will not.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            let key = key.to_string();
            assert_eq!(self.command("sndcode", &key)["ok"], true, "{}", self.process.tail());
            // It has no queue: a key ends when the next is asked for.
            during(KEY);
        }
    }

    /// Gives a command of its menu; its answer.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn command(&mut self, command: &str, parameters: &str) -> Json {
        let order = json!({ "command": command, "params": parameters, "token": command });
        let order = order.to_string();
        write!(self.control, "{}:{order},", order.len()).expect("baresip listens");
        loop {
            let message = self.message();
            if message["response"] == true && message["token"] == command {
                return message;
            }
        }
    }

    /// Waits until a call comes in, lets it ring for a while, and answers it.
    ///
    /// # Panics
    /// If none comes within 10 s.
    pub fn answer(&mut self, after: Duration) {
        let rings = within(s(10), || (self.message()["type"] == "CALL_INCOMING").then_some(()));
        assert!(rings.is_some(), "no call comes in\n{}", self.process.tail());
        during(after);
        assert_eq!(self.command("accept", "")["ok"], true, "{}", self.process.tail());
    }

    /// The next message of its control port.
    fn message(&mut self) -> Json {
        loop {
            if let Some(colon) = self.buffer.iter().position(|&byte| byte == b':')
                && let Ok(length) = String::from_utf8_lossy(&self.buffer[..colon]).parse::<usize>()
                && self.buffer.len() > colon + 1 + length
            {
                let whole: Vec<_> = self.buffer.drain(..colon + length + 2).collect();
                let text = &whole[colon + 1..=colon + length];
                return serde_json::from_slice(text).unwrap_or(Json::Null);
            }
            let mut bytes = [0; 4_096];
            let length = self.control.read(&mut bytes).expect("baresip answers");
            assert!(length > 0, "baresip has closed its control port\n{}", self.process.tail());
            self.buffer.extend_from_slice(&bytes[..length]);
        }
    }
}

/// Ports for the audio of one phone, below all that others use. It takes them at every address of
/// the machine, so nobody else must have them at any.
fn free_ports(ip: IpAddr) -> RangeInclusive<u16> {
    const RANGES: u16 = 500;
    const PORTS: u16 = 16;
    let start = match ip {
        IpAddr::V4(ip) => u16::from_be_bytes([ip.octets()[1], ip.octets()[2]]) % RANGES,
        IpAddr::V6(_) => 0,
    };
    let ranges = (0..RANGES).map(|n| 11_000 + (start + n) % RANGES * PORTS);
    let mut ranges = ranges.map(|first| first..=first + PORTS - 1);
    let is_free = |port: u16| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    let found = ranges.find(|ports| ports.clone().all(is_free));
    found.expect("ports for baresip's audio are free")
}
