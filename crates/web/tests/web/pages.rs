//! Walking through a list by its cursors and links.

use jiff::SignedDuration;
use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::{client::Answer, harness::Api};

fn ids(list: &Value) -> Vec<i64> {
    let posts = list["data"].as_array().unwrap().iter();
    posts.map(|post| post["id"].as_i64().unwrap()).collect()
}

/// Seven published posts, some of the same moment, title and views.
fn filled() -> Api {
    let api = Api::start();
    let key = api.key(Role::Author);
    for n in 0..7 {
        let fields =
            json!({"title": format!("T{}", n / 3), "status": "published", "tags": ["C++"]});
        api.post(&key, &fields);
        if n % 3 == 0 {
            api.clock.advance(SignedDuration::from_mins(1));
        }
    }
    api
}

/// The target of a relation in the header `Link`.
fn link(answer: &Answer, relation: &str) -> Option<String> {
    let wanted = format!("rel=\"{relation}\"");
    let links = answer
        .header("link")?
        .split(", ")
        .map(|link| link.split_once("; ").unwrap());
    let (target, _) = links.into_iter().find(|(_, found)| *found == wanted)?;
    Some(target.trim_matches(['<', '>']).to_owned())
}

#[test]
fn a_walk_there_and_back_sees_every_post_once_in_every_order() {
    let api = filled();
    for query in [
        "",
        "sort=published_at&",
        "sort=-view_count&",
        "sort=title&",
        "tag=c-plus-plus&",
        "q=content&fields=id&include_total=true&",
        "author=the-author&sort=title&",
    ] {
        let whole = ids(&api
            .get(&format!("/api/v1/posts?{query}"))
            .expect(200)
            .json());
        assert_eq!(whole.len(), 7);
        let (mut seen, mut pages) = (Vec::new(), Vec::new());
        let mut target = format!("/api/v1/posts?{query}limit=3");
        loop {
            let answer = api.get(&target).expect(200);
            let list = answer.json();
            assert_eq!(
                list["page"]["next_cursor"].is_null(),
                link(&answer, "next").is_none()
            );
            assert_eq!(
                list["page"]["prev_cursor"].is_null(),
                link(&answer, "prev").is_none()
            );
            seen.extend(ids(&list));
            pages.push(ids(&list));
            match link(&answer, "next") {
                Some(next) => target = next,
                None => break,
            }
        }
        assert_eq!(seen, whole, "{query}");
        for expected in pages.iter().rev().skip(1) {
            target = link(&api.get(&target), "prev").unwrap();
            assert_eq!(
                &ids(&api.get(&target).expect(200).json()),
                expected,
                "{query}"
            );
        }
        let first = api.get(&target).expect(200);
        assert_eq!(link(&first, "prev"), None, "{query}");
        assert!(link(&first, "next").is_some());
    }
}

#[test]
fn a_cursor_stands_where_it_stood_when_posts_come_and_go() {
    let api = filled();
    let first = api.get("/api/v1/posts?limit=3").expect(200);
    let next = link(&first, "next").unwrap();
    let expected = ids(&api.get(&next).json());
    let key = api.key(Role::Editor);
    api.post(&key, &json!({"status": "published"}));
    for id in ids(&first.json()) {
        let call = api.call("DELETE", &format!("/api/v1/posts/{id}"));
        call.key(&key).if_match("*").send().expect(204);
    }
    assert_eq!(ids(&api.get(&next).json()), expected);
}

#[test]
fn a_link_is_safe_and_true_whatever_the_query_holds() {
    let api = filled();
    for query in [
        "q=content+OR+%3E%3Cx%3E%22%2C%0D%0Aset-cookie",
        "q=content+OR+%C3%A9",
        "q=content+OR+a%26b%3Dc%23",
        "%71=content&limit=%33",
    ] {
        let first =
            api.get(&format!("/api/v1/posts?limit=3&{query}").replace("limit=3&%71", "%71"));
        let first = first.expect(200);
        let next = link(&first, "next").unwrap();
        let second = api.get(&next).expect(200);
        assert_eq!(ids(&second.json()).len(), 3, "{next}");
        assert_eq!(first.headers.get_all("link").iter().count(), 1);
        // The cursor is replaced, however it is written.
        let odd = next.replace("cursor=", "%63ursor=");
        let third = link(&api.get(&odd).expect(200), "next").unwrap();
        assert_eq!(ids(&api.get(&third).expect(200).json()).len(), 1);
    }
}

#[test]
fn a_cursor_that_is_not_of_this_list_is_refused() {
    let api = filled();
    let page = api.get("/api/v1/posts?limit=3").json()["page"].clone();
    let cursor = page["next_cursor"].as_str().unwrap();
    let mut tampered = cursor.to_owned().into_bytes();
    tampered[5] = if tampered[5] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    for query in [
        format!("cursor={tampered}"),
        format!("cursor={cursor}A"),
        format!("cursor={}", &cursor[1..]),
        format!("cursor={cursor}%3D"),
        format!("cursor={cursor}&sort=title"),
        format!("cursor={cursor}&sort=published_at"),
        format!("cursor={cursor}&tag=c-plus-plus"),
        format!("cursor={cursor}&q=content"),
        "cursor=".to_owned(),
        "cursor=x".to_owned(),
        "cursor=%FF".to_owned(),
        format!("cursor={}", "A".repeat(4_000)),
    ] {
        let refused = api.get(&format!("/api/v1/posts?{query}")).pointers();
        assert_eq!(refused, ["/cursor"], "{query}");
    }
    // Another limit, other fields, a total: the same list.
    let same = format!("/api/v1/posts?cursor={cursor}&limit=100&fields=id&include_total=true");
    assert_eq!(ids(&api.get(&same).expect(200).json()).len(), 4);
}
