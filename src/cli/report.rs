//! `report`: a week, a month or any stretch as a file: HTML that needs nothing else, Markdown or JSON.

use super::{
    alerts,
    exit::{self, usage},
    output, terminal,
};
use crate::{
    clock::Clock,
    config::{Config, Endpoint},
    domain::{time::UnixMs, window::Window},
    format::zone::Zone,
    report::{self, Form, Message, Period},
    store::{self, Reader},
};
use std::{collections::HashMap, io::Write, path::PathBuf, process::ExitCode};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// An ISO week, such as 2026-W47 [default: the last full one]
    #[arg(long, conflicts_with_all = ["month", "from"])]
    week: Option<String>,
    /// A month, such as 2026-11
    #[arg(long, conflicts_with = "from")]
    month: Option<String>,
    /// From this time or date on, in the zone of --tz
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to, and not including, this time [default: now]
    #[arg(long, value_name = "TIME", requires = "from")]
    to: Option<String>,
    /// The time zone that weeks begin in and times are said in
    #[arg(long, default_value = "UTC", value_parser = |name: &str| Zone::parse(name).ok_or("a name such as Europe/Berlin or UTC"))]
    tz: Zone,
    /// html, markdown or json [default: what the file's name says, or markdown]
    #[arg(long, value_parser = |word: &str| Form::parse(word).ok_or("html, markdown or json"))]
    format: Option<Form>,
    /// The file to write, instead of the standard output (-)
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Send the report that [alerts.report] says now, of its last full period, and print what each receiver answered; exit
    /// code 1 if one failed
    #[arg(long, conflicts_with_all = ["week", "month", "from", "to", "tz", "format", "out"])]
    send: bool,
}

pub(super) async fn run(config: Config, args: Args) -> anyhow::Result<ExitCode> {
    if args.send {
        return send(config).await;
    }
    let now = Clock::system().now();
    let period = period(&args, now)?;
    let out = output::named(args.out.clone());
    if let Some(path) = &out {
        store::refuse_own(&config.storage.path, path)?;
    }
    let by_name = match (&args.format, &out) {
        (None, Some(path)) => output::form_of(path, ".html, .md or .json", Form::parse)?,
        _ => None,
    };
    let form = args.format.or(by_name).unwrap_or(Form::Markdown);
    let (path, title) = (config.storage.path.clone(), config.dashboard.title.clone());
    let history = path.clone();
    let objectives = objectives(&config);
    let text = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&path)?;
        let objective = |name: &str| objectives.get(name).copied();
        let text = report::write(&objective, &reader, &title, period, args.tz, form, now)?;
        reader.finish()?;
        anyhow::Ok(text)
    })
    .await??;
    let Some(text) = text else { return Err(usage(format!("this time has not come yet: it is {now}"))) };
    match out {
        Some(path) => {
            let write = move |stop| {
                output::to_file(&history, &path, stop, |mut file| file.write_all(text.as_bytes()).map(|()| file))
            };
            exit::interruptible(write).await?;
        }
        None => terminal::text(&text),
    }
    Ok(ExitCode::SUCCESS)
}

/// The objectives of the services, in per cent.
fn objectives(config: &Config) -> HashMap<String, f64> {
    let of = |endpoint: &Endpoint| Some((endpoint.service.name.clone(), endpoint.service.objective?));
    config.checks.endpoints.iter().filter_map(of).collect()
}

/// Sends the report of the last period to its channels.
async fn send(config: Config) -> anyhow::Result<ExitCode> {
    let Some(plan) = config.alerts.report.clone() else {
        let path = config.path.display();
        return Err(usage(format!("{path} has no report: set enabled = true below [alerts], and an [alerts.report]")));
    };
    let now = Clock::system().now();
    let stretch = plan.moments.last_stretch(now).ok_or_else(|| usage(format!("no period is over: it is {now}")))?;
    let (path, objectives, sent) = (config.storage.path.clone(), objectives(&config), plan.clone());
    let (title, public_url) = (config.dashboard.title.clone(), config.dashboard.public_url.clone());
    let made = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&path)?;
        let objective = |name: &str| objectives.get(name).copied();
        let place = (title.as_str(), public_url.as_deref());
        let message = Message::read(&sent, stretch, &reader, now, &objective, place)?;
        let id = reader.id()?;
        reader.finish()?;
        anyhow::Ok((message, id))
    });
    let (message, id) = made.await??;
    let message = message.ok_or_else(|| usage(format!("no period is over: it is {now}")))?;
    // Another id than that of the report that is sent by itself: a receiver that had this one takes that one, too.
    let notice = message.notice(format!("{id}-report-{}-{}", stretch.to, now.0), now);
    let channels = config.alerts.channels.into_iter().filter(|spec| plan.channels.contains(&spec.name));
    alerts::deliver(channels, &notice).await
}

fn period(args: &Args, now: UnixMs) -> anyhow::Result<Period> {
    if let Some(text) = &args.week {
        return Period::week(text, args.tz).ok_or_else(|| usage(format!("“{text}” is no ISO week such as 2026-W47")));
    }
    if let Some(text) = &args.month {
        return Period::month(text, args.tz).ok_or_else(|| usage(format!("“{text}” is no month such as 2026-11")));
    }
    let time = |text: &String| {
        args.tz.read(text).ok_or_else(|| match args.tz.is_beyond(text) {
            true => usage(format!("“{text}” is out of range: from 1970 to the end of 9999, in UTC")),
            false => usage(format!("“{text}” is no time such as 2026-11-20T03:00, and no date")),
        })
    };
    match (&args.from, &args.to) {
        (None, _) => Ok(Period::last_week(now, args.tz)),
        (Some(from), to) => {
            let (from, to) = (time(from)?, to.as_ref().map(time).transpose()?.unwrap_or(now));
            let window =
                Window::new(from, to).ok_or_else(|| usage(format!("it ends before it begins: {from} to {to}")))?;
            Ok(Period::free(window))
        }
    }
}
