//! A real PostgreSQL, private to this run of the tests: in a temporary directory, on a free port of the loopback, with
//! TLS. All tests share it.
//!
//! A shell watches over it and holds the other end of a pipe: when the test process ends, however it ends, the pipe
//! closes, and the shell stops the server and removes the directory.

use super::{net::own_port, tls::Authority};
use rustls::pki_types::CertificateDer;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// The password of every role.
pub(crate) const PASSWORD: &str = "correct horse";

/// Roles beside `postgres`: `plain` may not come with TLS, `secure` may not come without, and `slow`, `leaky` are told
/// apart from the others in the list of sessions.
const ROLES: [&str; 4] = ["plain", "secure", "slow", "leaky"];

const HBA: &str = "
hostssl   all plain  127.0.0.1/32 reject
hostnossl all secure 127.0.0.1/32 reject
host      all all    127.0.0.1/32 scram-sha-256
";

/// What its keeper does: starts it, says so, waits for the end of the tests, stops it, removes it.
const KEEPER: &str = r#"
"$@" start >"$DIR/start.log" 2>&1 && echo ready || cat "$DIR/start.log"
cat >/dev/null
"$@" -m immediate stop >/dev/null 2>&1
rm -rf "$DIR"
"#;

/// The running server.
pub(crate) struct Postgres {
    pub(crate) port: u16,
    /// Whose certificate it shows, for `localhost`.
    pub(crate) ca: CertificateDer<'static>,
    pub(crate) certificate: CertificateDer<'static>,
    /// With its end of the pipe, which is open for as long as the tests run.
    _keeper: Child,
}

/// The server, started by the first test that asks for it.
pub(crate) fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn start() -> Postgres {
    let programs = programs();
    let dir = tempfile::Builder::new().prefix("hcd-postgres-").tempdir().unwrap();
    let data = dir.path().join("data");
    let owner = owner(dir.path());

    let password = dir.path().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o644)).unwrap();
    let initdb = as_owner(&owner, &programs.join("initdb"))
        .args(["--no-sync", "--no-instructions", "--username=postgres", "--encoding=UTF8", "--locale=C"])
        .args(["--auth=scram-sha-256", "--pwfile"])
        .arg(&password)
        .arg("--pgdata")
        .arg(&data)
        .output()
        .unwrap();
    assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));

    let mut single = as_owner(&owner, &programs.join("postgres"))
        .args(["--single", "-j", "-D"])
        .arg(&data)
        .arg("postgres")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = single.stdin.take().unwrap();
    for role in ROLES {
        write!(input, "create role {role} login password '{PASSWORD}' in role pg_monitor;\n\n").unwrap();
    }
    drop(input);
    assert!(single.wait().unwrap().success(), "the roles could not be made");

    let authority = Authority::new();
    let identity = authority.issue(&["localhost"], 300);
    let port = own_port();
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nfsync = off\n\
         ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\nmax_connections = 60\n"
    );
    for (name, text) in [
        ("postgresql.auto.conf", settings.as_str()),
        ("pg_hba.conf", HBA),
        ("server.crt", &identity.certificate_pem),
        ("server.key", &identity.key_pem),
    ] {
        let path = data.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
        }
    }

    let log = data.join("server.log");
    let control = as_owner(&owner, &programs.join("pg_ctl"));
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(control.get_program())
        .args(control.get_args())
        .args(["-w", "-t", "30", "-D"])
        .arg(&data)
        .arg("-l")
        .arg(&log)
        .env("DIR", dir.keep())
        // What ends the tests from the keyboard must not end their keeper before its work is done.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n", "PostgreSQL did not start; its log is {}", log.display());
    Postgres { port, ca: authority.der(), certificate: identity.der(), _keeper: keeper }
}

/// Where the server's programs are: Debian keeps them out of the path.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|d| d.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = debian.chain(std::env::split_paths(&path)).collect();
    places.retain(|place| place.join("initdb").exists());
    places
        .pop()
        .expect("these tests need a PostgreSQL server: apt-get install postgresql (or put initdb into the path)")
}

/// PostgreSQL refuses to run as root: the user to run it as, who gets the directory.
fn owner(dir: &Path) -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(|field| field.parse::<u32>().ok());
        Some((fields.next()??, fields.next()??))
    };
    let owner = of("postgres").or_else(|| of("nobody")).expect("a user to run PostgreSQL as");
    std::os::unix::fs::chown(dir, Some(owner.0), Some(owner.1)).unwrap();
    Some(owner)
}

fn as_owner(owner: &Option<(u32, u32)>, program: &Path) -> Command {
    let Some((uid, gid)) = owner else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]).arg(program);
    command
}
