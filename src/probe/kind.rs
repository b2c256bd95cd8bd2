//! The registry of the kinds of probe: one line per kind. Nothing else in this room names them all.

use super::{
    amqp::{self, AmqpSpec},
    command::{self, CommandSpec},
    descriptor::{Descriptor, Kinds, ParsedEndpoint, Section},
    diagnose::Place,
    dns::{self, DnsSpec},
    domain::{self, DomainSpec},
    error::ProbeError,
    group::{self, GroupSpec},
    grpc::{self, GrpcSpec},
    http::{self, HttpSpec},
    icmp::{self, IcmpSpec},
    imap::{self, ImapSpec},
    kafka::{self, KafkaSpec},
    ldap::{self, LdapSpec},
    local::{
        disk::{self, DiskSpec},
        docker::{self, DockerSpec},
        file::{self, FileSpec},
        load::{self, LoadSpec},
        memory::{self, MemorySpec},
        systemd::{self, SystemdSpec},
    },
    memcached::{self, MemcachedSpec},
    mqtt::{self, MqttSpec},
    mysql::{self, MysqlSpec},
    nats::{self, NatsSpec},
    ntp::{self, NtpSpec},
    pop3::{self, Pop3Spec},
    postgres::{self, PostgresSpec},
    prometheus::{self, PrometheusSpec},
    push::{self, PushSpec},
    redis::{self, RedisSpec},
    runner::{Runner, Secrets},
    shared::Shared,
    smtp::{self, SmtpSpec},
    ssh::{self, SshSpec},
    tcp::{self, TcpSpec},
    text::Scrubber,
    tls_server::{self, TlsServerSpec},
    trace::{Fault, Trace},
    udp::{self, UdpSpec},
    websocket::{self, WebsocketSpec},
};
#[cfg(test)]
use super::{fault, script::Script};
use crate::{
    domain::{check::Reason, service::Kind},
    settings::reader::Table,
};
use std::{sync::Arc, time::Duration};

/// Makes the enums of the kinds, and what hands a call on to one of them.
macro_rules! kinds {
    ($($kind:ident, $module:ident, $spec:ty, $runner:ty;)*) => {
        /// What a probe has to do, checked and ready: the configuration becomes this.
        #[derive(Clone, Debug)]
        pub enum Spec {
            $($kind($spec),)*
        }

        /// What runs the checks of one service.
        #[derive(Debug)]
        pub(super) enum AnyRunner {
            $($kind(Box<$runner>),)*
            #[cfg(test)]
            Scripted(Script),
        }

        /// All kinds, in the order in which messages name them.
        pub(crate) const KINDS: Kinds = Kinds(&[$(&$module::DESCRIPTOR),*]);

        /// How the configuration and its messages know a kind.
        pub(crate) fn descriptor(kind: Kind) -> &'static Descriptor {
            match kind {
                $(Kind::$kind => &$module::DESCRIPTOR,)*
            }
        }

        /// Reads the keys that are the kind's own. What is wrong with them is reported.
        pub(crate) fn read(kind: &'static Descriptor, table: &Table<'_>) -> Option<ParsedEndpoint<Spec>> {
            let section = Section { table, own: kind, kinds: KINDS };
            match kind.kind {
                $(Kind::$kind => {
                    let ParsedEndpoint { probe, target, secrets, shown } = $module::read(&section)?;
                    Some(ParsedEndpoint { probe: Spec::$kind(probe.into()), target, secrets, shown })
                })*
            }
        }

        impl Spec {
            pub(super) fn secrets(&self) -> Secrets<'_> {
                match self {
                    $(Spec::$kind(spec) => <$runner as Runner>::secrets(spec),)*
                }
            }
        }

        impl AnyRunner {
            pub(super) fn new(spec: &Spec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<AnyRunner, ProbeError> {
                Ok(match spec {
                    $(Spec::$kind(spec) => {
                        AnyRunner::$kind(Box::new(<$runner as Runner>::new(spec, scrubber, shared)?))
                    })*
                })
            }

            pub(super) async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
                match self {
                    $(AnyRunner::$kind(runner) => runner.run(trace, deadline).await,)*
                    #[cfg(test)]
                    AnyRunner::Scripted(script) => script.run().await,
                }
            }

            pub(super) fn place(&self) -> Option<Place<'_>> {
                match self {
                    $(AnyRunner::$kind(runner) => runner.place(),)*
                    #[cfg(test)]
                    AnyRunner::Scripted(_) => None,
                }
            }

            pub(super) fn late(&self, trace: &Trace, deadline: Duration) -> Fault {
                match self {
                    $(AnyRunner::$kind(_) => <$runner as Runner>::late(trace, deadline),)*
                    #[cfg(test)]
                    AnyRunner::Scripted(_) => fault::late(trace, deadline),
                }
            }
        }
    };
}

kinds! {
    // Kind, module, what its section becomes, what runs its checks.
    Http, http, Box<HttpSpec>, http::run::Http;
    Tcp, tcp, TcpSpec, tcp::run::Tcp;
    Postgres, postgres, Box<PostgresSpec>, postgres::run::Postgres;
    Command, command, CommandSpec, command::run::Command;
    Memcached, memcached, MemcachedSpec, memcached::Memcached;
    Tls, tls_server, Box<TlsServerSpec>, tls_server::TlsServer;
    Push, push, Box<PushSpec>, push::Nothing;
    Dns, dns, Box<DnsSpec>, dns::run::Dns;
    Redis, redis, Box<RedisSpec>, redis::Redis;
    Smtp, smtp, Box<SmtpSpec>, smtp::Smtp;
    Imap, imap, Box<ImapSpec>, imap::Imap;
    Pop3, pop3, Box<Pop3Spec>, pop3::Pop3;
    Udp, udp, UdpSpec, udp::Udp;
    Ntp, ntp, NtpSpec, ntp::Ntp;
    Icmp, icmp, IcmpSpec, icmp::Icmp;
    File, file, Box<FileSpec>, file::File;
    Disk, disk, DiskSpec, disk::Disk;
    Memory, memory, MemorySpec, memory::Memory;
    Load, load, LoadSpec, load::Load;
    Systemd, systemd, SystemdSpec, systemd::Systemd;
    Docker, docker, DockerSpec, docker::Docker;
    Websocket, websocket, Box<WebsocketSpec>, websocket::Websocket;
    Grpc, grpc, Box<GrpcSpec>, grpc::Grpc;
    Prometheus, prometheus, Box<PrometheusSpec>, prometheus::Prometheus;
    Ssh, ssh, SshSpec, ssh::Ssh;
    Ldap, ldap, Box<LdapSpec>, ldap::Ldap;
    Mysql, mysql, Box<MysqlSpec>, mysql::Mysql;
    Nats, nats, Box<NatsSpec>, nats::Nats;
    Mqtt, mqtt, Box<MqttSpec>, mqtt::Mqtt;
    Domain, domain, Box<DomainSpec>, domain::run::Domain;
    Amqp, amqp, Box<AmqpSpec>, amqp::Amqp;
    Kafka, kafka, KafkaSpec, kafka::Kafka;
    Group, group, Box<GroupSpec>, group::Group;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_registry_has_every_kind_that_the_history_knows_once() {
        let registered: Vec<Kind> = KINDS.iter().map(|kind| kind.kind).collect();
        assert_eq!(registered, Kind::ALL);
        assert!(Kind::ALL.iter().all(|kind| descriptor(*kind).kind == *kind));
    }

    #[test]
    fn a_name_an_alias_or_a_scheme_tells_one_kind() {
        let names = |kind: &'static Descriptor| kind.aliases.iter().copied().chain([kind.name()]);
        let all: Vec<&str> = KINDS.iter().flat_map(names).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
        let schemes: Vec<&str> =
            KINDS.iter().flat_map(|kind| kind.schemes.iter().chain(kind.scheme_aliases)).copied().collect();
        assert_eq!(schemes.iter().collect::<BTreeSet<_>>().len(), schemes.len(), "{schemes:?}");
        for scheme in schemes {
            assert!(KINDS.of_scheme(&scheme.to_uppercase()).is_some(), "{scheme}");
        }
    }

    #[test]
    fn the_readme_has_every_key_of_every_kind() {
        let readme = include_str!("../../README.md");
        for key in KINDS.iter().flat_map(|kind| kind.keys) {
            assert!(readme.contains(&format!("`{key}`")), "{key}");
        }
    }
}
