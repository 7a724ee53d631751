//! The names under which a change is recorded, and under which copies are looked up.

use std::collections::BTreeSet;

use prepnexus_domain::Post;

/// What a change from `before` to `after` touches: the post itself, its addresses, and the lists
/// it is, or was, in. One of the two is absent when a post is made or deleted.
pub(crate) fn of_change(before: Option<&Post>, after: Option<&Post>) -> Vec<String> {
    let mut tags = BTreeSet::from(["posts".to_owned()]);
    for post in [before, after].into_iter().flatten() {
        tags.insert(format!("post:{}", post.id));
        tags.insert(format!("slug:{}", post.slug));
        tags.insert(format!("author:{}", post.author.slug));
        tags.extend(post.tags.iter().map(|tag| format!("tag:{}", tag.slug)));
    }
    tags.into_iter().collect()
}
