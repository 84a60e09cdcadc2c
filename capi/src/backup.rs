//! The calls of an external backup (external-backup.md section 2), on the protocol's session.

use super::answer::{Answer, Warning, done, told};
use super::instance::Running;
use super::pointers::Out;
use super::registry::{Named, instance};
use super::text::{Room, Sizes, Text, put_list};
use jetfs::JetErr;
use jetfs::backup::{FileHandle, LogSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of a page of memory, at whose multiples buffers must begin (section 2.4).
const ALIGNMENT: usize = 4096;

fn running(named: Named) -> Result<Arc<Running>, JetErr> {
    instance(named)?.running()
}

/// JetBeginExternalBackup(Instance).
pub(crate) fn begin(named: Named, grbit: u32) -> Answer {
    done(running(named)?.backup.begin(grbit))
}

/// JetGetAttachInfo(Instance): UTF-16 always answers the size of the whole list (section 3.1).
pub(crate) fn attach_info<R: Room>(named: Named, room: R, most_bytes: u32, actual: Out<u32>) -> Answer {
    let actual = actual.check_optional()?;
    let files = running(named)?.backup.get_attach_info().map_err(told)?;
    let names = files.iter().map(|file| file.path.as_os_str());
    actual.put(put_list(room, most_bytes, names)?.whole);
    Ok(Warning::NONE)
}

/// JetOpenFile(Instance). The handle is never that of another file.
pub(crate) fn open_file<T: Text>(
    named: Named,
    name: T,
    file: Out<usize>,
    size_low: Out<u32>,
    size_high: Out<u32>,
) -> Answer {
    let running = running(named)?;
    let (file, low, high) = (file.check()?, size_low.check()?, size_high.check()?);
    // No name at all is for the session to refuse, in the order of its checks.
    let name = match name.is_null() {
        true => Default::default(),
        false => name.read()?,
    };
    let (FileHandle(handle), len) = running.backup.open_file(&whole(&name)).map_err(told)?;
    let part = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
    file.put(usize::try_from(handle).map_err(|_| JetErr::InternalError)?);
    low.put(part(len));
    high.put(part(len >> 32));
    Ok(Warning::NONE)
}

/// A path as the instance has it: links and the working directory taken into account, where it exists.
fn whole(name: &OsStr) -> std::ffi::OsString {
    let path = PathBuf::from(name);
    match path.is_absolute() || name.is_empty() {
        true => name.to_os_string(),
        false => path
            .canonicalize()
            .map_or_else(|_| name.to_os_string(), PathBuf::into_os_string),
    }
}

/// JetReadFile(Instance).
pub(crate) fn read_file(named: Named, file: usize, buffer: Out<u8>, len: u32, actual: Out<u32>) -> Answer {
    let running = running(named)?;
    let actual = actual.check_optional()?;
    if running.backup.phase() != jetfs::backup::PhaseName::NotStarted
        && !running.backup.is_stopped()
        && (buffer.is_null() || !buffer.address().is_multiple_of(ALIGNMENT))
    {
        return Err(JetErr::InvalidParameter);
    }
    let room = match buffer.is_null() {
        true => &mut [],
        false => buffer.slice(len as usize)?,
    };
    let read = running
        .backup
        .read_file(FileHandle(file as u64), room)
        .map_err(told)?;
    actual.put(u32::try_from(read).map_err(|_| JetErr::InternalError)?);
    Ok(Warning::NONE)
}

/// JetCloseFile(Instance).
pub(crate) fn close_file(named: Named, file: usize) -> Answer {
    done(running(named)?.backup.close_file(FileHandle(file as u64)))
}

/// `JET_LOGINFO`, without the place of the name (section 3.4).
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogInfo<R: Room> {
    /// The structure, as numbers: `cbSize`, `ulGenLow`, `ulGenHigh`.
    pub(crate) numbers: Out<u32>,
    /// The structure, as the units of its name.
    pub(crate) room: Out<R::Unit>,
    /// Whether `cbSize` must be this.
    pub(crate) size: Option<u32>,
}

/// JetGetLogInfo(Instance, Instance2).
pub(crate) fn log_info<R: Room>(
    named: Named,
    room: R,
    most_bytes: u32,
    actual: Out<u32>,
    info: Option<LogInfo<R>>,
) -> Answer {
    let running = running(named)?;
    let actual = actual.check_optional()?;
    if let Some(info) = &info
        && let Some(size) = info.size
        && info.numbers.get()? != size
    {
        return Err(JetErr::InvalidParameter);
    }
    let set = running.backup.get_log_info().map_err(told)?;
    put_logs(
        room,
        most_bytes,
        actual,
        set.files.iter().map(|file| file.path.as_os_str()),
    )?;
    match info {
        Some(info) => put_log_info(&info, &set),
        None => Ok(Warning::NONE),
    }
}

/// UTF-16 answers how much of the list it has written, if there was room for any (section 3.2).
fn put_logs<'n, R: Room>(
    room: R,
    most_bytes: u32,
    actual: Out<u32>,
    names: impl Iterator<Item = &'n OsStr>,
) -> Answer {
    let Sizes {
        whole,
        written,
        is_query,
    } = put_list(room, most_bytes, names)?;
    actual.put(if is_query { whole } else { written });
    Ok(Warning::NONE)
}

/// Three numbers and a name of three characters.
fn put_log_info<R: Room>(info: &LogInfo<R>, set: &LogSet) -> Answer {
    let range = set.range.ok_or(JetErr::InternalError)?;
    let [_, low, high] = info.numbers.slice(3)? else {
        return Err(JetErr::InternalError);
    };
    (*low, *high) = (range.low, range.high);
    let numbers = 3 * size_of::<u32>() / size_of::<R::Unit>();
    let units = info.room.slice(numbers + 4)?;
    let base = R::units(OsStr::new(&set.base))?;
    let ended = base.into_iter().take(3).chain([R::zero()]);
    for (to, from) in units.iter_mut().skip(numbers).zip(ended) {
        *to = from;
    }
    Ok(Warning::NONE)
}

/// JetGetTruncateLogInfoInstance.
pub(crate) fn truncate_log_info<R: Room>(named: Named, room: R, most_bytes: u32, actual: Out<u32>) -> Answer {
    let running = running(named)?;
    let actual = actual.check_optional()?;
    let range = running.backup.get_truncate_log_info().map_err(told)?;
    // They are called as those of the set are.
    let set = running.backup.get_log_info().map_err(told)?;
    let paths: Vec<PathBuf> = match range {
        Some(range) => (range.low..=range.high)
            .map(|generation| path_like(&set, generation))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    put_logs(
        room,
        most_bytes,
        actual,
        paths.iter().map(|path| path.as_os_str()),
    )
}

fn path_like(set: &LogSet, generation: u32) -> Result<PathBuf, JetErr> {
    let log = set.files.first().ok_or(JetErr::InternalError)?;
    let name = log
        .path
        .file_name()
        .and_then(OsStr::to_str)
        .ok_or(JetErr::InvalidPath)?;
    let digits = name.len().saturating_sub(set.base.len() + ".log".len());
    let name = format!("{}{generation:0digits$X}.log", set.base);
    Ok(log.path.with_file_name(name))
}

/// JetTruncateLog(Instance).
pub(crate) fn truncate_log(named: Named) -> Answer {
    done(running(named)?.backup.truncate_log())
}

/// `JET_bitBackupEndNormal`.
pub(crate) const END_NORMAL: u32 = 1;

/// JetEndExternalBackup(Instance, Instance2).
pub(crate) fn end(named: Named, grbit: u32) -> Answer {
    done(running(named)?.backup.end_with(grbit))
}

/// JetStopBackup(Instance). No gate stands before it.
pub(crate) fn stop(named: Named) -> Answer {
    match instance(named)?.running() {
        Ok(running) => done(running.backup.stop_backup()),
        Err(_) => Ok(Warning::NONE),
    }
}
