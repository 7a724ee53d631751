//! The operator's page: how everything is, live.
//!
//! On the main port it is for who has an admin's key: sent as such, or given once to the form, which answers with a pass in a cookie.
//! On a port of its own (`ADMIN_PORT`) it is open, as that port is. All it is made of is in the binary.

mod picture;
mod stream;

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration as CookieAge},
    http::{StatusCode, header},
    web::{self, Bytes, ServiceConfig},
};
use prepnexus_content::{ContentError, PASS};
use prepnexus_domain::Role;
use serde::Deserialize;

pub use self::stream::Watchers;
use crate::{
    http::{auth, methods::Path, session},
    problem::{Code, Problem},
    routes::health::AnswersForItself,
    state::AppState,
};

const PAGE: &str = include_str!("../../assets/dashboard/page.html");
const LOGIN: &str = include_str!("../../assets/dashboard/login.html");
const STYLE: &str = include_str!("../../assets/dashboard/style.css");
const SCRIPT: &str = include_str!("../../assets/dashboard/script.js");

/// The pass's cookie.
const COOKIE: &str = "prepnexus_operator";
/// Where the page is; the cookie is sent there and nowhere else.
const HOME: &str = "/dashboard";
/// Nothing but what comes from here, and nothing within the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(Path::new(HOME).get(page).build())
        .service(Path::new("/dashboard/events").get(events).build())
        .service(Path::new("/dashboard/login").on("POST", log_in).build())
        .service(Path::new("/dashboard/logout").on("POST", log_out).build())
        .service(Path::new("/dashboard/style.css").get(style).build())
        .service(Path::new("/dashboard/script.js").get(script).build());
}

async fn page(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    if may_see(&request, &state).await? {
        let is_open = state.config.admin_port.is_some();
        let page = PAGE.replace("{{logout}}", if is_open { "hidden" } else { "" });
        return Ok(html(StatusCode::OK, page));
    }
    Ok(login_page(StatusCode::UNAUTHORIZED, ""))
}

async fn events(request: HttpRequest, state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    if !may_see(&request, &state).await? {
        return Err(Problem::new(
            Code::Unauthorized,
            "Log in at /dashboard, or send an admin's key: Authorization: Bearer <key>.",
        ));
    }
    stream::events(&state)
}

/// Whether who asks may see the page.
async fn may_see(request: &HttpRequest, state: &AppState) -> Result<bool, Problem> {
    if state.config.admin_port.is_some() {
        return Ok(true);
    }
    let session = session::begin(request, state)?;
    if let Some(key) = auth::viewer(request, state, &session).await? {
        if key.role == Role::Admin {
            return Ok(true);
        }
        return Err(ContentError::Forbidden.into());
    }
    match request.cookie(COOKIE) {
        Some(pass) => Ok(state.content.is_operator(pass.value()).await?),
        None => Ok(false),
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(crate) struct Login {
    key: String,
}

async fn log_in(
    request: HttpRequest,
    state: web::Data<AppState>,
    form: Result<web::Form<Login>, actix_web::Error>,
) -> Result<HttpResponse, Problem> {
    let Ok(form) = form else {
        return Ok(login_page(
            StatusCode::BAD_REQUEST,
            "Send the form as it is.",
        ));
    };
    let session = session::begin(&request, &state)?;
    let admitted = state.content.admit_operator(form.key.trim(), &session);
    let pass = match admitted.await {
        Ok(pass) => pass,
        Err(ContentError::UnknownKey) => {
            let why = "This is no key of this service, or it was revoked.";
            return Ok(login_page(StatusCode::UNAUTHORIZED, why));
        }
        Err(ContentError::Forbidden) => {
            let why = "This key's role is not admin.";
            return Ok(login_page(StatusCode::FORBIDDEN, why));
        }
        Err(ContentError::Storage(_)) => {
            let why = "The key can't be checked now: the database does not answer. Try again in a moment.";
            return Ok(login_page(StatusCode::SERVICE_UNAVAILABLE, why));
        }
        Err(error) => return Err(error.into()),
    };
    let age = CookieAge::seconds(PASS.as_secs());
    Ok(to_page(cookie(&request, pass, age)))
}

async fn log_out(request: HttpRequest) -> HttpResponse {
    to_page(cookie(&request, String::new(), CookieAge::ZERO))
}

/// Out of reach of scripts, and of requests that begin elsewhere.
fn cookie(request: &HttpRequest, pass: String, age: CookieAge) -> Cookie<'static> {
    Cookie::build(COOKIE, pass)
        .path(HOME)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(request.connection_info().scheme() == "https")
        .max_age(age)
        .finish()
}

fn to_page(cookie: Cookie<'_>) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, HOME))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .cookie(cookie)
        .finish()
}

fn login_page(status: StatusCode, why: &str) -> HttpResponse {
    let mut response = html(status, LOGIN.replace("{{why}}", why));
    response.extensions_mut().insert(AnswersForItself);
    response
}

fn html(status: StatusCode, page: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .body(page)
}

async fn style() -> HttpResponse {
    asset("text/css; charset=utf-8", STYLE)
}

async fn script() -> HttpResponse {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

fn asset(kind: &'static str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(Bytes::from_static(text.as_bytes()))
}
