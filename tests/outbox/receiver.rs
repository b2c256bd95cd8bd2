//! A receiver of alerts that records all it hears and answers as it likes.

use super::Dice;
use crate::support::net::{http, read_head, serve};
use serde_json::Value;
use std::{
    collections::HashMap,
    io::{Read, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A message as it came.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) channel: String,
    pub(super) body: Value,
    /// It was answered with 200, whoever heard that.
    pub(super) accepted: bool,
}

impl Told {
    /// The events that it is about.
    pub(super) fn items(&self) -> &[Value] {
        self.body["events"].as_array().unwrap()
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.items().iter().map(|item| item["event_id"].as_str().unwrap().to_owned()).collect()
    }
}

struct State {
    dice: Dice,
    behaves: bool,
    told: Vec<Told>,
    /// How often it failed in a row, by channel. Not often: each time the program waits twice as long.
    failures: HashMap<String, u32>,
    answered: usize,
    /// Connections that have not said what they want.
    reading: usize,
}

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What is done with a message.
enum Mood {
    Takes,
    TakesLate(u64),
    Fails,
    HangsUp,
    Hangs,
}

impl Receiver {
    pub(super) async fn start(seed: u64) -> Receiver {
        let (told, failures) = (Vec::new(), HashMap::new());
        let state = State { dice: Dice(seed), behaves: false, told, failures, answered: 0, reading: 0 };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let address = serve(move |stream| {
            shared.lock().unwrap().reading += 1;
            answer(stream, Arc::clone(&shared))
        })
        .await;
        Receiver { address, state }
    }

    /// From now on it takes everything at once.
    pub(super) fn behave(&self) {
        self.state.lock().unwrap().behaves = true;
    }

    pub(super) fn asked(&self) -> usize {
        self.state.lock().unwrap().told.len()
    }

    pub(super) fn answered(&self) -> usize {
        self.state.lock().unwrap().answered
    }

    pub(super) fn told(&self) -> Vec<Told> {
        self.state.lock().unwrap().told.clone()
    }

    /// Returns when all is read that had been sent.
    pub(super) fn catch_up(&self) {
        // Connections are accepted in their order: what came before this one is known after it.
        let mut stream = std::net::TcpStream::connect(self.address).unwrap();
        stream.write_all(b"GET /ping HTTP/1.1\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        crate::support::binary::wait_for("what was sent", || (self.state.lock().unwrap().reading == 0).then_some(()));
    }
}

/// Reads a message; `None` where it did not come whole.
async fn message(stream: &mut TcpStream) -> Option<(String, Value)> {
    let head = read_head(stream).await;
    let channel = head.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((channel, serde_json::from_slice(&body).unwrap_or_default()))
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let message = message(&mut stream).await;
    let mood = {
        let mut state = state.lock().unwrap();
        state.reading -= 1;
        let Some((channel, body)) = message.filter(|(channel, _)| channel != "ping") else { return };
        let mood = state.mood(&channel);
        let accepted = matches!(mood, Mood::Takes | Mood::TakesLate(_));
        state.told.push(Told { channel, body, accepted });
        mood
    };
    let status = match mood {
        Mood::Takes => "200 OK",
        Mood::TakesLate(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            "200 OK"
        }
        Mood::Fails => "503 Service Unavailable",
        Mood::HangsUp => return,
        Mood::Hangs => {
            while stream.read_u8().await.is_ok() {}
            return;
        }
    };
    let _ = stream.write_all(&http(status, &["connection: close"], "heard")).await;
    let _ = stream.shutdown().await;
    state.lock().unwrap().answered += 1;
}

impl State {
    fn mood(&mut self, channel: &str) -> Mood {
        if self.behaves {
            return Mood::Takes;
        }
        let (roll, ms) = (self.dice.roll(100), self.dice.roll(80));
        let failures = self.failures.entry(channel.to_owned()).or_default();
        let mood = match roll {
            0..15 if *failures < 2 => [Mood::Fails, Mood::HangsUp, Mood::Hangs].into_iter().nth(roll as usize / 6),
            15..45 => Some(Mood::TakesLate(ms)),
            _ => None,
        };
        let mood = mood.unwrap_or(Mood::Takes);
        *failures = if matches!(mood, Mood::Takes | Mood::TakesLate(_)) { 0 } else { *failures + 1 };
        mood
    }
}
