//! The published names and signatures. Those with names of files and tables come in three forms: ANSI with and without `A`,
//! UTF-16 with `W`.
#![allow(
    unsafe_code,
    reason = "a C program finds functions by names that are not mangled"
)]
#![allow(non_snake_case, reason = "the names are the published ones")]

use super::answer::{Answer, answer};
use super::cursor::{ColumnDef, ValueInfo};
use super::instance::{ABRUPT, Status};
use super::pointers::{In, Out};
use super::registry::Named;
use super::text::{Ansi, AnsiRoom, Room, Text as _, Wide, WideRoom};
use super::{backup, cursor, instance, session};
use jetfs::JetErr;

/// Functions without names of anything.
macro_rules! exports {
    ($($name:ident($($argument:ident: $kind:ty),*) => $call:expr;)*) => {$(
        // SAFETY: the name is the published one, which nothing else in the process has.
        #[unsafe(no_mangle)]
        extern "C" fn $name($($argument: $kind),*) -> i32 {
            answer(|| $call)
        }
    )*};
}

/// Functions with names. `Text` and `List` stand for the two forms of names and of room for them.
macro_rules! exports_in_both_forms {
    ($([$plain:ident $ansi:ident $wide:ident]($($argument:ident: $kind:ty),*) => $call:expr;)*) => {$(
        const _: () = {
            #[allow(dead_code, reason = "not every function takes both")]
            type Text = Ansi;
            #[allow(dead_code, reason = "not every function takes both")]
            type List = AnsiRoom;
            exports! {
                $plain($($argument: $kind),*) => $call;
                $ansi($($argument: $kind),*) => $call;
            }
        };
        const _: () = {
            #[allow(dead_code, reason = "not every function takes both")]
            type Text = Wide;
            #[allow(dead_code, reason = "not every function takes both")]
            type List = WideRoom;
            exports! { $wide($($argument: $kind),*) => $call; }
        };
    )*};
}

use Named::{By, Legacy};

exports! {
    JetBeginExternalBackup(grbit: u32) => backup::begin(Legacy, grbit);
    JetBeginExternalBackupInstance(instance: usize, grbit: u32) => backup::begin(By(instance), grbit);
    JetReadFile(file: usize, buffer: Out<u8>, len: u32, actual: Out<u32>) =>
        backup::read_file(Legacy, file, buffer, len, actual);
    JetReadFileInstance(instance: usize, file: usize, buffer: Out<u8>, len: u32, actual: Out<u32>) =>
        backup::read_file(By(instance), file, buffer, len, actual);
    JetCloseFile(file: usize) => backup::close_file(Legacy, file);
    JetCloseFileInstance(instance: usize, file: usize) => backup::close_file(By(instance), file);
    JetTruncateLog() => backup::truncate_log(Legacy);
    JetTruncateLogInstance(instance: usize) => backup::truncate_log(By(instance));
    JetEndExternalBackup() => backup::end(Legacy, backup::END_NORMAL);
    JetEndExternalBackupInstance(instance: usize) => backup::end(By(instance), backup::END_NORMAL);
    JetEndExternalBackupInstance2(instance: usize, grbit: u32) => backup::end(By(instance), grbit);
    JetStopBackup() => backup::stop(Legacy);
    JetStopBackupInstance(instance: usize) => backup::stop(By(instance));
    JetStopService() => instance::stop_service(Legacy, 0);
    JetStopServiceInstance(instance: usize) => instance::stop_service(By(instance), 0);
    JetStopServiceInstance2(instance: usize, grbit: u32) => instance::stop_service(By(instance), grbit);
    JetInit(instance: Out<usize>) => instance::init(instance);
    JetInit2(instance: Out<usize>, grbit: u32) => no_bits(grbit).and_then(|()| instance::init(instance));
    JetTerm(instance: usize) => instance::term(instance, ABRUPT);
    JetTerm2(instance: usize, grbit: u32) => instance::term(instance, grbit);
    JetEndSession(sesid: usize, _grbit: u32) => session::end_session(sesid);
    JetBeginTransaction(sesid: usize) => session::begin_transaction(sesid);
    JetBeginTransaction2(sesid: usize, _grbit: u32) => session::begin_transaction(sesid);
    JetCommitTransaction(sesid: usize, grbit: u32) => session::commit(sesid, grbit);
    JetRollback(sesid: usize, grbit: u32) => session::roll_back(sesid, grbit);
    JetCloseDatabase(sesid: usize, dbid: u32, _grbit: u32) => session::close_database(sesid, dbid);
    JetCloseTable(sesid: usize, tableid: usize) => cursor::close_table(sesid, tableid);
    JetPrepareUpdate(sesid: usize, tableid: usize, prep: u32) => cursor::prepare_update(sesid, tableid, prep);
    JetSetColumn(sesid: usize, tableid: usize, column: u32, data: In<u8>, len: u32, grbit: u32, info: In<ValueInfo>) =>
        set_column((sesid, tableid), column, (data, len), grbit, info);
    JetUpdate(sesid: usize, tableid: usize, bookmark: Out<u8>, len: u32, actual: Out<u32>) =>
        cursor::update(sesid, tableid, bookmark, len, actual);
    JetRetrieveColumn(
        sesid: usize, tableid: usize, column: u32, data: Out<u8>, len: u32, actual: Out<u32>, _grbit: u32, info: In<ValueInfo>
    ) => cursor::retrieve_column(sesid, tableid, column, (data, len), actual, info);
    JetMove(sesid: usize, tableid: usize, count: i32, _grbit: u32) => cursor::move_cursor(sesid, tableid, count);
    JetMakeKey(sesid: usize, tableid: usize, data: In<u8>, len: u32, grbit: u32) =>
        cursor::make_key(sesid, tableid, data.slice(len as usize)?, grbit);
    JetSeek(sesid: usize, tableid: usize, grbit: u32) => cursor::seek(sesid, tableid, grbit);
}

exports_in_both_forms! {
    [JetGetAttachInfo JetGetAttachInfoA JetGetAttachInfoW](room: List, most: u32, actual: Out<u32>) =>
        backup::attach_info(Legacy, room, most, actual);
    [JetGetAttachInfoInstance JetGetAttachInfoInstanceA JetGetAttachInfoInstanceW](
        instance: usize, room: List, most: u32, actual: Out<u32>
    ) => backup::attach_info(By(instance), room, most, actual);
    [JetOpenFile JetOpenFileA JetOpenFileW](name: Text, file: Out<usize>, low: Out<u32>, high: Out<u32>) =>
        backup::open_file(Legacy, name, file, low, high);
    [JetOpenFileInstance JetOpenFileInstanceA JetOpenFileInstanceW](
        instance: usize, name: Text, file: Out<usize>, low: Out<u32>, high: Out<u32>
    ) => backup::open_file(By(instance), name, file, low, high);
    [JetGetLogInfo JetGetLogInfoA JetGetLogInfoW](room: List, most: u32, actual: Out<u32>) =>
        backup::log_info(Legacy, room, most, actual, None);
    [JetGetLogInfoInstance JetGetLogInfoInstanceA JetGetLogInfoInstanceW](
        instance: usize, room: List, most: u32, actual: Out<u32>
    ) => backup::log_info(By(instance), room, most, actual, None);
    [JetGetLogInfoInstance2 JetGetLogInfoInstance2A JetGetLogInfoInstance2W](
        instance: usize, room: List, most: u32, actual: Out<u32>, info: Out<u32>
    ) => backup::log_info(By(instance), room, most, actual, log_info::<List>(info));
    [JetGetTruncateLogInfoInstance JetGetTruncateLogInfoInstanceA JetGetTruncateLogInfoInstanceW](
        instance: usize, room: List, most: u32, actual: Out<u32>
    ) => backup::truncate_log_info(By(instance), room, most, actual);
    [JetCreateInstance JetCreateInstanceA JetCreateInstanceW](instance: Out<usize>, name: Text) =>
        instance::create(instance, name);
    [JetCreateInstance2 JetCreateInstance2A JetCreateInstance2W](
        instance: Out<usize>, name: Text, _display: Text, grbit: u32
    ) => no_bits(grbit).and_then(|()| instance::create(instance, name));
    [JetSetSystemParameter JetSetSystemParameterA JetSetSystemParameterW](
        instance: Out<usize>, _sesid: usize, id: u32, number: usize, text: Text
    ) => instance::set_parameter(instance, id, number, text);
    [JetGetSystemParameter JetGetSystemParameterA JetGetSystemParameterW](
        instance: usize, _sesid: usize, id: u32, number: Out<usize>, text: List, most: u32
    ) => instance::get_parameter(instance, id, number, text, most);
    [JetInit3 JetInit3A JetInit3W](instance: Out<usize>, restore: In<u8>, grbit: u32) =>
        no_restore_map(restore).and_then(|()| no_bits(grbit)).and_then(|()| instance::init(instance));
    [JetRestoreInstance JetRestoreInstanceA JetRestoreInstanceW](
        instance: usize, set: Text, destination: Text, status: Status
    ) => instance::restore(instance, set, destination, status);
    [JetBeginSession JetBeginSessionA JetBeginSessionW](
        instance: usize, sesid: Out<usize>, _user: Text, _password: Text
    ) => session::begin_session(instance, sesid);
    [JetCreateDatabase JetCreateDatabaseA JetCreateDatabaseW](
        sesid: usize, name: Text, _connect: Text, dbid: Out<u32>, grbit: u32
    ) => no_bits(grbit).and_then(|()| session::create_database(sesid, name, dbid));
    [JetCreateDatabase2 JetCreateDatabase2A JetCreateDatabase2W](
        sesid: usize, name: Text, _most_pages: u32, dbid: Out<u32>, grbit: u32
    ) => no_bits(grbit).and_then(|()| session::create_database(sesid, name, dbid));
    [JetAttachDatabase JetAttachDatabaseA JetAttachDatabaseW](sesid: usize, name: Text, grbit: u32) =>
        no_bits(grbit).and_then(|()| session::attach_database(sesid, name));
    [JetAttachDatabase2 JetAttachDatabase2A JetAttachDatabase2W](
        sesid: usize, name: Text, _most_pages: u32, grbit: u32
    ) => no_bits(grbit).and_then(|()| session::attach_database(sesid, name));
    [JetDetachDatabase JetDetachDatabaseA JetDetachDatabaseW](sesid: usize, name: Text) =>
        session::detach_database(sesid, name);
    [JetOpenDatabase JetOpenDatabaseA JetOpenDatabaseW](
        sesid: usize, name: Text, _connect: Text, dbid: Out<u32>, grbit: u32
    ) => no_bits(grbit).and_then(|()| session::open_database(sesid, name, dbid));
    [JetCreateTable JetCreateTableA JetCreateTableW](
        sesid: usize, dbid: u32, name: Text, pages: u32, density: u32, tableid: Out<usize>
    ) => cursor::create_table(sesid, dbid, name, (pages, density), tableid);
    [JetOpenTable JetOpenTableA JetOpenTableW](
        sesid: usize, dbid: u32, name: Text, _parameters: In<u8>, _len: u32, grbit: u32, tableid: Out<usize>
    ) => no_bits(grbit).and_then(|()| cursor::open_table(sesid, dbid, name, tableid));
    [JetAddColumn JetAddColumnA JetAddColumnW](
        sesid: usize, tableid: usize, name: Text, definition: In<ColumnDef>, default: In<u8>, len: u32, column: Out<u32>
    ) => cursor::add_column(sesid, tableid, name, definition, default.slice(len as usize)?, column);
    [JetCreateIndex JetCreateIndexA JetCreateIndexW](
        sesid: usize, tableid: usize, name: Text, grbit: u32, key: Text, len: u32, density: u32
    ) => cursor::create_index(sesid, tableid, name, grbit, key.list(len)?, density);
}

/// Flags that this engine has no use for are refused, not ignored.
fn no_bits(grbit: u32) -> Result<(), JetErr> {
    match grbit {
        0 => Ok(()),
        _ => Err(JetErr::InvalidGrbit),
    }
}

fn no_restore_map(map: In<u8>) -> Result<(), JetErr> {
    match map.is_null() {
        true => Ok(()),
        false => Err(JetErr::FeatureNotAvailable),
    }
}

fn set_column(
    (sesid, tableid): (usize, usize),
    column: u32,
    (data, len): (In<u8>, u32),
    grbit: u32,
    info: In<ValueInfo>,
) -> Answer {
    let bytes = match data.is_null() {
        true => None,
        false => Some(data.slice(len as usize)?),
    };
    cursor::set_column(sesid, tableid, column, bytes, len, grbit, info)
}

/// Only ANSI looks at `cbSize` (section 2.6).
fn log_info<R: Room>(info: Out<u32>) -> Option<backup::LogInfo<R>> {
    (!info.is_null()).then(|| backup::LogInfo {
        numbers: info,
        room: info.cast(),
        size: R::TOO_SMALL.map(|_| 16),
    })
}
