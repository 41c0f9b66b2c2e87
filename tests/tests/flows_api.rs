//! Flows and messages by the API of a running server: what somebody else changed meanwhile, what
//! would break something else, what is too much. Each refusal is a problem with its stable code, and
//! leaves everything as it was.

use hotline_tests::api::Client;
use hotline_tests::caller::{Caller, Way};
use hotline_tests::speech::prompt;
use hotline_tests::{Centre, Server, Setup, demo, s};
use serde_json::{Value as Json, json};

/// A flow that says a prompt, and ends.
fn says(prompt: &str) -> Json {
    json!({
        "start": "only", "languages": ["en"],
        "node": { "only": { "kind": "end", "say": [prompt] } },
    })
}

/// A server whose flow `outer` runs `inner` as a sub-flow and hands it an amount.
fn server() -> Server {
    let inner = "start = \"only\"\nparameters = [\"amount\"]\n[variables]\namount = \"number\"\n\
                 [node.only]\nkind = \"end\"\nsay = [{ number = \"amount\" }]\n";
    let outer = "languages = [\"en\"]\nstart = \"inner\"\n\
                 [node.inner]\nkind = \"subflow\"\nflow = \"inner\"\nwith = { amount = \"7\" }\nnext = \"support\"\n\
                 [node.support]\nkind = \"transfer\"\nto = { skill_queue = \"support\" }\non_failure = \"own\"\n\
                 [node.own]\nkind = \"end\"\nsay = \"own\"\n";
    let own = prompt("en", "welcome");
    Server::start(Setup::with(|net| {
        let centre = Centre::usual(net)
            .file("flows/inner.toml", inner.as_bytes())
            .file("flows/outer.toml", outer.as_bytes())
            .file("prompts/en/own.wav", wav(&own));
        vec![centre.route_to("12345", "2", "flow = \"outer\"")]
    }))
}

fn wav(samples: &[i16]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

/// A refusal with everything that RFC 9457 and the API promise; gives its detail.
#[track_caller]
fn problem((status, body): (u16, Json), expected: u16, code: &str) -> String {
    let told = (status, body["status"].as_u64(), body["code"].as_str());
    assert_eq!(told, (expected, Some(u64::from(expected)), Some(code)), "{body:#}");
    assert_eq!(body["type"], format!("urn:hotline:problem:{code}"), "{body:#}");
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body:#}");
    let detail = body["detail"].as_str().unwrap_or_default();
    assert!(!detail.is_empty(), "{body:#}");
    detail.to_owned()
}

fn version(api: &Client, flow: &str) -> Json {
    api.read(&format!("flows/{flow}"))["version"].clone()
}

#[test]
fn who_has_not_seen_the_last_change_changes_nothing() {
    let server = server();
    let api = server.api();
    let seen = api.tag("flows/outer");
    assert_eq!(api.put_if("flows/outer", &says("welcome"), &seen).0, 200);
    let now = api.tag("flows/outer");
    assert_ne!(seen, now);
    let none = json!({});
    let back = json!({ "version": 1 });
    for refused in [
        api.put_if("flows/outer", &says("goodbye"), &seen),
        api.post_if("flows/outer/publish", &none, &seen),
        api.post_if("flows/outer/roll-back", &back, &seen),
        api.delete_if("flows/outer", &seen),
        api.put_if("flows/new", &says("goodbye"), "*"),
    ] {
        let detail = problem(refused, 412, "flow_changed");
        assert!(detail.ends_with("look at it again"), "{detail}");
    }
    let draft = &api.read("flows/outer")["draft"]["document"];
    assert_eq!(*draft, says("welcome"), "the first one's draft is untouched");
    assert_eq!(version(&api, "outer"), 1);
    // One of several, or any, will do.
    let either = format!("\"0-0\", {now}");
    assert_eq!(api.post_if("flows/outer/publish", &none, &either).0, 200);
    assert_eq!(version(&api, "outer"), 2);
    assert_eq!(api.put_if("flows/outer", &says("goodbye"), "*").0, 200);
}

#[test]
fn what_would_break_a_flow_is_refused() {
    let server = server();
    let api = server.api();
    // Read as it is, `inner` is good: but `outer` hands it an amount that it has no more.
    let (status, body) = api.put("flows/inner", &says("welcome"));
    assert_eq!((status, body["faults"].to_string().as_str()), (200, "[]"), "{body}");
    let refused = api.post("flows/inner/publish", &json!({}));
    let detail = problem(refused, 422, "invalid_flow");
    assert!(detail.contains("flow \"outer\": node \"inner\""), "{detail}");
    assert_eq!(version(&api, "inner"), 1);

    // A prompt of its own that a flow says, a queue that it hands callers to.
    let detail = problem(api.delete_answer("prompts/en/own"), 422, "in_use");
    assert!(detail.contains("flow \"outer\": node \"own\""), "{detail}");
    assert_eq!(api.bytes("prompts/en/own").0, 200);
    let mut fewer: toml::Table = Centre::usual(&server.net).text().parse().unwrap();
    fewer.remove("skill_queue");
    fewer.remove("called_route");
    fewer.remove("agent");
    let body = json!({ "centre": fewer });
    let kept = api.post("apply?dry_run=true", &body);
    assert_eq!(kept.0, 200, "nothing is removed without prune: {}", kept.1);
    let flows = json!({ "outer": api.read("flows/outer")["document"],
                        "inner": api.read("flows/inner")["document"] });
    let mut body = json!({ "centre": fewer });
    body["centre"]["flow"] = flows;
    let detail = problem(api.post("apply?prune=true", &body), 422, "invalid_centre");
    assert!(detail.contains("flow \"outer\": node \"support\""), "{detail}");
    assert_eq!(api.read("skill-queues")["skill_queues"][0]["name"], "support");
}

/// A caller leaves a message of some seconds.
fn leaves_message(server: &Server) {
    let mut caller = Caller::dials(server, 0, "12345", Way::Events);
    caller.hears("menu_main");
    caller.presses("3");
    caller.hears("message_after_tone");
    hotline_tests::during(s(prompt("en", "message_after_tone").len() as u64 / 8_000 + 1));
    caller.says(700);
    hotline_tests::during(s(3));
    caller.presses("#");
    caller.hears("message_saved");
    caller.hangs_up(server);
}

#[test]
fn a_message_is_deleted_once_with_its_audio() {
    let server = Server::start(Setup::with(|net| vec![demo::centre(net)]));
    leaves_message(&server);
    let api = server.api();
    let messages = api.read("messages");
    let recording = messages["messages"][0]["recording"].as_str().expect("a message").to_owned();
    let path = format!("messages/{recording}");
    assert_eq!(api.bytes(&path).0, 200);
    let stranger = api.with_token("wrong").delete_answer(&path);
    problem(stranger, 401, "unauthorized");
    let elsewhere = api.delete_answer(&format!("{path}?tenant=nobody"));
    problem(elsewhere, 404, "tenant_not_found");
    assert_eq!(api.bytes(&path).0, 200);

    assert_eq!(api.delete_answer(&path).0, 204);
    let gone = problem(api.delete_answer(&path), 404, "message_not_found");
    assert!(gone.starts_with(&format!("message {recording}: ")), "{gone}");
    problem(api.get(&path), 404, "message_not_found");
    assert_eq!(api.read("messages")["messages"], json!([]));
    let folder = server.data_dir().join("messages");
    let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    assert!(files.all(|tenant| std::fs::read_dir(tenant.path()).unwrap().count() == 0));
}
