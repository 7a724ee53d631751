//! How single values are read. Each function's error completes the sentence "… is not accepted: …", and so says what
//! would be.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use prepnexus_cache::RedisAddr;
use prepnexus_storage::Secret;
use url::Url;

/// The hosts of the database nodes, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(pub Vec<String>);

/// The ports of the database nodes: one for all, or one for each host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub Vec<u16>);

/// Servers of Redis, or its sentinels, each with its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<RedisAddr>);

impl FromStr for Hosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hosts: Result<_, String> = text.split(',').map(|one| host(one.trim())).collect();
        let expected = "expected host names or addresses, separated by commas, without ports";
        hosts.map(Self).map_err(|_| expected.to_owned())
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ports: Result<Vec<u16>, String> = text.split(',').map(|one| port(one.trim())).collect();
        let expected = if text.contains(',') {
            "expected ports, 1 to 65535, separated by commas"
        } else {
            "expected a port, 1 to 65535"
        };
        ports.map(Self).map_err(|_| expected.to_owned())
    }
}

/// A host name or an address; the brackets round an IPv6 address are optional.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(text);
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let usable = !bare.is_empty() && bare.bytes().all(name) || bare.parse::<Ipv6Addr>().is_ok();
    let expected = || "expected a host name or an address, without a port".to_owned();
    usable.then(|| bare.to_owned()).ok_or_else(expected)
}

/// A network, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let one = |text: &str| text.parse::<IpAddr>().map(IpNet::from);
    let parsed = text.trim().parse().or_else(|_| one(text.trim()));
    parsed.map_err(|_| {
        "expected addresses or networks such as 10.0.0.0/8, separated by commas".into()
    })
}

/// A TCP port that can be connected to.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    let parsed = text.parse::<u16>().ok().filter(|port| *port > 0);
    parsed.ok_or_else(|| "expected a port, 1 to 65535".to_owned())
}

/// Sentinels: `host[:port],…`.
pub(crate) fn sentinels(text: &str) -> Result<Addresses, String> {
    addresses(text, 26_379)
}

/// Nodes of a cluster.
pub(crate) fn nodes(text: &str) -> Result<Addresses, String> {
    addresses(text, 6_379)
}

fn addresses(text: &str, default: u16) -> Result<Addresses, String> {
    let expected =
        || "expected hosts, each with its port behind a colon, separated by commas".to_owned();
    let one = |text: &str| {
        let (host_part, port_part) = match text.rsplit_once(':') {
            // The colons within an address of its own are within brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let bare = host_part.contains(':') && !host_part.starts_with('[');
        let parsed = port_part.map_or(Ok(default), port);
        let address = host(host_part).and_then(|host| Ok(RedisAddr::new(host, parsed?)));
        address.ok().filter(|_| !bare)
    };
    let all: Option<Vec<_>> = text.split(',').map(|text| one(text.trim())).collect();
    all.map(Addresses).ok_or_else(expected)
}

/// A name of the database's: a role or a database.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let usable = !text.is_empty() && text.len() < 64 && !text.contains('\0');
    let expected = || "expected a name of 1 to 63 bytes".to_owned();
    usable.then(|| text.to_owned()).ok_or_else(expected)
}

/// A whole number above zero.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    let parsed = text.parse::<usize>().ok().filter(|count| *count > 0);
    parsed.ok_or_else(|| "expected a whole number, 1 or more".to_owned())
}

/// `true` or `false`.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| "expected true or false".to_owned())
}

/// `500ms`, `5s`, `2m` or `1h`, and longer than nothing.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let milliseconds = unit_ms
        .zip(number)
        .and_then(|(unit, n)| n.checked_mul(unit));
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| "expected a duration such as 500ms, 5s or 2m".to_owned())
}

/// Anything; what it means is checked where it is used.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape that clap wants of a value parser"
)]
pub(crate) fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

/// The address of a web server, which may hold a key; an empty one is none.
pub(crate) fn web_address(text: &str) -> Result<Secret, String> {
    let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_usable = text.is_empty() || Url::parse(text).is_ok_and(|url| usable(&url));
    let expected = || "expected a URL that begins with http:// or https://".to_owned();
    is_usable.then(|| Secret::new(text)).ok_or_else(expected)
}

/// A share.
pub(crate) fn ratio(text: &str) -> Result<f64, String> {
    let parsed = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    parsed.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}

/// A secret that was really set.
pub(crate) fn present(secret: Option<&Secret>) -> Option<&Secret> {
    secret.filter(|secret| !secret.expose().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text| duration(text).map(|duration| duration.as_millis());
        assert_eq!(ms("500ms"), Ok(500));
        assert_eq!(ms("5s"), Ok(5_000));
        assert_eq!(ms("2m"), Ok(120_000));
        assert_eq!(ms("1h"), Ok(3_600_000));
        for wrong in [
            "",
            "5",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "5 s",
            "5d",
            "999999999999999999h",
        ] {
            assert!(ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_of_sentinels() {
        let of = |text: &str| {
            let found = sentinels(text)?.0;
            Ok::<_, String>(found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            of("a:1, b-2.internal,[::1],[::1]:2").unwrap(),
            ["a:1", "b-2.internal:26379", "[::1]:26379", "[::1]:2"]
        );
        for wrong in [
            "",
            "a:",
            "a:0",
            "a,,b",
            "::1",
            "::1:2",
            "redis://a:1",
            "a:1:2",
        ] {
            assert!(sentinels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(
            "a, db-2.internal,10.0.0.1,[::1]"
                .parse::<Hosts>()
                .unwrap()
                .0,
            ["a", "db-2.internal", "10.0.0.1", "::1"]
        );
        for wrong in ["", "a,,b", "a:5432", "a b", "http://a", "a/b", "[a]:1"] {
            assert!(wrong.parse::<Hosts>().is_err(), "{wrong}");
        }
    }
}
