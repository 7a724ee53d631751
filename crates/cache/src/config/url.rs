//! `redis://` and `rediss://` URLs. The client library takes them apart; what it would quietly accept or ignore is
//! refused here, since an ignored setting is worse than an error.

use bb8_redis::redis::{ConnectionAddr, IntoConnectionInfo};

use super::{ConfigError, Password, RedisAddr, RedisConfig, Tls, Topology};

const FORM: &str =
    "must look like redis://[[user]:password@]host[:port][/database], or rediss://… for TLS";

/// The settings that `url` names. The caller validates them.
pub(super) fn parse(url: &str) -> Result<RedisConfig, ConfigError> {
    if !url.starts_with("redis://") && !url.starts_with("rediss://") || url.contains(['?', '#']) {
        return Err(ConfigError::new("url", FORM));
    }
    let info = url
        .into_connection_info()
        .map_err(|_| ConfigError::new("url", FORM))?;
    let (host, port, tls) = match info.addr().clone() {
        ConnectionAddr::Tcp(host, port) => (host, port, None),
        ConnectionAddr::TcpTls { host, port, .. } => (host, port, Some(Tls::default())),
        _ => return Err(ConfigError::new("url", FORM)),
    };
    let redis = info.redis_settings();
    Ok(RedisConfig {
        topology: Topology::Standalone(RedisAddr { host, port }),
        username: redis.username().map(str::to_owned),
        password: redis.password().map(Password::from),
        database: u8::try_from(redis.db())
            .map_err(|_| ConfigError::new("database", "must be from 0 to 255"))?,
        tls,
        ..RedisConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts() {
        let config =
            RedisConfig::from_url("redis://reader:p%40ss%3Fword@cache.internal:6380/3").unwrap();
        let expected = RedisConfig {
            topology: Topology::Standalone(RedisAddr::new("cache.internal", 6380)),
            username: Some("reader".to_owned()),
            password: Some("p@ss?word".into()),
            database: 3,
            ..RedisConfig::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        let config = RedisConfig::from_url("redis://127.0.0.1").unwrap();
        assert_eq!(config, RedisConfig::default());
        let config = RedisConfig::from_url("redis://:secret@[::1]/").unwrap();
        let at = Topology::Standalone(RedisAddr::new("::1", 6379));
        assert_eq!((config.topology, config.username), (at, None));
    }

    #[test]
    fn another_scheme_is_tls() {
        let config = RedisConfig::from_url("rediss://:secret@cache.internal").unwrap();
        let at = Topology::Standalone(RedisAddr::new("cache.internal", 6379));
        assert_eq!((config.topology, config.tls), (at, Some(Tls::default())));
    }

    #[test]
    fn wrong_urls_are_refused_without_showing_them() {
        for (url, field) in [
            ("rediss://:hunter2@host/0#insecure", "url"),
            ("rediss:///hunter2", "url"),
            ("http://:hunter2@host", "url"),
            ("redis://:hunter2@", "url"),
            ("redis://:hunter2@host:hunter2", "url"),
            ("redis://:hunter2@host/hunter2", "url"),
            ("redis://:hunter2@host/256", "database"),
            ("redis://:hunter2@host/-1", "database"),
            ("redis://:hunter2@host?protocol=resp2", "url"),
            ("redis://hunter2@host", "username"),
            ("redis://:hunter2@host:0", "port"),
            ("unix:///run/hunter2", "url"),
        ] {
            let error = RedisConfig::from_url(url).unwrap_err();
            assert_eq!(error.field, field, "{url}");
            assert!(!format!("{error}{error:?}").contains("hunter2"), "{error}");
        }
    }
}
