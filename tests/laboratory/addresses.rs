//! Hosts with two addresses, of which one is dead.

use super::{
    fault::{Expected, Fault, Port},
    http,
};
use healthcheck_dashboard::domain::check::Class;

/// A host that has both addresses.
fn keys(one: &str, other: &str) -> String {
    format!(
        "url = \"http://two.example:PORT/\"\nexpect_body = '\"well\"'\n\
         resolve = [\"two.example:PORT:{one}\", \"two.example:PORT:{other}\"]\n"
    )
}

pub(super) fn faults() -> Vec<Fault> {
    const V4: &str = "127.0.0.1";
    const OTHER: &str = "127.0.0.2";
    const V6: &str = "::1";
    let two = |name, at, beside, broken| Fault {
        at,
        beside: Some(beside),
        ..Fault::new("http", name, Expected::Up, &keys(at, beside), http::well(), broken)
    };
    vec![
        two("the first of two addresses refuses", V4, OTHER, Port::Closed),
        two("the second of two addresses refuses", OTHER, V4, Port::Closed),
        two("one of two addresses drops packets", V4, OTHER, Port::Drops),
        two("IPv6 refuses, and IPv4 is fine", V6, V4, Port::Closed),
        two("IPv6 drops packets, and IPv4 is fine", V6, V4, Port::Drops),
        // Nobody ever listens at the other one.
        Fault::new(
            "http",
            "both of two addresses refuse",
            Expected::Down(Class::Connect),
            &keys(OTHER, V4),
            http::well(),
            Port::Closed,
        ),
    ]
}
