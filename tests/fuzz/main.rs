//! Throws bytes at what reads bytes: `cargo run --release --example fuzz -- SECONDS [--seed N] [TARGET…]`.
//!
//! A target is a function of bytes that says in a number what kind of answer it got, and panics if a promise does not hold. What gets a kind
//! of answer that no input before it has got is kept, and changed further: that leads into corners which random bytes never reach, with
//! the stable compiler and without instrumentation. `libFuzzer` sees more; every target can be called from one as it is.
//!
//! An input that breaks a promise is written to `target/fuzz/TARGET-…`, and `--input FILE TARGET` tries it again.

#![expect(clippy::print_stdout, reason = "it is a program, and says what it does")]
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a broken promise is told by a panic, and whatever panics is looked at")]
#![expect(clippy::disallowed_methods, reason = "how long it runs, and with what seed, is real time")]

mod client_address;
mod client_certificate;
mod compiled;
mod header_blocks;
mod key_text;
mod mutation;
mod pattern;
mod proxy;
mod proxy_header;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use mutation::Mutation;

/// What is to be held to a promise.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Where to begin.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// What means something to whoever reads this.
    pub(crate) words: &'static [&'static str],
    /// Panics if the promise does not hold; else the kind of answer.
    pub(crate) run: fn(&[u8]) -> u64,
}

static TARGETS: [&Target; 11] = [
    &proxy::RESPONSE_HEAD,
    &proxy::CHUNKED,
    &proxy::FRAMING,
    &header_blocks::HPACK,
    &header_blocks::HEADER_BLOCKS,
    &client_address::CLIENT_ADDRESS,
    &client_certificate::CLIENT_CERTIFICATE,
    &proxy_header::PROXY_HEADER,
    &key_text::KEY_TEXT,
    &pattern::PATTERN,
    &compiled::COMPILED,
];

/// A number that stands for a kind of answer.
pub(crate) fn kind(answer: impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    answer.hash(&mut hasher);
    hasher.finish()
}

fn main() -> ExitCode {
    let (mut seconds, mut seed, mut input, mut names) = (20, None, None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => seed = arguments.next().and_then(|seed| seed.parse().ok()),
            "--input" => input = arguments.next(),
            // Cargo passes these to whatever it runs.
            "--bench" | "--test" => {}
            number if number.parse::<u64>().is_ok() => seconds = number.parse().unwrap_or(seconds),
            name => names.push(name.to_owned()),
        }
    }
    let chosen: Vec<&Target> =
        TARGETS.into_iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name)).collect();
    if chosen.is_empty() {
        println!("there is no such target; there are {}", TARGETS.map(|target| target.name).join(", "));
        return ExitCode::from(2);
    }
    if let Some(file) = input {
        let bytes = std::fs::read(&file).expect("the input can be read");
        for target in chosen {
            println!("{}: {:016x}", target.name, (target.run)(&bytes));
        }
        return ExitCode::SUCCESS;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = seed.unwrap_or(now);
    let found: Vec<_> = chosen.iter().filter_map(|target| fuzz(target, Duration::from_secs(seconds), seed).err()).collect();
    for file in &found {
        println!("FOUND: {}", file.display());
    }
    println!("{} passed, {} failed", chosen.len() - found.len(), found.len());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a target for so long; where what it does not like was written.
fn fuzz(target: &Target, long: Duration, seed: u64) -> Result<(), PathBuf> {
    let began = Instant::now();
    let (mut corpus, mut kinds) = ((target.seeds)(), HashSet::new());
    let mut mutation = Mutation::seeded(seed, target.words);
    let (mut runs, mut slowest) = (0_u64, Duration::ZERO);
    let mut next = 0;
    while began.elapsed() < long || next < corpus.len() {
        // The seeds come first, as they are.
        let input = corpus.get(next).cloned().unwrap_or_else(|| mutation.of(&corpus));
        let is_seed = next < corpus.len();
        next += usize::from(is_seed);
        let since = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
            Ok(kind) => {
                if kinds.insert(kind) && !is_seed && corpus.len() < 50_000 {
                    corpus.push(input);
                    next = corpus.len();
                }
            }
            Err(_) => return Err(kept(target, &input)),
        }
        slowest = slowest.max(since.elapsed());
        runs += 1;
    }
    println!("{:<16} {runs:>9} runs, {:>5} kinds of answers, the slowest took {slowest:.1?} (seed {seed})", target.name, kinds.len());
    Ok(())
}

fn kept(target: &Target, input: &[u8]) -> PathBuf {
    let directory = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from).join("fuzz");
    let file = directory.join(format!("{}-{:016x}", target.name, kind(input)));
    std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(&file, input)).expect("the finding can be written");
    file
}
