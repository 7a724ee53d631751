//! Parameters of the query and the path, every bad one named.

use std::{
    fmt::{Display, Write},
    str::FromStr,
};

use actix_web::{HttpRequest, web};
use prepnexus_domain::{
    FieldError, Invalid,
    fields::{Faults, pointer_to},
};

use crate::problem::{Code, Problem};

/// The parameters of a query, each known name at most once.
#[derive(Default)]
pub(crate) struct QueryParams {
    pairs: Vec<(String, String)>,
    /// The faults found so far.
    pub(crate) faults: Faults,
}

impl QueryParams {
    /// Reads the query of `request`, which may hold the names `known` alone.
    pub(crate) fn of(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        if request.query_string().is_empty() {
            return Ok(Self::default());
        }
        let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let pairs = query
            .map_err(|error| Problem::new(Code::BadRequest, format!("{error}.")))?
            .into_inner();
        let mut faults = Faults::default();
        for (index, (name, value)) in pairs.iter().enumerate() {
            let pointer = pointer_to(name);
            if !known.contains(&name.as_str()) {
                faults.add(
                    pointer,
                    format!("is not a parameter here: expected {}", known.join(", ")),
                );
            } else if pairs[..index].iter().any(|(other, _)| other == name) {
                faults.add(pointer, "is given more than once");
            } else if value.contains('\0') {
                faults.add(pointer, "must not contain NUL characters");
            }
        }
        Ok(Self { pairs, faults })
    }

    /// The value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.pairs.iter().find(|(known, _)| known == name);
        value.map(|(_, value)| value.as_str())
    }

    /// The query again, without the parameter `left_out`, sorted, in ASCII that stands safely anywhere.
    pub(crate) fn encoded_without(&self, left_out: &str) -> String {
        let mut query = String::new();
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_unstable();
        for (name, value) in pairs.into_iter().filter(|(name, _)| name != left_out) {
            let separator = if query.is_empty() { "" } else { "&" };
            query.push_str(separator);
            push_encoded(&mut query, name);
            query.push('=');
            push_encoded(&mut query, value);
        }
        query
    }

    /// The value of `name`, read by `parse`, whose fault is noted.
    pub(crate) fn parse<T, E: Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let result = self.get(name).map(parse)?;
        self.faults.take(&format!("/{name}"), result)
    }

    /// Nothing bad, or all of it.
    pub(crate) fn finish(self) -> Result<(), Invalid> {
        self.faults.finish()
    }
}

/// RFC 3986: all but the unreserved characters is percent-encoded.
fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => write!(out, "%{byte:02X}").expect("writing to a String never fails"),
        }
    }
}

/// The post's number in the path.
pub(crate) fn id(request: &HttpRequest) -> Result<i64, Problem> {
    number(request, "id", &i64::MAX, "post")
}

/// The revision in the path.
pub(crate) fn revision(request: &HttpRequest) -> Result<i32, Problem> {
    number(request, "revision", &i32::MAX, "revision")
}

/// A number in the path. What is none, or none such a thing can have, names nothing that is there.
fn number<T: FromStr + PartialOrd + Default + Display>(
    request: &HttpRequest,
    name: &str,
    most: &T,
    thing: &str,
) -> Result<T, Problem> {
    let text = request.match_info().query(name);
    let number = text.parse().ok().filter(|number| *number > T::default());
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    number.filter(|_| digits).ok_or_else(|| {
        let detail = format!("must be a whole number from 1 to {most}");
        let problem = Problem::new(
            Code::NotFound,
            format!("There is no such {thing}: the {name} {detail}."),
        );
        let pointer = format!("/{name}");
        Problem {
            errors: vec![FieldError { pointer, detail }],
            ..problem
        }
    })
}
