//! Which methods a path knows: any other is answered 405 with `Allow`. HEAD comes with GET.

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, ResponseError,
    guard::{self, Guard},
    http::{Method, header},
    web,
};

use crate::problem::{Code, Problem};

/// What a path is called in metrics and logs: its pattern. It is among the data of every request that the path has matched;
/// asking the router for it would match all of them again.
#[derive(Debug, Clone, Copy)]
pub struct Route(pub &'static str);

impl Route {
    /// That of `request`; what matched none has one name.
    pub(crate) fn of(request: &HttpRequest) -> &'static str {
        request
            .app_data::<Self>()
            .map_or("unmatched", |route| route.0)
    }
}

/// A path and its methods.
pub(crate) struct Path {
    resource: Resource,
    allowed: Vec<&'static str>,
}

impl Path {
    pub(crate) fn new(path: &'static str) -> Self {
        Self {
            resource: web::resource(path).app_data(Route(path)),
            allowed: Vec::new(),
        }
    }

    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(
            guard::Any(guard::Get()).or(guard::Head()),
            &["GET", "HEAD"],
            handler,
        )
    }

    pub(crate) fn on<F, Args>(self, method: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let wanted = Method::from_bytes(method.as_bytes()).expect("a method's name");
        self.route(guard::Method(wanted), &[method], handler)
    }

    fn route<F, Args>(
        mut self,
        guard: impl Guard + 'static,
        methods: &[&'static str],
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allowed.extend(methods);
        self.resource = self.resource.route(web::route().guard(guard).to(handler));
        self
    }

    pub(crate) fn build(self) -> Resource {
        let allow = self.allowed.join(", ");
        self.resource.default_service(web::to(move || {
            let allow = allow.clone();
            async move { refuse(&allow) }
        }))
    }
}

fn refuse(allow: &str) -> HttpResponse {
    let problem = Problem::new(Code::MethodNotAllowed, format!("This path knows {allow}."));
    let mut response = problem.error_response();
    let allow = header::HeaderValue::from_str(allow).expect("methods' names");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}
