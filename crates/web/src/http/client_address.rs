//! Where a request comes from: the address that has its turn where many wait.
//!
//! Behind a proxy every connection comes from the proxy, which says in `X-Forwarded-For` from whom it took the request. Anybody
//! can send that header: so the list is read from its end, where the last proxy wrote, for as long as what stands there is a
//! proxy of the settings. The first that is none is the client.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::{HttpRequest, http::header::HeaderMap};
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// What one customer is given of the IPv6 addresses, at least: all of these are one client (RFC 6177).
const IPV6_PREFIX: u128 = !0 << 64;

/// The client of a request, if it came over a network.
pub(crate) fn of(request: &HttpRequest, proxies: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    Some(client(peer, request.headers(), proxies))
}

fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|net| net.contains(address));
    let mut client = peer.to_canonical();
    // Several such headers are one list.
    let said: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for address in said.into_iter().rev() {
        if !is_proxy(&client) {
            break;
        }
        let Ok(address) = address.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
    }
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_PREFIX).into(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header::HeaderMap, test::TestRequest};

    use super::client;

    fn said(values: &[&str]) -> HeaderMap {
        let mut request = TestRequest::default();
        for value in values {
            request = request.append_header(("x-forwarded-for", *value));
        }
        request.to_http_request().headers().clone()
    }

    #[test]
    fn a_proxy_is_believed_and_nobody_else() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, values, expected) in [
            // Nobody in between, whatever he says.
            ("192.0.2.7", &["198.51.100.1"][..], "192.0.2.7"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What stands before a stranger is the stranger's word.
            ("10.0.0.1", &["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["203.0.113.9", "198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["who knows"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("fd00::1", &["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
        ] {
            let found = client(peer.parse().unwrap(), &said(values), &proxies);
            assert_eq!(found.to_string(), expected, "{peer} {values:?}");
        }
    }
}
