//! Sends traces by OTLP (<https://opentelemetry.io/docs/specs/otlp/>) over HTTP. What is traced is decided by who made the request, if it says so,
//! else by a share.

use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use prepnexus_settings::{OutboundSettings, SpanLayer};
use tracing_subscriber::{Layer as _, filter::filter_fn};
use ureq::Agent;

use super::http;

/// How long the end of the process waits for the last traces to be sent.
const LAST: Duration = Duration::from_secs(2);

/// The sending; to be ended with [`Traces::end`].
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// What takes note of spans for whom the settings name, and what sends them.
    pub(crate) fn start(settings: &OutboundSettings) -> anyhow::Result<Option<(Self, SpanLayer)>> {
        let Some(endpoint) = settings.otlp_endpoint() else {
            return Ok(None);
        };
        let url = format!("{}/v1/traces", endpoint.expose().trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client(http::agent()))
            .with_endpoint(url)
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT can't be used")?;
        let share = Sampler::TraceIdRatioBased(settings.otel_traces_sampler_arg);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(
                Resource::builder()
                    .with_service_name(settings.otel_service_name.clone())
                    .with_attribute(opentelemetry::KeyValue::new(
                        "service.version",
                        env!("CARGO_PKG_VERSION"),
                    ))
                    .build(),
            )
            .build();
        let tracer = provider.tracer("prepnexus");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(|span| span.target() == prepnexus_health::TRACE));
        Ok(Some((Self(provider), Box::new(layer))))
    }

    /// Sends what is left, and ends.
    pub(crate) fn end(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// How traces are sent: the exporter has a thread of its own, so that nothing here need be asynchronous.
#[derive(Debug)]
struct Client(Agent);

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, body.to_vec());
        let answer = self.0.run(request)?;
        let (head, mut body) = answer.into_parts();
        let body = body.read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}
