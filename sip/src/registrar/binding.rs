//! One contact of an address-of-record, alive and at rest.

use crate::flow::{Flow, Transport};
use crate::uri::Uri;
use compact_str::CompactString;
use hotline_base::{Mono, Now, TimerId, Wall};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Names a binding while it lives; never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId(pub u64);

/// One contact of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its name.
    pub id: BindingId,
    /// The contact URI, as registered: the Request-URI of calls to it.
    pub contact: Uri,
    /// When it ends, by the clock that never jumps.
    pub expires: Mono,
    /// The same by the wall clock, for storage.
    pub expires_wall: Wall,
    /// Call-ID of the REGISTER that wrote it last.
    pub call_id: CompactString,
    /// CSeq number of that REGISTER.
    pub cseq: u32,
    /// Preference in thousandths, 0–1000.
    pub q: u16,
    /// Where that REGISTER came from: calls go back this way (design: never to a dead port).
    pub flow: Flow,
    /// `+sip.instance` (RFC 5626), if the phone has one.
    pub instance: Option<CompactString>,
    /// User-Agent of that REGISTER.
    pub user_agent: Option<CompactString>,
    /// See [`Binding::has_failed`].
    pub(super) failed: bool,
    pub(super) timer: Option<TimerId>,
}

/// A binding at rest: the wall time of its expiry, and a flow without its connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBinding {
    /// The address-of-record.
    pub aor: CompactString,
    /// The contact URI.
    pub contact: String,
    /// When it ends.
    pub expires_wall: Wall,
    /// Call-ID of the last REGISTER.
    pub call_id: CompactString,
    /// Its CSeq number.
    pub cseq: u32,
    /// Preference in thousandths.
    pub q: u16,
    /// The transport of its flow, as in Via.
    pub transport: CompactString,
    /// Our address of its flow.
    pub local: SocketAddr,
    /// The phone's address of its flow.
    pub remote: SocketAddr,
    /// `+sip.instance`.
    pub instance: Option<CompactString>,
    /// User-Agent.
    pub user_agent: Option<CompactString>,
}

impl Binding {
    /// The binding at rest.
    pub fn stored(&self, aor: &str) -> StoredBinding {
        StoredBinding {
            aor: aor.into(),
            contact: self.contact.as_text().into_owned(),
            expires_wall: self.expires_wall,
            call_id: self.call_id.clone(),
            cseq: self.cseq,
            q: self.q,
            transport: self.flow.transport.as_str().into(),
            local: self.flow.local,
            remote: self.flow.remote,
            instance: self.instance.clone(),
            user_agent: self.user_agent.clone(),
        }
    }

    /// Whether a call can be sent to it now: a stream needs its connection.
    pub fn is_reachable(&self) -> bool {
        !self.flow.transport.is_reliable() || self.flow.connection.is_some()
    }

    /// Whether a request to it found nobody there, and it has not registered since. It may be
    /// tried when there is no other.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Its value in the Contact header of a 200, with the seconds that are left, rounded up.
    pub(super) fn contact_value(&self, now: Now) -> Vec<u8> {
        let left = self.expires.since(now.mono);
        let left_s = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let uri = self.contact.as_bytes();
        let mut value = Vec::with_capacity(uri.len() + 64);
        value.push(b'<');
        value.extend_from_slice(uri);
        value.extend_from_slice(b">;expires=");
        value.extend_from_slice(left_s.to_string().as_bytes());
        if self.q < 1000 {
            value.extend_from_slice(format!(";q=0.{:03}", self.q).as_bytes());
        }
        if let Some(instance) = &self.instance
            && !instance.contains(['"', '\\', '\r', '\n', '\0'])
        {
            value.extend_from_slice(format!(";+sip.instance=\"{instance}\"").as_bytes());
        }
        value
    }
}

impl StoredBinding {
    /// The binding alive again; `None` if what was stored cannot be read.
    pub(super) fn binding(self, id: BindingId, now: Now) -> Option<Binding> {
        let transport = Transport::from_bytes(self.transport.as_bytes())?;
        Some(Binding {
            id,
            contact: self.contact.parse().ok()?,
            expires: now.mono_at(self.expires_wall),
            expires_wall: self.expires_wall,
            call_id: self.call_id,
            cseq: self.cseq,
            q: self.q,
            flow: Flow { transport, local: self.local, remote: self.remote, connection: None },
            instance: self.instance,
            user_agent: self.user_agent,
            failed: false,
            timer: None,
        })
    }
}

/// A SIP-date (RFC 3261 §20.17): always GMT.
pub(super) fn http_date(wall: Wall) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = wall.as_s();
    let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let weekday = DAYS.get(days.rem_euclid(7) as usize).copied().unwrap_or_default();
    // Civil date from days: years begin in March, so that the leap day comes last; an era is the
    // 400 years after which the calendar repeats.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let name = MONTHS.get(month as usize).copied().unwrap_or_default();
    let (hour, minute) = (second_of_day / 3_600, second_of_day / 60 % 60);
    let second = second_of_day % 60;
    format!("{weekday}, {day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_289_690_940, "Sat, 13 Nov 2010 23:29:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(Wall::from_s(seconds)), text);
        }
    }
}
