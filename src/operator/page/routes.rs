//! Which address gives what. Every answer carries the headers that keep a browser from running, framing, leaking or
//! guessing anything. Start with [`router`].

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use super::admission::{self, Admission, NotAdmitted};
use super::assets;
use super::glance::Glance;
use super::municipality::MunicipalityPage;
use super::story::StoryPage;
use super::view::{Eye, Frame};
use super::words::{self, Language};
use crate::domain::identity::{ContentHash, FileId};
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::engine::snapshot::Snapshot;
use crate::operator::held::Called;
use crate::operator::lookout::{Lookout, Silence};
use crate::operator::metrics::{self, Gauges};

/// What the pages are made from.
pub struct House {
    pub admission: Arc<Admission>,
    pub lookout: Arc<Lookout>,
    pub gauges: Gauges,
    pub called: Called,
}

type Shared = State<Arc<House>>;

/// No script but ours, nothing from elsewhere, in nobody's frame; a page is not kept, and nobody is told of it.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// An asset has its content's hash in its address.
const KEPT_FOR_GOOD: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");

/// All addresses.
pub fn router(house: House) -> Router {
    let house = Arc::new(house);
    Router::new()
        .route("/", get(glance))
        .route("/exchange/{id}", get(story))
        .route("/municipality/{code}", get(municipality))
        .route("/metrics", get(gauges))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/page.css", get(async || asset("text/css; charset=utf-8", assets::STYLE)))
        .route("/live.js", get(async || asset("text/javascript; charset=utf-8", assets::SCRIPT)))
        .route("/icon.svg", get(async || asset("image/svg+xml", assets::ICON)))
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(house.clone(), admit))
        .with_state(house)
}

/// What may stand behind the question mark.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    token: Option<String>,
    lang: Option<String>,
}

/// Before every address: who may look, and what a choice of language or a token leads to. Behind every one: the headers.
async fn admit(
    State(house): Shared,
    asked: Result<Query<Asked>, QueryRejection>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = answer(&house, asked.map(|Query(asked)| asked).unwrap_or_default(), request, next).await;
    for (name, value) in HEADERS {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

async fn answer(house: &House, asked: Asked, request: Request, next: Next) -> Response {
    let (headers, path) = (request.headers(), request.uri().path());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let language = Language::of(headers);
    // What says nothing but that it lives, and what every page needs to be looked at.
    let is_open = ["/healthz", "/page.css", "/live.js", "/icon.svg"].contains(&path);
    let judged = if is_open { house.admission.judge_host(headers) } else { house.admission.judge(headers) };
    match judged {
        Err(NotAdmitted::WrongHost) => {
            let words = language.words();
            let page = Plain::new(language, words.wrong_host, "", false);
            return with_status(StatusCode::MISDIRECTED_REQUEST, &page);
        }
        Err(NotAdmitted::NoToken) => {
            return match asked.token.as_deref().and_then(|token| house.admission.cookie_for(token)) {
                Some(cookie) => redirect_with(path, admission::COOKIE, cookie, admission::COOKIE_SECONDS),
                None => {
                    let words = language.words();
                    let page = Plain::new(language, words.token_needed, words.token_told, true);
                    let answer = with_status(StatusCode::UNAUTHORIZED, &page);
                    ([(header::WWW_AUTHENTICATE, "Bearer realm=\"sluse\"")], answer).into_response()
                }
            };
        }
        Ok(()) => {}
    }
    // A token is not left in the address, whether it was needed or not.
    if asked.token.is_some() {
        return again(path).into_response();
    }
    match asked.lang.as_deref().and_then(Language::by_code) {
        Some(language) => redirect_with(path, words::COOKIE, language.code(), CHOICE_SECONDS),
        None => next.run(request).await,
    }
}

/// A choice of language is kept for a year.
const CHOICE_SECONDS: u32 = 365 * 24 * 3600;

/// To the same page. A path that a browser would take for another machine's is none of ours.
fn again(path: &str) -> Redirect {
    let is_ours = !path.starts_with("//") && !path.contains('\\');
    Redirect::to(if is_ours { path } else { "/" })
}

fn redirect_with(path: &str, cookie: &str, value: &str, seconds: u32) -> Response {
    let cookie = format!("{cookie}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    ([(header::SET_COOKIE, cookie)], again(path)).into_response()
}

async fn glance(State(house): Shared, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    match house.lookout.look().await {
        Ok(view) => {
            let eye = Eye { language, now: view.snapshot.at, called: &house.called };
            page(&headers, &Glance::of(&eye, &view))
        }
        Err(silence) => silent(language, &silence),
    }
}

async fn story(State(house): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    let Ok(id) = id.parse::<FileId>() else { return missing(language) };
    match house.lookout.story(id).await {
        Ok(stories) => match stories.iter().find(|story| story.id == id) {
            Some(story) => page(&headers, &StoryPage::of(&house.eye(language), story)),
            None => missing(language),
        },
        Err(silence) => silent(language, &silence),
    }
}

async fn municipality(State(house): Shared, Path(code): Path<String>, headers: HeaderMap) -> Response {
    let language = Language::of(&headers);
    let Ok(code) = code.parse::<MunicipalityCode>() else { return missing(language) };
    match house.lookout.list(code).await {
        Ok(lines) => page(&headers, &MunicipalityPage::of(&house.eye(language), code, &lines)),
        Err(silence) => silent(language, &silence),
    }
}

async fn gauges(State(house): Shared) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], house.gauges.expose().await).into_response()
}

/// Whether the engine makes progress: it has just answered.
async fn health(State(house): Shared) -> Response {
    match house.lookout.look().await {
        Ok(_) => said(StatusCode::OK, "the engine answers"),
        Err(silence) => said(StatusCode::SERVICE_UNAVAILABLE, &silence.to_string()),
    }
}

/// Whether it has looked everywhere since its start, and can work.
async fn readiness(State(house): Shared) -> Response {
    match house.lookout.look().await.map(|view| why_not_ready(&view.snapshot)) {
        Ok(why) if why.is_empty() => said(StatusCode::OK, "the engine has looked everywhere and can work"),
        Ok(why) => said(StatusCode::SERVICE_UNAVAILABLE, &why.join("\n")),
        Err(silence) => said(StatusCode::SERVICE_UNAVAILABLE, &silence.to_string()),
    }
}

fn why_not_ready(snapshot: &Snapshot) -> Vec<String> {
    let mut why: Vec<String> = snapshot.restored.iter().cloned().collect();
    why.extend(snapshot.halts.iter().map(|halt| halt.what.clone()));
    why.extend(snapshot.endpoints.iter().filter_map(|endpoint| {
        let what = match (&endpoint.trouble, endpoint.listed_at) {
            (Some(trouble), _) => trouble.as_str(),
            (None, None) => "IN has not been listed yet",
            (None, Some(_)) => return None,
        };
        Some(format!("{}: {what}", endpoint.name))
    }));
    why
}

async fn nothing_here(headers: HeaderMap) -> Response {
    missing(Language::of(&headers))
}

impl House {
    fn eye(&self, language: Language) -> Eye<'_> {
        Eye { language, now: Moment::from(jiff::Timestamp::now()), called: &self.called }
    }
}

/// A page that has little to say.
#[derive(Template)]
#[template(path = "plain.html")]
struct Plain {
    frame: Frame,
    told: String,
    detail: String,
    asks_for_token: bool,
}

impl Plain {
    fn new(language: Language, title: &str, told: &str, asks_for_token: bool) -> Plain {
        let frame = Frame::new(language, title, "/", None);
        Plain { frame, told: told.to_owned(), detail: String::new(), asks_for_token }
    }
}

fn missing(language: Language) -> Response {
    let words = language.words();
    with_status(StatusCode::NOT_FOUND, &Plain::new(language, words.not_found, words.not_found_told, false))
}

fn silent(language: Language, silence: &Silence) -> Response {
    let words = language.words();
    let page = Plain::new(language, words.silent, words.silent_told, false);
    with_status(StatusCode::SERVICE_UNAVAILABLE, &Plain { detail: silence.to_string(), ..page })
}

fn said(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{text}\n")).into_response()
}

fn asset(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, KEPT_FOR_GOOD)], content)
        .into_response()
}

fn with_status(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(e) => said(StatusCode::INTERNAL_SERVER_ERROR, &format!("the page cannot be made: {e}")),
    }
}

/// A page, or that it is still the one that the caller has.
fn page(headers: &HeaderMap, page: &impl Template) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(e) => return said(StatusCode::INTERNAL_SERVER_ERROR, &format!("the page cannot be made: {e}")),
    };
    let tag = format!("\"{}\"", ContentHash::of(html.as_bytes()).short());
    let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let tag = [(header::ETAG, tag)];
    match is_known {
        true => (StatusCode::NOT_MODIFIED, tag).into_response(),
        false => (tag, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
    }
}
