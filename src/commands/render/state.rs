//! The states of an operation's row, before and after: what differs between them, or all of a
//! state that has no other.

use super::line::{Line, Palette, wrapped};
use crate::store::runs::OperationStory;
use serde_json::{Map, Value};

/// Where the states begin.
const VALUES: usize = 12;

/// An operation's states, in a line or more each.
pub(super) fn states(operation: &OperationStory, width: usize, palette: Palette) -> Vec<Line> {
    let (before, after) =
        (object(operation.previous_state.as_ref()), object(operation.new_state.as_ref()));
    let (was, becomes) = match operation.fate.as_str() {
        "applied" => ("before", "after"),
        "conflict" => ("found", "planned"),
        _ => ("before", "planned"),
    };
    let told = [(was, only(before, after)), (becomes, only(after, before))];
    told.into_iter()
        .filter(|(_, state)| !state.is_empty())
        .flat_map(|(name, state)| state_lines(name, &state, width, palette))
        .collect()
}

fn object(state: Option<&Value>) -> Option<&Map<String, Value>> {
    state.and_then(Value::as_object)
}

/// What one state says and the other does not; all of it where there is no other.
fn only(state: Option<&Map<String, Value>>, other: Option<&Map<String, Value>>) -> String {
    let differs = |key: &str, value: &Value| other.is_none_or(|o| o.get(key) != Some(value));
    let fields = state.into_iter().flatten().filter(|(key, value)| differs(key, value));
    let told: Vec<String> = fields.map(|(key, value)| format!("{key} {}", plain(value))).collect();
    told.join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn state_lines(name: &str, state: &str, width: usize, palette: Palette) -> Vec<Line> {
    let mut label = Some(Line::new().styled(palette.dim, format!("    {name}")));
    let room = width.saturating_sub(VALUES);
    let start = |label: &mut Option<Line>| label.take().unwrap_or_default().until(VALUES);
    wrapped(state, room).into_iter().map(|piece| start(&mut label).text(piece)).collect()
}
