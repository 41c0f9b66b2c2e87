//! [`Centre`]: a centre directory in a few words.

use crate::Net;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A tenant's centre.toml in the making.
#[derive(Clone, Debug)]
pub struct Centre {
    name: String,
    head: String,
    body: String,
    files: Vec<(String, Vec<u8>)>,
}

/// The softphone password of a number in the centres of the tests.
pub fn password(number: &str) -> String {
    format!("word-of-{number}")
}

impl Centre {
    /// A tenant NAME with the domain NAME.test and the same realm, and nothing in it.
    pub fn new(name: &str) -> Centre {
        let head = format!(
            "[tenant]\nname = \"{name}\"\ndomains = [\"{name}.test\"]\nrealm = \"{name}.test\"\n\
             language = \"en\"\ntime_zone = \"Europe/Stockholm\"\n"
        );
        Centre { name: name.into(), head, body: String::new(), files: Vec::new() }
    }

    /// The centre of most tests: access code 12345, extension 1 to `support`; agents 1001 and
    /// 1002; no announcement on answer, no wrap-up; the carrier's addresses and this machine's own
    /// are a trunk.
    pub fn usual(net: &Net) -> Centre {
        Centre::new("alpha")
            .queue("support", "wrap_up_s = 0\noffer_time_s = 5")
            .route("12345", "1", "support")
            .agent("1001", "support", "")
            .agent("1002", "support", "")
            .trunk("carrier", &[&net.carrier_network(), "127.0.0.1"])
    }

    /// The tenant's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tenant's domain and realm.
    pub fn domain(&self) -> String {
        format!("{}.test", self.name)
    }

    /// A setting of the tenant, as a line of TOML.
    pub fn setting(mut self, line: &str) -> Centre {
        let _always = writeln!(self.head, "{line}");
        self
    }

    /// A skill queue, with further lines.
    pub fn queue(mut self, name: &str, lines: &str) -> Centre {
        let _always = write!(
            self.body,
            "\n[[skill_queue]]\nname = \"{name}\"\ndescription = \"{name}\"\n{lines}\n"
        );
        self
    }

    /// An access code with one extension (empty for none) to a queue. The code is declared once.
    pub fn route(self, code: &str, extension: &str, queue: &str) -> Centre {
        self.route_to(code, extension, &format!("skill_queue = \"{queue}\""))
    }

    /// The same to a destination given as lines of TOML.
    pub fn route_to(mut self, code: &str, extension: &str, lines: &str) -> Centre {
        let declared = format!("[[access_code]]\ncode = \"{code}\"\n");
        if !self.body.contains(&declared) {
            let _always = write!(self.body, "\n{declared}type = \"voice\"\n");
        }
        let extension = match extension {
            "" => String::new(),
            some => format!("extension_code = \"{some}\"\n"),
        };
        let _always =
            write!(self.body, "\n[[called_route]]\naccess_code = \"{code}\"\n{extension}{lines}\n");
        self
    }

    /// A flow, to which an extension code of 12345 leads.
    pub fn flow(self, name: &str, extension: &str, text: &str) -> Centre {
        let centre = self.file(&format!("flows/{name}.toml"), text);
        centre.route_to("12345", extension, &format!("flow = \"{name}\""))
    }

    /// An agent with a softphone of its number, [`password`], signed in when it registers. Further
    /// lines come after.
    pub fn agent(self, number: &str, queue: &str, lines: &str) -> Centre {
        let signed_in = "sign_in_on_registration = true\n";
        self.agent_by_api(number, queue, &format!("{signed_in}{lines}"))
    }

    /// The same, but signed in through the API only.
    pub fn agent_by_api(mut self, number: &str, queue: &str, lines: &str) -> Centre {
        let _always = write!(
            self.body,
            "\n[[agent]]\nemployee_id = \"{number}\"\ntype = \"audio\"\nrole = \"common\"\n\
             answer_mode = \"manual\"\n\
             softphone = {{ number = \"{number}\", password = \"{}\" }}\n\
             skill_queues = [{{ queue = \"{queue}\" }}]\n{lines}\n",
            password(number)
        );
        self
    }

    /// A trunk that admits these addresses or networks.
    pub fn trunk(mut self, name: &str, peers: &[&str]) -> Centre {
        let peers: Vec<_> = peers.iter().map(|peer| format!("\"{peer}\"")).collect();
        let _always =
            write!(self.body, "\n[[trunk]]\nname = \"{name}\"\npeers = [{}]\n", peers.join(", "));
        self
    }

    /// Any further object, as `[[KIND]]` with these lines.
    pub fn object(mut self, kind: &str, lines: &str) -> Centre {
        let _always = write!(self.body, "\n[[{kind}]]\n{lines}\n");
        self
    }

    /// A file beside centre.toml (`tones/music.wav`), in place of one of that name.
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Centre {
        self.files.retain(|(known, _)| known != path);
        self.files.push((path.into(), bytes.into()));
        self
    }

    /// The text of centre.toml.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, self.body)
    }

    /// Writes the centre directory below `parent`, in place of an earlier one.
    pub fn write(&self, parent: &Path) -> PathBuf {
        let dir = parent.join(format!("centre-{}", self.name));
        let _there_may_be_none = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("centre.toml"), self.text()).expect("a file");
        for (name, bytes) in &self.files {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&dir)).expect("a directory");
            std::fs::write(path, bytes).expect("a file");
        }
        dir
    }
}
