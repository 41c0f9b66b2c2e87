//! Single-phone agents: who may sign in from any telephone, and by which keys it is served.
//!
//! Owns the types and their defaults. Does not own what a code does (the engine's calls) nor whether
//! the codes of a tenant can be told apart (the shell's `config`).

use hotline_base::Redacted;
use serde::{Deserialize, Serialize};

/// An agent that may sign in from any telephone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mobile {
    /// Its PIN as an Argon2id hash in PHC form.
    pub pin_hash: Redacted<String>,
    /// Its mobile or fixed-line number; without it the agent can only hold the line.
    pub number: Option<String>,
}

/// How single-phone agents are served (`single_phone` of the tenant).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SinglePhone {
    /// The trunk their mobiles are rung through; without it agents can only hold the line.
    pub trunk: Option<String>,
    /// The number a mobile shows when it is rung; unset: the tenant's main number.
    pub number_shown: Option<String>,
    /// The digit that accepts a call on a mobile: `0-9 * #`.
    pub confirm_digit: char,
    /// Wrong PINs in a row that lock an agent or a calling number out: 1–20.
    pub lock_out_tries: u8,
    /// How long, in seconds: 1–86,400.
    pub lock_out_s: u32,
    /// What becomes of an agent whose held line is cut.
    pub cut_line: CutLine,
    /// Keys during a call and between calls on a held line.
    pub feature_codes: FeatureCodes,
    /// Numbers an agent's plain phone dials.
    pub star_codes: StarCodes,
}

impl Default for SinglePhone {
    fn default() -> Self {
        SinglePhone {
            trunk: None,
            number_shown: None,
            confirm_digit: '1',
            lock_out_tries: 5,
            lock_out_s: 900,
            cut_line: CutLine::default(),
            feature_codes: FeatureCodes::default(),
            star_codes: StarCodes::default(),
        }
    }
}

/// What becomes of an agent whose held line is cut (`cut_line`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutLine {
    /// It is rung on its mobile number from then on; signed out if it has none.
    BeRung,
    /// It is signed out.
    #[default]
    SignedOut,
}

/// Keys of a single-phone agent; each 1–4 of `0-9 * #`, none the beginning of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureCodes {
    /// Holds the customer; again: takes the call back.
    pub hold: String,
    /// Calls somebody in between: the code, then an employee ID or number, then `#`.
    pub consult: String,
    /// During a consultation: completes the transfer. Else: with a number and `#`, a blind one.
    pub transfer: String,
    /// During a consultation: all three together.
    pub conference: String,
    /// During a consultation: back to the customer alone.
    pub return_to_customer: String,
    /// Ends the customer's call and keeps the line.
    pub hang_up: String,
    /// Idle.
    pub idle: String,
    /// Busy.
    pub busy: String,
    /// Rest.
    pub rest: String,
    /// Ends wrap-up.
    pub end_wrap_up: String,
    /// Signs out.
    pub sign_out: String,
}

impl FeatureCodes {
    /// Each code with its key in the configuration.
    pub fn all(&self) -> [(&'static str, &str); 11] {
        [
            ("hold", &self.hold),
            ("consult", &self.consult),
            ("transfer", &self.transfer),
            ("conference", &self.conference),
            ("return_to_customer", &self.return_to_customer),
            ("hang_up", &self.hang_up),
            ("idle", &self.idle),
            ("busy", &self.busy),
            ("rest", &self.rest),
            ("end_wrap_up", &self.end_wrap_up),
            ("sign_out", &self.sign_out),
        ]
    }
}

impl Default for FeatureCodes {
    fn default() -> Self {
        FeatureCodes {
            hold: "*1".into(),
            consult: "*2".into(),
            transfer: "*3".into(),
            conference: "*4".into(),
            return_to_customer: "*5".into(),
            hang_up: "*6".into(),
            idle: "*7".into(),
            busy: "*8".into(),
            rest: "*9".into(),
            end_wrap_up: "*0".into(),
            sign_out: "**".into(),
        }
    }
}

/// Numbers an agent's plain phone dials to say or hear its state; each 1–8 of `0-9 * #`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StarCodes {
    /// Signs in.
    pub sign_in: String,
    /// Signs out.
    pub sign_out: String,
    /// Idle.
    pub idle: String,
    /// Busy.
    pub busy: String,
    /// Rest.
    pub rest: String,
    /// Says the agent's state.
    pub my_state: String,
    /// Ends wrap-up.
    pub end_wrap_up: String,
}

impl StarCodes {
    /// Each code with its key in the configuration.
    pub fn all(&self) -> [(&'static str, &str); 7] {
        [
            ("sign_in", &self.sign_in),
            ("sign_out", &self.sign_out),
            ("idle", &self.idle),
            ("busy", &self.busy),
            ("rest", &self.rest),
            ("my_state", &self.my_state),
            ("end_wrap_up", &self.end_wrap_up),
        ]
    }
}

impl Default for StarCodes {
    fn default() -> Self {
        StarCodes {
            sign_in: "*50".into(),
            sign_out: "*51".into(),
            idle: "*52".into(),
            busy: "*53".into(),
            rest: "*54".into(),
            my_state: "*55".into(),
            end_wrap_up: "*56".into(),
        }
    }
}
