//! No driver type is in the public face of `storage`, without its feature `driver`.
//!
//! Judged from the source, because the compiler has no word for it: whatever is `pub` counts, wherever its module is
//! (the lint `unreachable_pub` sees to it that the two are the same), with the fields, variants, methods, bounds and
//! trait implementations that go with it. So do sealed traits: a generic function can call their methods. Names are
//! followed through imports, renamings and aliases. Not looked into: what a `macro_rules` writes; it implements traits
//! whose own signatures are judged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Field, Fields, ImplItem, Item, ItemImpl, ItemUse, Type, UseTree, Visibility};

/// The crates nobody is to see.
const DRIVER: [&str; 7] = [
    "tokio_postgres",
    "postgres_types",
    "postgres_protocol",
    "deadpool",
    "deadpool_postgres",
    "rustls",
    "tokio_postgres_rustls",
];

/// One module: where it is, and what is in it.
struct Module {
    place: String,
    items: Vec<Item>,
}

#[test]
fn no_driver_type_is_in_the_public_face_of_storage() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/storage/src");
    let mut modules = Vec::new();
    read(&root.join("lib.rs"), &root, &mut modules);
    let uses_driver = |module: &&Module| !driver_names(module, &BTreeSet::new()).is_empty();
    let judged = modules.iter().filter(uses_driver).count();
    assert!(
        judged > 5,
        "only {judged} modules know the driver: are all of them read?"
    );
    let found = leaks(&modules);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The module in `file`, and those below it, whose files are in `dir`.
fn read(file: &Path, dir: &Path, modules: &mut Vec<Module>) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    for item in &parsed.items {
        if let Item::Mod(module) = item
            && module.content.is_none()
            && !is_left_out(&module.attrs)
        {
            let below = dir.join(module.ident.to_string());
            let file = PathBuf::from(format!("{}.rs", below.display()));
            read(&file, &below, modules);
        }
    }
    let place = file.file_name().unwrap_or_default();
    let place = place.to_string_lossy().into_owned();
    add(place, parsed.items, modules);
}

/// A module, and those written inside it.
fn add(place: String, mut items: Vec<Item>, modules: &mut Vec<Module>) {
    for item in &mut items {
        if let Item::Mod(module) = item
            && let Some((_, items)) = &mut module.content
            && !is_left_out(&module.attrs)
        {
            add(
                format!("{place}, {}", module.ident),
                std::mem::take(items),
                modules,
            );
        }
    }
    modules.push(Module { place, items });
}

/// Whether it is there in tests, or with the feature, alone.
fn is_left_out(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Ok(condition) = attribute.meta.require_list() else {
            return false;
        };
        let text = condition.tokens.to_string();
        condition.path.is_ident("cfg") && (text == "test" || text == "feature = \"driver\"")
    })
}

/// Every public use of the driver, as a line of text.
fn leaks(modules: &[Module]) -> Vec<String> {
    let everywhere = aliases(modules);
    let hidden = hidden_types(modules);
    let mut found = Vec::new();
    for module in modules {
        let mut judge = Judge {
            place: &module.place,
            names: driver_names(module, &everywhere),
            hidden: &hidden,
            found: Vec::new(),
        };
        module.items.iter().for_each(|item| judge.item(item));
        found.append(&mut judge.found);
    }
    found
}

/// What other modules may import by another name: aliases of driver types, and its names imported for all.
fn aliases(modules: &[Module]) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    loop {
        let before = known.len();
        for module in modules {
            let names = driver_names(module, &known);
            for item in &module.items {
                match item {
                    Item::Type(alias) if mentions(&alias.ty, &names) => {
                        known.insert(alias.ident.to_string());
                    }
                    Item::Use(import) if !matches!(import.vis, Visibility::Inherited) => {
                        known.extend(imported(import, &known));
                    }
                    _ => {}
                }
            }
        }
        if known.len() == before {
            return known;
        }
    }
}

/// Types that nobody outside sees: what is implemented for them is not judged.
fn hidden_types(modules: &[Module]) -> BTreeSet<String> {
    let (mut hidden, mut public) = (BTreeSet::new(), BTreeSet::new());
    for item in modules.iter().flat_map(|module| &module.items) {
        let (visibility, name) = match item {
            Item::Struct(item) => (&item.vis, &item.ident),
            Item::Enum(item) => (&item.vis, &item.ident),
            _ => continue,
        };
        let set = if is_public(visibility) {
            &mut public
        } else {
            &mut hidden
        };
        set.insert(name.to_string());
    }
    &hidden - &public
}

/// The names that stand for something of the driver's in this module.
fn driver_names(module: &Module, known: &BTreeSet<String>) -> BTreeSet<String> {
    let names_of = |item: &Item| match item {
        Item::Use(import) => imported(import, known),
        Item::Type(alias) if known.contains(&alias.ident.to_string()) => {
            vec![alias.ident.to_string()]
        }
        _ => Vec::new(),
    };
    module.items.iter().flat_map(names_of).collect()
}

/// The driver's names that an import brings in; `*` for all of a module.
fn imported(import: &ItemUse, known: &BTreeSet<String>) -> Vec<String> {
    fn walk(
        tree: &UseTree,
        inside: Option<&str>,
        known: &BTreeSet<String>,
        names: &mut Vec<String>,
    ) {
        let is_theirs = |name: &str| inside.is_some() || is_driver(name) || known.contains(name);
        match tree {
            UseTree::Path(path) => {
                let name = path.ident.to_string();
                let inside = is_theirs(&name).then_some(name.as_str());
                walk(&path.tree, inside, known, names);
            }
            UseTree::Name(name) if name.ident == "self" => names.extend(inside.map(str::to_owned)),
            UseTree::Name(name) if is_theirs(&name.ident.to_string()) => {
                names.push(name.ident.to_string());
            }
            UseTree::Rename(new) if is_theirs(&new.ident.to_string()) => {
                names.push(new.rename.to_string());
            }
            UseTree::Glob(_) if inside.is_some() => names.push("*".to_owned()),
            UseTree::Group(group) => {
                let trees = group.items.iter();
                trees.for_each(|tree| walk(tree, inside, known, names));
            }
            _ => {}
        }
    }
    let mut names = Vec::new();
    walk(&import.tree, None, known, &mut names);
    names
}

fn is_driver(name: &str) -> bool {
    DRIVER.contains(&name)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn mentions(ty: &Type, names: &BTreeSet<String>) -> bool {
    let mut paths = Paths {
        names,
        found: Vec::new(),
    };
    paths.visit_type(ty);
    !paths.found.is_empty()
}

/// Collects the paths that begin with one of the driver's names, or end with an alias.
struct Paths<'a> {
    names: &'a BTreeSet<String>,
    found: Vec<String>,
}

impl Visit<'_> for Paths<'_> {
    fn visit_path(&mut self, path: &syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        let (first, last) = (&segments[0], &segments[segments.len() - 1]);
        if is_driver(first) || self.names.contains(first) || self.names.contains(last) {
            self.found.push(segments.join("::"));
        }
        visit::visit_path(self, path);
    }
}

/// Looks for the driver in what is public of one module.
struct Judge<'a> {
    place: &'a str,
    names: BTreeSet<String>,
    hidden: &'a BTreeSet<String>,
    found: Vec<String>,
}

impl Judge<'_> {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Use(import) => {
                let names = imported(import, &self.names);
                if is_public(&import.vis) || names.contains(&"*".to_owned()) {
                    let lines = names
                        .iter()
                        .map(|name| format!("{}: use {name}", self.place));
                    self.found.extend(lines);
                }
            }
            Item::Fn(item) if is_public(&item.vis) => {
                self.look(&item.sig.ident, |p| p.visit_signature(&item.sig));
            }
            Item::Const(item) if is_public(&item.vis) => {
                self.look(&item.ident, |p| p.visit_type(&item.ty));
            }
            Item::Static(item) if is_public(&item.vis) => {
                self.look(&item.ident, |p| p.visit_type(&item.ty));
            }
            Item::Type(item) if is_public(&item.vis) => {
                self.look(&item.ident, |p| p.visit_item_type(item));
            }
            Item::Trait(item) if is_public(&item.vis) => {
                self.look(&item.ident, |p| p.visit_item_trait(item));
            }
            Item::Struct(item) if is_public(&item.vis) => self.look(&item.ident, |p| {
                p.visit_generics(&item.generics);
                public_fields(&item.fields).for_each(|field| p.visit_field(field));
            }),
            Item::Enum(item) if is_public(&item.vis) => {
                self.look(&item.ident, |p| p.visit_item_enum(item));
            }
            Item::Impl(item) => self.implementation(item),
            _ => {}
        }
    }

    fn implementation(&mut self, item: &ItemImpl) {
        let name = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|part| part.ident.to_string()),
            _ => None,
        };
        let name = name.unwrap_or_else(|| "impl".to_owned());
        if self.hidden.contains(&name) {
            return;
        }
        let is_of_trait = item.trait_.is_some();
        self.look(&name, |p| {
            p.visit_generics(&item.generics);
            p.visit_type(&item.self_ty);
            if let Some((path, _)) = &item.trait_ {
                p.visit_path(path);
            }
            for item in &item.items {
                match item {
                    ImplItem::Fn(item) if is_of_trait || is_public(&item.vis) => {
                        p.visit_signature(&item.sig);
                    }
                    ImplItem::Const(item) if is_of_trait || is_public(&item.vis) => {
                        p.visit_type(&item.ty);
                    }
                    ImplItem::Type(item) => p.visit_type(&item.ty),
                    _ => {}
                }
            }
        });
    }

    fn look(&mut self, what: &impl ToString, visit: impl FnOnce(&mut Paths<'_>)) {
        let mut paths = Paths {
            names: &self.names,
            found: Vec::new(),
        };
        visit(&mut paths);
        let lines = paths.found.into_iter();
        let line = |path| format!("{}: {} shows {path}", self.place, what.to_string());
        self.found.extend(lines.map(line));
    }
}

fn public_fields(fields: &Fields) -> impl Iterator<Item = &Field> {
    fields.iter().filter(|field| is_public(&field.vis))
}

/// What is found in a crate whose modules hold these texts.
fn found_in(texts: &[&str]) -> Vec<String> {
    let mut modules = Vec::new();
    for text in texts {
        add(
            "x.rs".to_owned(),
            syn::parse_file(text).expect("the text is Rust").items,
            &mut modules,
        );
    }
    leaks(&modules)
}

#[test]
fn a_leak_is_found_wherever_it_stands() {
    for leak in [
        "pub fn f(row: &tokio_postgres::Row) {}",
        "use tokio_postgres::Row; pub fn f() -> Option<Row> { None }",
        "use tokio_postgres::{types::{self, ToSql}, Row as R}; pub struct S { pub row: R }",
        "use tokio_postgres::types; pub trait T { fn f(&self) -> types::Type; }",
        "mod sealed { use tokio_postgres::types::ToSql; pub trait T { fn f(&self) -> &dyn ToSql; } }",
        "pub use tokio_postgres::Row;",
        "pub use deadpool_postgres as pool;",
        "use tokio_postgres::*;",
        "pub enum E { Driver(tokio_postgres::Error) }",
        "pub struct E; impl From<tokio_postgres::Error> for E { fn from(_: tokio_postgres::Error) -> Self { E } }",
        "pub struct S; impl std::ops::Deref for S { type Target = rustls::ClientConfig; }",
        "pub struct S; impl S { pub async fn f(&self, client: &deadpool::managed::Object<()>) {} }",
        "pub struct S<T: postgres_types::ToSql>(T);",
        "pub struct E; impl From<E> for tokio_postgres::Error { fn from(_: E) -> Self { todo!() } }",
        "type Params = Vec<tokio_postgres::types::Type>; pub fn f() -> Params { vec![] }",
        "pub static S: Option<tokio_postgres::NoTls> = None;",
    ] {
        assert!(!found_in(&[leak]).is_empty(), "{leak}");
    }
    let elsewhere = [
        "pub(crate) use tokio_postgres::Row as Line;",
        "use crate::x::Line; pub fn f(line: Line) {}",
    ];
    assert_eq!(found_in(&elsewhere), ["x.rs: f shows Line"]);
}

#[test]
fn what_nobody_outside_sees_is_no_leak() {
    let fine = "
        use tokio_postgres::Row as R;
        pub(crate) fn f(row: &R) {}
        pub struct Row { row: R, pub name: String }
        impl Row { pub(crate) fn new(row: R) -> Self { todo!() } pub fn get(&self) -> i64 { self.row.get(0) } }
        struct Hidden;
        impl From<tokio_postgres::Error> for Hidden { fn from(_: tokio_postgres::Error) -> Self { Hidden } }
        #[cfg(feature = \"driver\")] mod driver { pub fn f(client: &tokio_postgres::Client) {} }
        #[cfg(test)] mod tests { pub fn f(client: &tokio_postgres::Client) {} }
        ";
    assert_eq!(found_in(&[fine]), Vec::<String>::new());
}
