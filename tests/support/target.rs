//! An HTTP server that does what a test tells it and remembers what it was asked.

use super::net::{http, read_head, serve_at};
use healthcheck_dashboard::{clock::Clock, domain::time::UnixMs};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What is done with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Does {
    /// Answers with this status.
    Answer(u16),
    /// Answers with this status and this body.
    Say(u16, &'static str),
    /// Answers with 200, so many milliseconds later.
    Late(u64),
    /// Says nothing and keeps the connection.
    Hang,
    /// Closes the connection without a word.
    Close,
}

/// A request as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) at: UnixMs,
    pub(crate) head: String,
    pub(crate) body: String,
}

#[derive(Default, Debug)]
struct State {
    does: HashMap<String, Does>,
    seen: HashMap<String, Vec<Seen>>,
    /// Requests of each path that have not been answered yet.
    open: HashMap<String, usize>,
    most_at_once: HashMap<String, usize>,
    hanging: usize,
    late: usize,
    most_hanging: usize,
}

/// The server. Cheap to clone. Every path is answered with 200 until told otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Target {
    pub(crate) async fn start(clock: Clock) -> Target {
        Target::start_at("127.0.0.1", clock).await
    }

    /// Starts it at this address of the machine.
    pub(crate) async fn start_at(host: &str, clock: Clock) -> Target {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = Arc::clone(&state);
        let address = serve_at(host, move |stream| answer(stream, Arc::clone(&shared), clock.clone())).await;
        Target { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on.
    pub(crate) fn set(&self, path: &str, does: Does) {
        self.state().does.insert(path.to_owned(), does);
    }

    /// Requests whose answers wait for their time.
    pub(crate) fn late(&self) -> usize {
        self.state().late
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.state().seen.get(path).cloned().unwrap_or_default()
    }

    pub(crate) fn count(&self, path: &str) -> usize {
        self.state().seen.get(path).map_or(0, Vec::len)
    }

    /// When each request came.
    pub(crate) fn times(&self, path: &str) -> Vec<UnixMs> {
        self.seen(path).iter().map(|seen| seen.at).collect()
    }

    pub(crate) fn most_at_once(&self, path: &str) -> usize {
        self.state().most_at_once.get(path).copied().unwrap_or(0)
    }

    /// Requests that wait for an answer in vain.
    pub(crate) fn hanging(&self) -> usize {
        self.state().hanging
    }

    pub(crate) fn most_hanging(&self) -> usize {
        self.state().most_hanging
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, clock: Clock) {
    let head = read_head(&mut stream).await;
    let Some(path) = head.split(' ').nth(1).map(str::to_owned) else { return };
    let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let body = String::from_utf8(body).unwrap();
    let does = {
        let mut state = state.lock().unwrap();
        state.seen.entry(path.clone()).or_default().push(Seen { at: clock.now(), head, body });
        let open = state.open.entry(path.clone()).or_default();
        *open += 1;
        let open = *open;
        let most = state.most_at_once.entry(path.clone()).or_default();
        *most = open.max(*most);
        let does = state.does.get(&path).copied().unwrap_or(Does::Answer(200));
        if does == Does::Hang {
            state.hanging += 1;
            state.most_hanging = state.hanging.max(state.most_hanging);
        }
        does
    };
    let say = async |stream: &mut TcpStream, status: u16, body: &str| {
        let _ = stream.write_all(&http(&format!("{status} Said"), &["connection: close"], body)).await;
        let _ = stream.shutdown().await;
    };
    match does {
        Does::Answer(status) => say(&mut stream, status, "said").await,
        Does::Say(status, body) => say(&mut stream, status, body).await,
        Does::Late(ms) => {
            state.lock().unwrap().late += 1;
            tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
            state.lock().unwrap().late -= 1;
            say(&mut stream, 200, "said").await;
        }
        Does::Hang => while stream.read_u8().await.is_ok() {},
        Does::Close => {}
    }
    let mut state = state.lock().unwrap();
    *state.open.entry(path).or_default() -= 1;
    if does == Does::Hang {
        state.hanging -= 1;
    }
}
