//! [`Caller`]: a customer on a trunk who listens for prompts and presses keys, by any of the ways
//! in which telephones do.
//!
//! Owns: one call of one phone, with its audio and an ear for prompts. Does not own: what a phone
//! can say at all ([`Phone`]), or which sound is which ([`crate::audio`], [`crate::speech`]).

use crate::phone::Call;
use crate::rtp::Rtp;
use crate::sip::{sdp, sdp_of};
use crate::speech::Listener;
use crate::{Phone, Server, s};
use serde_json::Value as Json;
use std::sync::Arc;

/// How a caller presses keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// RFC 4733.
    Events,
    /// INFO with `application/dtmf-relay`.
    Relay,
    /// INFO with `application/dtmf`.
    Plain,
    /// Two tones in the audio, where there are no events.
    InBand,
}

/// A caller in a call.
#[derive(Debug)]
pub struct Caller {
    /// Its phone.
    pub phone: Phone,
    /// What it says and hears.
    pub audio: Arc<Rtp>,
    /// What it listens for.
    pub ear: Listener,
    /// Its call.
    pub call: Call,
    /// How it presses keys.
    pub way: Way,
    /// The payload type of its telephone-events.
    pub events: u8,
}

impl Caller {
    /// Caller `n`, number 4000 and so on, who dials, is answered, and says nothing.
    ///
    /// # Panics
    /// If it is not answered, or with telephone-events where it has none.
    pub fn dials(server: &Server, n: u8, dialled: &str, way: Way) -> Caller {
        let number = format!("400{n}");
        let mut phone = Phone::udp(server.net.carrier(n), server.sip(), &number);
        let audio = Arc::new(Rtp::open(phone.local.ip()));
        let sdp = match way {
            Way::Events => sdp(audio.address, "sendrecv"),
            _ => sdp_of(audio.address, "sendrecv", &[(8, "PCMA")]),
        };
        let invite = phone.invitation(dialled, &sdp);
        let mut call = phone.dial(invite);
        let answer = phone.answered(&mut call);
        let events = answer.payload_type("telephone-event");
        assert_eq!(events.is_some(), way == Way::Events, "{answer:#?}");
        audio.talk(call.audio.expect("an answer has audio"), 0);
        let ear = Listener::to(Arc::clone(&audio));
        Caller { phone, audio, ear, call, way, events: events.unwrap_or_default() }
    }

    /// Presses keys its way.
    ///
    /// # Panics
    /// If an INFO is not taken.
    pub fn presses(&mut self, keys: &str) {
        match self.way {
            Way::Events => self.audio.press(keys, self.events),
            Way::InBand => self.audio.press_in_band(keys),
            Way::Relay | Way::Plain => {
                for key in keys.chars() {
                    assert_eq!(self.informs(key), 200, "{:?}", self.way);
                }
            }
        }
    }

    /// Tells of a key by INFO; the status of the answer.
    pub fn informs(&mut self, key: char) -> u16 {
        match self.way {
            Way::Plain => self.phone.info(&mut self.call, "application/dtmf", &key.to_string()),
            _ => {
                let body = format!("Signal={key}\r\nDuration=100\r\n");
                self.phone.info(&mut self.call, "application/dtmf-relay", &body)
            }
        }
    }

    /// A prompt is heard, in English; when it began, in ms of what was received.
    ///
    /// # Panics
    /// If it is not within 8 s.
    pub fn hears(&mut self, prompt: &str) -> u64 {
        self.ear.until_heard("en", prompt)
    }

    /// Says a tone from now on; 0 is silence.
    ///
    /// # Panics
    /// If the call has no audio.
    pub fn says(&self, tone_hz: u32) {
        self.audio.talk(self.call.audio.expect("an answer has audio"), tone_hz);
    }

    /// Hangs up; the record.
    ///
    /// # Panics
    /// If BYE is not taken, or there is no record.
    pub fn hangs_up(mut self, server: &Server) -> Json {
        assert_eq!(self.phone.hang_up(&mut self.call), 200);
        server.api().record(&self.call.id)
    }

    /// The server ends the call with this Q.850 cause; the record.
    ///
    /// # Panics
    /// If it does not, or for another cause.
    pub fn ends(mut self, server: &Server, q850: u16) -> Json {
        let bye = self.phone.hung_up(&self.call, s(15));
        assert_eq!(bye.q850(), Some(q850), "{bye:#?}");
        server.api().record(&self.call.id)
    }
}
