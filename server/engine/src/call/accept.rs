//! A mobile that has answered: whoever it is says by a key that it is the agent.
//!
//! Owns: asking, and what the keys mean. Until the right one the call is still only offered: the
//! caller hears that it waits, so that no voicemail ever answers a customer.
//!
//! ```text
//! 200 → asked ─ the key ──────────────→ the agent's answer
//!          ├── another key ───────────→ rejected
//!          ├── hung up ───────────────→ no answer: it may have been a machine
//!          └── offer time, caller gone → withdrawn by routing
//! ```

use super::Step;
use super::announce::Announcement;
use super::call::{Call, State, Talk};
use super::offer::Offer;
use hotline_routing::OfferFailure;

impl Call {
    /// A mobile has answered, or a line is to be asked: its leg is the agent's, and is asked.
    pub fn ask_to_accept(&mut self, step: &mut Step<'_, '_>, mut offer: Offer) {
        offer.confirming = true;
        self.state = State::Offered(Box::new(offer));
        self.serve_keys(step);
        self.ask_again(step);
    }

    /// The keys of the agent's telephone are ours, not for the other side to hear.
    pub fn serve_keys(&mut self, step: &mut Step<'_, '_>) {
        if let Some(leg) = self.agent.as_mut().filter(|leg| leg.keys.is_some()) {
            leg.media.set_digits(step.cx.out, true, false);
        }
    }

    /// Says whose call it is and which key accepts it, once more.
    pub fn ask_again(&mut self, step: &mut Step<'_, '_>) {
        let State::Offered(offer) = &self.state else { return };
        let queue = offer.queue.map(|queue| step.queue_name(queue));
        let language = step.cx.config.language.clone();
        let asked = Announcement::to_accept(step.cx.config, &language, queue.as_deref());
        self.note_missing(step, &asked);
        if let Some(agent) = &mut self.agent {
            agent.media.play(step.cx.out, asked.items);
        }
    }

    /// A key of a telephone that is asked.
    pub fn accept_key(&mut self, step: &mut Step<'_, '_>, digit: char) {
        if digit != step.cx.config.single_phone.confirm_digit {
            return self.offer_fails(step, OfferFailure::Rejected);
        }
        let State::Offered(offer) = std::mem::replace(&mut self.state, State::Queued) else {
            return;
        };
        let offer = *offer;
        if let Some(agent) = &mut self.agent {
            agent.media.stop(step.cx.out);
        }
        let talk = Talk {
            offer: offer.id,
            agent: Some(offer.agent),
            call: self.call_ref(),
            employee_id: offer.employee_id,
            queue: offer.queue,
        };
        self.announce(step, talk);
    }
}
