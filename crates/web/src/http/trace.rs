//! The trace that a request belongs to (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! What a client says of its trace is passed on: to the spans that are sent to a collector, to the lines of the log, and back in
//! `traceresponse`, by which whoever asked finds what was done for him.

use actix_web::http::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, Status, TraceContextExt as _, TraceState},
};
use prepnexus_health::TRACE;
use tracing::{
    Span,
    field::{Empty, display},
};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");
const RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// The part of a trace that one request is.
pub(crate) struct Trace {
    /// What its lines of the log stand in, and what is sent to a collector if there is one.
    pub(crate) span: Span,
    is_sent: bool,
    /// What the client said.
    parent: Option<SpanContext>,
}

impl Trace {
    /// That of the request of that id, with these headers; `is_sent`, if there is a collector.
    pub(crate) fn begin(headers: &HeaderMap, id: &str, is_sent: bool) -> Self {
        let parent = headers.get(PARENT).and_then(|sent| parse(sent, headers));
        // One span for both: what is begun within it finds it as the current one, whoever looks. Of the highest level, so that
        // a line of any level has it.
        let span = if is_sent {
            tracing::error_span!(target: TRACE, "request", id, trace = Empty, otel.kind = "server")
        } else {
            tracing::error_span!("request", id, trace = Empty)
        };
        if is_sent && let Some(parent) = parent.clone() {
            let _is_new = span.set_parent(Context::new().with_remote_span_context(parent));
        }
        let trace = match &parent {
            Some(parent) => Some(parent.trace_id()),
            None if is_sent => Some(span.context().span().span_context().trace_id()),
            None => None,
        };
        if let Some(trace) = trace {
            span.record("trace", display(trace));
        }
        Self {
            span,
            is_sent,
            parent,
        }
    }

    /// The request was answered.
    pub(crate) fn end(
        self,
        method: &Method,
        route: &'static str,
        status: u16,
        headers: &mut HeaderMap,
    ) {
        if self.parent.is_none() && !self.is_sent {
            return;
        }
        let context = self.span.context();
        let span = context.span();
        span.update_name(format!("{method} {route}"));
        span.set_attribute(KeyValue::new("http.request.method", method.to_string()));
        span.set_attribute(KeyValue::new("http.route", route));
        span.set_attribute(KeyValue::new(
            "http.response.status_code",
            i64::from(status),
        ));
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        let Some(parent) = self.parent else {
            return;
        };
        let own = span.span_context();
        let (id, flags) = if own.is_valid() {
            (own.span_id(), own.trace_flags())
        } else {
            (SpanId::from(fastrand::u64(1..)), TraceFlags::default())
        };
        let value = format!("00-{}-{id}-{:02x}", parent.trace_id(), flags.to_u8());
        let value = HeaderValue::try_from(value).expect("digits and dashes are a header's value");
        headers.insert(RESPONSE, value);
    }
}

/// What a `traceparent` says, if it can be used: version, trace, span and flags in hexadecimal digits. One that can't be used is
/// as none, and so is one that comes twice.
fn parse(parent: &HeaderValue, headers: &HeaderMap) -> Option<SpanContext> {
    const LEN: usize = "00-".len() + 32 + 1 + 16 + "-00".len();
    let text = parent.to_str().ok()?;
    let known = text.get(..LEN)?;
    let mut parts = known.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let is_hex = |part: &str, len| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let has_form = parts.next().is_none()
        && [(version, 2), (trace, 32), (span, 16), (flags, 2)]
            .into_iter()
            .all(|(part, len)| is_hex(part, len));
    // Versions to come may have more behind a dash; this one has not.
    let rest = &text[LEN..];
    let has_end = rest.is_empty() || version != "00" && rest.starts_with('-');
    let is_one = headers.get_all(PARENT).count() == 1;
    if !has_form || !has_end || !is_one || version == "ff" {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8();
    let state = headers.get(STATE).and_then(|state| state.to_str().ok());
    let state = state.and_then(|state| state.parse::<TraceState>().ok());
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(flags),
        true,
        state.unwrap_or_default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn parsed(values: &[&'static str]) -> Option<SpanContext> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PARENT, HeaderValue::from_static(value));
        }
        parse(headers.get(PARENT)?, &headers)
    }

    #[test]
    fn what_has_the_form_is_read() {
        let context = parsed(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]).unwrap();
        assert_eq!(context.trace_id().to_string(), TRACE_ID);
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled() && context.is_remote());
        let unsampled = parsed(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"]);
        assert!(!unsampled.unwrap().is_sampled());
        let later = parsed(&["01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what"]);
        assert_eq!(later.unwrap().trace_id().to_string(), TRACE_ID);
    }

    #[test]
    fn what_has_not_is_as_none() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        ] {
            assert_eq!(parsed(&[bad]), None, "{bad}");
        }
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(parsed(&[good, good]), None);
    }
}
