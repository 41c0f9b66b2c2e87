//! Flows that fail: web services that answer badly or not at all, faults while a flow runs, flows
//! that are wrong as written. The call always goes where the tenant chose, or hears that something
//! is wrong; wrong flows are refused with file and line, and calls go on.

use hotline_tests::caller::{Caller, Way};
use hotline_tests::process::run;
use hotline_tests::web::{Authority, Reply, Web};
use hotline_tests::{Centre, Net, Server, Setup, binary, demo, s, within};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

/// The usual centre with flows, each at an extension code of 12345: 2 for the first, and so on.
fn centre(net: &Net, flows: &[(&str, String)]) -> Centre {
    let flows = (2..).zip(flows);
    flows.fold(Centre::usual(net), |centre, (code, (name, text)): (u32, _)| {
        centre.flow(name, &code.to_string(), text)
    })
}

/// Asks a service for a number, and speaks it; "all agents are busy" on an error.
fn asks(at: SocketAddr, path: &str) -> String {
    format!(
        "languages = [\"en\"]\nstart = \"ask\"\n[variables]\nfound = \"number\"\n\
         [node.ask]\nkind = \"http\"\nurl = \"http://{at}/{path}?from={{call.caller}}\"\n\
         timeout_s = 1\ninto = {{ found = \"/customer/number\" }}\nnext = \"say\"\n\
         on_error = \"sorry\"\n\
         [node.say]\nkind = \"end\"\nsay = [{{ digits = \"text(found)\" }}]\n\
         [node.sorry]\nkind = \"end\"\nsay = \"all_busy\"\ncause = 17\n"
    )
}

/// The setting that opens addresses inside to flows.
const OPENED: &str = "HOTLINE_EFFECTS_INSIDE_HOSTS";

fn list(hosts: &[SocketAddr]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A server whose tenant lists these hosts for its flows.
fn asking(net: Net, flows: &[(&str, String)], hosts: &[SocketAddr]) -> Setup {
    let hosts = list(hosts).replace(',', "\", \"");
    let centre = centre(&net, flows).setting(&format!("http_hosts = [\"{hosts}\"]"));
    let mut setup = Setup::with(|_| Vec::new());
    setup.centres = vec![centre];
    setup.net = net;
    setup
}

/// One call into each flow: `good` speaks the number it was told, the others that all are busy.
fn all_call(server: &Server, flows: &[(&str, String)]) {
    std::thread::scope(|scope| {
        for (n, (name, _)) in (0..).zip(flows) {
            scope.spawn(move || {
                let dialled = format!("12345{}", n + 2);
                let mut caller = Caller::dials(server, n, &dialled, Way::Events);
                if *name == "good" {
                    caller.hears("digit_4");
                    caller.hears("digit_7");
                    caller.ends(server, 16);
                } else {
                    caller.hears("all_busy");
                    caller.ends(server, 17);
                }
            });
        }
    });
}

#[test]
fn a_web_service_that_answers_well_is_believed_and_any_other_takes_the_branch_for_errors() {
    let net = Net::reserve();
    let inside = Arc::new(Web::start(net.host(201), |_| {
        Reply::Json("{\"customer\":{\"number\":1}}".into())
    }));
    let elsewhere = inside.address;
    let service = Web::start(net.host(200), move |line| match line {
        line if line.contains("/good?") => Reply::Json("{\"customer\":{\"number\":47}}".into()),
        line if line.contains("/other?") => Reply::Json("{\"customer\":{\"number\":\"x\"}}".into()),
        line if line.contains("/text?") => Reply::Json("hello".into()),
        line if line.contains("/huge?") => Reply::Huge,
        line if line.contains("/slow?") => Reply::Silence,
        line if line.contains("/away?") => {
            Reply::Status(302, format!("Location: http://{elsewhere}/good\r\n"))
        }
        _ => Reply::Status(500, String::new()),
    });
    // Nobody listens there.
    let refused = TcpListener::bind((net.host(202), 0)).unwrap().local_addr().unwrap();
    let paths = ["good", "other", "text", "huge", "slow", "away", "error"];
    let mut flows: Vec<_> = paths.iter().map(|path| (*path, asks(service.address, path))).collect();
    flows.push(("refused", asks(refused, "good")));
    let hosts = [service.address, refused];
    let server = Server::start(asking(net, &flows, &hosts).set(OPENED, &list(&hosts)));
    all_call(&server, &flows);
    let asked = service.until_asked("GET /good", s(1));
    assert_eq!(asked.line, "GET /good?from=4000");
    assert_eq!(service.requests().len(), paths.len(), "{:#?}", service.requests());
    assert_eq!(inside.requests().len(), 0, "{:#?}", inside.requests());
}

#[test]
fn a_service_is_asked_by_https_only_if_its_certificate_is_signed_its_own_and_of_today() {
    let net = Net::reserve();
    let (known, stranger) = (Authority::new("known"), Authority::new("stranger"));
    let service = |n: u8, authority: &Authority, name: IpAddr, until: i32| {
        let tls = authority.certifies(&name.to_string(), until);
        Web::start_tls(net.host(n), tls, |_| Reply::Json("{\"customer\":{\"number\":47}}".into()))
    };
    let services = [
        ("good", service(200, &known, net.host(200), 4000)),
        ("unknown", service(201, &stranger, net.host(201), 4000)),
        ("wrong_name", service(202, &known, net.host(200), 4000)),
        ("expired", service(203, &known, net.host(203), 2020)),
    ];
    let flows = services.each_ref().map(|(name, service)| {
        (*name, asks(service.address, "customer").replace("http://", "https://"))
    });
    let hosts = services.each_ref().map(|(_, service)| service.address);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, &known.pem).unwrap();
    let setup = asking(net, &flows, &hosts).set(OPENED, &list(&hosts));
    let mut server =
        Server::start(setup.set("HOTLINE_EFFECTS_CA_FILE", &file.display().to_string()));
    all_call(&server, &flows);
    let log = server.log();
    for (n, why) in [(201, "UnknownIssuer"), (202, "not valid for name"), (203, "expired")] {
        let host = format!("{}: TLS: ", server.net.host(n));
        let said = log.lines().any(|line| {
            line.contains("a flow's HTTP request failed")
                && line.contains(&host)
                && line.contains(why)
        });
        assert!(said, "{host}{why}\n{log}");
    }
    assert_eq!(services[0].1.requests().len(), 1);
    assert!(
        services[1..].iter().all(|(_, service)| {
            service.requests().iter().all(|request| request.line.is_empty())
        })
    );
}

/// A tenant's administrator wrote an address inside the operator's network into `http_hosts`, and
/// flows asked it.
#[test]
fn an_address_inside_is_asked_only_while_the_operator_opens_it() {
    let net = Net::reserve();
    let service =
        Web::start(net.host(200), |_| Reply::Json("{\"customer\":{\"number\":47}}".into()));
    let flows = [("good", asks(service.address, "customer"))];
    let mut setup = asking(net, &flows, &[service.address]);
    let centre = std::mem::replace(&mut setup.centres[0], Centre::usual(&setup.net));
    let mut server = Server::start(setup);
    let refused = format!(
        "tenant \"alpha\": http_hosts = \"{}\"; allowed an address outside the network, or one that \
         [effects] inside_hosts of the node file opens to this tenant: ",
        service.address
    );
    let (code, said) = server.apply(&centre);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&format!("{refused}none")), "{said}");

    let file = server.dir().join("hotline.toml");
    let shut = std::fs::read_to_string(&file).unwrap();
    let open = |tenant: &str| {
        format!("{shut}\n[effects]\ninside_hosts = [\"{tenant}={}\"]\n", service.address)
    };
    std::fs::write(&file, open("beta")).unwrap();
    reload(&mut server);
    let (code, said) = server.apply(&centre);
    assert!(code == 1 && said.contains(&refused), "another tenant's alone: {said}");
    std::fs::write(&file, open("alpha")).unwrap();
    reload(&mut server);
    let (code, said) = server.apply(&centre);
    assert_eq!(code, 0, "{said}");
    all_call(&server, &flows);

    std::fs::write(&file, &shut).unwrap();
    reload(&mut server);
    assert!(server.log().contains(&format!("{refused}none")), "{}", server.log());
    let mut caller = Caller::dials(&server, 1, "123452", Way::Events);
    caller.hears("all_busy");
    caller.ends(&server, 17);
    assert_eq!(service.requests().len(), 1, "{:#?}", service.requests());
}

/// SIGHUP, until the server says that it is done.
fn reload(server: &mut Server) {
    let times = |server: &mut Server| server.log().matches("reloaded: ").count();
    let before = times(server);
    server.process().signal("HUP");
    let done = within(s(10), || (times(server) > before).then_some(()));
    assert!(done.is_some(), "{}", server.log());
}

/// Divides by a variable that is zero.
const DIVIDES: &str = "languages = [\"en\"]\nstart = \"divide\"\n\
    [variables]\nzero = { type = \"number\", value = 0 }\n\
    [node.divide]\nkind = \"set\"\nvalues = { zero = \"1 / zero\" }\nnext = \"fine\"\n\
    [node.fine]\nkind = \"end\"\nsay = \"welcome\"\n";

#[test]
fn a_node_that_fails_leads_where_the_tenant_chose_or_to_its_fault_prompt() {
    let chosen = DIVIDES.replace("start =", "on_fault = \"sorry\"\nstart =")
        + "[node.sorry]\nkind = \"end\"\nsay = \"goodbye\"\ncause = 27\n";
    // Its own branch for faults fails as well.
    let twice = DIVIDES.replace("start =", "on_fault = \"again\"\nstart =")
        + "[node.again]\nkind = \"set\"\nvalues = { zero = \"2 % zero\" }\nnext = \"fine\"\n";
    let flows = [("chosen", chosen), ("none", DIVIDES.to_string()), ("twice", twice)];
    let server = Server::start(Setup::with(|net| vec![centre(net, &flows)]));
    let mut caller = Caller::dials(&server, 0, "123452", Way::Events);
    caller.hears("goodbye");
    caller.ends(&server, 27);
    for (n, dialled) in [(1, "123453"), (2, "123454")] {
        let mut caller = Caller::dials(&server, n, dialled, Way::Events);
        caller.hears("fault");
        assert!(!caller.ear.has_heard("en", "welcome"));
        let bye = caller.phone.hung_up(&caller.call, s(15));
        assert_eq!(bye.q850(), Some(41), "{bye:#?}");
        let record = server.api().record(&caller.call.id);
        assert_eq!(record["released_by"], "system", "{record:#}");
    }
}

/// A flow without a fault.
const GOOD: &str = r#"description = "Good"
languages = ["en"]
start = "hello"
on_hang_up = "bye"

[variables]
tries = { type = "number", value = 0 }

[node.hello]
kind = "play"
say = ["welcome"]
barge_in = true
next = "menu"

[node.menu]
kind = "menu"
say = ["menu_main"]
keys = { "1" = "to_support", "2" = "count" }
on_timeout = "bye"
on_no_match = "bye"

[node.count]
kind = "set"
values = { tries = "tries + 1" }
next = "bye"

[node.to_support]
kind = "transfer"
to = { skill_queue = "support" }
on_failure = "bye"

[node.bye]
kind = "end"
say = ["goodbye"]
"#;

/// What is put in the place of what, and the one line it gets behind `flows/good.toml:LINE: flow
/// "good"`.
const WRONG: &[(&str, &str, &str)] = &[
    ("barge_in = true", "barge = true", ": node \"hello\": barge: unknown key; known here: "),
    ("next = \"menu\"", "next = \"meun\"", ": node \"hello\": next = \"meun\"; allowed a node of"),
    ("\"2\" = \"count\" }", "\"2\" = \"bye\" }", ": node \"count\": no way from start leads here"),
    ("say = [\"welcome\"]", "say = [\"welcom\"]", ": node \"hello\": say"),
    ("on_timeout = \"bye\"", "retries = 99\non_timeout = \"bye\"", ": node \"menu\": retries = 99"),
    ("next = \"menu\"", "next = \"hello\"", ": node \"hello\": next: hello → hello goes round"),
    ("skill_queue = \"support\"", "skill_queue = \"suport\"", ": node \"to_support\": to"),
    ("tries + 1", "tries + 'one'", ": node \"count\": values"),
    ("tries + 1", "tries +", ": node \"count\": values"),
    ("tries + 1", "trys + 1", ": node \"count\": values"),
    (
        "kind = \"set\"",
        "kind = \"survey\"",
        ": node \"count\": kind: \"survey\" is not available yet",
    ),
    ("start = \"hello\"", "start = \"helo\"", ": start = \"helo\"; allowed a node of this flow"),
    ("say = [\"menu_main\"]", "say = [\"menu_main\"", ""),
];

#[test]
fn each_wrong_value_of_a_flow_gets_its_line_with_file_and_place() {
    let dir = tempfile::tempdir().unwrap();
    let net = Net::reserve();
    let check = |text: String| {
        let path = centre(&net, &[("good", text)]).write(dir.path());
        let mut command = Command::new(binary());
        command.args(["check", "."]).current_dir(&path);
        run("check", command, dir.path())
    };
    let (code, output) = check(GOOD.into());
    assert_eq!(code, 0, "{output}");
    let mut faults = Vec::new();
    for (good, wrong, expected) in WRONG {
        assert!(GOOD.contains(good), "{good}");
        let (code, output) = check(GOOD.replacen(good, wrong, 1));
        let line = GOOD[..GOOD.find(good).unwrap()].lines().count();
        let right = output.lines().any(|said| {
            let place =
                said.strip_prefix("flows/good.toml:").and_then(|rest| rest.split_once(": "));
            place.is_some_and(|(number, said)| {
                number.parse::<usize>().is_ok_and(|number| number.abs_diff(line) <= 6)
                    && said.strip_prefix("flow \"good\"").is_some_and(|s| s.starts_with(expected))
            })
        });
        if code != 1 || !right {
            faults
                .push(format!("{wrong:?} (line {line}), exit {code}:\n  {output}  not {expected}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_wrong_flow_is_refused_while_calls_go_on() {
    let server = Server::start(Setup::with(|net| vec![centre(net, &[("good", GOOD.into())])]));
    let mut caller = Caller::dials(&server, 0, "123452", Way::Events);
    caller.hears("welcome");
    let wrong = GOOD.replace("next = \"menu\"", "next = \"meun\"");
    let (code, said) = server.apply(&centre(&server.net, &[("good", wrong)]));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("flows/good.toml:13: flow \"good\": node \"hello\""), "{said}");
    caller.hears("menu_main");
    caller.hangs_up(&server);
    // The next call hears the flow as it was.
    let mut caller = Caller::dials(&server, 1, "123452", Way::Events);
    caller.hears("welcome");
    caller.hears("menu_main");
    caller.hangs_up(&server);
    // By the API it is kept as a draft, with what stands against it, and cannot be published.
    let api = server.api();
    let node = serde_json::json!({ "start": "x", "node": { "y": { "kind": "end" } } });
    let (status, body) = api.put("flows/good", &node);
    assert_eq!(status, 200, "{body}");
    assert!(body["faults"].to_string().contains("start = "), "{body}");
    let (status, body) = api.post("flows/good/publish", &serde_json::json!({}));
    assert_eq!(status, 422, "{body}");
    assert_eq!(body["code"], "invalid_flow", "{body}");
}

/// A flow that says one prompt, takes a key, and says another.
fn of_two(first: &str, second: &str) -> serde_json::Value {
    serde_json::json!({
        "start": "first", "languages": ["en"],
        "node": {
            "first": {
                "kind": "menu", "say": [first], "retries": 0, "first_digit_s": 6,
                "keys": { "1": "last" }, "on_timeout": "last", "on_no_match": "last",
            },
            "last": { "kind": "end", "say": [second] },
        },
    })
}

#[test]
fn a_call_finishes_on_its_version_and_the_next_takes_the_new_one() {
    let server = Server::start(Setup::with(|net| {
        let of = centre(net, &[("greet", GOOD.into())]);
        vec![of.setting(&format!("test_callers = [\"{}\"]", demo::TEST_CALLER))]
    }));
    let api = server.api();
    let none = serde_json::json!({});
    let put = |first: &str, second: &str| {
        let (status, body) = api.put("flows/greet", &of_two(first, second));
        assert_eq!((status, body["faults"].to_string().as_str()), (200, "[]"), "{body}");
    };
    put("welcome", "goodbye");
    let (status, second) = api.post("flows/greet/publish", &none);
    assert_eq!((status, &second["version"]), (200, &serde_json::json!(2)), "{second}");

    let mut old = Caller::dials(&server, 0, "123452", Way::Events);
    old.hears("welcome");
    // A draft is for test callers only.
    put("closed", "all_busy");
    let mut tester = Caller::dials(&server, 9, "123452", Way::Events);
    tester.hears("closed");
    assert_eq!(tester.hangs_up(&server)["test"], true);
    let mut other = Caller::dials(&server, 1, "123452", Way::Events);
    other.hears("welcome");
    other.hangs_up(&server);

    let (status, third) = api.post("flows/greet/publish", &none);
    assert_eq!((status, &third["version"]), (200, &serde_json::json!(3)), "{third}");
    let mut new = Caller::dials(&server, 2, "123452", Way::Events);
    new.hears("closed");
    old.hears("goodbye");
    old.ends(&server, 16);
    new.hears("all_busy");
    new.ends(&server, 16);
    // Back to the version before: it becomes the next.
    let (status, back) = api.post("flows/greet/roll-back", &serde_json::json!({ "version": 2 }));
    assert_eq!((status, &back["version"]), (200, &serde_json::json!(4)), "{back}");
    let mut caller = Caller::dials(&server, 3, "123452", Way::Events);
    caller.hears("welcome");
    caller.hangs_up(&server);
    let versions = api.read("flows/greet/versions");
    assert_eq!(versions["versions"].as_array().map(Vec::len), Some(4), "{versions}");
    let differences = api.read("flows/greet/compare?from=2&to=3");
    assert!(differences["differences"].to_string().contains("closed"), "{differences}");
    let differences = api.read("flows/greet/compare?from=2&to=4");
    assert_eq!(differences["differences"], serde_json::json!([]), "{differences}");
}
