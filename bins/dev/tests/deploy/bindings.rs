//! Custom resources, held against the types that others have generated from the operators' own definitions and published
//! as crates (`kcr_…`, by kube-custom-resources-rs). Their source is read and not compiled: it would bring a client of
//! Kubernetes along.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
    process::Command,
};

use serde_json::Value;
use syn::{Attribute, Fields, GenericArgument, Item, LitStr, PathArguments, Type};

use super::tools::must;

/// The crate of each group and version.
const CRATES: [(&str, &str); 4] = [
    (
        "postgresql.cnpg.io/v1",
        "kcr_postgresql_cnpg_io@3.20260607.103612",
    ),
    (
        "barmancloud.cnpg.io/v1",
        "kcr_barmancloud_cnpg_io@3.20260612.91212",
    ),
    (
        "monitoring.coreos.com/v1",
        "kcr_monitoring_coreos_com@3.20260613.160609",
    ),
    (
        "databases.spotahome.com/v1",
        "kcr_databases_spotahome_com@3.20260529.85052",
    ),
];

/// A field: its name in documents, its type, and whether it has to be there.
struct Field {
    name: String,
    of: Type,
    is_required: bool,
}

/// The types of a group.
#[derive(Default)]
pub(crate) struct Bindings {
    structs: BTreeMap<String, Vec<Field>>,
    enums: BTreeMap<String, BTreeSet<String>>,
}

impl Bindings {
    /// Of that group and version, which has to be one of [`CRATES`].
    pub(crate) fn of(group: &str) -> Self {
        let found = CRATES.iter().find(|(known, _)| *known == group);
        let (_, package) = found.unwrap_or_else(|| panic!("no crate is known for {group}"));
        let mut bindings = Self::default();
        let (_, version) = group.split_once('/').unwrap();
        for entry in fs::read_dir(source(package).join("src").join(version)).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            bindings.read(&text);
        }
        bindings
    }

    fn read(&mut self, text: &str) {
        for item in syn::parse_file(text).unwrap().items {
            match item {
                Item::Struct(item) => {
                    let Fields::Named(fields) = item.fields else {
                        continue;
                    };
                    let field = |field: syn::Field| {
                        let name = field.ident.as_ref().unwrap().to_string();
                        Field {
                            name: rename(&field.attrs)
                                .unwrap_or_else(|| name.trim_start_matches("r#").to_owned()),
                            is_required: argument(&field.ty, "Option").is_none(),
                            of: field.ty,
                        }
                    };
                    let fields = fields.named.into_iter().map(field).collect();
                    self.structs.insert(item.ident.to_string(), fields);
                }
                Item::Enum(item) => {
                    let word = |variant: syn::Variant| {
                        rename(&variant.attrs).unwrap_or_else(|| variant.ident.to_string())
                    };
                    let words = item.variants.into_iter().map(word).collect();
                    self.enums.insert(item.ident.to_string(), words);
                }
                _ => {}
            }
        }
    }

    /// What is wrong with the specification of a resource of that kind.
    pub(crate) fn problems(&self, kind: &str, spec: &Value) -> Vec<String> {
        let mut problems = Vec::new();
        let name = format!("{kind}Spec");
        assert!(self.structs.contains_key(&name), "no {name}");
        self.look_at_struct(&name, spec, "spec", &mut problems);
        problems
    }

    fn look_at_struct(&self, name: &str, value: &Value, place: &str, problems: &mut Vec<String>) {
        let Some(object) = value.as_object() else {
            problems.push(format!("{place}: expected an object"));
            return;
        };
        let fields = &self.structs[name];
        for (key, value) in object {
            match fields.iter().find(|field| field.name == *key) {
                Some(field) => self.look_at(&field.of, value, &format!("{place}.{key}"), problems),
                None => problems.push(format!("{place}.{key}: there is no such field")),
            }
        }
        let missing = fields
            .iter()
            .filter(|field| field.is_required && !object.contains_key(&field.name));
        problems.extend(missing.map(|field| format!("{place}.{}: is missing", field.name)));
    }

    fn look_at(&self, of: &Type, value: &Value, place: &str, problems: &mut Vec<String>) {
        if let Some(inner) = argument(of, "Option").or_else(|| argument(of, "Box")) {
            return self.look_at(inner, value, place, problems);
        }
        if let Some(inner) = argument(of, "Vec") {
            let Some(items) = value.as_array() else {
                problems.push(format!("{place}: expected a list"));
                return;
            };
            for (index, item) in items.iter().enumerate() {
                self.look_at(inner, item, &format!("{place}[{index}]"), problems);
            }
            return;
        }
        if let Some(inner) = argument(of, "BTreeMap") {
            let Some(object) = value.as_object() else {
                problems.push(format!("{place}: expected an object"));
                return;
            };
            for (key, value) in object {
                self.look_at(inner, value, &format!("{place}.{key}"), problems);
            }
            return;
        }
        let name = last(of);
        let is_well = match name.as_str() {
            "String" => value.is_string(),
            "bool" => value.is_boolean(),
            "i32" | "i64" | "u32" | "u64" => value.is_i64() || value.is_u64(),
            "f32" | "f64" => value.is_number(),
            "IntOrString" => value.is_i64() || value.is_string(),
            "Value" => true,
            name if self.structs.contains_key(name) => {
                return self.look_at_struct(name, value, place, problems);
            }
            name => match (self.enums.get(name), value.as_str()) {
                (Some(words), Some(word)) => words.contains(word),
                (Some(_), None) => false,
                (None, _) => panic!("{place}: the type {name} is not known"),
            },
        };
        if !is_well {
            problems.push(format!("{place}: {value} is no {name}"));
        }
    }
}

/// Where the source of a crate is, which is downloaded if it is not there.
fn source(package: &str) -> PathBuf {
    // It shows, and therefore fetches, any crate; outside of the workspace, so that nothing is locked.
    let scratch = tempfile::tempdir().unwrap();
    must(
        Command::new(env!("CARGO"))
            .current_dir(scratch.path())
            .args(["info", "--quiet", package]),
    );
    let name = package.replace('@', "-");
    #[expect(
        clippy::disallowed_methods,
        reason = "where cargo keeps what it has fetched"
    )]
    let home = env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap()).join(".cargo"),
        PathBuf::from,
    );
    let registries = fs::read_dir(home.join("registry/src")).unwrap().flatten();
    let mut found = registries
        .map(|entry| entry.path().join(&name))
        .filter(|path| path.exists());
    found
        .next()
        .unwrap_or_else(|| panic!("cargo did not fetch {package}"))
}

/// The name that `#[serde(rename = "…")]` gives.
fn rename(attributes: &[Attribute]) -> Option<String> {
    let mut name = None;
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
    {
        let _other_words = attribute.parse_nested_meta(|meta| {
            if let Ok(value) = meta.value() {
                let text: LitStr = value.parse()?;
                if meta.path.is_ident("rename") {
                    name = Some(text.value());
                }
            }
            Ok(())
        });
    }
    name
}

/// The last argument of a type of that name: `T` of `Option<T>` and of `BTreeMap<String, T>`.
fn argument<'a>(of: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = of else { return None };
    let segment = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    let GenericArgument::Type(inner) = arguments.args.last()? else {
        return None;
    };
    (segment.ident == name).then_some(inner)
}

/// The last word of a type's path.
fn last(of: &Type) -> String {
    match of {
        Type::Path(path) => path.path.segments.last().unwrap().ident.to_string(),
        _ => panic!("not a path"),
    }
}

#[test]
fn what_is_wrong_is_found() {
    let mut bindings = Bindings::default();
    bindings.read(
        r#"
        pub struct ThingSpec {
            #[serde(default, skip_serializing_if = "Option::is_none", rename = "howMany")]
            pub how_many: Option<i32>,
            pub name: String,
            pub parts: Option<Vec<Part>>,
            pub r#type: Option<Kind>,
        }
        pub struct Part { pub labels: Option<BTreeMap<String, String>> }
        pub enum Kind { #[serde(rename = "a-b")] AB, C }
        "#,
    );
    let problems = |text: &str| bindings.problems("Thing", &serde_json::from_str(text).unwrap());
    let well = r#"{"howMany": 3, "name": "x", "parts": [{"labels": {"a": "b"}}], "type": "a-b"}"#;
    assert_eq!(problems(well), Vec::<String>::new());
    for (text, wrong) in [
        (r#"{}"#, "spec.name: is missing"),
        (
            r#"{"name": "x", "how_many": 3}"#,
            "spec.how_many: there is no such field",
        ),
        (
            r#"{"name": "x", "howMany": "3"}"#,
            "spec.howMany: \"3\" is no i32",
        ),
        (
            r#"{"name": "x", "parts": {}}"#,
            "spec.parts: expected a list",
        ),
        (
            r#"{"name": "x", "parts": [{"labels": {"a": 1}}]}"#,
            "spec.parts[0].labels.a: 1 is no String",
        ),
        (
            r#"{"name": "x", "type": "AB"}"#,
            "spec.type: \"AB\" is no Kind",
        ),
    ] {
        assert_eq!(problems(text), [wrong]);
    }
}
