//! As much of JSON Schema as the OpenAPI document uses, for checking answers.

use serde_json::Value;

/// What is wrong with `value`, each with its place.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Judge { document }.judge(schema, value, "", &mut found);
    found
}

struct Judge<'a> {
    document: &'a Value,
}

impl Judge<'_> {
    fn judge(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            let target = self.document.pointer(pointer).unwrap();
            return self.judge(target, value, at, found);
        }
        for some in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[some].as_array() {
                let fits = |choice| {
                    let mut faults = Vec::new();
                    self.judge(choice, value, at, &mut faults);
                    faults.is_empty()
                };
                if !choices.iter().any(fits) {
                    found.push(format!("{at}: {value} is none of {some}"));
                }
            }
        }
        if !is_of_type(&schema["type"], value) {
            return found.push(format!("{at}: {value} is not {}", schema["type"]));
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            found.push(format!("{at}: {value} is none of {values:?}"));
        }
        match value {
            Value::Object(object) => {
                let required = schema["required"].as_array().into_iter().flatten();
                for name in required.filter_map(Value::as_str) {
                    if !object.contains_key(name) {
                        found.push(format!("{at}: no {name}"));
                    }
                }
                for (name, value) in object {
                    let at = format!("{at}/{name}");
                    let property = &schema["properties"][name];
                    if property.is_object() {
                        self.judge(property, value, &at, found);
                    } else if schema["properties"].is_object() {
                        found.push(format!("{at}: not documented"));
                    }
                }
            }
            Value::Array(items) if schema["items"].is_object() => {
                for (index, item) in items.iter().enumerate() {
                    self.judge(&schema["items"], item, &format!("{at}/{index}"), found);
                }
            }
            _ => {}
        }
    }
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}: no type of JSON Schema"),
    };
    match wanted {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}
