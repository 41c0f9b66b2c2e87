//! [`Digits`]: what the caller has typed and no node has taken yet.
//!
//! Owns: type-ahead, its limit, and the terminator that comes after digits that were already enough.
//! Does not own: what digits mean ([`super::listen`]). Shows none of them: they may be secret.

use hotline_base::Mono;
use std::collections::VecDeque;
use std::fmt;

/// Most digits typed ahead; later ones are lost.
pub const TYPED_AHEAD_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Digits {
    waiting: VecDeque<char>,
    /// Keys pressed so far.
    pressed: u64,
    /// Keys pressed when a wait was last cut short by digits.
    woken_at: u64,
    /// A terminator that still belongs to what was taken, and until when.
    trailing: Option<(char, Mono)>,
}

impl Digits {
    /// A key is pressed. False: it is no key, or one too many, or belongs to what was taken before.
    pub(super) fn press(&mut self, digit: char, now: Mono) -> bool {
        let trailing = self.trailing.take();
        if trailing.is_some_and(|(key, until)| key == digit && now < until) {
            return false;
        }
        let is_key = matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D');
        if !is_key || self.waiting.len() >= TYPED_AHEAD_MAX {
            return false;
        }
        self.waiting.push_back(digit);
        self.pressed += 1;
        true
    }

    /// A terminator that comes now, or next before `until`, says nothing: enough was typed without.
    pub(super) fn expect_trailing(&mut self, terminator: char, until: Mono) {
        match self.waiting.front() {
            Some(next) if *next == terminator => drop(self.waiting.pop_front()),
            Some(_) => {}
            None => self.trailing = Some((terminator, until)),
        }
    }

    pub(super) fn next(&mut self) -> Option<char> {
        self.waiting.pop_front()
    }

    /// Gives back what was taken too far, to be the next again.
    pub(super) fn give_back(&mut self, digits: &str) {
        for digit in digits.chars().rev() {
            self.waiting.push_front(digit);
        }
    }

    pub(super) fn any(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether digits are there that have not cut a wait short before: each press does so once, so
    /// that a flow which waits in a circle does wait.
    pub(super) fn wakes(&mut self) -> bool {
        let wakes = self.any() && self.pressed > self.woken_at;
        if wakes {
            self.woken_at = self.pressed;
        }
        wakes
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.trailing = None;
    }

    /// For a snapshot.
    pub(super) fn text(&self) -> String {
        self.waiting.iter().collect()
    }

    /// From a snapshot.
    pub(super) fn of(text: &str, now: Mono) -> Digits {
        let mut digits = Digits::default();
        for digit in text.chars() {
            digits.press(digit, now);
        }
        digits
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digits({})", self.waiting.len())
    }
}
