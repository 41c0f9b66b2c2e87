//! A running play: its items, the music under them, and how far each is.
//!
//! Music is lowered while items sound over it and raised afterwards, a packet long each way, so
//! that neither is heard as a step. Only while it is lowered anything is decoded.

use crate::asset::{Asset, Library};
use crate::command::{AssetId, Codec, PlayId, PlayItem};
use crate::telephone_event::events_of;
use smallvec::SmallVec;

/// Most items of a play; one with more fails: twice what a node of a flow can say, unit by unit.
pub const ITEMS_MAX: usize = 2_048;
/// Full volume of the music, as a factor in 2¹⁵.
const FULL: i32 = 1 << 15;
/// Its volume under items: 12 dB lower.
const LOWERED: i32 = 8231;
/// How fast it changes, a sample: about 20 ms from one to the other.
const FADE: i32 = (FULL - LOWERED) / 160;

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

/// Music under the items.
#[derive(Clone, Debug)]
struct Background {
    id: AssetId,
    asset: Asset,
    offset: usize,
    volume: i32,
}

impl Background {
    fn next_sample(&mut self, codec: Codec, target: i32) -> i32 {
        let Some(&code) = self.asset.encoded(codec).get(self.offset) else { return 0 };
        self.offset = (self.offset + 1) % self.asset.len();
        self.volume += (target - self.volume).clamp(-FADE, FADE);
        (i32::from(codec.decode(code)) * self.volume) >> 15
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
    /// The one asset that is repeated.
    tone: Option<AssetId>,
    background: Option<Box<Background>>,
    /// Its end was told; only its background sounds.
    told: bool,
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
        let tone = match items {
            [PlayItem::Asset(id)] if repeat => Some(*id),
            _ => None,
        };
        Some(Playing { tone, ..Playing::of(play, resolved, repeat, events_of(stop_on)) })
    }

    /// One asset once: an in-band digit.
    pub fn digit(tone: Asset, pause_samples: u64) -> Self {
        let items = SmallVec::from_buf([Item::Audio(tone), Item::Silence(pause_samples)]);
        Playing::of(PlayId(0), items, false, 0)
    }

    fn of(play: PlayId, items: SmallVec<[Item; 2]>, repeat: bool, stop_on: u16) -> Self {
        let (at, offset, tone, background, told) = (0, 0, None, None, false);
        Playing { play, items, at, offset, repeat, tone, background, told, stop_on }
    }

    /// Puts music under the items; whether there is such an asset with sound in it.
    pub fn over(&mut self, library: &Library, id: AssetId) -> bool {
        let asset = library.get(id).filter(|asset| !asset.is_empty());
        let background = asset.map(|asset| {
            Box::new(Background { id, asset: asset.clone(), offset: 0, volume: LOWERED })
        });
        self.background = background;
        self.background.is_some()
    }

    /// Goes on with the music of the play before, if it is the same.
    pub fn follow(&mut self, before: &Playing) {
        let Some((id, offset, volume)) = before.music() else { return };
        if let Some(background) = self.background.as_mut().filter(|it| it.id == id) {
            background.offset = offset % background.asset.len().max(1);
            background.volume = volume;
        } else if let Some(Item::Audio(asset)) = self.items.first()
            && self.tone == Some(id)
            && !asset.is_empty()
        {
            self.offset = (offset % asset.len()) as u64;
        }
    }

    fn music(&self) -> Option<(AssetId, usize, i32)> {
        match &self.background {
            Some(background) => Some((background.id, background.offset, background.volume)),
            None => Some((self.tone?, self.offset as usize, FULL)),
        }
    }

    /// Whether this digit ends it.
    pub fn stops_on(&self, digit: char) -> bool {
        let event = crate::telephone_event::event_of(digit);
        !self.told && event.is_some_and(|event| self.stop_on & 1 << event != 0)
    }

    /// Whether everything was played.
    pub fn is_over(&mut self) -> bool {
        self.settle().is_none()
    }

    /// Whether everything was played, and that is still to be told.
    pub fn has_ended(&mut self) -> bool {
        !self.told && self.is_over()
    }

    /// Whether its end is still to be told.
    pub fn is_untold(&self) -> bool {
        !self.told
    }

    /// The items are over, or cut off. Whether music is left, which goes on alone.
    pub fn goes_on_alone(&mut self) -> bool {
        self.told = true;
        self.items.clear();
        self.at = 0;
        self.background.is_some()
    }

    /// The next `samples` of audio: lent from the asset where it lies in one piece, else put
    /// together in `scratch`, the end filled up with silence. `None` when all was played.
    pub fn next<'a>(
        &'a mut self,
        codec: Codec,
        samples: usize,
        scratch: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        if self.background.is_some() {
            return self.next_over_music(codec, samples, scratch);
        }
        let left = self.settle()?;
        if left >= samples as u64 && matches!(self.items[self.at], Item::Audio(_)) {
            let begin = self.offset as usize;
            self.offset += samples as u64;
            let Item::Audio(asset) = &self.items[self.at] else { return None };
            return asset.encoded(codec).get(begin..begin + samples);
        }
        let out = scratch.get_mut(..samples)?;
        self.fill(codec, out);
        Some(out)
    }

    /// Music alone is lent; under items, and while its volume changes, both are mixed.
    fn next_over_music<'a>(
        &'a mut self,
        codec: Codec,
        samples: usize,
        scratch: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let over = self.settle().is_none();
        if over
            && let Some(music) = self.background.as_deref_mut()
            && music.volume == FULL
            && music.offset + samples <= music.asset.len()
        {
            let begin = music.offset;
            music.offset = (begin + samples) % music.asset.len();
            return self.background.as_ref()?.asset.encoded(codec).get(begin..begin + samples);
        }
        let out = scratch.get_mut(..samples)?;
        let filled = self.fill(codec, out);
        let music = self.background.as_deref_mut()?;
        for (n, code) in out.iter_mut().enumerate() {
            let (item, volume) =
                if n < filled { (i32::from(codec.decode(*code)), LOWERED) } else { (0, FULL) };
            let sum = item + music.next_sample(codec, volume);
            *code = codec.encode(sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        }
        Some(out)
    }

    /// Fills with the items' next samples, then with silence; how many are the items'.
    fn fill(&mut self, codec: Codec, out: &mut [u8]) -> usize {
        out.fill(codec.silence());
        let mut filled = 0;
        while filled < out.len()
            && let Some(left) = self.settle()
        {
            let length = left.min((out.len() - filled) as u64) as usize;
            if let Item::Audio(asset) = &self.items[self.at] {
                let begin = self.offset as usize;
                if let Some(piece) = asset.encoded(codec).get(begin..begin + length) {
                    out[filled..filled + length].copy_from_slice(piece);
                }
            }
            self.offset += length as u64;
            filled += length;
        }
        filled
    }

    /// Lets time pass without anybody listening.
    pub fn skip(&mut self, samples: u64) {
        if let Some(music) = &mut self.background {
            music.offset = (music.offset + samples as usize) % music.asset.len();
        }
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
