use std::fs;

use serde_json::Value;

use super::*;

/// Calls `check` on every schema inside a schema, with its path.
fn walk(path: &str, schema: &Value, check: &mut impl FnMut(&str, &Value)) {
    check(path, schema);
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            walk(&format!("{path}.{name}"), property, check);
        }
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            walk(&format!("{path}{suffix}"), &schema[key], check);
        }
    }
}

fn complaints(mut complain: impl FnMut(&str, &Value) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for crd in all().unwrap() {
        let crd = serde_json::to_value(crd).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(crd["spec"]["names"]["kind"].as_str().unwrap(), schema, &mut |path, schema| {
            found.extend(complain(path, schema).map(|why| format!("{path}: {why}")));
        });
    }
    found
}

#[test]
fn the_committed_files_are_what_the_types_say() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/generated");
    let files = files().unwrap();
    for (name, yaml) in &files {
        let committed = fs::read_to_string(format!("{folder}/{name}")).unwrap_or_default();
        assert!(&committed == yaml, "{name} has drifted: run `lifeboat-crds generate` and commit");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), files.len(), "a file that no definition makes");
}

#[test]
fn the_yaml_means_what_the_definitions_say() {
    for ((name, yaml), crd) in files().unwrap().iter().zip(all().unwrap()) {
        let read: CustomResourceDefinition = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(read, crd, "{name}");
    }
}

#[test]
fn everything_is_bounded_so_that_rules_have_a_cost() {
    let unbounded = complaints(|_, schema| match schema["type"].as_str() {
        Some("array") if schema["maxItems"].is_null() => Some("no maxItems".into()),
        Some("object") if schema["properties"].is_null() && schema["maxProperties"].is_null() => {
            // An object without fields, as in `tcp: {}`.
            (!schema["additionalProperties"].is_null()).then(|| "no maxProperties".into())
        }
        Some("string") if ["maxLength", "enum", "format"].iter().all(|key| schema[key].is_null()) => {
            Some("no maxLength".into())
        }
        _ => None,
    });
    assert_eq!(unbounded, [""; 0]);
}

#[test]
fn every_field_is_described() {
    let silent = complaints(|path, schema| {
        let member = path.ends_with(']') || path.ends_with('}');
        let described = schema["description"].as_str().is_some_and(|text| text.ends_with(['.', '`']));
        (!member && !described).then(|| format!("description {}", schema["description"]))
    });
    assert_eq!(silent, [""; 0]);
}

#[test]
fn nothing_is_a_float_an_unsigned_number_or_nullable() {
    let wrong = complaints(|_, schema| {
        let format = schema["format"].as_str().unwrap_or_default();
        let number = schema["type"] == "number" || format.starts_with("uint");
        (number || !schema["nullable"].is_null() || !schema["title"].is_null()).then(|| schema.to_string())
    });
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn defaults_are_visible() {
    let mut defaults = Vec::new();
    complaints(|path, schema| {
        if !schema["default"].is_null() && !schema["default"].is_object() {
            defaults.push(format!("{path} = {}", schema["default"]));
        }
        None
    });
    insta::assert_snapshot!(defaults.join("\n"));
}

#[test]
fn short_names_and_the_category_are_for_what_people_write_and_count() {
    for crd in all().unwrap() {
        let names = &crd.spec.names;
        let in_category = names.categories == Some(vec!["lifeboat".to_owned()]);
        let expected = crd.spec.group == crate::GROUP && names.kind != "Tenant";
        assert_eq!(in_category, expected, "{}", names.kind);
        assert_eq!(names.short_names.is_some(), expected, "{}", names.kind);
        assert_eq!(crd.spec.versions[0].name, crate::VERSION);
        assert_eq!(crd.spec.group == crate::STATE_GROUP, crd.spec.versions[0].subresources.is_none());
    }
}
