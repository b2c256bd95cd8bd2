//! Mail: SMTP with TLS from the start, STARTTLS, or, on request, neither.

use super::{
    config::{Security, SmtpSpec},
    delivery::{Delivered, Failure},
    notice::{Notice, Status},
};
use crate::domain::{
    sanitize::{LONGEST_MESSAGE, one_line},
    secret::{Secret, scrub},
};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{Certificate, Tls, TlsParameters},
    },
};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, value::Serde};
use std::{sync::Arc, sync::LazyLock, time::Duration};

/// How long a mail server may take for one step.
const PATIENCE: Duration = Duration::from_secs(15);

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // A test renders every notice with it: it cannot fail to be added.
    let _ = environment.add_template("mail", include_str!("mail.html"));
    environment
});

/// Recipients that are reached by mail.
#[derive(Clone)]
pub(super) struct SmtpChannel {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    secrets: Arc<[Secret]>,
}

impl std::fmt::Debug for SmtpChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpChannel").field("recipients", &self.to.len()).finish_non_exhaustive()
    }
}

impl SmtpChannel {
    /// # Errors
    /// When the certificates that servers are checked with cannot be had.
    pub(super) fn new(spec: SmtpSpec) -> Result<SmtpChannel, String> {
        let SmtpSpec { host, port, security, login, from, to, ca } = spec;
        let parameters = || {
            let mut parameters = TlsParameters::builder(host.clone());
            for pem in &ca {
                let certificate = Certificate::from_pem(pem).map_err(|error| error.to_string())?;
                parameters = parameters.add_root_certificate(certificate);
            }
            parameters.build().map_err(|error| error.to_string())
        };
        let tls = match security {
            Security::Tls => Tls::Wrapper(parameters()?),
            Security::StartTls => Tls::Required(parameters()?),
            Security::None => Tls::None,
        };
        let mut transport =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port).tls(tls).timeout(Some(PATIENCE));
        let mut secrets = Vec::new();
        if let Some((user, password)) = login {
            secrets.push(password.clone());
            let credentials = Credentials::new(user, password.expose().to_owned());
            transport = transport.credentials(credentials).authentication(vec![Mechanism::Plain, Mechanism::Login]);
        }
        Ok(SmtpChannel { transport: transport.build(), from, to, secrets: secrets.into() })
    }

    /// Sends a notice to every recipient, in one mail.
    pub(super) async fn deliver(&self, notice: &Notice) -> Result<Delivered, Failure> {
        let mail = self.mail(notice).map_err(|why| Failure::Refused { why })?;
        match self.transport.send(mail).await {
            Ok(answer) => {
                let lines = answer.message().collect::<Vec<_>>().join(" ");
                Ok(Delivered { answer: self.shown(&format!("{} {lines}", answer.code())), receipt: None })
            }
            Err(error) => {
                let why = self.shown(&in_words(&error));
                // What a server refuses for good may be the login or a recipient: both are mended in the configuration.
                if error.is_permanent() { Err(Failure::Refused { why }) } else { Err(Failure::later(why)) }
            }
        }
    }

    /// The mail. Its id follows from the message, so that a repetition can be recognized. All mails of one incident are
    /// a thread.
    fn mail(&self, notice: &Notice) -> Result<Message, String> {
        let domain = self.from.email.domain();
        let id = |key: &str| format!("<{}@{domain}>", key.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let own = if notice.event_id == notice.key { id(&notice.key) } else { id(&notice.event_id) };
        let mut mail = Message::builder()
            .from(self.from.clone())
            // Subjects are searched and sorted: spaces that do not break and dashes of ours would make it an encoded one.
            .subject(one_line(&notice.headline(), LONGEST_MESSAGE).replace('\u{a0}', " ").replace('–', "-"))
            .message_id(Some(own.clone()))
            // RFC 3834: no vacation answers.
            .header(AutoSubmitted);
        if own != id(&notice.key) {
            mail = mail.in_reply_to(id(&notice.key)).references(id(&notice.key));
        }
        for recipient in &self.to {
            mail = mail.to(recipient.clone());
        }
        let (text, page) = match &notice.report {
            Some(report) => (report.mail.text(), report.mail.html()?),
            None => (notice.plain(), html(notice)?),
        };
        let body = MultiPart::alternative_plain_html(text, page);
        mail.multipart(body).map_err(|error| error.to_string())
    }

    fn shown(&self, text: &str) -> String {
        one_line(&scrub(text, &self.secrets), LONGEST_MESSAGE)
    }
}

/// The notice as a page that mail programs show: tables and inline styles, no scripts, nothing that is loaded.
fn html(notice: &Notice) -> Result<String, String> {
    let rendered = ENVIRONMENT.get_template("mail").and_then(|template| {
        let is_over = notice.status == Status::Resolved;
        template.render(minijinja::context! { notice => Serde(notice), is_over, link_text => notice.link_text() })
    });
    rendered.map_err(|error| format!("the mail cannot be rendered: {error}"))
}

/// `Auto-Submitted: auto-generated`
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<AutoSubmitted, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn in_words(error: &lettre::transport::smtp::Error) -> String {
    if error.is_timeout() {
        return format!("the mail server did not answer within {} s", PATIENCE.as_secs());
    }
    // What the server answered is in the error itself, why there was no connection in what is below it.
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said = cause.to_string();
        source = cause.source();
    }
    for (sign, words) in CERTIFICATES {
        if said.contains(sign) {
            return words.to_owned();
        }
    }
    match error.status() {
        Some(code) => format!("the mail server answered {code}: {said}"),
        None => said,
    }
}

/// What is wrong with certificates, as rustls says it and as people do.
const CERTIFICATES: [(&str, &str); 4] = [
    (
        "CaUsedAsEndEntity",
        "the mail server's certificate is that of an authority (CA:TRUE), which no server may show: make it one with \
         CA:FALSE, and name it in `ca`",
    ),
    ("UnknownIssuer", "nobody who is trusted signed the mail server's certificate: name its authority in `ca`"),
    ("NotValidForName", "the mail server's certificate is for another host than `host`"),
    ("Expired", "the mail server's certificate has expired"),
];

#[cfg(test)]
mod tests {
    use super::{
        super::sample::{HOSTILE, notices},
        *,
    };

    fn channel() -> SmtpChannel {
        let mailbox = |text: &str| text.parse::<Mailbox>().unwrap();
        let spec = SmtpSpec {
            host: "localhost".to_owned(),
            port: 25,
            security: Security::None,
            login: None,
            from: mailbox("Health checks <checks@example.com>"),
            to: vec![mailbox("ops@example.com"), mailbox("Someone Else <else@example.com>")],
            ca: Vec::new(),
        };
        SmtpChannel::new(spec).unwrap()
    }

    #[test]
    fn every_notice_is_a_mail_of_text_and_html() {
        for notice in notices() {
            let text = String::from_utf8(channel().mail(&notice).unwrap().formatted()).unwrap();
            assert!(text.contains("Message-ID: <h-7-confirmed@example.com>"), "{text}");
            assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
            assert!(text.contains("ops@example.com") && text.contains("else@example.com"), "{text}");
            assert!(text.contains("text/plain") && text.contains("text/html"), "{text}");
            let page = match &notice.report {
                Some(report) => report.mail.html().unwrap(),
                None => html(&notice).unwrap(),
            };
            assert!(!page.contains("<b>\"&") && !page.contains(HOSTILE) && !page.contains("<script"), "{page}");
        }
    }

    #[test]
    fn the_mails_of_one_incident_are_a_thread() {
        let mut notice = notices().remove(1);
        notice.event_id = "h-7-resolved".to_owned();
        let text = String::from_utf8(channel().mail(&notice).unwrap().formatted()).unwrap();
        assert!(text.contains("Message-ID: <h-7-resolved@example.com>"), "{text}");
        assert!(text.contains("References: <h-7-confirmed@example.com>"), "{text}");
    }
}
