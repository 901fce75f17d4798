//! What a fault is, what it is given, and what it leaves.

use futures_util::FutureExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::time::{Duration, Instant};

/// What a fault needs besides PostgreSQL.
#[allow(dead_code, reason = "the faults that need them are not here yet")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    Root,
    Tool(&'static str),
}

/// What is tried.
pub struct Fault {
    /// A sentence.
    pub name: &'static str,
    pub needs: Needs,
    /// It waits most of the time, and is tried besides all others.
    pub is_waiting: bool,
    pub run: Box<dyn FnOnce(Campaign) -> Trying + Send>,
}

type Trying = Pin<Box<dyn Future<Output = Tried> + Send>>;

pub fn fault<Run: Future<Output = Tried> + Send + 'static>(
    name: &'static str,
    needs: Needs,
    run: fn(Campaign) -> Run,
) -> Fault {
    let run = Box::new(move |campaign| -> Trying { Box::pin(run(campaign)) });
    Fault { name, needs, is_waiting: false, run }
}

impl Fault {
    #[must_use]
    pub fn waiting(self) -> Self {
        Self { is_waiting: true, ..self }
    }
}

/// What was tried: every invariant held, or the function would have panicked.
#[derive(Debug)]
pub struct Tried {
    pub times: u64,
    /// What is worth knowing of it; empty for nothing.
    pub note: String,
}

/// How a fault is to be tried.
#[derive(Clone)]
pub struct Campaign {
    pub name: &'static str,
    pub seed: u64,
    /// The long form: what can be repeated goes on for so long.
    pub lasting: Option<Duration>,
    /// Of a fault that is tried at many points, only those whose name contains this.
    pub at: Option<String>,
    /// In the short form, at every so many messages.
    pub every: u64,
    /// Tells of every point.
    pub is_verbose: bool,
}

#[allow(dead_code, reason = "for the faults to come")]
impl Campaign {
    pub fn is_long(&self) -> bool {
        self.lasting.is_some()
    }

    /// Whether a point is to be tried.
    pub fn is_wanted(&self, point: &str) -> bool {
        self.at.as_ref().is_none_or(|at| point.contains(at.as_str()))
    }

    /// The same with every so many messages only in the short form: what happens at the others
    /// differs little.
    pub fn thinned(self, every: u64) -> Self {
        Self { every, ..self }
    }

    /// Whether a message is tried at all: others for each seed.
    pub fn takes(&self, message: u64) -> bool {
        self.is_long() || (message + self.seed).is_multiple_of(self.every)
    }

    /// Tells what is tried now.
    pub fn tell(&self, point: &str) {
        if self.is_verbose {
            eprintln!("{}: {point}", self.name);
        }
    }

    /// Chance, the same for the same seed and fault.
    pub fn random(&self) -> ChaCha8Rng {
        let mut digest = Sha256::new();
        digest.update(self.seed.to_be_bytes());
        digest.update(self.name);
        ChaCha8Rng::from_seed(digest.finalize().into())
    }

    /// Whether to try again: so many times in the short form; in the long form so many more,
    /// and then for as long as was asked.
    pub fn goes_on(&self, tried: u64, [short, long]: [u64; 2], since: Instant) -> bool {
        match self.lasting {
            None => tried < short,
            Some(lasting) => tried < long || since.elapsed() < lasting,
        }
    }

    /// The command that does the same again.
    pub fn command(&self) -> String {
        let long = self.lasting.map(|lasting| format!(" --seconds {}", lasting.as_secs()));
        let (seed, long, name) = (self.seed, long.unwrap_or_default(), self.name);
        format!("cargo test --locked --test faults -- --seed {seed}{long} \"{name}\"")
    }
}

/// Does something; gives the panic's message where it panics.
pub async fn caught<T>(trying: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(trying).catch_unwind().await.map_err(|panic| {
        let told = panic.downcast_ref::<String>().cloned();
        told.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}
