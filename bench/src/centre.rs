//! The centre that is measured: one tenant, two queues, a menu, as many agents as a row needs.

use hotline_media::tone;
use std::fmt::Write;

/// The realm of the softphones.
pub const REALM: &str = "bench";
/// Dialled for the queue that connects without a word.
pub const QUIET: &str = "9000";
/// Dialled for the queue that reads out the employee ID.
pub const SPOKEN: &str = "9001";

/// Dialled for the menu: silence until a key, a prompt, silence again.
pub const MENU: &str = "9002";
/// How long the prompt is that a key leads to, in ms.
const PROMPT_MS: u32 = 200;

const MENU_FLOW: &str = r#"description = "Measured"
start = "menu"

[node.menu]
kind = "menu"
first_digit_s = 60
keys = { "1" = "pressed" }
on_timeout = "menu"
on_no_match = "menu"

[node.pressed]
kind = "play"
say = ["key"]
next = "menu"
"#;

/// The centre's files, by path.
pub fn files(agents: usize) -> [(&'static str, Vec<u8>); 3] {
    [
        ("centre.toml", text(agents).into_bytes()),
        ("flows/menu.toml", MENU_FLOW.into()),
        ("prompts/en/key.wav", wav(&tone::sines(&[440.0], -10.0, PROMPT_MS))),
    ]
}

/// Samples of 8 kHz, 16 bits, one channel as a WAV file.
fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = 2 * samples.len() as u32;
    let mut out = b"RIFF".to_vec();
    out.extend((36 + bytes).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16u32.to_le_bytes());
    // PCM, one channel, 8 kHz, bytes a second, bytes a sample, bits a sample.
    [1u16, 1].iter().for_each(|value| out.extend(value.to_le_bytes()));
    [8_000u32, 16_000].iter().for_each(|value| out.extend(value.to_le_bytes()));
    [2u16, 16].iter().for_each(|value| out.extend(value.to_le_bytes()));
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    samples.iter().for_each(|sample| out.extend(sample.to_le_bytes()));
    out
}

/// The softphone number of an agent.
pub fn number(agent: usize) -> String {
    (100_001 + agent).to_string()
}

/// The softphone password of an agent.
pub fn password(agent: usize) -> String {
    format!("bench-{}", number(agent))
}

/// `centre.toml`.
fn text(agents: usize) -> String {
    let mut out = format!(
        "[tenant]\nname = \"bench\"\ndomains = [\"bench.localhost\"]\nrealm = \"{REALM}\"\n\
         concurrent_calls = 100000\nrtp_silence_s = 0\nno_answer_limit = 100\n\n"
    );
    for (name, code, announcement) in
        [("quiet", QUIET, "nothing"), ("spoken", SPOKEN, "employee_id")]
    {
        let _infallible = write!(
            out,
            "[[skill_queue]]\nname = \"{name}\"\ndescription = \"Measured\"\n\
             max_waiting_time_s = 60000\nmax_calls_in_queue = 10000\nwrap_up_s = 0\n\
             offer_time_s = 120\nannounce_on_answer = \"{announcement}\"\n\n\
             [[access_code]]\ncode = \"{code}\"\ntype = \"voice\"\n\n\
             [[called_route]]\naccess_code = \"{code}\"\nskill_queue = \"{name}\"\n\n"
        );
    }
    let _infallible = write!(
        out,
        "[[access_code]]\ncode = \"{MENU}\"\ntype = \"voice\"\n\n\
         [[called_route]]\naccess_code = \"{MENU}\"\nflow = \"menu\"\n\n"
    );
    out.push_str("[[trunk]]\nname = \"loopback\"\npeers = [\"127.0.0.0/8\"]\n\n");
    for agent in 0..agents {
        let (number, password) = (number(agent), password(agent));
        let _infallible = write!(
            out,
            "[[agent]]\nemployee_id = \"{number}\"\ntype = \"audio\"\nrole = \"common\"\n\
             softphone = {{ number = \"{number}\", password = \"{password}\" }}\n\
             sign_in_on_registration = true\nanswer_mode = \"automatic\"\n\
             skill_queues = [{{ queue = \"quiet\" }}, {{ queue = \"spoken\" }}]\n\n"
        );
    }
    out
}
