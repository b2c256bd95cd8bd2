//! `type = "systemd"`: the state of a unit. systemd is asked with its own `systemctl`, which reads and changes nothing.

use crate::{
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
    },
    probe::{
        descriptor::{Descriptor, ParsedEndpoint, Section},
        diagnose::Place,
        error::ProbeError,
        runner::Runner,
        shared::Shared,
        text::Scrubber,
        trace::{Fault, Trace},
    },
};
use serde_json::{Map, json};
use std::{
    io,
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{io::AsyncReadExt, process::Command};

/// What the configuration and its messages know of this kind.
pub(in crate::probe) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Systemd,
    aliases: &["unit", "systemctl"],
    own_key: Some("unit"),
    keys: &["unit", "expect_state"],
    ..Descriptor::NONE
};

/// How much of what is printed is read.
const MOST: u64 = 16 * 1024;

/// A unit, and the state that it has to be in.
#[derive(Clone, Debug)]
pub struct SystemdSpec {
    pub unit: String,
    pub expect_state: UnitState,
    /// The program that is asked.
    pub systemctl: String,
}

/// The states that a unit may be meant to be in.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum UnitState {
    #[default]
    Active,
    /// As a job is between two runs: it has not failed.
    Inactive,
}

pub(in crate::probe) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<SystemdSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let unit = match table.get("unit") {
        Some(value) => value.filled().and_then(|text| {
            let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
            if text.value.starts_with('-') || !text.value.chars().all(fits) || text.value.len() > 255 {
                let mistake = value.mistake(format!("{} is no name of a unit", text.quoted()));
                table.source.report(mistake.label("as `nginx.service`"));
                return None;
            }
            Some(text)
        }),
        None => {
            table.missing("unit", "its name, as `unit = \"nginx.service\"`");
            None
        }
    };
    let expect_state = table.get("expect_state").and_then(|value| {
        let text = value.filled()?;
        let state = match text.value.as_str() {
            "active" => UnitState::Active,
            "inactive" => UnitState::Inactive,
            _ => {
                let mistake = value.mistake(format!("{} is no state of a unit here", text.quoted()));
                table.source.report(mistake.label("\"active\", or \"inactive\" for a job between two runs"));
                return None;
            }
        };
        shown.insert("expect_state".to_owned(), json!(text.value));
        Some(state)
    });
    let unit = unit?.value;
    shown.insert("unit".to_owned(), json!(unit));
    let expect_state = expect_state.unwrap_or_default();
    let probe = SystemdSpec { unit: unit.clone(), expect_state, systemctl: "systemctl".to_owned() };
    Some(ParsedEndpoint { probe, target: unit, secrets: Vec::new(), shown })
}

/// A unit, ready to be looked at.
#[derive(Debug)]
pub(in crate::probe) struct Systemd {
    spec: SystemdSpec,
    scrubber: Arc<Scrubber>,
}

impl Runner for Systemd {
    type Spec = SystemdSpec;

    fn new(spec: &SystemdSpec, scrubber: Arc<Scrubber>, _: &Shared) -> Result<Systemd, ProbeError> {
        Ok(Systemd { spec: spec.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        trace.enter(Phase::Body);
        let output = self.ask().await.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "there is no `systemctl` on this machine".to_owned(),
                _ => format!("`systemctl` cannot be started: {error}"),
            };
            Fault::ours(Some(Phase::Body), why)
        })?;
        trace.end();
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            let line = error.lines().next().unwrap_or_default();
            return Err(Fault::ours(Some(Phase::Body), format!("systemd does not answer: {line}")));
        }
        self.judge(&said)
    }
}

impl Systemd {
    async fn ask(&self) -> io::Result<Output> {
        let mut child = Command::new(&self.spec.systemctl)
            .args(["show", "--no-pager", "--property=LoadState,ActiveState,SubState,Result,ExecMainStatus", "--"])
            .arg(&self.spec.unit)
            // What it needs, and none of the credentials that others have there.
            .env_clear()
            .envs(["PATH", "DBUS_SYSTEM_BUS_ADDRESS"].into_iter().filter_map(|key| Some((key, std::env::var_os(key)?))))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) {
            let (mut out, mut err) = (out.take(MOST), err.take(MOST));
            tokio::try_join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr))?;
        }
        Ok(Output { status: child.wait().await?, stdout, stderr })
    }

    fn judge(&self, said: &str) -> Result<Option<Reason>, Fault> {
        let unit = &self.spec.unit;
        let property = |key: &str| {
            said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default().trim()
        };
        let fault = |message: String| {
            let excerpt = self.scrubber.excerpt(said, true);
            Err(Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt))
        };
        match property("LoadState") {
            "loaded" => {}
            "not-found" => return fault(format!("there is no unit {unit}")),
            "masked" => return fault(format!("the unit {unit} is masked")),
            "" => {
                return Err(Fault::new(Class::Protocol, Some(Phase::Body), "what `systemctl` printed cannot be read"));
            }
            other => return fault(format!("the unit {unit} cannot be loaded: {other}")),
        }
        let (state, detail) = (property("ActiveState"), property("SubState"));
        match (state, self.spec.expect_state) {
            ("active" | "reloading" | "refreshing", UnitState::Active) => Ok(None),
            ("inactive", UnitState::Inactive) | ("active" | "activating", UnitState::Inactive) => Ok(None),
            // That it restarts by itself is no good sign, and its end is not known yet.
            ("activating", UnitState::Active) if detail != "auto-restart" => Ok(Some(Reason {
                class: Class::Content,
                phase: Some(Phase::Body),
                message: format!("the unit {unit} is starting"),
            })),
            ("activating", _) => fault(format!("the unit {unit} has ended ({}), and is started again", self.why(said))),
            ("failed", _) => fault(format!("the unit {unit} has failed: {}", self.why(said))),
            _ => fault(format!("the unit {unit} is {state} ({detail})")),
        }
    }

    /// With what it ended.
    fn why(&self, said: &str) -> String {
        let property = |key: &str| said.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        match (property("Result="), property("ExecMainStatus=")) {
            ("exit-code", status) => format!("exit code {status}"),
            ("signal" | "core-dump", status) => format!("signal {status}"),
            (result, _) => result.to_owned(),
        }
    }
}
