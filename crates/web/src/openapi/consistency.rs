//! `Consistency-Token` and `Cache-Status` in the document: every operation on content takes and gives a token, and every
//! read says where its answer comes from, so that it is said once, here.

use utoipa::{
    Modify,
    openapi::{
        HeaderBuilder, ObjectBuilder, OpenApi as Document, RefOr, Required,
        path::{Operation, ParameterBuilder, ParameterIn, PathItem},
        schema::Type,
    },
};

const NAME: &str = "Consistency-Token";
const CONTENT: &str = "/api/v1/";
/// The statuses that no operation answers with unless it has read or written the database.
const ANSWERS: [&str; 5] = ["200", "201", "204", "301", "304"];

/// Adds the header to all operations on content.
pub(super) struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut Document) {
        let paths = &mut document.paths.paths;
        let on_content = paths
            .iter_mut()
            .filter(|(path, _)| path.starts_with(CONTENT));
        for (_, item) in on_content {
            if let Some(read) = &mut item.get {
                add_cache_status(read);
            }
            operations(item).for_each(add);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        patch,
        delete,
        ..
    } = item;
    [get, put, post, patch, delete].into_iter().flatten()
}

/// On what is found, and what has moved.
fn add_cache_status(operation: &mut Operation) {
    let answers = operation.responses.responses.iter_mut();
    for (_, response) in answers.filter(|(status, _)| ANSWERS.contains(&status.as_str())) {
        if let RefOr::T(response) = response {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let header = HeaderBuilder::new().schema(Some(text)).description(Some(
                "Where the answer comes from (RFC 9211): `prepnexus; hit; detail=memory` or `redis`, `prepnexus; fwd=miss; \
                 detail=replica` or `primary`, `prepnexus; fwd=bypass` for who sends a key, `prepnexus; hit; fwd=stale` for a \
                 copy that may be old: the database is away, and `Age` says how old it is",
            ));
            let header = RefOr::T(header.build());
            response.headers.insert("Cache-Status".to_owned(), header);
        }
    }
}

fn add(operation: &mut Operation) {
    let token = || {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[0-9a-f]{1,16}\\.[0-9a-f]{1,8}\\.[0-9a-f]{1,16}$"))
    };
    let parameter = ParameterBuilder::new()
        .name(NAME)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "What the client was last sent: the answer is at least as new, on whichever node",
        ))
        .schema(Some(token()));
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(RefOr::T(parameter.build()));
    let answers = operation.responses.responses.iter_mut();
    for (_, response) in answers.filter(|(status, _)| ANSWERS.contains(&status.as_str())) {
        if let RefOr::T(response) = response {
            let header = HeaderBuilder::new().schema(Some(token())).description(Some(
                "What the client has seen now: to be sent with the next request",
            ));
            let header = RefOr::T(header.build());
            response.headers.insert(NAME.to_owned(), header);
        }
    }
}
