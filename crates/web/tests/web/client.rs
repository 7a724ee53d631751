//! One request and its answer, which is checked against the OpenAPI document.

use serde_json::Value;
use ureq::http::{HeaderMap, Request, header, request};

use crate::{document, harness::Api};

/// A request that is being put together.
pub(crate) struct Call<'a> {
    api: &'a Api,
    method: String,
    target: String,
    request: request::Builder,
    body: Option<Vec<u8>>,
    on_admin: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(api: &'a Api, method: &str, target: &str) -> Self {
        Self {
            api,
            method: method.to_owned(),
            target: target.to_owned(),
            request: Request::builder().method(method),
            body: None,
            on_admin: false,
        }
    }

    pub(crate) fn on_admin_port(mut self) -> Self {
        self.on_admin = true;
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.request = self.request.header(name, value.as_ref());
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("authorization", format!("Bearer {key}"))
    }

    pub(crate) fn if_match(self, etag: &str) -> Self {
        self.header("if-match", etag)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .bytes(body.to_string())
    }

    pub(crate) fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn send(self) -> Answer {
        let (method, target) = (self.method.clone(), self.target.clone());
        let answer = self.send_unchecked();
        document::check(&method, &target, &answer);
        answer
    }

    pub(crate) fn send_unchecked(self) -> Answer {
        let address = if self.on_admin {
            self.api.admin_address.unwrap()
        } else {
            self.api.address
        };
        let request = self.request.uri(format!("http://{address}{}", self.target));
        let answered = match self.body {
            Some(body) => self.api.agent.run(request.body(body).unwrap()),
            None => self.api.agent.run(request.body(()).unwrap()),
        };
        let answered =
            answered.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.target));
        let (head, mut body) = answered.into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.with_config().limit(64 << 20).read_to_vec().unwrap(),
        }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// An error of that status and code; its document.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let problem = self.expect(status).json();
        assert_eq!(problem["code"], code, "{problem}");
        problem
    }

    /// 422, and the pointers of the bad fields, sorted.
    #[track_caller]
    pub(crate) fn pointers(self) -> Vec<String> {
        let problem = self.problem(422, "invalid_fields");
        let errors = problem["errors"].as_array().unwrap().iter();
        let mut pointers: Vec<_> = errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect();
        pointers.sort_unstable();
        pointers
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn etag(&self) -> &str {
        self.header(header::ETAG.as_str()).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}
