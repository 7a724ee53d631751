//! The vocabulary of made-up posts.

/// Authors of made-up posts.
pub(super) const AUTHOR_COUNT: usize = 500;
/// Tags of made-up posts.
pub(super) const TAG_COUNT: usize = 200;

pub(super) const TOPICS: &[&str] = &[
    "Arrays",
    "Strings",
    "Hash maps",
    "Linked lists",
    "Stacks and queues",
    "Binary search",
    "Two pointers",
    "Sliding windows",
    "Recursion",
    "Backtracking",
    "Dynamic programming",
    "Greedy algorithms",
    "Heaps",
    "Tries",
    "Graphs",
    "Topological sorting",
    "Union find",
    "Shortest paths",
    "Bit manipulation",
    "Sorting",
    "Concurrency",
    "Caching",
    "Load balancing",
    "Sharding",
    "Replication",
    "Message queues",
    "Rate limiting",
    "SQL joins",
    "Indexing",
    "Transactions",
    "System design",
    "API design",
    "Behavioural interviews",
    "Salary negotiation",
    "Résumés",
    "Take-home tasks",
    "Code review",
    "Testing",
    "Debugging",
    "Career changes",
];

pub(super) const ANGLES: &[&str] = &[
    "what interviewers look for",
    "a worked example",
    "the patterns that come back",
    "common mistakes",
    "from first principles",
    "a checklist",
    "how to practise",
    "questions and answers",
    "in ten minutes",
    "lessons from real interviews",
    "the trade-offs",
    "a gentle introduction",
];

/// With each topic, a tag.
const ASPECTS: [&str; 5] = [
    "",
    " basics",
    " interview questions",
    " patterns",
    " pitfalls",
];

const FIRST_NAMES: [&str; 25] = [
    "Ada", "Amir", "Beatriz", "Chen", "Dana", "Elif", "Femi", "Grace", "Hana", "Ivan", "Jonas",
    "Kavya", "Linus", "Mina", "Noor", "Olga", "Priya", "Quentin", "Ravi", "Sofía", "Tariq", "Uma",
    "Viktor", "Wei", "Zoë",
];

const LAST_NAMES: [&str; 20] = [
    "Adeyemi",
    "Becker",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Mehta",
    "Novák",
    "Okafor",
    "Petrov",
    "Rossi",
    "Sato",
    "Turner",
    "Yılmaz",
];

pub(super) const SUBJECTS: &[&str] = &[
    "A good candidate",
    "The interviewer",
    "A sorted array",
    "The naive solution",
    "A hash map",
    "The call stack",
    "An invariant",
    "The second pointer",
    "A priority queue",
    "The base case",
    "A binary search",
    "Every edge case",
    "The brute force approach",
    "A clear example",
    "An adjacency list",
    "The time limit",
    "A simple diagram",
    "The whiteboard",
    "A cache",
    "The database index",
    "A replica",
    "An honest estimate",
    "The first draft",
    "A careful reader",
    "The hiring panel",
    "A failing test",
    "The smallest input",
    "A memoised function",
    "The sliding window",
    "An interval tree",
];

pub(super) const VERBS: &[&str] = &[
    "explains",
    "hides",
    "rewards",
    "requires",
    "reveals",
    "simplifies",
    "breaks",
    "changes",
    "clarifies",
    "measures",
    "outgrows",
    "protects",
    "questions",
    "replaces",
    "saves",
    "shapes",
    "shows",
    "splits",
    "survives",
    "trades away",
    "uncovers",
    "updates",
    "visits",
    "justifies",
    "bounds",
];

pub(super) const OBJECTS: &[&str] = &[
    "the worst case",
    "an extra pass over the input",
    "the hidden constant",
    "half of the search space",
    "the memory budget",
    "a linear scan",
    "the assumptions of the problem",
    "an off-by-one error",
    "the order of the elements",
    "every duplicate",
    "the recursion depth",
    "a subtle race condition",
    "the latency of a request",
    "the naïve estimate",
    "a missing requirement",
    "the shape of the data",
    "the cost of a lookup",
    "two overlapping intervals",
    "the next state",
    "an empty list",
    "the trade-off between speed and clarity",
    "the number of comparisons",
    "a cycle in the graph",
    "the longest prefix",
    "an overflow",
    "the contract of the function",
    "the team's habits",
    "a deeper question",
    "the deadline",
    "the final answer",
];

pub(super) const ENDINGS: &[&str] = &[
    "in most interviews",
    "before any code is written",
    "when the input grows",
    "without a second thought",
    "under pressure",
    "in practice",
    "at the end of the round",
    "for almost every input",
    "in constant time",
    "with a short proof",
    "on the first attempt",
    "as the follow-up asks",
    "once the problem is restated",
    "in a production system",
    "after a little rehearsal",
    "long before the deadline",
    "while you think aloud",
    "in the average case",
    "on a real machine",
    "with one more test",
];

/// Code blocks: the language, and the lines.
pub(super) const SNIPPETS: &[(&str, &str)] = &[
    (
        "rust",
        "fn mid(lo: usize, hi: usize) -> usize {\n    lo + (hi - lo) / 2\n}",
    ),
    (
        "python",
        "seen = set()\nfor item in items:\n    if item in seen:\n        return item\n    seen.add(item)",
    ),
    (
        "sql",
        "SELECT name, count(*) AS visits\nFROM visits\nGROUP BY name\nHAVING count(*) > 10",
    ),
    (
        "rust",
        "while lo < hi && nums[lo] < target {\n    lo += 1;\n}",
    ),
];

pub(super) fn pick(rng: &mut fastrand::Rng, words: &'static [&'static str]) -> &'static str {
    words[rng.usize(..words.len())]
}

/// An index below `count`: 0 most often, each next one rarer, as Zipf's law has it. The continuous law's inverse, which
/// is `count^u`, for `u` even between 0 and 1.
pub(super) fn skewed(rng: &mut fastrand::Rng, count: usize) -> usize {
    let rank = ((count + 1) as f64).powf(rng.f64());
    (rank as usize).clamp(1, count) - 1
}

/// The name of a tag below [`TAG_COUNT`].
pub(super) fn tag(index: usize) -> String {
    let aspect = ASPECTS[index / TOPICS.len() % ASPECTS.len()];
    format!("{}{aspect}", TOPICS[index % TOPICS.len()])
}

/// The name of an author below [`AUTHOR_COUNT`].
pub(super) fn author(index: usize) -> String {
    let first = FIRST_NAMES[index % FIRST_NAMES.len()];
    let last = LAST_NAMES[index / FIRST_NAMES.len() % LAST_NAMES.len()];
    format!("{first} {last}")
}

pub(super) fn authors() -> Vec<String> {
    (0..AUTHOR_COUNT).map(author).collect()
}

pub(super) fn tags() -> Vec<String> {
    (0..TAG_COUNT).map(tag).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn every_author_and_every_tag_has_a_name_of_its_own() {
        let authors: HashSet<_> = super::authors().into_iter().collect();
        let tags: HashSet<_> = super::tags().into_iter().collect();
        assert_eq!((authors.len(), tags.len()), (500, 200));
    }
}
