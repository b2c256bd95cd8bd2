//! `type = "docker"`: the state of a container, its health check and its restarts, as the local Docker (or Podman) says.
//! One request that changes nothing: <https://docs.docker.com/reference/api/engine/>.

use crate::{
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
    },
    probe::{
        descriptor::{Descriptor, ParsedEndpoint, Section},
        diagnose::Place,
        error::ProbeError,
        fault,
        runner::Runner,
        shared::Shared,
        text::{EXCERPT_SOURCE_BYTES, Scrubber},
        trace::{Fault, Trace},
    },
};
use serde::Deserialize;
use serde_json::{Map, json};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// What the configuration and its messages know of this kind.
pub(in crate::probe) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Docker,
    aliases: &["container", "podman"],
    own_key: Some("container"),
    keys: &["container", "socket", "degraded_restarts"],
    ..Descriptor::NONE
};

/// How much is read of an answer.
const MOST: u64 = 1024 * 1024;

/// A container.
#[derive(Clone, Debug)]
pub struct DockerSpec {
    /// Its name or its number.
    pub container: String,
    pub socket: PathBuf,
    /// More restarts than these, since the container was made, are `degraded`.
    pub degraded_restarts: Option<u64>,
}

pub(in crate::probe) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<DockerSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let container = match table.get("container") {
        Some(value) => value.filled().and_then(|text| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
            if !text.value.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.value.chars().all(fits) {
                let mistake = value.mistake(format!("{} is no name of a container", text.quoted()));
                table.source.report(mistake.label("letters, digits, `_`, `.` and `-`"));
                return None;
            }
            Some(text.value)
        }),
        None => {
            table.missing("container", "its name, as `container = \"web\"`");
            None
        }
    };
    let socket = table.filled("socket").map_or_else(|| "/var/run/docker.sock".to_owned(), |text| text.value);
    let degraded_restarts = table.integer("degraded_restarts", 0..=i64::MAX).and_then(|n| u64::try_from(n).ok());
    let container = container?;
    shown.insert("container".to_owned(), json!(container));
    shown.insert("socket".to_owned(), json!(socket));
    shown.insert("degraded_restarts".to_owned(), json!(degraded_restarts));
    let probe = DockerSpec { container: container.clone(), socket: socket.into(), degraded_restarts };
    Some(ParsedEndpoint { probe, target: format!("container {container}"), secrets: Vec::new(), shown })
}

/// A container, ready to be looked at.
#[derive(Debug)]
pub(in crate::probe) struct Docker {
    spec: DockerSpec,
    scrubber: Arc<Scrubber>,
}

impl Runner for Docker {
    type Spec = DockerSpec;

    fn new(spec: &DockerSpec, scrubber: Arc<Scrubber>, _: &Shared) -> Result<Docker, ProbeError> {
        Ok(Docker { spec: spec.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        trace.enter(Phase::Connect);
        let stream = UnixStream::connect(&self.spec.socket).await.map_err(|error| self.not_connected(&error))?;
        trace.enter(Phase::Ttfb);
        let answer = self.exchange(stream).await.map_err(|error| {
            let message = format!("Docker did not answer: {error}");
            Fault::new(Class::Protocol, Some(Phase::Ttfb), message)
        })?;
        trace.end();
        self.judge(&answer)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    state: State,
    #[serde(default)]
    restart_count: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    exit_code: i64,
    #[serde(default)]
    health: Option<Health>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Health {
    status: String,
    log: Option<Vec<Probe>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Probe {
    output: String,
}

impl Docker {
    fn not_connected(&self, error: &io::Error) -> Fault {
        let (phase, socket) = (Some(Phase::Connect), self.spec.socket.display());
        match error.kind() {
            io::ErrorKind::NotFound => Fault::ours(phase, format!("there is no socket {socket} of Docker")),
            io::ErrorKind::PermissionDenied => Fault::ours(phase, format!("this process may not use {socket}")),
            io::ErrorKind::ConnectionRefused => {
                Fault::new(Class::Connect, phase, format!("Docker does not run: nothing listens at {socket}"))
            }
            _ => match fault::ours(error) {
                Some(message) => Fault::ours(phase, message),
                None => Fault::new(Class::Connect, phase, format!("no connection to {socket}: {error}")),
            },
        }
    }

    /// With HTTP/1.0 an answer ends where the connection does, and comes in one piece.
    async fn exchange(&self, mut stream: UnixStream) -> io::Result<Vec<u8>> {
        let request = format!("GET /containers/{}/json HTTP/1.0\r\nHost: docker\r\n\r\n", self.spec.container);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        Ok(answer)
    }

    fn judge(&self, answer: &[u8]) -> Result<Option<Reason>, Fault> {
        let name = &self.spec.container;
        let protocol = |message: &str| Err(Fault::new(Class::Protocol, Some(Phase::Body), message));
        let content = |message: String| Fault::new(Class::Content, Some(Phase::Body), message);
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n");
        let (Some(end), true) = (end, answer.starts_with(b"HTTP/1.")) else {
            return protocol("the answer is not Docker's: it is no HTTP");
        };
        let status = answer.get(9..12).unwrap_or_default();
        match status {
            b"200" => {}
            b"404" => return Err(content(format!("there is no container {name}"))),
            other => return protocol(&format!("Docker answered with the status {}", String::from_utf8_lossy(other))),
        }
        let Ok(Container { state, restart_count }) = serde_json::from_slice(&answer[end + 4..]) else {
            return protocol("the answer is not Docker's: it does not say the state of a container");
        };
        let health = state.health.unwrap_or_default();
        let reservation =
            |message: String| Ok(Some(Reason { class: Class::Content, phase: Some(Phase::Body), message }));
        match (state.status.as_str(), health.status.as_str()) {
            ("running", "unhealthy") => {
                let log = health.log.unwrap_or_default().pop().unwrap_or_default().output;
                let start: String = log.chars().take(EXCERPT_SOURCE_BYTES / 4).collect();
                let excerpt = self.scrubber.excerpt(&start, start.len() == log.len());
                Err(content(format!("the container {name} is unhealthy")).with_excerpt(excerpt))
            }
            ("running", "starting") => {
                reservation(format!("the container {name} is starting: its health is not known yet"))
            }
            ("running", _) => match self.spec.degraded_restarts {
                Some(most) if restart_count > most => {
                    reservation(format!("the container {name} was restarted more than {most} times"))
                }
                _ => Ok(None),
            },
            (status, _) => {
                let mut message = format!("the container {name} is {status}");
                if matches!(status, "exited" | "dead" | "restarting") {
                    message += &match state.oom_killed {
                        true => " (killed for lack of memory)".to_owned(),
                        false => format!(" (exit code {})", state.exit_code),
                    };
                }
                Err(content(message))
            }
        }
    }
}
