//! How the program logs: to standard error, for people or for machines.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use clap::Args;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// What takes note of spans, besides what is logged.
pub type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// How the program logs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogSettings {
    /// One line of text per event, or one JSON object: text or json.
    #[arg(
        long,
        env = "LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT",
        hide_env_values = true,
        global = true
    )]
    pub log_format: LogFormat,
    /// The least important events to show: error, warn, info, debug or trace.
    #[arg(
        long,
        env = "LOG_LEVEL",
        default_value = "info",
        value_name = "LEVEL",
        hide_env_values = true,
        global = true
    )]
    pub log_level: LogLevel,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The least important events that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevel(pub LevelFilter);

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected text or json"),
        }
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let level = match text {
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err("expected error, warn, info, debug or trace"),
        };
        Ok(Self(level))
    }
}

impl LogSettings {
    /// Sets up the process's logging. Only a `main` calls it, once; a second call changes nothing.
    pub fn init_logging(&self) {
        let lines = self.lines();
        let subscriber = tracing_subscriber::registry()
            .with(self.log_level.0)
            .with(lines);
        let _ = subscriber.try_init();
    }

    /// The same, with spans told to `spans` too, whatever the level of what is logged.
    pub fn init_logging_with(&self, spans: SpanLayer) {
        let lines = self.lines().with_filter(self.log_level.0);
        let subscriber = tracing_subscriber::registry().with(spans).with(lines);
        let _ = subscriber.try_init();
    }

    fn lines<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let lines = fmt::layer().with_writer(io::stderr);
        match self.log_format {
            LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        }
    }
}
