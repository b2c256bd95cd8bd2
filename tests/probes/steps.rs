//! A check that is several requests: a small shop, in which one logs in, looks at orders and logs out.

use super::*;
use crate::support::net::serve;
use healthcheck_dashboard::config;
use std::{net::SocketAddr, path::Path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

const SESSION: &str = "s3ss10n-8842";
const TOKEN: &str = "t0k3n/\"55\"";
const CSRF: &str = "csrf+77=1";

/// The shop; what it is asked comes out of the channel. `answers` may have it answer a path in another way.
async fn shop(
    answers: impl Fn(&str) -> Option<String> + Send + Sync + Clone + 'static,
) -> (SocketAddr, UnboundedReceiver<String>) {
    let (sender, asked) = unbounded_channel();
    let address = serve(move |mut stream| {
        let (sender, answers) = (sender.clone(), answers.clone());
        async move {
            let request = read(&mut stream).await;
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = answers(&path).unwrap_or_else(|| usual(&request, &path));
            let _ = sender.send(request);
            if answer == "silence" {
                std::future::pending::<()>().await;
            }
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    (address, asked)
}

async fn read(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some(head) = text.find("\r\n\r\n") {
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if request.len() >= head + 4 + length {
                return String::from_utf8(request).unwrap();
            }
        }
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return String::from_utf8_lossy(&request).into_owned();
        }
    }
}

fn answered(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn usual(request: &str, path: &str) -> String {
    let has = |part: &str| request.contains(part);
    let body = format!("{{\"token\": \"t0k3n/\\\"55\\\"\", \"user\": {{\"id\": 42}}, \"said\": \"{SESSION}\"}}");
    match path {
        "/login" if has(&format!("csrf={}", "csrf%2B77%3D1")) => {
            answered("200 OK", &format!("set-cookie: sid={SESSION}; path=/\r\n"), &body)
        }
        "/" => answered("200 OK", "", &format!("<input name=\"csrf\" value=\"{CSRF}\">")),
        "/orders/42" if has(&format!("cookie: sid={SESSION}\r\n")) && has(&format!("x-token: {TOKEN}\r\n")) => {
            answered("200 OK", "", &format!("{{\"orders\": 3, \"you\": \"{SESSION} {CSRF}\"}}"))
        }
        "/logout" if has("{\"token\": \"t0k3n/\\\"55\\\"\"}") => answered("204 No Content", "", ""),
        _ => answered("403 Forbidden", "", "not you"),
    }
}

const STEPS: &str = r#"
steps = [
    { name = "form", keep = { csrf = { regex = 'name="csrf" value="([^"]+)"' } } },
    { name = "log in", url = "/login", form = { user = "probe", password = "${PASSWORD}", csrf = "{{csrf}}" }, keep = { token = "json.token", id = "json.user.id" } },
    { name = "orders", url = "/orders/{{ id }}", headers = { X-Token = "{{token}}" }, expect = ["json.orders > 0", "response_time_ms < 120000"] },
    { name = "log out", url = "/logout", method = "POST", body = '{"token": "{{token}}"}', always = true },
]"#;

async fn check(address: SocketAddr, keys: &str, deadline: Duration) -> Report {
    let text = format!("[[checks.endpoints]]\nname = \"x\"\nurl = \"http://{address}/\"\n{keys}\n");
    let env = |name: &str| (name == "PASSWORD").then(|| "hunter2hunter2".to_owned());
    let endpoint = config::parse(&text, Path::new("config.toml"), &env).unwrap().checks.endpoints.remove(0);
    assert!(!endpoint.shown.to_string().contains("hunter2"), "{}", endpoint.shown);
    Probe::new(&endpoint.probe, endpoint.secrets, shared()).unwrap().run(deadline).await
}

fn paths(asked: &mut UnboundedReceiver<String>) -> Vec<String> {
    std::iter::from_fn(|| asked.try_recv().ok()).map(|request| request.lines().next().unwrap().to_owned()).collect()
}

fn assert_has_no_secret(report: &Report) {
    let said = format!("{report:?}");
    for secret in [SESSION, "t0k3n", CSRF, "hunter2"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

#[tokio::test]
async fn cookies_and_kept_values_go_from_step_to_step() {
    let (address, mut asked) = shop(|_| None).await;
    let report = check(address, STEPS, AMPLE).await;
    assert_passed(&report);
    assert_eq!(report.http_status, Some(204));
    let expected = ["GET / HTTP/1.1", "POST /login HTTP/1.1", "GET /orders/42 HTTP/1.1", "POST /logout HTTP/1.1"]
        .map(str::to_owned);
    assert_eq!(paths(&mut asked), expected);
}

#[tokio::test]
async fn a_failure_names_its_step_says_how_long_each_took_and_shows_nothing_that_is_carried() {
    let (address, _asked) = shop(|_| None).await;
    let report = check(address, &STEPS.replace("orders > 0", "orders > 5"), AMPLE).await;
    let message = "step \"orders\": json.orders > 5 does not hold: json.orders is 3";
    assert_failed(&report, Class::Content, Phase::Body, message);
    assert_has_no_secret(&report);
    let excerpt = report.excerpt.unwrap();
    let lines: Vec<&str> = excerpt.lines().collect();
    assert!(lines[0].starts_with("form: HTTP 200, ") && lines[0].ends_with(" ms"), "{excerpt}");
    assert!(lines[1].starts_with("log in: HTTP 200, ") && lines[2].starts_with("orders: HTTP 200, "), "{excerpt}");
    assert!(excerpt.contains("\"orders\": 3, \"you\": \"••• •••\""), "{excerpt}");
}

#[tokio::test]
async fn what_a_log_in_gives_is_hidden_when_the_log_in_itself_fails() {
    for keys in [
        STEPS.replace("keep = { token = ", "expect = [\"json.user.id == 7\"], keep = { token = "),
        STEPS.replace("keep = { token = ", "expect_status = 201, keep = { token = "),
        STEPS.replace("keep = { token = ", "keep = { missing = \"json.nothing\", token = "),
    ] {
        let (address, _asked) = shop(|_| None).await;
        let report = check(address, &keys, AMPLE).await;
        assert!(failure(&report).message.starts_with("step \"log in\": "), "{report:?}");
        assert_has_no_secret(&report);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_kept() {
    let (address, _asked) = shop(|path| (path == "/login").then(|| answered("200 OK", "", "{\"tokens\": []}"))).await;
    let report = check(address, STEPS, AMPLE).await;
    let message =
        "step \"log in\": token cannot be kept: json.token: json has no \"token\", it is an object with \"•••\"";
    assert_failed(&report, Class::Content, Phase::Body, message);
}

#[tokio::test]
async fn the_log_out_comes_also_after_a_failure_and_after_the_deadline() {
    for (answer, deadline) in [(answered("500 Oops", "", ""), AMPLE), ("silence".to_owned(), SHORT)] {
        let other = answer.clone();
        let (address, mut asked) = shop(move |path| path.starts_with("/orders").then(|| other.clone())).await;
        let report = check(address, STEPS, deadline).await;
        match deadline {
            SHORT => assert_late(&report, Phase::Ttfb, "step \"orders\": no answer within 1 s"),
            _ => {
                let message = "step \"orders\": HTTP 500, expected 200–399";
                assert_failed(&report, Class::HttpStatus, Phase::Ttfb, message);
            }
        }
        let mut last = String::new();
        while !last.starts_with("POST /logout") {
            last = asked.recv().await.unwrap();
        }
        assert!(last.contains(&format!("cookie: sid={SESSION}\r\n")), "{last}");
    }
}

#[tokio::test]
async fn a_step_on_another_host_gets_neither_the_endpoints_credentials_nor_its_cookies() {
    let (other, mut asked) = shop(|_| Some(answered("200 OK", "", "ok"))).await;
    let (address, _asked) = shop(|_| Some(answered("200 OK", &format!("set-cookie: sid={SESSION}\r\n"), "ok"))).await;
    let keys = format!(
        "basic_auth = {{ user = \"me\", password = \"hunter2\" }}\nheaders = {{ X-Key = \"k3y-k3y-k3y\", Accept = \"a/b\" }}\n\
         steps = [{{ name = \"here\" }}, {{ name = \"there\", url = \"http://localhost:{}/\" }}]",
        other.port()
    );
    assert_passed(&check(address, &keys, AMPLE).await);
    let there = asked.recv().await.unwrap();
    assert!(there.contains("accept: a/b\r\n"), "{there}");
    for secret in ["k3y", "authorization", "cookie"] {
        assert!(!there.contains(secret), "{secret} in {there}");
    }
}

#[tokio::test]
async fn a_variable_in_what_is_looked_for_is_in_no_message() {
    let (address, _asked) = shop(|_| None).await;
    let steps = "steps = [{ name = \"form\", keep = { a = { regex = '${PASSWORD}=(.+)' } } }]";
    let report = check(address, steps, AMPLE).await;
    let Verdict::Failed(reason) = &report.verdict else { panic!("{report:?}") };
    assert!(reason.message.contains("does not match"), "{}", reason.message);
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
}

#[tokio::test]
async fn what_is_kept_is_hidden_however_many_cookies_came() {
    let cookies: String = (0..60).map(|i| format!("set-cookie: c{i}=value-of-{i}; path=/\r\n")).collect();
    let (address, _asked) = shop(move |path| {
        (path == "/")
            .then(|| answered("200 OK", &cookies, "csrf+77=1"))
            .or_else(|| path.starts_with("/next").then(|| answered("302 Found", "location: /again?csrf+77=1\r\n", "")))
    })
    .await;
    let steps = "redirects = \"forbid\"\nsteps = [{ name = \"form\", keep = { a = { regex = '(csrf.+)' } } }, \
                 { name = \"next\", url = \"/next\", expect_status = 200 }]";
    let report = check(address, steps, AMPLE).await;
    assert!(matches!(report.verdict, Verdict::Failed(_)), "{report:?}");
    assert_has_no_secret(&report);
}
