//! Thousands of random bodies: whatever they hold, the answer is never the server's fault.

use fastrand::Rng;
use prepnexus_domain::Role;
use serde_json::{Map, Value, json};

use crate::harness::Api;

const FIELDS: [&str; 12] = [
    "title",
    "content",
    "content_format",
    "slug",
    "excerpt",
    "status",
    "author",
    "tags",
    "image_url",
    "meta_description",
    "published_at",
    "unknown",
];
const WORDS: [&str; 24] = [
    "",
    "a",
    "A post",
    "draft",
    "scheduled",
    "published",
    "archived",
    "html",
    "markdown",
    "a-b",
    "\u{0}",
    "a\u{0}b",
    "\u{202e}evil",
    "e\u{301}",
    "İ",
    "ΑΣ",
    "\u{1f469}\u{200d}\u{1f4bb}",
    "\u{feff}",
    "\u{85}",
    "2020-01-01T00:00:00Z",
    "9999-12-30T00:00:00Z",
    "https://a.example/x",
    "<b><i></b><script>",
    "%00'\"\\;--",
];
const ROUNDS: usize = 1_000;

fn word(rng: &mut Rng) -> String {
    let mut text = (*rng.choice(&WORDS).unwrap()).to_owned();
    match rng.u8(..8) {
        0 => text = text.repeat(rng.usize(..200)),
        1 => text.push(rng.char(..)),
        2 => text.extend(
            (0..rng.usize(..40))
                .map(|_| rng.char(..))
                .collect::<Vec<_>>(),
        ),
        _ => {}
    }
    text
}

fn value(rng: &mut Rng, depth: u8) -> Value {
    match rng.u8(..if depth == 0 { 8 } else { 12 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(..)),
        3 => json!(rng.f64() * 1e300),
        4..8 => json!(word(rng)),
        8 | 9 => (0..rng.usize(..30))
            .map(|_| value(rng, depth - 1))
            .collect(),
        _ => {
            let names = ["name", "avatar_url", "x"];
            let members = (0..rng.usize(..3)).map(|n| (names[n].to_owned(), value(rng, depth - 1)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// A body that is often good, so that the layers behind the checks are reached too.
fn body(rng: &mut Rng) -> Value {
    let mut body = json!({"title": word(rng), "content": word(rng)});
    for _ in 0..rng.usize(..4) {
        let name = *rng.choice(&FIELDS).unwrap();
        body[name] = match name {
            "tags" if rng.bool() => (0..rng.usize(..6)).map(|_| json!(word(rng))).collect(),
            _ => value(rng, 2),
        };
    }
    body
}

#[test]
fn no_body_is_the_servers_fault() {
    let api = Api::start();
    let key = api.key(Role::Admin);
    let seed = fastrand::u64(..);
    let mut rng = Rng::with_seed(seed);
    let target = format!("/api/v1/posts/{}", api.post(&key, &json!({}))["id"]);
    let mut good = 0;
    for round in 0..ROUNDS {
        for (method, target) in [
            ("POST", "/api/v1/posts"),
            ("PATCH", &target),
            ("PUT", &target),
        ] {
            let body = body(&mut rng);
            let call = api.call(method, target).key(&key).if_match("*");
            let answer = call.json(&body).send_unchecked();
            let expected = [200, 201, 409, 422].contains(&answer.status);
            assert!(
                expected,
                "seed {seed}, round {round}: {method} {body} -> {}",
                answer.text()
            );
            good += usize::from(answer.status < 300);
        }
    }
    assert!(
        good > ROUNDS / 10,
        "only {good} were good: the checks hide what is behind them"
    );
    for query in ["", "?sort=title&limit=100", "?q=a&include_total=true"] {
        api.get(&format!("/api/v1/posts{query}")).expect(200);
    }
}

#[test]
fn no_query_is_the_servers_fault() {
    let api = Api::start();
    let seed = fastrand::u64(..);
    let mut rng = Rng::with_seed(seed);
    let names = [
        "limit",
        "cursor",
        "tag",
        "author",
        "q",
        "sort",
        "fields",
        "include_total",
        "x",
    ];
    for round in 0..500 {
        let pairs: Vec<String> = (0..rng.usize(1..4))
            .map(|_| {
                let bytes = word(&mut rng).into_bytes().into_iter().take(300);
                let value: String = bytes.map(|byte| format!("%{byte:02x}")).collect();
                format!("{}={value}", rng.choice(names).unwrap())
            })
            .collect();
        let target = format!("/api/v1/posts?{}", pairs.join("&"));
        let status = api.get(&target).status;
        assert!(
            [200, 422].contains(&status),
            "seed {seed}, round {round}: {target} -> {status}"
        );
    }
}
