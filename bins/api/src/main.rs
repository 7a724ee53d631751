//! The `api` binary: serves the API, and manages its keys.

mod arenas;
mod args;
mod descriptors;
mod healthcheck;
mod keys;
mod outbound;
mod schema;
mod serve;

use std::process::ExitCode;

use args::{Args, Command};
use outbound::traces::Traces;
use prepnexus_settings::{or_exit, parse_or_exit};

fn main() -> ExitCode {
    let args: Args = parse_or_exit();
    let outcome = match &args.command {
        Some(Command::Keys { command }) => {
            args.log.init_logging();
            let cluster = or_exit(args.database.cluster_config("prepnexus-api-keys"));
            keys::run(command, &cluster)
        }
        Some(Command::Healthcheck) => {
            args.log.init_logging();
            healthcheck::run(&args.http)
        }
        None | Some(Command::Serve) => serve(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Checks the settings, sets up what is logged and traced, and serves.
fn serve(args: &Args) -> anyhow::Result<()> {
    // Before any thread: the program begins anew.
    arenas::limit();
    or_exit(args.http.validate());
    or_exit(outbound::validate(&args.outbound));
    let cluster = or_exit(args.database.cluster_config("prepnexus-api"));
    let redis = or_exit(args.redis.redis_config());
    let traces = match Traces::start(&args.outbound) {
        Ok(Some((traces, spans))) => {
            args.log.init_logging_with(spans);
            Some(traces)
        }
        none => {
            args.log.init_logging();
            none?;
            None
        }
    };
    let outcome = serve::run(args, &cluster, redis);
    if let Some(traces) = traces {
        traces.end();
    }
    outcome
}
