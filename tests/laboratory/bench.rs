//! One port on which a server is well, or misbehaves, as the test says.

use super::fault::Port;
use crate::support::net::own_port;
use std::{
    net::SocketAddr,
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
}

impl Bench {
    pub(super) async fn start(well: Port) -> Bench {
        let address = ([127, 0, 0, 1], own_port()).into();
        let (port, behaves) = watch::channel(well);
        let bench = Bench { address, port, hanging: Hanging::default() };
        tokio::spawn(attend(address, behaves, bench.hanging.clone()));
        bench
    }

    /// From now on.
    pub(super) fn behave(&self, port: &Port) {
        self.port.send_replace(port.clone());
    }

    /// Whether a connection waits in vain, as far as the server knows: a check's, or that of what is found out beside it.
    fn hangs(&self) -> bool {
        self.hanging.in_vain.load(Relaxed) > 0
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
    let unseen: Vec<u16> = benches.iter().filter(|one| one.takes_nothing()).map(|one| one.address.port()).collect();
    if unseen.is_empty() { hanging } else { hanging + connected(&unseen) }
}

/// How many of these ports connections of this machine lead to, made or being made.
fn connected(ports: &[u16]) -> usize {
    let all = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let mut there: Vec<u16> = all.lines().filter_map(leads_to).filter(|port| ports.contains(port)).collect();
    there.sort_unstable();
    there.dedup();
    there.len()
}

/// The port that a connection of the system's list leads to, on this machine.
fn leads_to(line: &str) -> Option<u16> {
    let mut words = line.split_whitespace().skip(2);
    let port = words.next()?.strip_prefix("0100007F:")?;
    matches!(words.next()?, "01" | "02").then(|| u16::from_str_radix(port, 16).ok())?
}

async fn attend(address: SocketAddr, mut behaves: watch::Receiver<Port>, hanging: Hanging) {
    loop {
        let port = behaves.borrow_and_update().clone();
        match port {
            Port::Closed => {
                if behaves.changed().await.is_err() {
                    return;
                }
            }
            Port::Drops => {
                // The place of the one connection that waits to be taken is taken: what comes then is dropped.
                let listener = listen(address, 0);
                let first = TcpStream::connect(address).await.unwrap();
                let changed = behaves.changed().await;
                drop((first, listener));
                if changed.is_err() {
                    return;
                }
            }
            Port::NeverAccepts => {
                let listener = listen(address, 1024);
                let changed = behaves.changed().await;
                drop(listener);
                if changed.is_err() {
                    return;
                }
            }
            Port::Serves(handler) => {
                let listener = listen(address, 1024);
                loop {
                    tokio::select! {
                        biased;
                        changed = behaves.changed() => match changed {
                            Ok(()) => break,
                            Err(_) => return,
                        },
                        accepted = listener.accept() => {
                            let Ok((stream, _)) = accepted else { continue };
                            let (open, handling) = (Counted::one(&hanging.open), handler(stream, hanging.clone()));
                            tokio::spawn(async move {
                                handling.await;
                                drop(open);
                            });
                        }
                    }
                }
            }
        }
    }
}

fn listen(address: SocketAddr, backlog: u32) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(backlog).unwrap()
}

/// Ends a connection as a machine does that knows nothing of it any more.
pub(super) fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}
