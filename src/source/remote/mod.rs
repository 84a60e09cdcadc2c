//! An instance that another process hosts as a source (design section 3). The process listens on a socket in the
//! directory of the instance: see [`service`](crate::service).

mod connection;
mod file;
mod source;
pub(crate) mod wire;

pub use connection::socket_name;
pub(crate) use connection::through_directory;
pub use source::RemoteSource;
