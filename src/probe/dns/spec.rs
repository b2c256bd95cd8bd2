//! What a DNS probe has to do.

use crate::{probe::Address, settings::tls::TlsSpec};
use hickory_proto::rr::{Name, RecordType};

/// A question, whom to ask it, and what the answer has to say.
#[derive(Clone, Debug)]
pub struct DnsSpec {
    pub server: Address,
    pub transport: Transport,
    pub name: Name,
    pub record: Record,
    pub expected: Expected,
    /// Whether the server has to have verified the answer's signatures.
    pub dnssec: bool,
    /// Whether all name servers of the zone have to have the same serial.
    pub same_serial: bool,
    pub tls: TlsSpec,
}

/// How a question goes to its server.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Transport {
    /// And over TCP again, where the answer is truncated.
    #[default]
    Udp,
    Tcp,
    Tls,
    /// RFC 8484, at the path `/dns-query`.
    Https,
}

impl Transport {
    pub(super) const ALL: [Transport; 4] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Https];

    pub(super) fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Https => "https",
        }
    }

    pub(super) fn port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 53,
            Transport::Tls => 853,
            Transport::Https => 443,
        }
    }

    pub(super) fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Https)
    }
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Record {
    #[default]
    A,
    Aaaa,
    Caa,
    Cname,
    Mx,
    Ns,
    Ptr,
    Soa,
    Srv,
    Txt,
}

impl Record {
    const ALL: [(Record, &'static str, RecordType); 10] = [
        (Record::A, "A", RecordType::A),
        (Record::Aaaa, "AAAA", RecordType::AAAA),
        (Record::Caa, "CAA", RecordType::CAA),
        (Record::Cname, "CNAME", RecordType::CNAME),
        (Record::Mx, "MX", RecordType::MX),
        (Record::Ns, "NS", RecordType::NS),
        (Record::Ptr, "PTR", RecordType::PTR),
        (Record::Soa, "SOA", RecordType::SOA),
        (Record::Srv, "SRV", RecordType::SRV),
        (Record::Txt, "TXT", RecordType::TXT),
    ];

    pub(super) fn words() -> impl Iterator<Item = &'static str> {
        Record::ALL.iter().map(|(_, word, _)| *word)
    }

    pub(super) fn parse(word: &str) -> Option<Record> {
        Record::ALL.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(word)).map(|(record, ..)| *record)
    }

    pub(super) fn word(self) -> &'static str {
        Record::ALL[self as usize].1
    }

    pub(super) fn record_type(self) -> RecordType {
        Record::ALL[self as usize].2
    }
}

/// What the answer has to say. Values are in the form of `values::canonical`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Expected {
    /// Anything but nothing.
    #[default]
    Something,
    /// These, in whatever order, and no others.
    All(Vec<String>),
    /// These, perhaps among others.
    Among(Vec<String>),
    /// That there is no such name.
    NoSuchName,
}
