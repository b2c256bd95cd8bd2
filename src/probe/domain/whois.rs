//! The word of a registry by WHOIS (RFC 3912): text for people, in which what is meant is found by its usual names.

use super::registration::{Known, Registration};
use crate::{
    domain::time::UnixMs,
    probe::{
        address::Dialer,
        connection::Connection,
        trace::{Fault, Trace},
    },
};
use chrono::{NaiveDate, NaiveDateTime};
use std::{sync::Arc, time::Duration};

/// How much is read of an answer.
const MOST: usize = 256 * 1024;
/// Lines at most that are looked at.
const LINES: usize = 2000;

/// How registries call the end of a registration.
const ENDS: [&str; 14] = [
    "registry expiry date",
    "registrar registration expiration date",
    "expiration date",
    "expiration time",
    "expiry date",
    "expires",
    "expires on",
    "expire date",
    "expire",
    "expire-date",
    "paid-till",
    "renewal date",
    "valid until",
    "validity",
];

/// How they say that there is no such domain.
const FREE: [&str; 6] =
    ["no match for", "not found", "no entries found", "no data found", "status: free", "is available for registration"];

/// Asks the server. An answer in which neither is found says nothing: `None`.
pub(super) async fn ask(
    server: &Dialer,
    question: &str,
    trace: &Arc<Trace>,
    deadline: Duration,
) -> Result<String, Fault> {
    let mut connection = Connection::open(server, None, MOST, trace, deadline).await?;
    connection.send(format!("{question}\r\n").as_bytes()).await?;
    let mut text = String::new();
    // The answer ends with the connection, which is no fault here.
    for _ in 0..LINES {
        match connection.line().await {
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(_) if !text.is_empty() => break,
            Err(fault) => return Err(fault),
        }
    }
    Ok(text)
}

/// The server that IANA names for a top-level domain.
pub(super) fn referral(text: &str) -> Option<String> {
    text.lines().find_map(|line| Some(line.strip_prefix("whois:")?.trim().to_owned())).filter(|host| !host.is_empty())
}

pub(super) fn read(text: &str) -> Option<Known> {
    let pairs = || {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.trim().trim_matches('.'), value.trim()))
    };
    let end = pairs().find(|(key, _)| ENDS.iter().any(|known| key.eq_ignore_ascii_case(known)));
    if let Some(ends) = end.and_then(|(_, value)| date(value)) {
        let statuses = pairs()
            .filter(|(key, _)| ["domain status", "status", "state"].iter().any(|known| key.eq_ignore_ascii_case(known)))
            .map(|(_, value)| Registration::status(value.split_whitespace().next().unwrap_or_default()))
            .collect();
        return Some(Known::Registered(Registration { ends: Some(ends), statuses }));
    }
    let lower = text.to_lowercase();
    FREE.iter().any(|words| lower.contains(words)).then_some(Known::Free)
}

/// A date in one of the forms that registries use.
fn date(text: &str) -> Option<UnixMs> {
    let whole = UnixMs::parse(text);
    let first = text.split_whitespace().next()?;
    let time = text.get(..19).and_then(|text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok());
    let day = || {
        let form = ["%Y-%m-%d", "%Y.%m.%d", "%Y/%m/%d", "%d-%b-%Y", "%d.%m.%Y", "%Y%m%d"];
        form.iter().find_map(|form| NaiveDate::parse_from_str(first.trim_end_matches('.'), form).ok())
    };
    whole
        .or_else(|| UnixMs::parse(first))
        .or_else(|| Some(UnixMs(time?.and_utc().timestamp_millis())))
        .or_else(|| Some(UnixMs(day()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_end_is_found_however_a_registry_calls_and_writes_it() {
        for line in [
            "   Registry Expiry Date: 2027-03-04T00:00:00Z",
            "Expiry Date: 04-Mar-2027",
            "paid-till:     2027-03-04T00:00:00Z",
            "expires:       2027-03-04",
            "expires............: 4.3.2027 00:00:00",
            "Expiration Date: 2027-03-04 00:00:00",
            "Valid Until: 20270304",
        ] {
            let text = format!("Domain: x\nDomain Status: clientHold https://icann.org/epp\n{line}\n");
            let Some(Known::Registered(found)) = read(&text) else { panic!("{line}") };
            assert_eq!(found.ends, UnixMs::parse("2027-03-04"), "{line}");
            assert_eq!(found.statuses, ["clienthold"]);
        }
        assert_eq!(read("No match for \"X.COM\".\n"), Some(Known::Free));
        assert_eq!(read("Query rate exceeded\n"), None);
        assert_eq!(referral("domain: COM\nwhois:        whois.example\n").as_deref(), Some("whois.example"));
    }

    proptest! {
        /// A stranger chose it.
        #[test]
        fn reading_whatever_comes_ends(text in "(Expiry Date: )?\\PC{0,60}") {
            let _ = read(&text);
        }
    }
}
