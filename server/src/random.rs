//! Seeds from the operating system: the one place where the process draws real randomness.

/// A seed for a generator.
///
/// # Panics
/// When the operating system has no randomness: nothing could be secret then.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives random bytes");
    seed
}
