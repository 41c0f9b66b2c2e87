//! The tables: each kind of object, its keys, their ranges and defaults, as docs/centre.md tells them.

use super::values::{
    is_announce_every, is_common, is_date, is_destination, is_distribution, is_flow_name, is_hold,
    is_host, is_http_host, is_language, is_name, is_network, is_number, is_outside_prefix,
    is_password, is_pin, is_policy, is_realm, is_secret, is_segment, is_softphone_number,
    is_target, is_time_zone, is_voice, is_waiting,
};
use super::{Field, Kind, Rule};

const fn must(key: &'static str, rule: Rule) -> Field {
    Field { key, rule, mandatory: true, default: "" }
}

const fn may(key: &'static str, rule: Rule, default: &'static str) -> Field {
    Field { key, rule, mandatory: false, default }
}

const DIGITS: &str = "0123456789";
const EXTENSION: &str = "0123456789*#";
const EMPLOYEE_ID: Rule = Rule::Of(1, hotline_routing::limits::EMPLOYEE_ID_DIGITS_MAX, DIGITS);
const DIGEST: Rule = Rule::List(&Rule::Choice(&["MD5", "SHA-256"]), 2);
const ANSWER_MODE: Rule = Rule::Choice(&["automatic", "manual", "inherit"]);
const POLICY: Rule = Rule::Check(
    is_policy,
    "{ release = true }, { release = \"PROMPT\" }, { skill_queue = \"NAME\" } or { flow = \"NAME\" }",
);
const WAITING: Rule =
    Rule::Check(is_waiting, "\"default\", { tone = \"NAME\" } or { flow = \"NAME\" }");
const HOLD: Rule = Rule::Check(is_hold, "\"default\" or { tone = \"NAME\" }");
const NUMBER: Rule = Rule::Check(is_number, "1–20 digits, with or without + before them");
const OUTSIDE_PREFIX: Rule =
    Rule::Check(is_outside_prefix, "beginnings of numbers as in +46 or 0046; + alone allows all");
const LANGUAGE: Rule = Rule::Check(is_language, "a language as in en or zh");
const TIME_ZONE: Rule =
    Rule::Check(is_time_zone, "a name of the IANA database, as in Europe/Stockholm");

/// The tenant itself: exactly one in a centre directory.
pub const TENANT: Kind = Kind {
    name: "tenant",
    named_by: &[],
    fields: &[
        must("name", Rule::Check(is_name, "1–63 of a-z, 0-9, '-' and '_'")),
        must("domains", Rule::List(&Rule::Check(is_host, "a host name or IP address"), 16)),
        must("realm", Rule::Check(is_realm, "1–63 printable characters without '\"' and '\\'")),
        may("language", LANGUAGE, "\"en\""),
        may("languages", Rule::List(&LANGUAGE, 32), "[]"),
        may("main_number", NUMBER, ""),
        may("time_zone", TIME_ZONE, "\"UTC\""),
        may("limits", Rule::Choice(&["classic", "extended"]), "\"classic\""),
        may("skill_queues_max", Rule::Integer(1, 5_000, "skill queues"), "1000"),
        may("answer_mode", ANSWER_MODE, "\"automatic\""),
        may("digest", DIGEST, "[\"MD5\"]"),
        may("concurrent_calls", Rule::Integer(1, 100_000, "calls"), "5000"),
        may("call_s_max", Rule::Integer(10, 86_400, "seconds"), "14400"),
        may("rtp_silence_s", Rule::Integer(0, 3_600, "seconds, 0 never"), "60"),
        may("no_answer_limit", Rule::Integer(1, 100, "offers"), "3"),
        may("rejection_pause_s", Rule::Integer(0, 3_600, "seconds"), "10"),
        may("lost_registration", Rule::Choice(&["signed_out", "busy"]), "\"signed_out\""),
        may("overflow_keeps_place", Rule::Bool, "false"),
        may("priority_raise_s", Rule::Integer(0, 3_600, "seconds, 0 never"), "0"),
        may("test_callers", Rule::List(&NUMBER, 100), "[]"),
        may(
            "http_hosts",
            Rule::List(
                &Rule::Check(is_http_host, "a host, HOST:PORT or ADDRESS:PORT, in small letters"),
                100,
            ),
            "[]",
        ),
        may("single_phone", Rule::Table(TENANT_SINGLE_PHONE), "{}"),
    ],
    later: &["download_link", "second_factor"],
};

const TENANT_SINGLE_PHONE: &[Field] = &[
    may("trunk", Rule::Text(1, 100), ""),
    may("number_shown", NUMBER, ""),
    may("confirm_digit", Rule::Of(1, 1, EXTENSION), "\"1\""),
    may("lock_out_tries", Rule::Integer(1, 20, "wrong PINs in a row"), "5"),
    may("lock_out_s", Rule::Integer(1, 86_400, "seconds"), "900"),
    may("cut_line", Rule::Choice(&["be_rung", "signed_out"]), "\"signed_out\""),
    may("feature_codes", Rule::Table(FEATURE_CODES), "{}"),
    may("star_codes", Rule::Table(STAR_CODES), "{}"),
];

const FEATURE_CODE: Rule = Rule::Of(1, 4, EXTENSION);

const FEATURE_CODES: &[Field] = &[
    may("hold", FEATURE_CODE, "\"*1\""),
    may("consult", FEATURE_CODE, "\"*2\""),
    may("transfer", FEATURE_CODE, "\"*3\""),
    may("conference", FEATURE_CODE, "\"*4\""),
    may("return_to_customer", FEATURE_CODE, "\"*5\""),
    may("hang_up", FEATURE_CODE, "\"*6\""),
    may("idle", FEATURE_CODE, "\"*7\""),
    may("busy", FEATURE_CODE, "\"*8\""),
    may("rest", FEATURE_CODE, "\"*9\""),
    may("end_wrap_up", FEATURE_CODE, "\"*0\""),
    may("sign_out", FEATURE_CODE, "\"**\""),
];

const STAR_CODE: Rule = Rule::Of(1, 8, EXTENSION);

const STAR_CODES: &[Field] = &[
    may("sign_in", STAR_CODE, "\"*50\""),
    may("sign_out", STAR_CODE, "\"*51\""),
    may("idle", STAR_CODE, "\"*52\""),
    may("busy", STAR_CODE, "\"*53\""),
    may("rest", STAR_CODE, "\"*54\""),
    may("my_state", STAR_CODE, "\"*55\""),
    may("end_wrap_up", STAR_CODE, "\"*56\""),
];

/// `[[organisation]]`.
pub const ORGANISATION: Kind = Kind {
    name: "organisation",
    named_by: &["name"],
    fields: &[
        must("name", Rule::Text(1, 100)),
        may("parent", Rule::Text(1, 100), ""),
        may("answer_mode", ANSWER_MODE, "\"inherit\""),
        may("digest", DIGEST, "[]"),
    ],
    later: &["max_sessions", "softphone_in_page"],
};

/// `[[skill_queue]]`.
pub const SKILL_QUEUE: Kind = Kind {
    name: "skill_queue",
    named_by: &["name"],
    fields: &[
        must("name", Rule::Text(1, 100)),
        may("description", Rule::Text(0, 255), "\"\""),
        may(
            "type",
            Rule::Check(is_voice, "\"voice\" (the other types are not available yet)"),
            "\"voice\"",
        ),
        may("max_waiting_time_s", Rule::Integer(1, 60_000, "seconds"), "60"),
        may("max_calls_in_queue", Rule::Integer(1, 10_000, "calls"), "100"),
        may("wrap_up_s", Rule::Integer(0, 3_600, "seconds"), "5"),
        may("on_timeout", POLICY, "{\"release\":true}"),
        may("on_busy", POLICY, "{\"release\":true}"),
        may("busy_when", Rule::Choice(&["full", "nobody_idle"]), "\"full\""),
        may("on_no_agents", POLICY, "{\"release\":true}"),
        may("no_agents_while_waiting", Rule::Bool, "true"),
        may("waiting", WAITING, "\"default\""),
        may("hold", HOLD, "\"default\""),
        may("announce_on_answer", Rule::Choice(&["nothing", "employee_id"]), "\"nothing\""),
        may(
            "distribution",
            Rule::Check(
                is_distribution,
                "longest_idle, most_skilled, round_robin or linear (fewest_calls, least_talk_time and ring_all are not available yet)",
            ),
            "\"longest_idle\"",
        ),
        may("offer_time_s", Rule::Integer(1, 120, "seconds"), "20"),
        may("mobile_offer_time_s", Rule::Integer(1, 120, "seconds"), "40"),
        may(
            "announce_every_s",
            Rule::Check(is_announce_every, "0 (never) or 5–3600 (seconds)"),
            "0",
        ),
        may("announce", Rule::Choice(&["position", "agents", "both"]), "\"position\""),
        may("weight", Rule::Integer(0, 1_000, "higher is served first"), "0"),
        may("display_name", Rule::Text(0, 100), "\"{queue} {caller}\""),
        may("draft", Rule::Bool, "false"),
    ],
    later: &["record", "service_level_s", "short_abandon_s"],
};

/// `[[access_code]]`.
pub const ACCESS_CODE: Kind = Kind {
    name: "access_code",
    named_by: &["code"],
    fields: &[
        must("code", Rule::Of(1, 20, DIGITS)),
        must("type", Rule::Check(is_voice, "\"voice\" (the other types are not available yet)")),
        may("unknown_extension_allowed", Rule::Bool, "false"),
        may("language", LANGUAGE, ""),
    ],
    later: &[],
};

/// `[[called_route]]`.
pub const CALLED_ROUTE: Kind = Kind {
    name: "called_route",
    named_by: &["access_code", "extension_code"],
    fields: &[
        must("access_code", Rule::Of(1, 20, DIGITS)),
        may("extension_code", Rule::Of(1, 12, EXTENSION), ""),
        may("skill_queue", Rule::Text(1, 100), ""),
        may("flow", FLOW, ""),
        may("agent", EMPLOYEE_ID, ""),
        may("priority", Rule::Integer(0, 100, "100 is most urgent"), "0"),
        may("language", LANGUAGE, ""),
        may("answer_supervision", Rule::Choice(&["at_once", "when_agent_answers"]), "\"at_once\""),
        may("working_time", Rule::Text(1, 64), ""),
        may(
            "out_of_hours",
            Rule::Check(
                is_destination,
                "{ skill_queue = \"NAME\" }, { flow = \"NAME\" } or { agent = \"EMPLOYEE_ID\" }",
            ),
            "",
        ),
        may("draft", Rule::Bool, "false"),
    ],
    later: &[],
};

const FLOW: Rule = Rule::Check(is_flow_name, "the name of a flow: 1–64 of a-z, 0-9 and '_'");

/// `[[working_time]]`.
pub const WORKING_TIME: Kind = Kind {
    name: "working_time",
    named_by: &["name"],
    fields: &[
        must("name", Rule::Text(1, 64)),
        may("time_zone", TIME_ZONE, ""),
        may(
            "workdays",
            Rule::List(&Rule::Choice(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), 7),
            "[\"mon\",\"tue\",\"wed\",\"thu\",\"fri\"]",
        ),
        may("workday", SEGMENTS, "[]"),
        may("non_workday", SEGMENTS, "[]"),
        may(
            "holidays",
            Rule::List(&Rule::Check(is_date, "a date as in \"2026-12-25\""), 1_000),
            "[]",
        ),
    ],
    later: &[],
};

const SEGMENTS: Rule = Rule::List(
    &Rule::Check(is_segment, "[\"HH:MM\", \"HH:MM\"] from 00:00 to 24:00, two different times"),
    4,
);

/// `[[secret]]`: what a flow's HTTP requests carry and nobody may see.
pub const SECRET: Kind = Kind {
    name: "secret",
    named_by: &["name"],
    fields: &[
        must("name", FLOW),
        must(
            "value",
            Rule::Check(
                is_secret,
                "\"…\" (1–4096 characters), { file = \"PATH\" } or { env = \"NAME\" }",
            ),
        ),
    ],
    later: &[],
};

/// `[[agent]]`.
pub const AGENT: Kind = Kind {
    name: "agent",
    named_by: &["employee_id"],
    fields: &[
        must("employee_id", EMPLOYEE_ID),
        may("account", Rule::Text(1, 100), ""),
        must("type", Rule::Choice(&["audio", "video", "multimedia", "versatile"])),
        must(
            "role",
            Rule::Check(
                is_common,
                "\"common\" (quality_checker and callout are not available yet)",
            ),
        ),
        may("organisation", Rule::Text(1, 100), ""),
        may("skill_queues", Rule::List(&Rule::Table(SKILL), 1_000), "[]"),
        may("softphone", Rule::Table(SOFTPHONE), ""),
        may("digest", DIGEST, "[]"),
        may("sign_in_on_registration", Rule::Bool, "false"),
        may("queue_sign_in", Rule::Choice(&["specified", "automatic"]), "\"specified\""),
        may("answer_mode", ANSWER_MODE, "\"inherit\""),
        may("mobile_number", NUMBER, ""),
        may("single_phone", Rule::Table(SINGLE_PHONE), "{\"enabled\":false}"),
        may("anonymised", Rule::Bool, "false"),
        may("number_shown_to_customer", NUMBER, ""),
        may("number_shown_to_agent", NUMBER, ""),
    ],
    later: &[
        "intelligent",
        "callout_caller",
        "webrtc_auto_register",
        "softphone_in_page",
        "nickname",
        "avatar",
        "max_sessions",
        "greetings",
    ],
};

const SKILL: &[Field] =
    &[must("queue", Rule::Text(1, 100)), may("level", Rule::Integer(1, 10, "1 is best"), "1")];

const SINGLE_PHONE: &[Field] = &[
    may("enabled", Rule::Bool, "false"),
    may(
        "pin",
        Rule::Check(
            is_pin,
            "\"…\" (4–12 digits), { file = \"PATH\" }, { env = \"NAME\" }, { hash = \"$argon2id$…\" } or { generate = true }",
        ),
        "",
    ),
];

const SOFTPHONE: &[Field] = &[
    must(
        "number",
        Rule::Check(
            is_softphone_number,
            "1–32 of A-Z, a-z, 0-9, '-', '_' and '.', which is not \"flow\", begins with no '.' and ends with no \".pin\"",
        ),
    ),
    must(
        "password",
        Rule::Check(
            is_password,
            "\"…\" (8–128 characters), { file = \"PATH\" }, { env = \"NAME\" }, { ha1 = \"HEX\", ha1_sha256 = \"HEX\" } or { generate = true }",
        ),
    ),
];

/// `[[trunk]]`.
pub const TRUNK: Kind = Kind {
    name: "trunk",
    named_by: &["name"],
    fields: &[
        must("name", Rule::Text(1, 100)),
        must(
            "peers",
            Rule::List(
                &Rule::Check(is_network, "addresses or networks as in 198.51.100.0/24"),
                256,
            ),
        ),
        may(
            "dialled_from",
            Rule::Choice(&["request_uri", "to", "p_called_party_id", "diversion", "history_info"]),
            "\"request_uri\"",
        ),
        may("number_rules", Rule::List(&Rule::Table(NUMBER_RULE), 64), "[]"),
        may("outbound_rules", Rule::List(&Rule::Table(NUMBER_RULE), 64), "[]"),
        may("early_media", Rule::Bool, "true"),
        may("target", Rule::Check(is_target, "ADDRESS:PORT as in 198.51.100.1:5060"), ""),
        may("transport", Rule::Choice(&["udp", "tcp"]), "\"udp\""),
        may("outside_prefixes", Rule::List(&OUTSIDE_PREFIX, 256), "[]"),
        may("present_any_number", Rule::Bool, "false"),
        may("channels", Rule::Integer(1, 100_000, "calls at once"), "100000"),
    ],
    later: &["username", "password"],
};

const NUMBER_RULE: &[Field] = &[must("prefix", Rule::Text(1, 32)), must("with", Rule::Text(0, 32))];

/// The kinds of a centre directory that come as lists.
pub const KINDS: &[Kind] =
    &[ORGANISATION, WORKING_TIME, SKILL_QUEUE, ACCESS_CODE, CALLED_ROUTE, AGENT, TRUNK, SECRET];

/// Kinds that come in a later version.
pub const KINDS_LATER: &[&str] = &["employee", "channel"];
