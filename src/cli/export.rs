//! `export`: the history as a file, with the same bytes as the API gives; only commands are whole, whatever others are
//! shown. It reads beside a running service.

use super::{
    exit::{self, Stop, usage},
    output,
    pack::{Packer, Packing},
    progress, terminal,
};
use crate::{
    clock::Clock,
    config::Config,
    domain::{service::Commands, time::UnixMs, window::Window},
    interchange::export::{self, ExportError, Format, Order},
    store::{self, Reader, StoredService},
};
use indicatif::ProgressBar;
use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// json, ndjson or csv; by default what the file's name says, or json
    #[arg(long, value_parser = |word: &str| Format::parse(word).ok_or("json, ndjson or csv"))]
    format: Option<Format>,
    /// How the file is compressed; by default what its name says: .gz or .zst
    #[arg(long, value_enum, value_name = "HOW")]
    compress: Option<Packing>,
    /// Only these services (may be repeated)
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// How far back from now, such as 24h, 7d or 2w; everything without it and without --from
    #[arg(long, conflicts_with_all = ["from", "to"], value_parser = crate::cli::arguments::duration)]
    window: Option<i64>,
    /// From this time or date (UTC) on, such as 2026-11-16 or 2026-11-16T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    from: Option<UnixMs>,
    /// Up to, and not including, this time
    #[arg(long, value_name = "TIME", value_parser = crate::cli::arguments::moment)]
    to: Option<UnixMs>,
    /// The file to write, instead of the standard output (-): history.json, history.ndjson.zst, history.csv.gz, …
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(config: &Config, args: Args) -> anyhow::Result<ExitCode> {
    let (path, now) = (config.storage.path.clone(), Clock::system().now());
    match output::named(args.output.clone()) {
        Some(_) => exit::interruptible(move |stop| write(&path, args, now, stop)).await?,
        // Nothing is left of what goes into a pipe: a signal ends it at once.
        None => tokio::task::spawn_blocking(move || write(&path, args, now, Stop::default())).await??,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(history: &Path, args: Args, now: UnixMs, stop: Stop) -> anyhow::Result<()> {
    let reader = &Reader::open(history)?;
    let output = output::named(args.output);
    if let Some(path) = &output {
        store::refuse_own(history, path)?;
    }
    let window = match args.window {
        Some(length) => Window::ending(now, length),
        None => {
            let (from, to) = (args.from.unwrap_or(UnixMs::MIN), args.to.unwrap_or(now).min(now));
            Window::new(from, to).ok_or_else(|| usage(format!("this window ends before it begins: {from} to {to}")))?
        }
    };
    let (by_name, plain) = match output.as_deref().map(Packing::of) {
        None => (Packing::None, None),
        Some((packing, _)) if args.format.is_some() => (packing, None),
        Some((packing, plain)) => {
            let known = ".json, .ndjson or .csv, each also with .gz or .zst after it";
            (packing, output::form_of(plain, known, Format::parse)?)
        }
    };
    let packing = args.compress.unwrap_or(by_name);
    let format = args.format.or(plain).unwrap_or(Format::Json);
    let mut services: Vec<StoredService> = reader.services()?;
    for name in &args.services {
        if !services.iter().any(|s| &s.name == name) {
            return Err(usage(format!("there is no service named “{name}” in the history")));
        }
    }
    services.retain(|s| args.services.is_empty() || args.services.contains(&s.name));
    let order = Order { format, window, services, commands: Commands::Whole, now };
    let bar = progress::bar(
        Some(reader.estimated_checks(&order.services, window)?),
        "{bar:30} {human_pos} results, {per_sec}, {eta} left",
    );
    match &output {
        None => {
            let sink = BufWriter::with_capacity(1 << 16, io::stdout().lock());
            finish(pack(reader, &order, packing, sink, &bar).map(drop))?;
            Ok(reader.finish()?)
        }
        Some(path) => output::to_file(history, path, stop, |target| -> Result<output::Target, ExportError> {
            let sink = BufWriter::with_capacity(1 << 16, target);
            let sink = pack(reader, &order, packing, sink, &bar)?;
            reader.finish()?;
            Ok(sink.into_inner().map_err(io::IntoInnerError::into_error)?)
        }),
    }
}

fn pack<W: Write>(
    reader: &Reader,
    order: &Order,
    packing: Packing,
    sink: W,
    bar: &ProgressBar,
) -> Result<W, ExportError> {
    let mut packer = Packer::new(packing, sink)?;
    export::write(reader, order, &mut packer, |count| bar.inc(count))?;
    bar.finish_and_clear();
    let mut sink = packer.finish()?;
    sink.flush()?;
    Ok(sink)
}

/// What the standard output does not take ends the program as it does everywhere.
fn finish(done: Result<(), ExportError>) -> anyhow::Result<()> {
    match done {
        Err(ExportError::Write(error)) => terminal::written(Err(error)),
        Err(ExportError::Form(error)) if error.is_io() => terminal::written(Err(error.into())),
        other => other?,
    }
    Ok(())
}
