//! One port on which a server is well, or misbehaves, as the test says.

use super::fault::Port;
use crate::support::net::hang;
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

/// Counts connections, and of them those that wait in vain, so that the world does not wait for their checks.
#[derive(Clone, Default)]
pub(super) struct Hanging {
    open: Arc<AtomicUsize>,
    in_vain: Arc<AtomicUsize>,
}

impl Hanging {
    /// Keeps a connection and says nothing, until the other side closes it.
    pub(super) async fn hang(&self, mut stream: impl AsyncRead + Unpin) {
        let _counted = Counted::one(&self.in_vain);
        while stream.read_u8().await.is_ok() {}
    }

    /// The same, once something is said.
    pub(super) async fn hang_when_asked(&self, stream: TcpStream) {
        if stream.peek(&mut [0]).await.is_ok_and(|got| got > 0) {
            self.hang(stream).await;
        }
    }

    /// Whoever asked without a connection waits in vain: until its time is up, and a little longer.
    pub(super) fn until_a_timeout(&self) {
        let counted = Counted::one(&self.in_vain);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(700)).await;
            drop(counted);
        });
    }

    /// Says a byte in a tenth of a second, without end.
    pub(super) async fn drip(&self, mut stream: impl AsyncWrite + Unpin) {
        let _counted = Counted::one(&self.in_vain);
        while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one(of: &Arc<AtomicUsize>) -> Counted {
        of.fetch_add(1, Relaxed);
        Counted(Arc::clone(of))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The port.
pub(super) struct Bench {
    pub(super) address: SocketAddr,
    port: watch::Sender<Port>,
    hanging: Hanging,
    script: PathBuf,
}

impl Bench {
    pub(super) fn start(address: SocketAddr, folder: &Path, well: Port) -> Bench {
        let script = folder.join(format!("{}.sh", address.port()));
        let (port, behaves) = watch::channel(well);
        let bench = Bench { address, port, hanging: Hanging::default(), script };
        bench.write_script();
        tokio::spawn(attend(address, behaves, bench.hanging.clone()));
        bench
    }

    /// From now on.
    pub(super) fn behave(&self, port: &Port) {
        self.port.send_replace(port.clone());
        self.write_script();
    }

    fn write_script(&self) {
        if let Port::Runs(script) = *self.port.borrow() {
            std::fs::write(&self.script, script).unwrap();
        }
    }

    /// What a job reports so many milliseconds after it began to behave so.
    pub(super) fn reports_at(&self, ms: i64) -> Vec<&'static str> {
        let Port::Reports(job) = *self.port.borrow() else { return Vec::new() };
        job.reports.iter().filter(|(at, _)| ms % job.period_ms == *at).map(|(_, ending)| *ending).collect()
    }

    /// Whether a connection waits in vain, as far as the server knows: a check's, or that of what is found out beside it.
    fn hangs(&self) -> bool {
        match *self.port.borrow() {
            // It has written down by which number it hangs; what was killed has left its number behind.
            Port::Runs(_) => std::fs::read_to_string(self.script.with_extension("sh.hangs")).is_ok_and(|pid| {
                let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
                pid.ends_with('\n') && state.is_ok_and(|state| !state.contains(") Z"))
            }),
            _ => self.hanging.in_vain.load(Relaxed) > 0,
        }
    }

    /// Whether connections are made or left waiting by the system alone.
    fn takes_nothing(&self) -> bool {
        matches!(*self.port.borrow(), Port::Drops | Port::NeverAccepts)
    }

    /// Whether something is said on a connection, or will be.
    fn is_busy(&self) -> bool {
        self.hanging.open.load(Relaxed) > self.hanging.in_vain.load(Relaxed)
    }
}

/// How many services have a check that waits in vain. While something is said on some connection none has: what is found
/// out beside a check may wait as well, and would be taken for one.
pub(super) fn in_vain(benches: &[Bench]) -> usize {
    if benches.iter().any(Bench::is_busy) {
        return 0;
    }
    let hanging = benches.iter().filter(|bench| bench.hangs()).count();
    let unseen: HashSet<String> =
        benches.iter().filter(|one| one.takes_nothing()).map(|one| as_listed(one.address)).collect();
    if unseen.is_empty() { hanging } else { hanging + connected(&unseen) }
}

/// How many of these places connections of this machine lead to, made or being made.
fn connected(places: &HashSet<String>) -> usize {
    let read = |list| std::fs::read_to_string(list).unwrap_or_default();
    let all = [read("/proc/self/net/tcp"), read("/proc/self/net/tcp6")].concat();
    let there = all.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(2);
        let place = words.next().filter(|place| places.contains(*place))?;
        matches!(words.next()?, "01" | "02").then_some(place)
    });
    there.collect::<HashSet<_>>().len()
}

/// A place as the system's list of connections has it.
fn as_listed(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks(4).map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap())));
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

async fn attend(address: SocketAddr, mut behaves: watch::Receiver<Port>, hanging: Hanging) {
    loop {
        let port = behaves.borrow_and_update().clone();
        let changed = tokio::select! {
            biased;
            changed = behaves.changed() => changed,
            () = behave(port, address, &hanging) => return,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Behaves so, without end.
async fn behave(port: Port, address: SocketAddr, hanging: &Hanging) {
    match port {
        Port::Closed | Port::Runs(_) | Port::Reports(_) => hang(()).await,
        Port::Drops => {
            // The place of the one connection that waits to be taken is taken: what comes then is dropped.
            let Some(listener) = listen(address, 0) else { return hang(()).await };
            let first = TcpStream::connect(address).await.unwrap();
            hang((listener, first)).await;
        }
        Port::NeverAccepts => hang(listen(address, 1024)).await,
        Port::Names(server) => server.serve(address, hanging.clone()).await,
        Port::Serves(handler) => {
            let Some(listener) = listen(address, 1024) else { return hang(()).await };
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (open, handling) = (Counted::one(&hanging.open), handler(stream, hanging.clone()));
                tokio::spawn(async move {
                    handling.await;
                    drop(open);
                });
            }
        }
    }
}

/// Where a machine has no IPv6, nobody listens there.
fn listen(address: SocketAddr, backlog: u32) -> Option<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address).map(|()| socket)
    });
    match bound {
        Err(_) if address.is_ipv6() => None,
        bound => Some(bound.unwrap().listen(backlog).unwrap()),
    }
}

/// Ends a connection as a machine does that knows nothing of it any more.
pub(super) fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}
