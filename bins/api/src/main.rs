//! The `api` binary: serves the API, and manages its keys.

mod arenas;
mod args;
mod descriptors;
mod healthcheck;
mod keys;
mod schema;
mod serve;

use std::process::ExitCode;

use args::{Args, Command};
use prepnexus_settings::{or_exit, parse_or_exit};

fn main() -> ExitCode {
    let args: Args = parse_or_exit();
    args.log.init_logging();
    let outcome = match &args.command {
        Some(Command::Keys { command }) => {
            let cluster = or_exit(args.database.cluster_config("prepnexus-api-keys"));
            keys::run(command, &cluster)
        }
        Some(Command::Healthcheck) => healthcheck::run(&args.http),
        None | Some(Command::Serve) => {
            arenas::limit();
            or_exit(args.http.validate());
            let cluster = or_exit(args.database.cluster_config("prepnexus-api"));
            let redis = or_exit(args.redis.redis_config());
            serve::run(&args.http, &args.cache, &cluster, redis)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
