//! libpq's connection URLs, read by the driver except for what the driver doesn't know: the
//! verifying modes of `sslmode`, and `sslrootcert`.

use std::time::Duration;

use tokio_postgres::config::Host;

use super::{ClusterConfig, NodeAddr};
use crate::secret::Secret;

/// A URL that can't be used. Says why without repeating it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

const UNKNOWN_PARAMETER: &str =
    "a parameter is not known: expected sslmode, sslrootcert, connect_timeout, application_name";

pub(super) fn parse(text: &str) -> Result<ClusterConfig, InvalidUrl> {
    let invalid = |detail: &str| InvalidUrl(detail.to_owned());
    if !["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
    {
        return Err(invalid("must begin with postgresql://"));
    }
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let mut config = ClusterConfig::default();
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslmode", mode)) => {
                config.ssl_mode = mode
                    .parse()
                    .map_err(|e| InvalidUrl(format!("sslmode: {e}")))?;
            }
            Some(("sslrootcert", path)) => {
                config.ssl_root_cert = Some(percent_decoded(path)?.into());
            }
            Some(("connect_timeout", seconds)) => {
                let seconds: u64 = seconds
                    .parse()
                    .map_err(|_| invalid("connect_timeout: expected whole seconds"))?;
                config.connect_timeout = Duration::from_secs(seconds.max(1));
            }
            Some(("application_name" | "host" | "port" | "user" | "password" | "dbname", _)) => {
                rest.push(pair);
            }
            // Not repeated: where a password holds a `?` or `&`, this is part of it.
            Some(_) | None => return Err(invalid(UNKNOWN_PARAMETER)),
        }
    }
    let separator = if rest.is_empty() { "" } else { "?" };
    let parsed: tokio_postgres::Config = format!("{base}{separator}{}", rest.join("&"))
        .parse()
        .map_err(|_| invalid("expected postgresql://user:password@host:port,host:port/database"))?;
    config.nodes = nodes(&parsed)?;
    if let Some(user) = parsed.get_user() {
        user.clone_into(&mut config.user);
    }
    if let Some(database) = parsed.get_dbname() {
        database.clone_into(&mut config.database);
    }
    if let Some(name) = parsed.get_application_name() {
        name.clone_into(&mut config.application_name);
    }
    if let Some(password) = parsed.get_password() {
        let text = String::from_utf8(password.to_vec())
            .map_err(|_| invalid("the password must be UTF-8"))?;
        config.password = Some(Secret::new(text));
    }
    Ok(config)
}

fn nodes(parsed: &tokio_postgres::Config) -> Result<Vec<NodeAddr>, InvalidUrl> {
    let ports = parsed.get_ports();
    let hosts = parsed.get_hosts();
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(InvalidUrl("expected one port, or one for each host".into()));
    }
    hosts
        .iter()
        .enumerate()
        .map(|(index, host)| match host {
            Host::Tcp(host) => Ok(NodeAddr {
                host: host.trim_matches(['[', ']']).to_owned(),
                port: ports.get(index).or(ports.first()).copied().unwrap_or(5432),
            }),
            #[cfg(unix)]
            Host::Unix(_) => Err(InvalidUrl(
                "socket directories are not supported: name a host".into(),
            )),
        })
        .collect()
}

fn percent_decoded(text: &str) -> Result<String, InvalidUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let (byte, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let hex = |digit: &u8| char::from(*digit).to_digit(16);
                let value = hex(high).zip(hex(low)).map(|(high, low)| high * 16 + low);
                let value = value.and_then(|value| u8::try_from(value).ok());
                (
                    value.ok_or_else(|| InvalidUrl("sslrootcert: bad percent sign".into()))?,
                    tail,
                )
            }
            (byte, tail) => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| InvalidUrl("sslrootcert: must be UTF-8".into()))
}

#[cfg(test)]
mod tests {
    use crate::config::{ClusterConfig, SslMode};

    #[test]
    fn several_hosts_and_a_verifying_mode() {
        let config = ClusterConfig::from_url(
            "postgresql://me:p%40ss@a:5433,b,c:5434/db?sslmode=verify-full&sslrootcert=/etc/my%20ca.pem",
        );
        // libpq wants one port or one for each host.
        let config = config.unwrap();
        let nodes: Vec<String> = config.nodes.iter().map(ToString::to_string).collect();
        assert_eq!(nodes, ["a:5433", "b:5432", "c:5434"]);
        assert_eq!(config.password.as_ref().unwrap().expose(), "p@ss");
        assert_eq!(
            (config.user.as_str(), config.database.as_str()),
            ("me", "db")
        );
        assert_eq!(config.ssl_mode, SslMode::VerifyFull);
        assert_eq!(
            config.ssl_root_cert.as_deref(),
            Some("/etc/my ca.pem".as_ref())
        );
        assert!(!format!("{config:?}").contains("p@ss"));
    }

    #[test]
    fn tcp_user_timeout_is_refused_because_programs_differ_on_its_unit() {
        let url = "postgresql://me@a/db?tcp_user_timeout=5000";
        let error = ClusterConfig::from_url(url).unwrap_err().to_string();
        assert!(error.contains("not known"), "{error}");
    }

    #[test]
    fn a_bad_url_is_refused_without_being_repeated() {
        for url in [
            "mysql://me:geheim@a/db",
            "postgresql://me:geheim@a:x/db",
            "postgresql://me:geheim@a/db?sslmode=perhaps",
            "postgresql://me:geheim@a/db?sslmod=require",
            "postgresql://me:geheim@a/db?sslmode",
            "postgresql:///db?host=/run/postgresql",
        ] {
            let error = ClusterConfig::from_url(url).unwrap_err().to_string();
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
