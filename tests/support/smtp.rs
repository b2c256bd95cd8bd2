//! A mail server that takes one mail after a login.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// Its port, and the lines that it heard. `password` is what the argument of `AUTH` has to end with.
pub(crate) async fn mail_server(password: &'static str) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut heard, mut in_data) = (Vec::new(), false);
        stream.write_all(b"220 mail ready\r\n").await.unwrap();
        let mut line = String::new();
        while stream.read_line(&mut line).await.unwrap() > 0 {
            let said = std::mem::take(&mut line).trim_end_matches(['\r', '\n']).to_owned();
            let answer = match said.split(' ').next().unwrap() {
                "." => {
                    in_data = false;
                    "250 taken"
                }
                _ if in_data => "",
                "EHLO" => "250-mail\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
                "AUTH" if said.ends_with(password) => "235 welcome",
                "AUTH" => "535 5.7.8 wrong",
                "DATA" => {
                    in_data = true;
                    "354 go on"
                }
                "QUIT" => "221 bye",
                _ => "250 fine",
            };
            heard.push(said);
            if !answer.is_empty() {
                stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            }
        }
        heard
    };
    (port, tokio::spawn(serve))
}
