//! How people are notified. A channel gets a [`Notice`] and says whether it was delivered; when and how often it is tried is
//! decided elsewhere.
//!
//! A transport is a file here; a notification service that takes HTTP is a template with metadata in `services/`.

mod command;
pub(crate) mod config;
mod delivery;
mod http;
mod notice;
mod place;
mod report;
mod sample;
mod smtp;
mod template;

use crate::routing::ChannelName;
pub use config::ChannelSpec;
pub use delivery::{Batching, ChannelInfo, Delivered, Failure};
pub(crate) use notice::OF_THE_MONITOR;
pub use notice::{Detail, Item, Notice, Status};
pub use place::{Place, Receipt};
pub use report::{NewsLine, OutageLine, Report, ReportMail, ServiceLine, Sum, Tone};
use std::time::Duration;

/// Where messages go.
#[derive(Clone, Debug)]
pub struct Channel {
    name: ChannelName,
    /// How events become messages.
    pub batching: Batching,
    transport: Transport,
}

#[derive(Clone, Debug)]
enum Transport {
    Http(http::HttpChannel),
    Smtp(smtp::SmtpChannel),
    Command(command::CommandChannel),
}

impl Channel {
    /// Builds a channel. `tls` is what connections to it are secured with.
    ///
    /// # Errors
    /// When no client can be built, in words.
    pub fn new(spec: ChannelSpec, tls: rustls::ClientConfig) -> Result<Channel, String> {
        let ChannelSpec { name, batching, transport } = spec;
        let transport = match transport {
            config::TransportSpec::Http(spec) => Transport::Http(http::HttpChannel::new(spec, tls)?),
            config::TransportSpec::Smtp(spec) => Transport::Smtp(smtp::SmtpChannel::new(spec)?),
            config::TransportSpec::Command(spec) => Transport::Command(command::CommandChannel::new(spec)),
        };
        Ok(Channel { name, batching, transport })
    }

    /// Its name in the outbox.
    pub fn name(&self) -> &ChannelName {
        &self.name
    }

    /// Whether a message can be replaced that was delivered.
    pub fn can_edit(&self) -> bool {
        matches!(&self.transport, Transport::Http(channel) if channel.can_edit())
    }

    /// How long after the alert of an incident it is sent again while it is open; `None`: never, the receiver keeps it.
    pub fn repeats_after(&self) -> Option<Duration> {
        match &self.transport {
            Transport::Http(channel) => channel.repeats_after(),
            _ => None,
        }
    }

    /// Delivers a message by itself, within a few seconds.
    ///
    /// # Errors
    /// Why it was not delivered, and whether to try again.
    pub async fn deliver(&self, notice: &Notice) -> Result<Delivered, Failure> {
        self.deliver_to(notice, &Place::New).await
    }

    /// Delivers a message below another, or in its place. Where the service has no threads, the message is by itself.
    ///
    /// # Errors
    /// The same, and [`Failure::Refused`] where a message is to be replaced and the service has no way to.
    pub async fn deliver_to(&self, notice: &Notice, place: &Place) -> Result<Delivered, Failure> {
        match &self.transport {
            Transport::Http(channel) => channel.deliver(notice, place).await,
            _ if matches!(place, Place::Edit(_)) => {
                Err(Failure::Refused { why: "no message of this channel can be replaced".to_owned() })
            }
            Transport::Smtp(channel) => channel.deliver(notice).await,
            Transport::Command(channel) => channel.deliver(notice).await,
        }
    }
}
