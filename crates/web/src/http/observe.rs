//! Round every request: its id, its time limit, its metrics, its line in the log, and the problem
//! document if it comes to that.

use std::time::Instant;

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method,
        header::{self, HeaderValue},
    },
    middleware::Next,
    web,
};
use prepnexus_health::Occurrence;
use tracing::Instrument;

use crate::{
    http::{
        methods::Route,
        request_id::{self, RequestId},
        session,
        trace::Trace,
    },
    metric::{self, InFlight},
    problem::{Code, Problem},
    routes::health::AnswersForItself,
    state::AppState,
    time::milliseconds,
};

/// The middleware.
pub(crate) async fn observe<B: MessageBody + 'static>(
    state: web::Data<AppState>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let began = Instant::now();
    let _in_flight = InFlight::begin();
    let id = RequestId::of(request.headers());
    let method = request.method().clone();
    let trace = Trace::begin(request.headers(), id.as_str(), state.config.traces);
    let span = trace.span.clone();
    // Handlers and extractors answer with responses; an error here is the middleware's own.
    let response = next
        .call(request)
        .instrument(span.clone())
        .await?
        .map_into_left_body();
    let route = Route::of(response.request());
    let status = response.status();
    metric::request(&method, route, status.as_u16(), began.elapsed());
    let mut response = if status.is_client_error() || status.is_server_error() {
        span.in_scope(|| explain(response, id.as_str(), &state))
    } else {
        response
    };
    span.in_scope(|| log(&method, route, status.as_u16(), began));
    if state.is_draining() {
        // Whoever keeps the connection would be cut off later.
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    let request = response.request().clone();
    session::finish(&request, response.headers_mut());
    trace.end(&method, route, status.as_u16(), response.headers_mut());
    response
        .headers_mut()
        .insert(request_id::HEADER, id.value());
    Ok(response)
}

/// Puts the problem document in place of the body of an error.
fn explain<B: MessageBody + 'static>(
    mut response: ServiceResponse<EitherBody<B, BoxBody>>,
    id: &str,
    state: &AppState,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let problem = response.response_mut().extensions_mut().remove::<Problem>();
    if problem.is_none()
        && response
            .response()
            .extensions()
            .get::<AnswersForItself>()
            .is_some()
    {
        return response;
    }
    let problem = problem.unwrap_or_else(|| by_status(&response));
    if let Some(internal) = &problem.internal {
        let code = problem.code.as_str();
        if problem.code == Code::Internal {
            tracing::error!(code, internal, "a request failed");
        } else if problem.shed.is_some() {
            // There are thousands of them when there are any, and they are to cost little: they are counted, by their reason.
            tracing::debug!(code, internal, "a request was refused");
        } else {
            tracing::warn!(code, internal, "a request could not be served");
        }
    }
    if let Some(by) = problem.shed {
        metric::shed(by);
    }
    if problem.code.status().is_server_error() {
        let internal = problem.internal.as_deref().unwrap_or(&problem.detail);
        let route = Route::of(response.request());
        state.health.errors.record(Occurrence {
            code: problem.code.as_str(),
            place: route,
            text: internal,
            request_id: Some(id),
        });
    }
    let body = problem.to_json(id);
    response.map_body(|head, _| {
        let headers = head.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        EitherBody::right(BoxBody::new(body))
    })
}

/// The problem for an answer that the HTTP library gave by itself.
fn by_status<B>(response: &ServiceResponse<B>) -> Problem {
    let cause = response.response().error().map(ToString::to_string);
    let code = Code::of_status(response.status());
    match (code, cause) {
        (Code::Internal, cause) => {
            let problem = Problem::new(code, "An error was recorded under the request id.");
            problem.with_internal(cause.unwrap_or_else(|| "no cause was given".into()))
        }
        (code, Some(cause)) => Problem::new(code, cause),
        (code, None) => Problem::new(code, code.title()),
    }
}

/// Writes are worth a line; reads are counted.
fn log(method: &Method, route: &str, status: u16, began: Instant) {
    let milliseconds = milliseconds(began.elapsed());
    if method.is_safe() {
        tracing::debug!(%method, route, status, milliseconds, "answered");
    } else {
        tracing::info!(%method, route, status, milliseconds, "answered");
    }
}

/// The answer of last resort: nothing at this path.
pub(crate) async fn not_found() -> HttpResponse {
    Problem::new(Code::NotFound, "There is nothing at this path.").error_response()
}
