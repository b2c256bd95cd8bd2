//! `demo`: the dashboard alive, without a configuration.

use crate::{clock::Clock, config, demo, shutdown};
use anyhow::Context;
use std::{
    fs::DirBuilder,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    // In the place of the one that every other command takes, so that the help does not offer it.
    #[arg(long, short, hide = true)]
    pub(super) config: Option<PathBuf>,
}

pub(super) async fn run() -> anyhow::Result<ExitCode> {
    let folder = make_folder(&std::env::temp_dir())?;
    tracing::info!("making 90 days of history in {}", folder.display());
    let signals = shutdown::signals()?;
    let done = async {
        let app = demo::start(&folder, &config::environment, |_| (), Clock::system()).await?;
        let signal = signals.await;
        tracing::info!("{signal}: stopping");
        app.stop().await;
        anyhow::Ok(())
    };
    let done = done.await;
    // It was only a demonstration.
    let _ = std::fs::remove_dir_all(&folder);
    done?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a folder of our own where everybody may make some: what has its name already is somebody else's.
fn make_folder(temporary: &Path) -> anyhow::Result<PathBuf> {
    let pid = std::process::id();
    let names = std::iter::once(format!("healthcheck-demo-{pid}"))
        .chain((1..1000).map(|n| format!("healthcheck-demo-{pid}-{n}")));
    for name in names {
        let folder = temporary.join(name);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => {
                made.with_context(|| format!("the folder {} cannot be made", folder.display()))?;
                return Ok(folder);
            }
        }
    }
    anyhow::bail!("no folder for a demonstration can be made in {}: all names are taken", temporary.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn its_folder_is_its_own_and_never_one_that_somebody_else_has_made() {
        let (temporary, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let guessed = temporary.path().join(format!("healthcheck-demo-{}", std::process::id()));
        symlink(elsewhere.path(), &guessed).unwrap();
        let folder = make_folder(temporary.path()).unwrap();
        assert_ne!(folder, guessed);
        assert_eq!(folder.symlink_metadata().unwrap().mode() & 0o777, 0o700);
        assert_ne!(make_folder(temporary.path()).unwrap(), folder);
    }
}
