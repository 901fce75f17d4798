//! Which columns of its result a panel names: in overrides, links, transformations and options.

use super::boards::list;
use serde_json::Value;

/// A name, and where it is.
pub type Named = (String, String);

/// Transformations whose fields are known here; any other is a fault, because nobody looks at it.
const TRANSFORMATIONS: [&str; 6] =
    ["organize", "sortBy", "groupBy", "filterFieldsByName", "convertFieldType", "limit"];

/// Every column that a panel names.
pub fn named(panel: &Value) -> Vec<Named> {
    let mut found = overrides(panel);
    found.extend(in_links(panel));
    found.extend(in_transformations(panel));
    for sort in list(&panel["options"]["sortBy"]) {
        found.push((text(&sort["displayName"]), "options.sortBy".to_owned()));
    }
    if let Some(field) = reduced(panel) {
        found.push((field, "reduceOptions.fields".to_owned()));
    }
    found
}

/// The one field that a stat shows, where it is chosen: `/^Status$/`.
pub fn reduced(panel: &Value) -> Option<String> {
    let fields = panel["options"]["reduceOptions"]["fields"].as_str()?;
    let name = fields.strip_prefix("/^")?.strip_suffix("$/")?;
    Some(name.to_owned())
}

/// What `organize` gives another name.
pub fn renamed(panel: &Value) -> Vec<String> {
    let organized = list(&panel["transformations"]).iter().filter(|one| one["id"] == "organize");
    let renames = organized.filter_map(|one| one["options"]["renameByName"].as_object());
    renames.flat_map(|names| names.values().map(text)).collect()
}

/// The units that are asked for, and of which column; none is the default of all.
pub fn units(panel: &Value) -> Vec<(Option<String>, String)> {
    let config = &panel["fieldConfig"];
    let mut units = Vec::new();
    if let Some(unit) = config["defaults"]["unit"].as_str() {
        units.push((None, unit.to_owned()));
    }
    for one in list(&config["overrides"]) {
        let of = one["matcher"]["options"].as_str().map(str::to_owned);
        let unit = list(&one["properties"]).iter().find(|property| property["id"] == "unit");
        if let (Some(of), Some(unit)) = (of, unit) {
            units.push((Some(of), text(&unit["value"])));
        }
    }
    units
}

/// What is known to be wrong without asking anybody.
pub fn unknown(panel: &Value) -> Vec<String> {
    let ids = list(&panel["transformations"]).iter().map(|one| text(&one["id"]));
    let ids = ids.filter(|id| !TRANSFORMATIONS.contains(&id.as_str()));
    let transformations = ids.map(|id| format!("the transformation {id} is unknown to this test"));
    let matchers = list(&panel["fieldConfig"]["overrides"]).iter().map(|one| &one["matcher"]);
    let matchers = matchers.filter(|matcher| match text(&matcher["id"]).as_str() {
        "byRegexp" => alternatives(&text(&matcher["options"])).is_none(),
        id => !["byName", "byType", "byFrameRefID"].contains(&id),
    });
    transformations
        .chain(matchers.map(|matcher| format!("the matcher {matcher} is unknown to this test")))
        .collect()
}

fn overrides(panel: &Value) -> Vec<Named> {
    let all = list(&panel["fieldConfig"]["overrides"]).iter().map(|one| &one["matcher"]);
    let names = all.flat_map(|matcher| match text(&matcher["id"]).as_str() {
        "byName" => vec![text(&matcher["options"])],
        "byRegexp" => alternatives(&text(&matcher["options"])).unwrap_or_default(),
        _ => vec![],
    });
    names.map(|name| (name, "an override".to_owned())).collect()
}

/// The names that an expression is made of: `/^(Refused|Dropped)$/`; none of `.*`, which is every
/// field. Other expressions are not for naming fields.
fn alternatives(expression: &str) -> Option<Vec<String>> {
    if expression == ".*" || expression == "/.*/" {
        return Some(Vec::new());
    }
    let inside = expression.strip_prefix("/^")?.strip_suffix("$/")?;
    let inside = inside.strip_prefix('(').and_then(|i| i.strip_suffix(')')).unwrap_or(inside);
    let names: Vec<String> = inside.split('|').map(str::to_owned).collect();
    let is_plain = |name: &String| {
        name.chars().all(|c| c.is_alphanumeric() || " _-".contains(c)) && !name.is_empty()
    };
    names.iter().all(is_plain).then_some(names)
}

/// `${__data.fields.name}`, `${__data.fields["name"]}`, in every `url` and `title` of a link.
fn in_links(panel: &Value) -> Vec<Named> {
    let mut texts = Vec::new();
    links(&panel["fieldConfig"], &mut texts);
    links(&panel["links"], &mut texts);
    texts.iter().flat_map(|link| fields_of(link)).map(|name| (name, "a link".to_owned())).collect()
}

fn links(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| links(one, found)),
        Value::Object(all) => {
            for (key, one) in all {
                match one.as_str() {
                    Some(link) if key == "url" || key == "title" => found.push(link.to_owned()),
                    _ => links(one, found),
                }
            }
        }
        _ => {}
    }
}

fn fields_of(link: &str) -> Vec<String> {
    let parts = link.split("${__data.fields").skip(1);
    let insides = parts.filter_map(|part| part.split('}').next());
    insides
        .map(|inside| {
            let bare = inside.trim_start_matches(['.', '[', '"', '\'']);
            let bare = bare.trim_end_matches([']', '"', '\'']);
            let bare = bare.strip_suffix(".numeric").or(bare.strip_suffix(".text"));
            let whole = inside.trim_start_matches(['.', '[', '"', '\'']);
            let whole = whole.split(':').next().unwrap_or(whole);
            bare.unwrap_or(whole.trim_end_matches([']', '"', '\''])).to_owned()
        })
        .collect()
}

fn in_transformations(panel: &Value) -> Vec<Named> {
    let mut found = Vec::new();
    for one in list(&panel["transformations"]) {
        let (id, options) = (text(&one["id"]), &one["options"]);
        for keyed in ["excludeByName", "renameByName", "indexByName", "includeByName", "fields"] {
            let keys = options[keyed].as_object().into_iter().flat_map(|all| all.keys().cloned());
            found.extend(keys.map(|name| (name, id.clone())));
        }
        for sort in list(&options["sort"]) {
            found.push((text(&sort["field"]), id.clone()));
        }
        for conversion in list(&options["conversions"]) {
            found.push((text(&conversion["targetField"]), id.clone()));
        }
        for name in list(&options["include"]["names"]) {
            found.push((text(name), id.clone()));
        }
    }
    found
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_links_are_read_in_every_form() {
        let link = "/d/x?a=${__data.fields.run_id}&b=${__data.fields[\"Started at\"]}\
                    &c=${__data.fields.n.numeric}&d=${__data.fields.e:percentencode}";
        assert_eq!(fields_of(link), ["run_id", "Started at", "n", "e"]);
    }

    #[test]
    fn expressions_name_fields_or_all_or_are_unknown() {
        assert_eq!(alternatives("/^(Made|In time)$/").unwrap(), ["Made", "In time"]);
        assert_eq!(alternatives("/^Made$/").unwrap(), ["Made"]);
        assert_eq!(alternatives(".*").unwrap(), [""; 0]);
        assert_eq!(alternatives("/Ma.e/"), None);
    }
}
