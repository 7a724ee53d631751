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
    let serves = matches!(args.command, None | Some(Command::Serve));
    let traces = match Traces::start(&args.outbound) {
        Ok(Some((traces, spans))) if serves => {
            args.log.init_logging_with(spans);
            Some(traces)
        }
        Ok(_) => {
            args.log.init_logging();
            None
        }
        Err(error) => {
            args.log.init_logging();
            tracing::error!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match &args.command {
        Some(Command::Keys { command }) => {
            let cluster = or_exit(args.database.cluster_config("prepnexus-api-keys"));
            keys::run(command, &cluster)
        }
        Some(Command::Healthcheck) => healthcheck::run(&args.http),
        None | Some(Command::Serve) => {
            arenas::limit();
            or_exit(args.http.validate());
            or_exit(outbound::validate(&args.outbound));
            let cluster = or_exit(args.database.cluster_config("prepnexus-api"));
            let redis = or_exit(args.redis.redis_config());
            serve::run(&args, &cluster, redis)
        }
    };
    if let Some(traces) = traces {
        traces.end();
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
