//! Records as text: one form for what is expected and what comes.

use super::spec::Record;
use hickory_proto::rr::{Name, RData};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A name as it is compared and shown: in small letters, without the last dot.
pub(super) fn name(name: &Name) -> String {
    plain(&name.to_ascii())
}

fn plain(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.strip_suffix('.') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => name,
    }
}

/// The value of a record; `None` for what is not compared.
pub(super) fn of(data: &RData) -> Option<String> {
    Some(match data {
        RData::A(address) => address.0.to_string(),
        RData::AAAA(address) => address.0.to_string(),
        RData::CNAME(to) => name(&to.0),
        RData::NS(server) => name(&server.0),
        RData::PTR(host) => name(&host.0),
        RData::MX(mx) => format!("{} {}", mx.preference, name(&mx.exchange)),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, name(&srv.target)),
        RData::SOA(soa) => soa.serial.to_string(),
        RData::TXT(text) => String::from_utf8_lossy(&text.txt_data.concat()).into_owned(),
        RData::CAA(caa) => format!("{} {} {}", caa.flags(), caa.tag, String::from_utf8_lossy(&caa.value)),
        _ => return None,
    })
}

/// The same of what somebody wrote; or what is right there.
pub(super) fn canonical(record: Record, text: &str) -> Result<String, &'static str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |word: &str, why| word.parse::<u16>().map(|number| number.to_string()).map_err(|_| why);
    match record {
        Record::A => text.trim().parse::<Ipv4Addr>().map(|a| a.to_string()).map_err(|_| "an IPv4 address"),
        Record::Aaaa => text.trim().parse::<Ipv6Addr>().map(|a| a.to_string()).map_err(|_| "an IPv6 address"),
        Record::Cname | Record::Ns | Record::Ptr => match words.as_slice() {
            [host] => named(host),
            _ => Err(A_NAME),
        },
        Record::Mx => match words.as_slice() {
            [preference, host] => Ok(format!("{} {}", number(preference, AN_MX)?, named(host)?)),
            _ => Err(AN_MX),
        },
        Record::Srv => match words.as_slice() {
            [a, b, c, host] => {
                Ok(format!("{} {} {} {}", number(a, A_SRV)?, number(b, A_SRV)?, number(c, A_SRV)?, named(host)?))
            }
            _ => Err(A_SRV),
        },
        Record::Soa => {
            text.trim().parse::<u32>().map(|serial| serial.to_string()).map_err(|_| "the zone's serial, a number")
        }
        // To be compared byte for byte.
        Record::Txt => Ok(text.to_owned()),
        Record::Caa => match words.as_slice() {
            [flags, tag, value @ ..] if flags.parse::<u8>().is_ok() => {
                let value = value.join(" ");
                let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&value);
                Ok(format!("{flags} {tag} {bare}"))
            }
            _ => Err("as \"0 issue letsencrypt.org\""),
        },
    }
}

const A_NAME: &str = "a host name";
const AN_MX: &str = "preference and host, as \"10 mail.example.com\"";
const A_SRV: &str = "priority, weight, port and host, as \"0 5 5060 sip.example.com\"";

fn named(host: &str) -> Result<String, &'static str> {
    question(host).map(|host| name(&host)).ok_or(A_NAME)
}

/// A name to be asked for.
pub(super) fn question(text: &str) -> Option<Name> {
    let read = if text.is_ascii() { Name::from_ascii(text) } else { Name::from_utf8(text) };
    let mut name = read.ok().filter(|_| !text.is_empty())?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_several_ways_is_compared_in_one() {
        for (record, written, value) in [
            (Record::A, " 192.0.2.1 ", "192.0.2.1"),
            (Record::Aaaa, "2001:DB8:0::1", "2001:db8::1"),
            (Record::Ns, "NS1.Example.com.", "ns1.example.com"),
            (Record::Cname, "_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example"),
            (Record::Mx, "010  Mail.example.com.", "10 mail.example.com"),
            (Record::Srv, "0 5 5060 sip.example.com", "0 5 5060 sip.example.com"),
            (Record::Txt, "v=spf1 -all ", "v=spf1 -all "),
            (Record::Caa, "0 issue \"letsencrypt.org\"", "0 issue letsencrypt.org"),
            (Record::Soa, "2026113001", "2026113001"),
        ] {
            assert_eq!(canonical(record, written).as_deref(), Ok(value));
        }
        for (record, written) in [
            (Record::A, "::1"),
            (Record::Mx, "mail"),
            (Record::Srv, "1 2 host"),
            (Record::Soa, "x"),
            (Record::Ns, "a b"),
        ] {
            assert!(canonical(record, written).is_err(), "{written}");
        }
    }
}
