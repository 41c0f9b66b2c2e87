//! The demo centre: as it is in the binary, with a word changed, and its flows in a test's centre.

use crate::{Centre, Net, Phone, Server, Setup, process, root};

/// The flows of `conf/demo/flows`.
const FLOWS: [&str; 5] = ["out_of_hours", "sign_in", "voicemail", "waiting", "welcome"];

/// The number whose calls reach drafts.
pub const TEST_CALLER: &str = "4009";

/// A centre with the demo's flows: 12345 leads to the menu, 12300 to signing in, 123451 to
/// `support`, whose callers wait in the flow `waiting`; agent 1001 serves it, 1002 serves `sales`.
/// Always open.
pub fn centre(net: &Net) -> Centre {
    let always = "workdays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n\
                  workday = [[\"00:00\", \"24:00\"]]";
    centre_open(net, always)
}

/// The same with these working times.
pub fn centre_open(net: &Net, hours: &str) -> Centre {
    let centre = Centre::new("alpha")
        .setting("languages = [\"en\", \"zh\", \"es\"]")
        .setting(&format!("test_callers = [\"{TEST_CALLER}\"]"))
        .object("working_time", &format!("name = \"office\"\n{hours}"))
        .queue("support", "wrap_up_s = 0\noffer_time_s = 10\nwaiting = { flow = \"waiting\" }")
        .queue("sales", "wrap_up_s = 0")
        .route_to("12345", "", "flow = \"welcome\"")
        .route_to("12300", "", "flow = \"sign_in\"")
        .route("12345", "1", "support")
        .agent("1001", "support", "")
        .agent("1002", "sales", "")
        .trunk("carrier", &[&net.carrier_network(), "127.0.0.1"]);
    with_flows(centre)
}

/// A centre with the demo's flows as they are in the repository.
///
/// # Panics
/// If one is missing.
pub fn with_flows(centre: Centre) -> Centre {
    FLOWS.iter().fold(centre, |centre, name| {
        let path = root().join(format!("conf/demo/flows/{name}.toml"));
        let text = std::fs::read(&path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        centre.file(&format!("flows/{name}.toml"), text)
    })
}

/// A server as somebody meets it who has just built it: nothing is applied, so that the demo centre
/// of the binary is in force from the first start on.
pub fn embedded() -> Setup {
    Setup::with(|_| Vec::new())
}

/// What was generated for the demo at the first start: `1001` is a softphone's password, `1001.pin`
/// a PIN.
///
/// # Panics
/// If it is not there.
pub fn secret(server: &Server, name: &str) -> String {
    let path = server.data_dir().join("secrets/demo").join(name);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
}

/// Applies the repository's demo centre with some words changed, each of which must be there.
///
/// # Panics
/// If one is not, or the centre is refused.
pub fn change(server: &Server, changes: &[(&str, &str)]) {
    let text = std::fs::read_to_string(root().join("conf/demo/centre.toml")).expect("the demo");
    let text = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "the demo centre has no {from:?}");
        text.replace(from, to)
    });
    let dir = server.dir().join("demo-changed");
    std::fs::create_dir_all(dir.join("flows")).expect("a directory");
    std::fs::write(dir.join("centre.toml"), text).expect("a file");
    for name in FLOWS {
        let file = format!("flows/{name}.toml");
        std::fs::copy(root().join("conf/demo").join(&file), dir.join(&file)).expect("a flow");
    }
    let mut command = server.bare_command();
    command.arg("apply").arg(&dir);
    let (code, said) = process::run("apply", command, server.dir());
    assert_eq!(code, 0, "{said}");
}

/// A softphone of one of the demo's agents, registered, who is idle then.
///
/// # Panics
/// If it cannot register.
pub fn softphone(server: &Server, number: &str) -> Phone {
    let mut phone = Phone::udp(server.net.agent(0), server.sip(), number).of("demo.localhost");
    phone.password = secret(server, number);
    let phone = phone.registered();
    server.api().until_agent_is(number, "idle");
    phone
}
