//! JSON in all its arrangements: one value per line, or documents cut into values. It finds the
//! values and tells a broken file from a broken record; `Values` says what they mean.

use super::error::{Flow, Halt, StatementError};
use super::format;
use super::frame::{Cut, Frame, Place};
use super::framer::Framer;
use super::input::Input;
use super::intake::{Intake, Origin};
use super::lines;
use super::stripe::{self, Content, Object};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// What JSON values mean.
pub(super) trait Values {
    /// Whether an object with an array `data` is a list page.
    const HAS_PAGES: bool;

    /// Whether a top-level field of this name is read.
    fn uses(&self, field: &str) -> bool;

    /// Takes one value; the inner error says that it is not one.
    fn take(
        &self,
        json: &[u8],
        line: u64,
        origin: Origin,
        intake: &mut Intake<'_>,
    ) -> Result<Result<(), serde_json::Error>, Halt>;
}

const TOO_LONG: &str = "the record is longer than 1 MiB";

/// Reads a whole file.
pub(super) fn read<V: Values>(
    input: &mut Input,
    path: &Path,
    values: &V,
    intake: &mut Intake<'_>,
) -> Flow {
    if format::is_one_value_per_line(input.ahead()) {
        return read_lines(input, values, intake);
    }
    let mut framer = Framer::new(V::HAS_PAGES);
    let broken = |at: Place, why: String| {
        Halt::from(StatementError::Syntax {
            path: path.into(),
            line: at.line,
            column: at.column,
            why,
        })
    };
    let mut take = |frame: Frame<'_>, place: Place| {
        let (json, origin) = match frame {
            Frame::PageElement(json) => (json, Origin::InPage),
            Frame::ArrayElement(json) | Frame::Value(json) => (json, Origin::Loose),
            Frame::TooLong => return intake.malformed(place.line, TOO_LONG.into()),
        };
        let Err(error) = values.take(json, place.line, origin, intake)? else { return Ok(()) };
        match syntax_error(json) {
            Some(error) => Err(broken(inside(place, &error), syntax_reason(&error))),
            None => intake.malformed(place.line, reason(values, json, &error)),
        }
    };
    loop {
        let chunk = input.fill()?;
        if chunk.is_empty() {
            break;
        }
        framer.feed(chunk, &mut take).map_err(|cut| match cut {
            Cut::Broken(structure) => broken(structure.at, structure.why.into()),
            Cut::Taker(halt) => halt,
        })?;
        let used = chunk.len();
        input.consume(used);
    }
    framer.finish().map_err(|structure| broken(structure.at, structure.why.into()))
}

fn read_lines<V: Values>(input: &mut Input, values: &V, intake: &mut Intake<'_>) -> Flow {
    lines::each(input, &mut |number, line| {
        let Some(line) = line else { return intake.malformed(number, TOO_LONG.into()) };
        let json = line.trim_ascii();
        if json.is_empty() {
            return Ok(());
        }
        match values.take(json, number, Origin::Loose, intake)? {
            Ok(()) => Ok(()),
            Err(error) => intake.malformed(number, reason(values, json, &error)),
        }
    })
}

/// The error of the JSON itself. Passing values over checks their form, not their texts, so a
/// text that is no Unicode is the record's fault and not the document's.
fn syntax_error(json: &[u8]) -> Option<serde_json::Error> {
    serde_json::from_slice::<serde::de::IgnoredAny>(json).err()
}

fn syntax_reason(error: &serde_json::Error) -> String {
    if error.is_eof() { "a value ends too early".to_owned() } else { "this is not JSON".to_owned() }
}

/// Why a value is refused, in words that name the field and quote nothing of it.
fn reason<V: Values>(values: &V, json: &[u8], error: &serde_json::Error) -> String {
    match syntax_error(json) {
        Some(syntax) if syntax.is_eof() => "the line ends in the middle of its JSON".to_owned(),
        Some(syntax) => format!("not JSON from column {} on", syntax.column()),
        None if json.first() != Some(&b'{') => "not a JSON object".to_owned(),
        // Every other field takes any form, and is judged by its name later.
        None if error.is_data() => "items is not a list of objects".to_owned(),
        None => unfit_field(values, json).unwrap_or_else(|| {
            format!("a field can't be read: it ends before column {}", error.column() + 1)
        }),
    }
}

/// The first field that is used and that serde refuses, though its JSON is well-formed, and why.
fn unfit_field<V: Values>(values: &V, json: &[u8]) -> Option<String> {
    // What is no UTF-8 becomes U+FFFD, so that the other fields can be told from it.
    let text = String::from_utf8_lossy(json);
    let fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(&text).ok()?;
    fields.iter().filter(|(name, _)| values.uses(name)).find_map(|(name, raw)| {
        let error = serde_json::from_str::<serde_json::Value>(raw.get()).err();
        match error.map(|error| error.to_string()) {
            Some(error) if error.starts_with("number out of range") => {
                Some(format!("{name} is a number beyond all bounds"))
            }
            Some(error) if error.starts_with("recursion limit") => {
                Some(format!("{name} is nested too deep"))
            }
            Some(_) => Some(format!("{name} is not valid Unicode")),
            None if raw.get().contains('\u{fffd}') => Some(format!("{name} is not valid UTF-8")),
            None => None,
        }
    })
}

fn inside(value: Place, error: &serde_json::Error) -> Place {
    let (line, column) = (error.line() as u64, error.column() as u64);
    let is_first_line = line <= 1;
    Place {
        line: value.line + line.saturating_sub(1),
        column: if is_first_line { value.column + column.saturating_sub(1) } else { column },
    }
}

/// Stripe API objects and list pages of them.
pub(super) struct StripeValues<'s> {
    pub user_id_key: &'s str,
}

impl Values for StripeValues<'_> {
    const HAS_PAGES: bool = true;

    fn uses(&self, field: &str) -> bool {
        stripe::uses(field)
    }

    fn take(
        &self,
        json: &[u8],
        line: u64,
        origin: Origin,
        intake: &mut Intake<'_>,
    ) -> Result<Result<(), serde_json::Error>, Halt> {
        let object = match Object::read(json, self.user_id_key, &mut intake.names) {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        let page = object.page().filter(|_| origin == Origin::Loose);
        if let Some(page) = page {
            self.take_elements(json, line, intake)?;
            intake.page(&page);
            return Ok(Ok(()));
        }
        match object.mode() {
            Ok(Some(livemode)) => intake.mode(line, livemode)?,
            Ok(None) => {}
            Err(refusal) => return intake.malformed(line, refusal.0).map(Ok),
        }
        match object.content() {
            Ok(Content::Record(record)) => intake.record(record, origin)?,
            Ok(Content::Ignored(kind)) => intake.ignored(&kind),
            Err(refusal) => intake.malformed(line, refusal.0)?,
        }
        Ok(Ok(()))
    }
}

impl StripeValues<'_> {
    /// Takes the elements of a list page that is in memory as a whole.
    fn take_elements(&self, page: &[u8], line: u64, intake: &mut Intake<'_>) -> Flow {
        let mut framer = Framer::new(true);
        let cut = framer.feed(page, &mut |frame, place| {
            let line = line + place.line - 1;
            match frame {
                Frame::PageElement(json) => match self.take(json, line, Origin::InPage, intake)? {
                    Ok(()) => Ok(()),
                    Err(error) => intake.malformed(line, reason(self, json, &error)),
                },
                Frame::TooLong => intake.malformed(line, TOO_LONG.into()),
                Frame::ArrayElement(_) | Frame::Value(_) => Ok(()),
            }
        });
        match cut {
            Ok(()) => Ok(()),
            Err(Cut::Taker(halt)) => Err(halt),
            Err(Cut::Broken(structure)) => intake.malformed(line, structure.why.into()),
        }
    }
}
