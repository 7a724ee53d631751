//! Whether somebody reads: views are counted of people, not of programs, and not of what may never be looked at.

use actix_web::{
    HttpRequest,
    http::{Method, header},
};

/// What programs call themselves: crawlers, previews, libraries, monitors.
const PROGRAMS: [&str; 21] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "preview",
    "facebookexternalhit",
    "whatsapp",
    "feed",
    "rss",
    "headless",
    "lighthouse",
    "monitor",
    "uptime",
    "check",
    "curl",
    "wget",
    "python",
    "java/",
    "go-http",
    "okhttp",
    "axios",
];
/// Where browsers say that they fetch ahead of time.
const PURPOSES: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

/// Whether the request is a reader's. Who says nothing of himself is a program.
pub(crate) fn is_reader(request: &HttpRequest) -> bool {
    let lower_case = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().ok()?.to_ascii_lowercase())
    };
    let agent = lower_case(header::USER_AGENT.as_str()).unwrap_or_default();
    let is_ahead = |purpose: String| purpose.contains("prefetch") || purpose.contains("preview");
    request.method() == Method::GET
        && !agent.is_empty()
        && !PROGRAMS.iter().any(|program| agent.contains(program))
        && !PURPOSES.into_iter().filter_map(lower_case).any(is_ahead)
}

#[cfg(test)]
mod tests {
    use actix_web::{http::Method, test::TestRequest};

    use super::is_reader;

    const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

    #[test]
    fn people_are_readers_and_programs_are_not() {
        for (agent, counts) in [
            (FIREFOX, true),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15",
                true,
            ),
            ("", false),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                false,
            ),
            ("facebookexternalhit/1.1", false),
            ("curl/8.5.0", false),
            ("python-requests/2.32", false),
        ] {
            let request = TestRequest::get().insert_header(("user-agent", agent));
            assert_eq!(is_reader(&request.to_http_request()), counts, "{agent}");
        }
    }

    #[test]
    fn what_is_fetched_ahead_of_time_is_not_read() {
        let by = |header: (&str, &str)| {
            let request = TestRequest::get().insert_header(("user-agent", FIREFOX));
            is_reader(
                &request
                    .insert_header((header.0, header.1))
                    .to_http_request(),
            )
        };
        assert!(!by(("sec-purpose", "prefetch;prerender")));
        assert!(!by(("X-Moz", "prefetch")));
        assert!(!by(("purpose", "Preview")));
        assert!(by(("sec-fetch-dest", "document")));
        let head = TestRequest::default().method(Method::HEAD);
        let head = head.insert_header(("user-agent", FIREFOX));
        assert!(!is_reader(&head.to_http_request()));
    }
}
