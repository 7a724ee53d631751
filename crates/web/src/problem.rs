//! Problem documents (RFC 9457): what a client is told when something is not as it should be.
//!
//! [`Code`] is the closed list of what can be wrong, each with its status and title; `docs/ERRORS.md`
//! says who does what about it. Internal text never leaves: it goes to the log and the error list.

mod from_content;

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use prepnexus_content::Shed;
use prepnexus_domain::FieldError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::idempotency::IDEMPOTENCY_KEY;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        /// What is wrong: stable, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as it is sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The status it is sent with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            /// A few words for people.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

codes! {
    /// The request can't be understood as HTTP, or a header can't be read.
    BadRequest = "bad_request", BAD_REQUEST, "The request can't be understood";
    /// The body is not JSON.
    BadJson = "bad_json", BAD_REQUEST, "The body is not JSON";
    /// A key is needed, and there is none or an unknown one.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A valid key is needed";
    /// The key's role is not enough.
    Forbidden = "forbidden", FORBIDDEN, "The key does not allow this";
    /// Nothing is there, or nothing this client may see.
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    /// The path is known, the method isn't.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// Another post has the slug.
    SlugTaken = "slug_taken", CONFLICT, "The slug is taken";
    /// The post was changed since the client last saw it.
    RevisionMismatch = "revision_mismatch", PRECONDITION_FAILED, "The post has changed";
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is said to be something other than JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported";
    /// Fields or parameters break the rules.
    InvalidFields = "invalid_fields", UNPROCESSABLE_ENTITY, "Some fields are not valid";
    /// The idempotency key was used with another body.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request";
    /// A change needs `If-Match`.
    PreconditionRequired = "precondition_required", PRECONDITION_REQUIRED, "If-Match is required";
    /// The consistency token can't be honoured.
    TokenUnknown = "token_unknown", CONFLICT, "The consistency token can't be honoured";
    /// Something went wrong that should not.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here";
    /// The database is away.
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "The database can't be reached";
    /// More is asked than can be done.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too much is being asked at once";
    /// The answer was not ready in time.
    DeadlineExceeded = "deadline_exceeded", SERVICE_UNAVAILABLE, "The answer was not ready in time";
    /// Whether a write was done is not known.
    CommitUnknown = "commit_unknown", SERVICE_UNAVAILABLE, "Whether the change was made is not known";
}

impl Code {
    /// The code for a status that the HTTP library answered with by itself.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// Something wrong, on its way to the client. The middleware turns it into the document.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What is wrong.
    pub code: Code,
    /// What exactly, for the client's developer.
    pub detail: String,
    /// The bad fields.
    pub errors: Vec<FieldError>,
    /// When to try again, in whole seconds.
    pub retry_after: Option<u64>,
    /// The name by which to ask again for what may have been done.
    pub idempotency_key: Option<String>,
    /// Why it was refused, if too much was asked.
    pub(crate) shed: Option<ShedBy>,
    /// What happened inside; for the log alone.
    pub internal: Option<String>,
}

/// What refused a request because too much was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShedBy {
    /// The gate in front of the database.
    Gate(Shed),
    /// The queue for a connection was full.
    Pool,
    /// Others held what was needed for too long.
    Contention,
}

impl ShedBy {
    pub(crate) const ALL: [Self; 5] = [
        Self::Gate(Shed::ALL[0]),
        Self::Gate(Shed::ALL[1]),
        Self::Gate(Shed::ALL[2]),
        Self::Pool,
        Self::Contention,
    ];

    /// The name in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gate(why) => why.as_str(),
            Self::Pool => "pool",
            Self::Contention => "contention",
        }
    }
}

/// The document a client gets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemDocument<'a> {
    /// Names the kind of problem: `urn:prepnexus:problem:` and the code.
    #[schema(example = "urn:prepnexus:problem:invalid_fields")]
    r#type: String,
    /// The kind of problem in a few words.
    title: &'a str,
    /// The status of the response.
    #[schema(example = 422)]
    status: u16,
    /// This occurrence of the problem.
    detail: &'a str,
    /// The kind of problem, for programs.
    #[schema(example = "invalid_fields")]
    code: &'a str,
    /// Names the request in the server's log.
    request_id: &'a str,
    /// The bad fields, up to 100.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
}

impl Problem {
    /// A problem of that kind.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            idempotency_key: None,
            shed: None,
            internal: None,
        }
    }

    pub(crate) fn with_internal(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }

    /// The document's bytes.
    pub(crate) fn to_json(&self, request_id: &str) -> Vec<u8> {
        let document = ProblemDocument {
            r#type: format!("urn:prepnexus:problem:{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id,
            errors: &self.errors,
        };
        serde_json::to_vec(&document).expect("texts and numbers always serialize")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    /// The head of the response; the middleware, which knows the request's id, adds the document.
    fn error_response(&self) -> HttpResponse {
        let mut builder = HttpResponse::build(self.code.status());
        if let Some(seconds) = self.retry_after {
            builder.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(key) = &self.idempotency_key {
            builder.insert_header((IDEMPOTENCY_KEY, key.as_str()));
        }
        if self.code == Code::Unauthorized {
            builder.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"prepnexus\""));
        }
        let mut response = builder.finish();
        response.extensions_mut().insert(self.clone());
        response
    }
}
