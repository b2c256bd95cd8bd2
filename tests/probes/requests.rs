//! What HTTP requests send, and where to: read from a configuration, and seen by a server.

use super::*;
use crate::support::net::{http, read_head, serve};
use healthcheck_dashboard::config;
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
};

pub(super) async fn check(keys: &str) -> Report {
    let text = format!("[[checks.endpoints]]\nname = \"x\"\n{keys}\n");
    let env = |name: &str| (name == "TOKEN").then(|| "t0ps3cret".to_owned());
    let endpoint = config::parse(&text, Path::new("config.toml"), &env).unwrap().checks.endpoints.remove(0);
    Probe::new(&endpoint.probe, endpoint.secrets, shared()).unwrap().run(AMPLE).await
}

/// A server that keeps the requests with their bodies, and sends the last one back.
async fn echo() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let address = serve(move |mut stream| {
        let record = Arc::clone(&record);
        async move {
            let head = read_head(&mut stream).await;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.unwrap();
            let request = head + std::str::from_utf8(&body).unwrap();
            let _ = stream.write_all(&http("200 OK", &[], &request)).await;
            record.lock().await.push(request);
        }
    })
    .await;
    (address, asked)
}

#[tokio::test]
async fn a_form_is_posted_as_browsers_do() {
    let (address, asked) = echo().await;
    let keys = format!("url = \"http://{address}/login\"\nform = {{ user = \"a b&c\", password = \"${{TOKEN}}\" }}");
    assert_passed(&check(&keys).await);
    let asked = asked.lock().await;
    assert!(asked[0].starts_with("POST /login HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains("content-type: application/x-www-form-urlencoded\r\n"), "{asked:?}");
    assert!(asked[0].ends_with("\r\n\r\nuser=a+b%26c&password=t0ps3cret"), "{asked:?}");
}

#[tokio::test]
async fn a_multipart_body_has_its_parts_in_the_order_of_the_file() {
    let (address, asked) = echo().await;
    let keys = format!(
        "url = \"http://{address}/\"\nmethod = \"PUT\"\n\
         multipart = {{ note = \"hello\", file = {{ filename = \"a.csv\", content_type = \"text/csv\", content = \"1;2\" }} }}"
    );
    assert_passed(&check(&keys).await);
    let asked = asked.lock().await;
    let boundary = "healthcheck-dashboard-00000000";
    assert!(asked[0].starts_with("PUT / HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains(&format!("content-type: multipart/form-data; boundary={boundary}\r\n")), "{asked:?}");
    assert!(
        asked[0].ends_with(&format!(
            "\r\n\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\
             Content-Type: text/csv\r\n\r\n1;2\r\n--{boundary}--\r\n"
        )),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_a_form_holds_is_in_no_excerpt() {
    let (address, _) = echo().await;
    let keys = format!(
        "url = \"http://{address}/\"\nform = {{ password = \"hunter2\", x = \"${{TOKEN}}\" }}\nexpect_body = \"nothing\""
    );
    let report = check(&keys).await;
    let excerpt = report.excerpt.unwrap();
    assert!(excerpt.ends_with("password=•••&x=•••"), "{excerpt}");
}

#[tokio::test]
async fn an_address_that_is_given_for_a_host_is_asked_in_its_place() {
    let (address, asked) = echo().await;
    let port = address.port();
    let keys = |host: &str| {
        format!("url = \"http://Shop.Example:{port}/x\"\nresolve = [\"{host}:{port}:127.0.0.1\", \"a:1:[::1]\"]")
    };
    let report = check(&keys("shop.example")).await;
    assert_passed(&report);
    assert_eq!(report.phases.dns_us, None);
    assert!(asked.lock().await[0].contains(&format!("host: shop.example:{port}\r\n")));
    // It holds for that host alone, and leads to no metadata service.
    assert_eq!(failure(&check(&keys("shop.invalid").replace("Shop.Example", "other.invalid")).await).class, Class::Dns);
    let report = check("url = \"http://shop.example/\"\nresolve = \"shop.example:80:169.254.169.254\"").await;
    let message = "shop.example leads to 169.254.169.254, a cloud's metadata service: it is not asked without \
                   `allow_metadata = true`";
    assert_failed(&report, Class::Connect, Phase::Connect, message);
}
