//! What is said, as prompts and silences.
//!
//! Owns: values into recorded units, by the language spoken now. Does not own: the rules of
//! languages ([`crate::say`]), whether a prompt is recorded (the engine falls back).

use super::Run;
use super::fault::Fault;
use super::io::Sound;
use crate::model::Speech;
use crate::say::{Counted, Say, say};
use hotline_base::calendar::Civil;
use hotline_base::{Now, Wall};

impl Run {
    pub(super) fn sounds(&self, now: Now, speech: &[Speech]) -> Result<Vec<Sound>, Fault> {
        let mut sounds = Vec::with_capacity(speech.len());
        for piece in speech {
            self.add_sounds(now, piece, &mut sounds)?;
        }
        Ok(sounds)
    }

    pub(super) fn prompt(&self, name: &str) -> Sound {
        Sound::Prompt { language: self.facts.language.clone(), name: name.to_owned() }
    }

    fn add_sounds(&self, now: Now, piece: &Speech, sounds: &mut Vec<Sound>) -> Result<(), Fault> {
        let civil = |ms: i64| -> Civil { self.zone.civil(Wall(ms.saturating_mul(1_000))) };
        let text;
        let what = match piece {
            Speech::Prompt(name) => {
                sounds.push(self.prompt(name));
                return Ok(());
            }
            Speech::SilenceMs(ms) => {
                sounds.push(Sound::Silence(*ms));
                return Ok(());
            }
            Speech::Digits(expr) => {
                text = self.eval_text(now, expr)?;
                Say::Digits(&text)
            }
            Speech::Number(expr) => Say::Number(self.eval_number(now, expr)?),
            Speech::People(expr) => {
                // Nobody counts people below none, nor more than there can be.
                let count = self.eval_number(now, expr)?.clamp(0, u32::MAX.into());
                Say::Count { count: count as u32, of: Counted::People }
            }
            Speech::Date(expr) => Say::Date(civil(self.eval_time_ms(now, expr)?)),
            Speech::Time(expr) => Say::Time(civil(self.eval_time_ms(now, expr)?)),
            Speech::Duration(expr) => Say::Duration(self.eval_number(now, expr)?),
            Speech::Amount { amount, currency } => {
                Say::Amount { hundredths: self.eval_number(now, amount)?, currency }
            }
        };
        sounds.extend(say(&self.facts.language, what).into_iter().map(|unit| self.prompt(unit)));
        Ok(())
    }
}
