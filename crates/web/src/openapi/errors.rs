//! The error answers of each kind of route.

use utoipa::IntoResponses;

use crate::problem::ProblemDocument;

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident { $($variant:ident $status:literal $description:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(IntoResponses)]
        #[expect(dead_code, reason = "only its shape is read, by the derive")]
        pub(crate) enum $name {
            $(
                #[response(status = $status, description = $description, content_type = "application/problem+json")]
                $variant(#[to_schema] ProblemDocument<'static>),
            )*
        }
    )*};
}

errors! {
    /// Of what answers whatever is sent.
    MethodErrors {
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
    }
    /// Of files.
    FileErrors {
        NotFound 404 "There is no such file: `not_found`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
    }
    /// Of whole lists.
    ReadErrors {
        BadRequest 400 "The request can't be understood: `bad_request`",
        Unauthorized 401 "The key is not valid: `unauthorized`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        UnknownToken 409 "The `Consistency-Token` can't be honoured: `token_unknown`",
        Invalid 422 "Parameters are not valid: `invalid_fields`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded` or `deadline_exceeded`; `Retry-After` says when to come back",
    }
    /// Of pages.
    ListErrors {
        BadRequest 400 "The request can't be understood: `bad_request`",
        Unauthorized 401 "The key is not valid: `unauthorized`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        UnknownToken 409 "The `Consistency-Token` can't be honoured: `token_unknown`",
        Invalid 422 "Parameters or the cursor are not valid: `invalid_fields`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded` or `deadline_exceeded`; `Retry-After` says when to come back",
    }
    /// Of one post.
    PostErrors {
        BadRequest 400 "The request can't be understood: `bad_request`",
        Unauthorized 401 "The key is not valid: `unauthorized`",
        NotFound 404 "There is no such post, or it is a draft and no key was sent: `not_found`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        UnknownToken 409 "The `Consistency-Token` can't be honoured: `token_unknown`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded` or `deadline_exceeded`; `Retry-After` says when to come back",
    }
    /// Of making a post.
    CreateErrors {
        BadRequest 400 "The body is not JSON, or a header can't be read: `bad_json`, `bad_request`",
        Unauthorized 401 "No key, or one that is not valid: `unauthorized`",
        Forbidden 403 "The role of the key is below author: `forbidden`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        RequestTimeout 408 "The body did not arrive in time: `request_timeout`",
        Conflict 409 "Another post has the slug, or the `Consistency-Token` can't be honoured: `slug_taken`, `token_unknown`",
        TooLarge 413 "The body is too large: `body_too_large`",
        MediaType 415 "The body is not said to be JSON: `unsupported_media_type`",
        Invalid 422 "Fields are not valid, or the idempotency key was used for another body: `invalid_fields`, `idempotency_key_reused`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded`, `deadline_exceeded` or `commit_unknown`; `Retry-After` says when to come back",
    }
    /// Of changing a post.
    ChangeErrors {
        BadRequest 400 "The body is not JSON, or a header can't be read: `bad_json`, `bad_request`",
        Unauthorized 401 "No key, or one that is not valid: `unauthorized`",
        Forbidden 403 "The key may not change this post: `forbidden`",
        NotFound 404 "There is no such post: `not_found`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        RequestTimeout 408 "The body did not arrive in time: `request_timeout`",
        Conflict 409 "Another post has the slug, or the `Consistency-Token` can't be honoured: `slug_taken`, `token_unknown`",
        Precondition 412 "The post has changed: `revision_mismatch`",
        TooLarge 413 "The body is too large: `body_too_large`",
        MediaType 415 "The body is not said to be JSON: `unsupported_media_type`",
        Invalid 422 "Fields are not valid, or the idempotency key was used for another request: `invalid_fields`, `idempotency_key_reused`",
        PreconditionRequired 428 "`If-Match` is missing: `precondition_required`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded`, `deadline_exceeded` or `commit_unknown`; `Retry-After` says when to come back",
    }
    /// Of deleting a post.
    DeleteErrors {
        BadRequest 400 "A header can't be read: `bad_request`",
        Unauthorized 401 "No key, or one that is not valid: `unauthorized`",
        Forbidden 403 "The key may not change this post: `forbidden`",
        NotFound 404 "There is no such post: `not_found`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        UnknownToken 409 "The `Consistency-Token` can't be honoured: `token_unknown`",
        Precondition 412 "The post has changed: `revision_mismatch`",
        Invalid 422 "The idempotency key was used for another request: `idempotency_key_reused`",
        PreconditionRequired 428 "`If-Match` is missing: `precondition_required`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded`, `deadline_exceeded` or `commit_unknown`; `Retry-After` says when to come back",
    }
    /// Of what a post was.
    RevisionErrors {
        BadRequest 400 "The request can't be understood: `bad_request`",
        Unauthorized 401 "No key, or one that is not valid: `unauthorized`",
        Forbidden 403 "The key may not change this post, and so not see what it was: `forbidden`",
        NotFound 404 "There is and was no such post, or not at this revision: `not_found`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        UnknownToken 409 "The `Consistency-Token` can't be honoured: `token_unknown`",
        Invalid 422 "Parameters are not valid: `invalid_fields`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded` or `deadline_exceeded`; `Retry-After` says when to come back",
    }
    /// Of going back to what a post was.
    RestoreErrors {
        BadRequest 400 "A header can't be read: `bad_request`",
        Unauthorized 401 "No key, or one that is not valid: `unauthorized`",
        Forbidden 403 "The key may not change this post: `forbidden`",
        NotFound 404 "There is no such post, or it never was at this revision, or is now: `not_found`",
        MethodNotAllowed 405 "The method is not known here; `Allow` names those that are: `method_not_allowed`",
        UnknownToken 409 "The `Consistency-Token` can't be honoured: `token_unknown`",
        Precondition 412 "The post has changed: `revision_mismatch`",
        Invalid 422 "The idempotency key was used for another request: `idempotency_key_reused`",
        PreconditionRequired 428 "`If-Match` is missing: `precondition_required`",
        Internal 500 "Something went wrong: `internal`",
        Unavailable 503 "`database_unavailable`, `overloaded`, `deadline_exceeded` or `commit_unknown`; `Retry-After` says when to come back",
    }
}
