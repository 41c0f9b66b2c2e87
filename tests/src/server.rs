//! [`Server`]: the server as a process of its own, with its own addresses, centre and data.

use crate::api::Client;
use crate::process::{Process, run};
use crate::{Centre, Net, binary, ms, s, within};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long a server may take to be ready.
const START_MAX: Duration = s(20);

/// How a server is to be.
#[derive(Debug)]
pub struct Setup {
    /// Its addresses.
    pub net: Net,
    /// Its centres; the first is the default tenant.
    pub centres: Vec<Centre>,
    /// Engines.
    pub engines: u16,
    /// Seconds SIGTERM waits for calls.
    pub drain_s: u32,
    /// Settings by environment, beside the node file.
    pub environment: Vec<(String, String)>,
    /// Where data goes, if not into the test's directory.
    pub data_dir: Option<PathBuf>,
    /// A program with arguments that starts it, if not itself.
    pub wrapper: Vec<String>,
}

impl Setup {
    /// A server with the usual centre.
    pub fn usual() -> Setup {
        Setup::with(|net| vec![Centre::usual(net)])
    }

    /// A server with these centres.
    pub fn with(centres: impl FnOnce(&Net) -> Vec<Centre>) -> Setup {
        let net = Net::reserve();
        let centres = centres(&net);
        Setup {
            net,
            centres,
            engines: 1,
            drain_s: 60,
            environment: Vec::new(),
            data_dir: None,
            wrapper: Vec::new(),
        }
    }

    /// A setting by its variable.
    pub fn set(mut self, variable: &str, value: &str) -> Setup {
        self.environment.push((variable.into(), value.into()));
        self
    }

    /// The node file.
    pub fn node_file(&self) -> String {
        let ip = self.net.server();
        let data_dir =
            self.data_dir.as_ref().map_or("data".into(), |dir| dir.display().to_string());
        format!(
            "[node]\nname = \"test\"\ndata_dir = \"{data_dir}\"\nengines = {}\ndrain_s = {}\n\n\
             [sip]\nlisten = [\"udp://{ip}:5060\", \"tcp://{ip}:5060\"]\nregister_s_min = 10\n\n\
             [media]\naddress = \"{ip}\"\nports = \"20000-21999\"\n\n\
             [http]\nlisten = \"{ip}:8080\"\n\n[prompts]\ndir = \"\"\n",
            self.engines, self.drain_s
        )
    }
}

/// A running server, or one that was stopped and can be started again.
#[derive(Debug)]
pub struct Server {
    /// Its addresses, and its peers'.
    pub net: Net,
    setup: Vec<(String, String)>,
    wrapper: Vec<String>,
    data_dir: PathBuf,
    dir: tempfile::TempDir,
    process: Option<Process>,
}

impl Server {
    /// Writes node file and centres, applies them, starts the server and waits until it is ready.
    ///
    /// # Panics
    /// If any of that fails, with what the server said.
    pub fn start(setup: Setup) -> Server {
        let mut server = Server::prepare(setup);
        server.launch();
        server.until_ready();
        server
    }

    /// The usual server.
    pub fn usual() -> Server {
        Server::start(Setup::usual())
    }

    /// Everything but the start.
    ///
    /// # Panics
    /// If a centre cannot be applied.
    pub fn prepare(setup: Setup) -> Server {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("hotline.toml"), setup.node_file()).expect("a file");
        let data_dir = setup.data_dir.unwrap_or_else(|| dir.path().join("data"));
        let server = Server {
            net: setup.net,
            setup: setup.environment,
            wrapper: setup.wrapper,
            data_dir,
            dir,
            process: None,
        };
        for centre in &setup.centres {
            let (code, output) = server.apply(centre);
            assert_eq!(code, 0, "apply: {output}\n{}", centre.text());
        }
        server
    }

    /// Applies a centre, to the running server or to its store; exit code and output.
    pub fn apply(&self, centre: &Centre) -> (i32, String) {
        let path = centre.write(self.dir()).display().to_string();
        self.command(&["apply", &path])
    }

    /// Runs one of the command line's commands with this server's node file.
    pub fn command(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = self.bare_command();
        command.args(arguments);
        run(&format!("hotline-{}", arguments[0]), command, self.dir())
    }

    /// The binary with this server's node file and environment, to be given a command.
    pub fn bare_command(&self) -> Command {
        let mut command = Command::new(binary());
        self.settle(&mut command);
        command
    }

    fn settle(&self, command: &mut Command) {
        command.current_dir(self.dir()).args(["--config", "hotline.toml"]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HOTLINE_")) {
            command.env_remove(name);
        }
        command.envs(self.setup.iter().map(|(name, value)| (name, value)));
    }

    /// Starts the process; does not wait for anything.
    pub fn launch(&mut self) {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(binary()),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary());
                command
            }
        };
        self.settle(&mut command);
        command.arg("serve");
        self.process = Some(Process::start("server", command, self.dir.path()));
    }

    /// Waits until the server is ready.
    ///
    /// # Panics
    /// If it is not within 20 s, or ends.
    pub fn until_ready(&mut self) {
        let api = Client::new(&self.url(), "");
        let ready = within(START_MAX, || {
            if self.process().ended().is_some() {
                return Some(false);
            }
            api.text("/readyz").filter(|(status, _)| *status == 200).map(|_| true)
        });
        assert_eq!(ready, Some(true), "the server is not ready\n{}", self.process().tail());
    }

    /// The directory of the test: working directory of the server.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where its data is.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Its SIP address.
    pub fn sip(&self) -> SocketAddr {
        self.net.sip()
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        format!("http://{}:8080", self.net.server())
    }

    /// Its API.
    ///
    /// # Panics
    /// If it has never been started, since the token is made then.
    pub fn api(&self) -> Client {
        let file = self.data_dir.join("admin.token");
        let token = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Client::new(&self.url(), token.trim())
    }

    /// Its process.
    ///
    /// # Panics
    /// If it was not started.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the server was started")
    }

    /// What it has said.
    pub fn log(&mut self) -> String {
        self.process().output()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process().ended().is_none()
    }

    /// Cuts it off: no farewell of any kind.
    pub fn kill9(&mut self) {
        self.process().signal("KILL");
        self.process().wait(s(5));
    }

    /// Starts it again with the same data.
    pub fn restart(&mut self) {
        assert!(!self.is_running(), "stop it first");
        self.launch();
        self.until_ready();
    }

    /// Asks it to stop, and waits for its end; the exit code.
    pub fn stop(&mut self) -> i32 {
        self.process().signal("TERM");
        self.process().wait(s(20)).code().unwrap_or(-1)
    }

    /// Memory it has in RAM now, in KiB.
    pub fn rss_kib(&mut self) -> u64 {
        let status = format!("/proc/{}/status", self.process().id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = self.process.as_mut().is_some_and(|process| process.ended().is_none());
        // A server that ends by itself during a test has failed it.
        if !running || std::thread::panicking() {
            return;
        }
        self.process().signal("TERM");
        if within(ms(50), || self.process().ended()).is_none() {
            self.process().kill();
        }
    }
}
