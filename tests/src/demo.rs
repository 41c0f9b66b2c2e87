//! The demo's flows in a test's centre.

use crate::{Centre, Net, root};

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
