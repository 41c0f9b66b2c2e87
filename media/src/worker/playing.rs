//! A running play: its items, and how far it is.

use crate::asset::{Asset, Library};
use crate::command::{Codec, PlayId, PlayItem};
use crate::telephone_event::event_of;
use smallvec::SmallVec;

/// Most items of a play; one with more fails.
pub const ITEMS_MAX: usize = 64;

#[derive(Clone, Debug)]
enum Item {
    Audio(Asset),
    Silence(u64),
}

impl Item {
    fn samples(&self) -> u64 {
        match self {
            Item::Audio(asset) => asset.len() as u64,
            Item::Silence(samples) => *samples,
        }
    }
}

/// A running play.
#[derive(Debug)]
pub struct Playing {
    pub play: PlayId,
    items: SmallVec<[Item; 2]>,
    at: usize,
    offset: u64,
    repeat: bool,
    /// Bit `n`: event code `n` ends it.
    stop_on: u16,
}

impl Playing {
    /// Resolves the items; `None` if one is unknown, there are too many, or nothing would repeat.
    pub fn new(
        library: &Library,
        play: PlayId,
        items: &[PlayItem],
        repeat: bool,
        stop_on: &str,
    ) -> Option<Self> {
        if items.len() > ITEMS_MAX {
            return None;
        }
        let mut resolved = SmallVec::new();
        for item in items {
            resolved.push(match item {
                PlayItem::Asset(id) => Item::Audio(library.get(*id)?.clone()),
                PlayItem::Silence(ms) => Item::Silence(u64::from(*ms) * 8),
            });
        }
        if repeat && resolved.iter().all(|item: &Item| item.samples() == 0) {
            return None;
        }
        let stop_on = stop_on.chars().filter_map(event_of).fold(0, |bits, event| bits | 1 << event);
        Some(Playing { play, items: resolved, at: 0, offset: 0, repeat, stop_on })
    }

    /// One asset once: an in-band digit.
    pub fn digit(tone: Asset, pause_samples: u64) -> Self {
        let items = SmallVec::from_buf([Item::Audio(tone), Item::Silence(pause_samples)]);
        Playing { play: PlayId(0), items, at: 0, offset: 0, repeat: false, stop_on: 0 }
    }

    /// Whether this digit ends it.
    pub fn stops_on(&self, digit: char) -> bool {
        event_of(digit).is_some_and(|event| self.stop_on & 1 << event != 0)
    }

    /// Whether everything was played.
    pub fn is_over(&mut self) -> bool {
        self.settle().is_none()
    }

    /// The next `samples` of audio: lent from the asset where it lies in one piece, else put
    /// together in `scratch`, the end filled up with silence. `None` when all was played.
    pub fn next<'a>(
        &'a mut self,
        codec: Codec,
        samples: usize,
        scratch: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let left = self.settle()?;
        if left >= samples as u64 && matches!(self.items[self.at], Item::Audio(_)) {
            let begin = self.offset as usize;
            self.offset += samples as u64;
            let Item::Audio(asset) = &self.items[self.at] else { return None };
            return asset.encoded(codec).get(begin..begin + samples);
        }
        let out = scratch.get_mut(..samples)?;
        out.fill(codec.silence());
        let mut filled = 0;
        while filled < samples
            && let Some(left) = self.settle()
        {
            let length = left.min((samples - filled) as u64) as usize;
            if let Item::Audio(asset) = &self.items[self.at] {
                let begin = self.offset as usize;
                if let Some(piece) = asset.encoded(codec).get(begin..begin + length) {
                    out[filled..filled + length].copy_from_slice(piece);
                }
            }
            self.offset += length as u64;
            filled += length;
        }
        Some(out)
    }

    /// Lets time pass without anybody listening.
    pub fn skip(&mut self, samples: u64) {
        let mut rest = samples;
        while rest > 0
            && let Some(left) = self.settle()
        {
            let step = left.min(rest);
            self.offset += step;
            rest -= step;
        }
    }

    /// Moves to the item that comes next; how many samples of it are left, `None` at the end.
    /// [`Playing::new`] made sure that a repeated play has samples, so this ends.
    fn settle(&mut self) -> Option<u64> {
        loop {
            match self.items.get(self.at) {
                Some(item) if self.offset < item.samples() => {
                    return Some(item.samples() - self.offset);
                }
                Some(_) => {
                    self.at += 1;
                    self.offset = 0;
                }
                None if self.repeat && !self.items.is_empty() => self.at = 0,
                None => return None,
            }
        }
    }
}
