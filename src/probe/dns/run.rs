//! The DNS probe: one question, and whether its answer says what is expected.

use super::{
    spec::{DnsSpec, Expected},
    values,
    wire::Question,
};
use crate::{
    domain::check::{Class, Phase, Reason},
    probe::{
        address::{Address, Dialer},
        diagnose::Place,
        error::ProbeError,
        runner::Runner,
        shared::Shared,
        text::{Scrubber, seconds},
        tls::{Tls, Verification, expiry_warning},
        trace::{Fault, Trace},
    },
};
use futures_util::future::join_all;
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, RData, RecordType,
        rdata::opt::{EdnsCode, EdnsOption},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// Name servers of a zone that are asked at most: as many as the root has.
const SERVERS: usize = 13;
/// What is left of the deadline to say which of them did not answer.
const SPARE: Duration = Duration::from_millis(20);

/// A name server, ready to be asked.
#[derive(Debug)]
pub(crate) struct Dns {
    spec: DnsSpec,
    server: Dialer,
    tls: Option<Tls>,
    shared: Shared,
    scrubber: Arc<Scrubber>,
}

impl Runner for Dns {
    type Spec = Box<DnsSpec>;

    fn new(spec: &Box<DnsSpec>, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Dns, ProbeError> {
        let server = Dialer::new(&spec.server, shared)?;
        let tls = spec.transport.is_secure().then(|| Tls::new(&spec.tls, Verification::ChainAndName, &shared.roots));
        Ok(Dns { spec: (**spec).clone(), server, tls: tls.transpose()?, shared: shared.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let until = Instant::now() + deadline.saturating_sub(SPARE.min(deadline / 10));
        let spec = &self.spec;
        let answer = self.ask(spec.record.record_type(), trace, deadline).await?;
        self.judge(&answer)?;
        if spec.same_serial {
            let servers = self.ask(RecordType::NS, trace, deadline).await?;
            self.compare_serials(&servers, until, deadline).await?;
        }
        trace.end();
        Ok(expiry_warning(trace, spec.tls.expiry_warning_days, &self.server.host))
    }
}

impl Dns {
    async fn ask(&self, record: RecordType, trace: &Arc<Trace>, deadline: Duration) -> Result<Message, Fault> {
        let DnsSpec { transport, name, dnssec, .. } = &self.spec;
        let question = Question::new(name.clone(), record, true, *dnssec)?;
        question.ask(&self.server, *transport, self.tls.as_ref(), trace, deadline).await
    }

    fn judge(&self, answer: &Message) -> Result<(), Fault> {
        let DnsSpec { name, record, expected, dnssec, .. } = &self.spec;
        let (asked, type_word) = (values::name(name), record.word());
        let unlike = |message: String| {
            let whole: Vec<String> = answer.answers.iter().map(ToString::to_string).collect();
            let excerpt = self.scrubber.excerpt(&whole.join("\n"), true);
            Err(Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt))
        };
        let no_such_name = answer.metadata.response_code == ResponseCode::NXDomain;
        match (answer.metadata.response_code, expected) {
            (ResponseCode::NXDomain, Expected::NoSuchName) => {}
            (ResponseCode::NoError, Expected::NoSuchName) => return unlike(format!("the name {asked} exists")),
            (ResponseCode::NoError, _) => {}
            (code, _) => return Err(Fault::new(Class::Dns, Some(Phase::Body), refusal(code, &asked, answer))),
        }
        if *dnssec && !answer.metadata.authentic_data {
            return unlike(format!("the answer about {asked} is not authenticated by DNSSEC (no AD flag)"));
        }
        if no_such_name {
            return Ok(());
        }
        let mut found: Vec<String> = answer
            .answers
            .iter()
            .filter(|found| found.record_type() == record.record_type())
            .filter_map(|record| values::of(&record.data))
            .collect();
        found.sort_unstable();
        found.dedup();
        match expected {
            _ if found.is_empty() => unlike(format!("{asked} has no record of type {type_word}")),
            Expected::All(all) if found != *all => {
                unlike(format!("{type_word} of {asked} is {}, not {}", list(&found), list(all)))
            }
            Expected::Among(some) if let Some(missing) = some.iter().find(|value| !found.contains(value)) => {
                unlike(format!("{type_word} of {asked} is {}, without {missing}", list(&found)))
            }
            _ => Ok(()),
        }
    }

    /// Asks each name server of the zone for its serial.
    async fn compare_serials(&self, answer: &Message, until: Instant, deadline: Duration) -> Result<(), Fault> {
        let zone = values::name(&self.spec.name);
        let content = |message: String| Err(Fault::new(Class::Content, Some(Phase::Body), message));
        let mut servers: Vec<Name> = answer
            .answers
            .iter()
            .filter_map(|record| match &record.data {
                RData::NS(server) => Some(server.0.to_lowercase()),
                _ => None,
            })
            .collect();
        servers.sort_unstable();
        servers.dedup();
        servers.truncate(SERVERS);
        if servers.is_empty() {
            return content(format!("{zone} has no record of type NS"));
        }
        let ask = async |server: &Name| {
            let late =
                || Fault::new(Class::Timeout, Some(Phase::Body), format!("no answer within {}", seconds(deadline)));
            match timeout_at(until, self.serial(server, deadline)).await {
                Ok(serial) => serial,
                Err(_) => Err(late()),
            }
        };
        let serials = join_all(servers.iter().map(ask)).await;
        let mut by_serial: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (server, serial) in servers.iter().zip(serials) {
            match serial {
                Ok(serial) => by_serial.entry(serial).or_default().push(values::name(server)),
                Err(fault) => {
                    let message = format!("the name server {}: {}", values::name(server), fault.reason.message);
                    return Err(Fault {
                        reason: Reason { message, phase: Some(Phase::Body), ..fault.reason },
                        ..fault
                    });
                }
            }
        }
        if by_serial.len() > 1 {
            let each: Vec<String> =
                by_serial.iter().map(|(serial, servers)| format!("{serial} at {}", list(servers))).collect();
            return content(format!("the name servers of {zone} disagree about the serial: {}", each.join("; ")));
        }
        Ok(())
    }

    /// The serial that a name server of the zone has.
    async fn serial(&self, server: &Name, deadline: Duration) -> Result<u32, Fault> {
        // Its own course: the phases of the check are those of the server that it is about.
        let trace = Arc::new(Trace::start());
        let address = Address { host: values::name(server), ..self.spec.server.clone() };
        let dialer = Dialer::new(&address, &self.shared)
            .map_err(|error| Fault::new(Class::Content, Some(Phase::Body), error.to_string()))?;
        let question = Question::new(self.spec.name.clone(), RecordType::SOA, false, false)?;
        let answer = question.ask(&dialer, self.spec.transport, self.tls.as_ref(), &trace, deadline).await?;
        let asked = values::name(&self.spec.name);
        if answer.metadata.response_code != ResponseCode::NoError {
            let message = refusal(answer.metadata.response_code, &asked, &answer);
            return Err(Fault::new(Class::Dns, Some(Phase::Body), message));
        }
        let serial = answer.answers.iter().find_map(|record| match &record.data {
            RData::SOA(soa) if record.name == self.spec.name => Some(soa.serial),
            _ => None,
        });
        let lame = || format!("it does not have the zone {asked}");
        serial.ok_or_else(|| Fault::new(Class::Content, Some(Phase::Body), lame()))
    }
}

/// An answer that is an error, in words.
fn refusal(code: ResponseCode, asked: &str, answer: &Message) -> String {
    let words = match code {
        ResponseCode::NXDomain => return format!("there is no name {asked} (NXDOMAIN)"),
        ResponseCode::ServFail => "the server could not find the answer (SERVFAIL)".to_owned(),
        ResponseCode::Refused => "the server refuses to answer (REFUSED)".to_owned(),
        ResponseCode::FormErr => "the server cannot read the question (FORMERR)".to_owned(),
        ResponseCode::NotImp => "the server does not know this kind of question (NOTIMP)".to_owned(),
        other => format!("the server answered with the error {}", u16::from(other)),
    };
    match cause(answer) {
        Some(cause) => format!("{words}: {cause}"),
        None => words,
    }
}

/// What a server says of the cause of its error: RFC 8914.
fn cause(answer: &Message) -> Option<String> {
    const EXTENDED_ERROR: u16 = 15;
    let option = answer.edns.as_ref()?.option(EdnsCode::from(EXTENDED_ERROR))?;
    let EdnsOption::Unknown(_, bytes) = option else { return None };
    let code = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
    let words = match code {
        6 => "the signatures of the zone are wrong (DNSSEC)",
        7 => "a signature of the zone has expired (DNSSEC)",
        8 => "a signature of the zone is not valid yet (DNSSEC)",
        9 => "the key of the zone is missing (DNSSEC)",
        10 => "signatures of the zone are missing (DNSSEC)",
        14 => "the server is not ready yet",
        15..=17 => "the name is blocked there",
        18 => "this machine may not ask it",
        20 => "the server is not one of the zone's",
        22 => "no name server of the zone can be reached",
        23 => "it cannot reach others",
        24 => "the zone's data there is broken",
        _ => return None,
    };
    Some(words.to_owned())
}

/// The first few, for a sentence.
fn list(values: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut words = values[..values.len().min(SHOWN)].join(", ");
    if values.len() > SHOWN {
        words += &format!(" and {} more", values.len() - SHOWN);
    }
    words
}
