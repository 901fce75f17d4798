//! Whose ids spans have: a run's trace id is the run's id, an operation's span id is the low
//! half of the operation's id, and all others are derived from the run's. So database, traces
//! and logs link without a mapping, and a lost trace is made again with the same ids.

use crate::domain::RunId;
use crate::domain::run::span_id;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The ids of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    pub trace: Uuid,
    pub span: u64,
}

impl Ids {
    /// Of a run's root span.
    pub fn root(run: RunId) -> Self {
        Self { trace: run.0, span: span_id(run.0) }
    }

    /// Of a phase of a run.
    pub fn phase(run: RunId, name: &str) -> Self {
        let hash = derive(run, &[name.as_bytes()]);
        Self { trace: run.0, span: low(&hash) }
    }

    /// Of the root span of a run's part trace (1, 2, ...): SHA-256 over the run's 16 bytes, the
    /// word `part` and the number as 8 bytes, big-endian. Its first 16 bytes are the trace id,
    /// the 8 after them the span id.
    pub fn part(run: RunId, number: u64) -> Self {
        let hash = derive(run, &[b"part", &number.to_be_bytes()]);
        let trace = Uuid::from_bytes(hash[..16].try_into().expect("SHA-256 has 32 bytes"));
        Self { trace, span: low(&hash[16..]) }
    }

    /// As OpenTelemetry has them; always sampled, whatever a sampler says.
    pub fn context(self) -> SpanContext {
        SpanContext::new(
            TraceId::from_bytes(self.trace.into_bytes()),
            SpanId::from_bytes(self.span.to_be_bytes()),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        )
    }
}

fn derive(run: RunId, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new().chain_update(run.0.as_bytes());
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn low(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes"))
}

/// The caller's span, from a W3C `traceparent`.
pub fn caller(traceparent: &str) -> Option<SpanContext> {
    let mut fields = traceparent.trim().split('-');
    let (version, trace, span) = (fields.next()?, fields.next()?, fields.next()?);
    let is_known = version.len() == 2 && version != "ff" && trace.len() == 32 && span.len() == 16;
    let flags = u8::from_str_radix(fields.next()?, 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags),
        true,
        TraceState::NONE,
    );
    (is_known && context.is_valid()).then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_phases_and_parts_are_the_same_for_ever() {
        let run = RunId("0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap());
        assert_eq!(Ids::root(run).context().span_id().to_string(), "aea5966c26f8ad91");
        let (perform, part) = (Ids::phase(run, "perform"), Ids::part(run, 1));
        assert_eq!(perform.trace, run.0);
        assert_eq!(format!("{:016x}", perform.span), "9f5a545e28491f15");
        assert_eq!(
            (part.trace.simple().to_string(), format!("{:016x}", part.span)),
            ("a58294c92b98613eb11918bba44df0ab".to_owned(), "ce8dcf456c42c39b".to_owned())
        );
        assert_ne!(part.trace, Ids::part(run, 2).trace);
    }

    #[test]
    fn a_callers_trace_is_read_and_a_malformed_one_is_none() {
        let parent = caller("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(parent.span_id().to_string(), "00f067aa0ba902b7");
        assert!(parent.is_remote());
        for wrong in ["", "00-x-y-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"] {
            assert!(caller(wrong).is_none(), "{wrong}");
        }
    }
}
