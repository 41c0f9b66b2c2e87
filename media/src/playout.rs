//! A playout queue: packets that come unevenly, given out evenly.
//!
//! Owns: where a packet's audio lies in time, how long it waits, silence where none came
//! ([`Playout`]). Does not own: decoding, mixing, sending.
//!
//! A packet waits [`WAIT_SAMPLES`] (40 ms), which is what most networks' jitter needs. One that
//! comes too late makes all that follow wait 20 ms longer, up to [`WAIT_SAMPLES_MAX`]; while all
//! come early for a while, they wait 20 ms less.

/// Samples of one step: 20 ms.
pub const STEP: usize = 160;
/// How long audio waits at first, in samples: 40 ms.
pub const WAIT_SAMPLES: u64 = 320;
/// How long it waits at most, in samples: 120 ms. What comes later still is left out.
pub const WAIT_SAMPLES_MAX: u64 = 960;
/// Samples the queue can hold; a source further ahead has begun anew.
const ROOM: usize = 4096;
/// Packets that must all have come early before the wait is shortened: 2 s of them.
const EARLY_PACKETS: u32 = 100;

/// The queue of one source.
#[derive(Clone, Debug)]
pub struct Playout {
    ring: Box<[i16; ROOM]>,
    /// The next sample given out, counted from the beginning.
    read: u64,
    /// A source, and the sample at which a timestamp of it lies.
    anchor: Option<(u32, u32, u64)>,
    /// How long packets wait now, by intent.
    wait: u64,
    /// The least that one of the last packets waited, and how many those are.
    least: u64,
    packets: u32,
}

impl Default for Playout {
    fn default() -> Self {
        Playout {
            ring: Box::new([0; ROOM]),
            // So that positions before the first packet exist.
            read: ROOM as u64,
            anchor: None,
            wait: WAIT_SAMPLES,
            least: u64::MAX,
            packets: 0,
        }
    }
}

impl Playout {
    /// How long audio waits, in samples.
    pub fn wait_samples(&self) -> u64 {
        self.wait
    }

    /// Takes a packet's audio in, decoded.
    pub fn push(&mut self, ssrc: u32, timestamp: u32, samples: impl ExactSizeIterator<Item = i16>) {
        let length = samples.len() as u64;
        let room = ROOM as u64;
        let known = self.anchor.filter(|(known, ..)| *known == ssrc).and_then(|(_, first, at)| {
            at.checked_add_signed(i64::from(timestamp.wrapping_sub(first) as i32))
        });
        let usable = known.filter(|at| {
            at + room > self.read && at.saturating_sub(self.read) < WAIT_SAMPLES_MAX + length
        });
        let at = usable.unwrap_or_else(|| {
            let at = self.read + self.wait;
            self.anchor = Some((ssrc, timestamp, at));
            (self.least, self.packets) = (u64::MAX, 0);
            at
        });
        if at + length > self.read + room {
            return;
        }
        if at < self.read {
            self.came_late();
        } else {
            self.came_in_time(at - self.read);
        }
        for (at, sample) in (at..).zip(samples).filter(|(at, _)| *at >= self.read) {
            self.ring[at as usize % ROOM] = sample;
        }
    }

    /// The next 20 ms.
    pub fn pop(&mut self) -> [i16; STEP] {
        let out = std::array::from_fn(|n| {
            std::mem::take(&mut self.ring[(self.read as usize + n) % ROOM])
        });
        self.read += STEP as u64;
        out
    }

    fn came_late(&mut self) {
        (self.least, self.packets) = (u64::MAX, 0);
        if self.wait < WAIT_SAMPLES_MAX {
            self.move_by(STEP as i64);
        }
    }

    fn came_in_time(&mut self, waits: u64) {
        self.least = self.least.min(waits);
        self.packets += 1;
        if self.packets < EARLY_PACKETS {
            return;
        }
        if self.least >= WAIT_SAMPLES + STEP as u64 {
            self.move_by(-(STEP as i64));
        }
        (self.least, self.packets) = (u64::MAX, 0);
    }

    fn move_by(&mut self, samples: i64) {
        self.wait = self.wait.saturating_add_signed(samples).max(WAIT_SAMPLES);
        if let Some((_, _, at)) = &mut self.anchor {
            *at = at.saturating_add_signed(samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives packet `n` of value `n + 1` in at `n * 20` ms and this much later; what comes out in
    /// each step, 0 for silence.
    fn played(playout: &mut Playout, count: u32, late_ms: impl Fn(u32) -> Option<u64>) -> Vec<i16> {
        let mut out = Vec::new();
        for ms in 0..u64::from(count) * 20 {
            for n in 0..count {
                if late_ms(n).is_some_and(|late| u64::from(n) * 20 + late == ms) {
                    playout.push(1, 7000 + n * 160, [n as i16 + 1; 160].into_iter());
                }
            }
            if ms % 20 == 10 {
                out.push(playout.pop()[80]);
            }
        }
        out
    }

    #[test]
    fn an_even_stream_comes_out_whole_40_ms_later() {
        let mut playout = Playout::default();
        let out = played(&mut playout, 50, |_| Some(0));
        assert_eq!(out[..2], [0, 0]);
        assert!(out[2..].iter().zip(1..).all(|(sample, n)| *sample == n), "{out:?}");
        assert_eq!(playout.wait_samples(), WAIT_SAMPLES);
    }

    #[test]
    fn jitter_of_30_ms_and_loss_cost_only_what_was_lost() {
        let mut playout = Playout::default();
        let late = |n: u32| (n % 10 != 7).then_some(u64::from(n * 7 % 4) * 10);
        let out = played(&mut playout, 60, late);
        let missing = (2..60).filter(|&n| out[n] == 0).count();
        assert!(missing <= 7, "{missing} of {out:?}");
        let whole: Vec<i16> = out.iter().copied().filter(|sample| *sample != 0).collect();
        assert!(whole.windows(2).all(|two| two[0] < two[1]), "in order: {out:?}");
    }

    #[test]
    fn a_network_that_grows_slow_is_followed_and_back() {
        let mut playout = Playout::default();
        played(&mut playout, 100, |n| Some(if n > 20 { 70 } else { 0 }));
        let slow = playout.wait_samples();
        assert!(slow > WAIT_SAMPLES && slow <= WAIT_SAMPLES_MAX, "{slow}");
        let mut ended = playout.clone();
        for n in 0..1000u32 {
            ended.push(2, n * 160, [1; 160].into_iter());
            ended.pop();
        }
        assert_eq!(ended.wait_samples(), WAIT_SAMPLES);
    }

    #[test]
    fn a_clock_that_jumps_is_laid_anew_and_a_flood_does_no_harm() {
        let mut playout = Playout::default();
        playout.push(1, 0, [1; 160].into_iter());
        playout.push(1, u32::MAX / 2, [2; 160].into_iter());
        for n in 0..1000u32 {
            playout.push(1, n.wrapping_mul(0x1234_5678), [3; 1000].into_iter());
        }
        let heard: Vec<i16> = (0..40).map(|_| playout.pop()[0]).collect();
        assert!(heard.contains(&3));
        assert_eq!(playout.pop()[0], 0, "nothing is left");
    }
}
