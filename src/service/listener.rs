//! The socket, and who may connect to it.

use super::answers::{Answers, Hosted};
use crate::engine::Instance;
use crate::error::{JetError, JetResult};
use crate::source::live::LiveOptions;
use crate::source::remote::{socket_name, through_directory};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Connections at the same time; more are closed at once.
const CONNECTIONS_MOST: usize = 256;
/// How long a new connection may say nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running instance that other processes may back up. Dropped, it lets nobody in any more, and aborts the backup that
/// one of them has begun.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    name: String,
    hosted: Arc<Hosted>,
    is_stopping: AtomicBool,
    connections: Mutex<BTreeMap<u64, UnixStream>>,
}

impl Service {
    /// Listens in the directory of the instance's checkpoint (`JET_paramSystemPath`). The instance must be on real files.
    ///
    /// # Errors
    /// The socket cannot be made there.
    pub fn start(instance: &Instance, options: LiveOptions) -> JetResult<Self> {
        let core = instance.core();
        let directory = core.parameters.system_path.clone();
        let name = socket_name(&core.parameters.base_name);
        let listener = listen(&directory, &name);
        let listener = listener.map_err(|error| JetError::io("listen in", error).in_file(&directory))?;
        let shared = Arc::new(Shared {
            hosted: Arc::new(Hosted::new(Arc::clone(core), options)),
            directory,
            name,
            is_stopping: AtomicBool::new(false),
            connections: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let builder = std::thread::Builder::new().name("jetfs-service".to_owned());
        let thread = builder.spawn(move || accepting.accept(&listener));
        let thread = thread.map_err(|error| JetError::io("start a thread", error))?;
        Ok(Service {
            shared,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.shared.directory.join(&self.shared.name)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.shared.connections.lock().len()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.is_stopping.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        let _ = through_directory(&shared.directory, &shared.name, |path| UnixStream::connect(path));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(self.socket());
        for stream in self.shared.connections.lock().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        shared.hosted.abort();
    }
}

/// A socket that only its owner may connect to. What a dead process left is replaced: who has the lock of the instance
/// is the only one who listens.
fn listen(directory: &Path, name: &str) -> io::Result<UnixListener> {
    match std::fs::remove_file(directory.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = through_directory(directory, name, |path| UnixListener::bind(path))?;
    let permissions = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(directory.join(name), permissions)?;
    Ok(listener)
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        for (number, stream) in (1..).zip(listener.incoming()) {
            if self.is_stopping.load(Ordering::Acquire) {
                return;
            }
            let begun = stream.and_then(|stream| self.begin(stream, number));
            if let Err(error) = begun {
                tracing::warn!(%error, "a connection was refused");
                // Where there are no descriptors left, trying again at once would not help.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn begin(self: &Arc<Self>, stream: UnixStream, number: u64) -> io::Result<()> {
        check_peer(&stream)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connections = self.connections.lock();
        if connections.len() >= CONNECTIONS_MOST {
            return Err(io::Error::other("there are too many connections"));
        }
        connections.insert(number, stream.try_clone()?);
        drop(connections);
        let shared = Arc::clone(self);
        let builder = std::thread::Builder::new().name("jetfs-connection".to_owned());
        let started = builder.spawn(move || {
            let _connected = Connected {
                shared: &shared,
                number,
            };
            let ended = Answers::new(&shared.hosted, stream, number).run();
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection has ended");
            }
        });
        if let Err(error) = started {
            self.connections.lock().remove(&number);
            return Err(error);
        }
        Ok(())
    }
}

/// Whoever connects must be this user or root.
fn check_peer(stream: &UnixStream) -> io::Result<()> {
    let peer = getsockopt(stream, PeerCredentials)?;
    let own = nix::unistd::geteuid().as_raw();
    if peer.uid() == own || peer.uid() == 0 {
        return Ok(());
    }
    let what = format!("user {} may not back this instance up", peer.uid());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

/// Counts a connection until it ends, however it does.
struct Connected<'s> {
    shared: &'s Shared,
    number: u64,
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.shared.connections.lock().remove(&self.number);
    }
}
