//! What is said in protocols that more than one kind of probe speaks.
//!
//! - `starttls`: how a protocol goes over to TLS
//! - `replies`: the lines that SMTP, FTP, POP3 and IMAP answer with
//! - `capabilities`: what a server has to offer
//! - `ldap`, `mysql`: the messages of these two

pub(super) mod capabilities;
pub(super) mod ldap;
pub(super) mod mysql;
pub(super) mod replies;
pub(super) mod starttls;
