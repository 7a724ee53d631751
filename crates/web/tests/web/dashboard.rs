//! The operator's page: who may see it, what it is made of, and what it is told.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use prepnexus_devstack::Proxy;
use prepnexus_domain::Role;
use prepnexus_storage::{ClusterConfig, NodeAddr};
use prepnexus_testkit::{TestDb, stack};
use prepnexus_web::WebConfig;
use serde_json::Value;

use crate::{
    client::Answer,
    harness::{Api, PATIENCE, block_on, eventually, patient},
};

fn log_in(api: &Api, key: &str) -> Answer {
    api.call("POST", "/dashboard/login")
        .header("content-type", "application/x-www-form-urlencoded")
        .bytes(format!("key={key}"))
        .send_unchecked()
}

/// The cookie that the holder of `key` is given, as it is sent back.
fn pass(api: &Api, key: &str) -> String {
    let answer = log_in(api, key).expect(303);
    assert_eq!(answer.header("location"), Some("/dashboard"));
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in [
        "HttpOnly",
        "SameSite=Strict",
        "Path=/dashboard",
        "Max-Age=43200",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("pnx_"), "the key itself stays out of it");
    cookie.split(';').next().unwrap().to_owned()
}

fn page(api: &Api, cookie: &str) -> Answer {
    api.call("GET", "/dashboard")
        .header("cookie", cookie)
        .send_unchecked()
}

/// The first events that a page is told, read until `is_it`.
fn event(address: SocketAddr, headers: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /dashboard/events HTTP/1.1\r\nhost: a\r\n{headers}\r\n"
    )
    .unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let documents = lines.filter_map(|line| {
        let data = line.strip_prefix("data: ")?;
        Some(serde_json::from_str::<Value>(data).unwrap())
    });
    let deadline = Instant::now() + PATIENCE;
    let mut documents = documents.take_while(|_| Instant::now() < deadline);
    documents.find(|told| is_it(told)).expect("such an event")
}

#[test]
fn it_is_for_who_has_an_admins_key() {
    let api = Api::start();
    api.wait_until_healthy();
    let (admin, number) = api.key_named(Role::Admin, "The operator");
    let editor = api.key(Role::Editor);

    let refused = api.call_unchecked("GET", "/dashboard").expect(401);
    assert!(
        refused
            .text()
            .contains(r#"<form method="post" action="/dashboard/login">"#)
    );
    api.call_unchecked("GET", "/dashboard/events")
        .problem(401, "unauthorized");
    log_in(&api, "pnx_nobody").expect(401);
    log_in(&api, "nonsense").expect(401);
    let forbidden = log_in(&api, &editor).expect(403);
    assert!(forbidden.text().contains("This key's role is not admin."));
    assert_eq!(forbidden.header("set-cookie"), None);
    let bad = api
        .call("POST", "/dashboard/login")
        .bytes("key=")
        .send_unchecked();
    bad.expect(400);

    let cookie = pass(&api, &admin);
    assert!(
        page(&api, &cookie)
            .expect(200)
            .text()
            .contains("<h2 id=\"topology-title\">")
    );
    // The key itself does as well, for programs.
    let with = |key: &str| api.call("GET", "/dashboard").key(key).send_unchecked();
    with(&admin).expect(200);
    with(&editor).problem(403, "forbidden");

    // Nobody makes a pass of his own, and logging out takes it back.
    for other in [
        "prepnexus_operator=",
        "prepnexus_operator=abc",
        &cookie.replace("or=", "or=A"),
    ] {
        page(&api, other).expect(401);
    }
    let out = api
        .call("POST", "/dashboard/logout")
        .header("cookie", &cookie)
        .send_unchecked();
    let out = out.expect(303);
    assert!(
        out.header("set-cookie")
            .unwrap()
            .starts_with("prepnexus_operator=; ")
    );
    // It ends with its key.
    block_on(api.content.keys().revoke(number, api.content.deadline())).unwrap();
    page(&api, &cookie).expect(401);
}

#[test]
fn all_it_is_made_of_comes_from_here_and_nothing_is_inline() {
    let api = Api::start();
    api.wait_until_healthy();
    let cookie = pass(&api, &api.key(Role::Admin));
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                  img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for page in [
        page(&api, &cookie).expect(200),
        page(&api, "a=b").expect(401),
    ] {
        assert_eq!(page.header("content-security-policy"), Some(policy));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let text = page.text();
        for inline in [
            "<style",
            " style=",
            " onload",
            " onclick",
            "javascript:",
            "http://",
            "https://",
            "{{",
        ] {
            assert!(!text.contains(inline), "{inline}");
        }
        for script in text.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/dashboard/script.js\" defer></script>"));
        }
    }
    for (path, kind) in [
        ("/dashboard/style.css", "text/css; charset=utf-8"),
        ("/dashboard/script.js", "text/javascript; charset=utf-8"),
    ] {
        let asset = api.call_unchecked("GET", path).expect(200);
        assert_eq!(asset.header("content-type"), Some(kind));
        // The name of SVG is no address that anything is fetched from.
        let text = asset.text().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("://"), "{path}");
    }
}

#[test]
fn it_is_told_of_everything_again_and_again() {
    let api = Api::start();
    api.wait_until_healthy();
    let cookie = format!("cookie: {}\r\n", pass(&api, &api.key(Role::Admin)));
    let author = api.key(Role::Author);
    let post = api.post(&author, &serde_json::json!({"status": "published"}));
    api.read(&author, &post["id"]);
    let has_come = |told: &Value| told["traffic"]["writes"].as_u64() > Some(0);
    let told = event(api.address, &cookie, has_come);
    let node = &told["database"]["nodes"][0];
    assert_eq!(
        (&node["role"], &node["state"]),
        (&"primary".into(), &"up".into())
    );
    assert_eq!(told["health"]["status"], "healthy");
    assert_eq!(told["latency"][1]["of"], "writes");
    assert!(told["latency"][1]["p50_ms"].as_f64() > Some(0.0), "{told}");
    assert!(told["served_from"]["primary"].as_u64() > Some(0), "{told}");
    let changes = told["changes"].as_array().unwrap();
    assert!(
        changes.iter().any(|change| change["to"] == "primary, up"),
        "{told}"
    );
    // On one connection, without being asked again.
    let before = told["traffic"]["writes"].as_u64();
    let mut told = 0;
    let grown = event(api.address, &cookie, |now| {
        if told == 0 {
            api.post(&author, &serde_json::json!({"status": "draft"}));
        }
        told += 1;
        now["traffic"]["writes"].as_u64() > before
    });
    assert!(told > 1, "{grown}");
}

#[test]
fn a_port_of_its_own_needs_no_key_and_has_it_alone() {
    let api = Api::with(WebConfig {
        admin_port: Some(0),
        ..patient()
    });
    api.call_unchecked("GET", "/dashboard")
        .problem(404, "not_found");
    let page = api
        .call("GET", "/dashboard")
        .on_admin_port()
        .send_unchecked();
    let page = page.expect(200);
    assert!(
        page.text().contains("action=\"/dashboard/logout\" hidden>"),
        "nobody is logged in"
    );
    event(api.admin_address.unwrap(), "", |_| true);
}

#[test]
fn who_has_a_pass_sees_the_page_while_the_database_is_away() {
    let db = block_on(TestDb::new());
    let proxy = Proxy::start(stack().primary().addr()).unwrap();
    let config = ClusterConfig {
        nodes: vec![NodeAddr {
            host: "127.0.0.1".into(),
            port: proxy.addr().port(),
        }],
        ..db.config()
    };
    let api = Api::on(&config, patient());
    api.wait_until_healthy();
    let key = api.key(Role::Admin);
    let cookie = pass(&api, &key);
    proxy.refuse();
    eventually("unhealthy", || api.get("/health").status == 503);
    page(&api, &cookie).expect(200);
    let is_down = |told: &Value| told["database"]["nodes"][0]["state"] == "down";
    let told = event(api.address, &format!("cookie: {cookie}\r\n"), is_down);
    assert_eq!(told["health"]["status"], "unhealthy");
    // Whoever has none is told why none can be given.
    let refused = log_in(&api, &key).expect(503);
    assert!(refused.text().contains("the database does not answer"));
    page(&api, "prepnexus_operator=abc").expect(401);
}
