//! A check of the JSON against its published schema, as far as that uses JSON Schema.

use serde_json::Value;

use super::model::asked::{Slo, SloPart};
use super::model::recovery::Recovery;
use super::model::server::ServerUse;
use super::model::{Results, Storm, Verdict};
use super::sample;
use super::timeline::Timeline;

/// Says where a value breaks a schema; knows the keywords that the schema uses.
fn breaks(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).unwrap();
        return breaks(root, target, value, place, found);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices.iter().any(|choice| {
            let mut inner = Vec::new();
            breaks(root, choice, value, place, &mut inner);
            inner.is_empty()
        });
        if !fits {
            found.push(format!("{place}: fits none of its forms"));
        }
    }
    let right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => true,
    };
    let listed = schema["enum"]
        .as_array()
        .is_none_or(|all| all.contains(value));
    let constant = schema.get("const").is_none_or(|only| only == value);
    if !right || !listed || !constant {
        found.push(format!("{place}: {value}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        breaks(
            root,
            &schema["items"],
            item,
            &format!("{place}/{index}"),
            found,
        );
    }
    if let (Some(object), Some("object")) = (value.as_object(), schema["type"].as_str()) {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                found.push(format!("{place}: {name} is missing"));
            }
        }
        for (name, inner) in object {
            let known = schema["properties"].get(name);
            match known.or(Some(&schema["additionalProperties"])) {
                Some(Value::Bool(false)) => found.push(format!("{place}/{name}: unknown")),
                Some(known) => breaks(root, known, inner, &format!("{place}/{name}"), found),
                None => {}
            }
        }
    }
}

fn all_breaks(results: &Value) -> Vec<String> {
    let text = include_str!("../../../docs/fanload.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let mut found = Vec::new();
    breaks(&schema, &schema, results, "", &mut found);
    found
}

fn whole() -> Results {
    let (mut results, intervals) = sample::run(3);
    let mut timeline = Timeline::default();
    for interval in &intervals {
        timeline.append(interval);
    }
    results.intervals = timeline.summaries();
    results.server = Some(ServerUse::default());
    results.storm = Some(Storm::default());
    results.recovery = Some(Recovery::default());
    results.slo = Some(Slo {
        parts: vec![SloPart::default()],
        ..Slo::default()
    });
    results.sessions.closes.insert(1006, 1);
    results.verdict = Verdict::Invalid {
        why: vec!["so".to_owned()],
    };
    results
}

/// Goal: what is written fits the published schema, with every optional part and without.
#[test]
fn results_fit_the_schema() {
    let (bare, _) = sample::run(1);
    for results in [whole(), bare] {
        let found = all_breaks(&serde_json::to_value(results).unwrap());
        assert!(
            found.is_empty(),
            "{found:#?}\nscripts/fanload-schema.py renews the schema"
        );
    }
}

/// Goal: the check itself notices a field too many, one too few and one of the wrong type.
#[test]
fn misfits_are_noticed() {
    let mut value = serde_json::to_value(whole()).unwrap();
    value["counts"]["surprise"] = 1.into();
    value["rates"].as_object_mut().unwrap().remove("sent");
    value["intervals"][0]["phase"] = "lunch".into();
    value["schema_version"] = 0.into();
    assert_eq!(all_breaks(&value).len(), 4);
}

/// Goal: a file that was written is read back the same.
#[test]
fn results_are_read_back() {
    let written = serde_json::to_value(whole()).unwrap();
    let read: Results = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), written);
}
