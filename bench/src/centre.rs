//! The centre that is measured: one tenant, two queues, as many agents as a row needs.

use std::fmt::Write;

/// The realm of the softphones.
pub const REALM: &str = "bench";
/// Dialled for the queue that connects without a word.
pub const QUIET: &str = "9000";
/// Dialled for the queue that reads out the employee ID.
pub const SPOKEN: &str = "9001";

/// The softphone number of an agent.
pub fn number(agent: usize) -> String {
    (100_001 + agent).to_string()
}

/// The softphone password of an agent.
pub fn password(agent: usize) -> String {
    format!("bench-{}", number(agent))
}

/// `centre.toml`.
pub fn text(agents: usize) -> String {
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
