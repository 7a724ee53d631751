//! Who is told, outside, of what happens here. Nobody unless set.

use clap::Args;
use prepnexus_storage::Secret;

use crate::value::{present, ratio, web_address};

/// Who is told, outside, of what happens here. The addresses may hold keys, and are never shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telling others (api only)")]
pub struct OutboundSettings {
    /// Where to post what somebody should be told of, and that it has ended, in Alertmanager's form: for those without
    /// Prometheus.
    #[arg(long, env = "ALERT_WEBHOOK_URL", value_name = "URL", value_parser = web_address, hide_env_values = true, global = true)]
    alert_webhook_url: Option<Secret>,
    /// The DSN of a Sentry project, or of anything that speaks its protocol: it is told of errors, without personal data.
    #[arg(long, env = "SENTRY_DSN", value_name = "URL", value_parser = web_address, hide_env_values = true, global = true)]
    sentry_dsn: Option<Secret>,
    /// What the environment is called there.
    #[arg(
        long,
        env = "SENTRY_ENVIRONMENT",
        default_value = "production",
        value_name = "NAME",
        hide_env_values = true,
        global = true
    )]
    pub sentry_environment: String,
    /// Where traces are sent by OTLP over HTTP, in protobuf: the address before /v1/traces.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", value_parser = web_address, hide_env_values = true, global = true)]
    otel_exporter_otlp_endpoint: Option<Secret>,
    /// What the service is called in traces.
    #[arg(
        long,
        env = "OTEL_SERVICE_NAME",
        default_value = "prepnexus",
        value_name = "NAME",
        hide_env_values = true,
        global = true
    )]
    pub otel_service_name: String,
    /// The share of requests that are traced, 0 to 1, where the request itself does not say (traceparent).
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "1", value_name = "RATIO", value_parser = ratio, hide_env_values = true, global = true)]
    pub otel_traces_sampler_arg: f64,
}

impl OutboundSettings {
    /// Where alerts are posted.
    #[must_use]
    pub fn alert_webhook_url(&self) -> Option<&Secret> {
        present(self.alert_webhook_url.as_ref())
    }

    /// Where errors are reported.
    #[must_use]
    pub fn sentry_dsn(&self) -> Option<&Secret> {
        present(self.sentry_dsn.as_ref())
    }

    /// Where traces are sent.
    #[must_use]
    pub fn otlp_endpoint(&self) -> Option<&Secret> {
        present(self.otel_exporter_otlp_endpoint.as_ref())
    }
}
