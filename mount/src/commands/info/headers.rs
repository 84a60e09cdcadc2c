//! The headers of databases, logs, checkpoints and flush maps, and the trailer page of backup copies, named as the
//! genuine tools name them (`/mh`, `/ml`, `/mk`).

use super::facts::Facts;
use super::len_of;
use jetfs::format::{
    AttachList, BackupInfo, Checkpoint, DatabaseHeader, DbmsParam, FlushMapHeader, FormatError, HeaderCopy,
    LogHeader, OtherCopy, Trailer, choose_copy,
};
use jetfs::io::File;
use jetfs::{JetErr, JetError};

/// A database; `start` are its first bytes, both copies of the header.
pub(super) fn database(file: &dyn File, start: &[u8]) -> Result<Facts, JetError> {
    let chosen = choose_copy(start)?;
    let header = chosen.header.decode()?;
    let mut facts = Facts::of("Database");
    judge_copies(&mut facts, chosen.used, &chosen.other);
    describe_database(&mut facts, &header);
    if !header.state.is_clean() {
        let needed = match header.required_generations() {
            Some((min, max)) => format!("its logs {min} to {max} must be replayed"),
            None => "its contents may contradict each other".into(),
        };
        let code = JetErr::DatabaseDirtyShutdown;
        let what = format!("{}: {needed} ({}, {})", header.state, code.name(), code.number());
        facts.warnings.push(what);
    }
    if header.is_newer_than_known() {
        let what = format!("format {} is newer than jetfs knows", header.version_text());
        facts.warnings.push(what);
    }
    describe_trailer(&mut facts, file, &header)?;
    Ok(facts)
}

fn judge_copies(facts: &mut Facts, used: HeaderCopy, other: &OtherCopy) {
    let state = match (used, other) {
        (_, OtherCopy::Same) => "both copies are good and equal".to_owned(),
        (_, OtherCopy::Different) => {
            "both copies are good, but differ: a crash came between two writes".to_owned()
        }
        (HeaderCopy::Primary, OtherCopy::Damaged(error)) => format!("the shadow copy is damaged: {error}"),
        (HeaderCopy::Shadow, OtherCopy::Damaged(error)) => {
            format!("the primary copy is damaged, the shadow is shown: {error}")
        }
    };
    if matches!(other, OtherCopy::Damaged(_)) {
        facts.is_damaged = true;
        facts.warnings.push(state.clone());
    }
    facts.add("Header", state);
}

fn describe_database(facts: &mut Facts, header: &DatabaseHeader) {
    facts.text("Format Version", header.version_text());
    facts.add("Page Size", header.page_size.bytes_u64());
    facts.text("State", header.state);
    facts.add("Dbtime", header.dbtime_dirtied);
    facts.text("DB Signature", header.signature);
    facts.text("Log Signature", header.log_signature);
    let generations = |min: u32, max: u32| format!("{min}-{max} ({min:#x}-{max:#x})");
    facts.text(
        "Log Required",
        generations(header.generation_min_required, header.generation_max_required),
    );
    facts.text(
        "Log Committed",
        generations(header.generation_min_required, header.generation_max_committed),
    );
    facts.add("Log Consistent", header.generation_min_consistent);
    facts.add("Log Recovering", header.generation_recovering);
    facts.text(
        "Last Consistent",
        format_args!("{} {}", header.consistent, header.consistent_time),
    );
    facts.text(
        "Last Attach",
        format_args!("{} {}", header.attach, header.attach_time),
    );
    facts.text(
        "Last Detach",
        format_args!("{} {}", header.detach, header.detach_time),
    );
    facts.add("Dbid", header.dbid);
    facts.add("Last Objid", header.objid_last);
    facts.add("Shadowing Disabled", header.flags & 1 != 0);
    for (name, backup) in [
        ("Previous Full Backup", header.backup_full_previous),
        ("Previous Incremental Backup", header.backup_incremental_previous),
        ("Previous Copy Backup", header.backup_copy_previous),
        (
            "Previous Differential Backup",
            header.backup_differential_previous,
        ),
        ("Current Full Backup", header.backup_full_current),
        ("Current Shadow Copy Backup", header.backup_snapshot_current),
    ] {
        facts.text_if(backup.is_set(), name, backup_text(backup));
    }
    facts.text(
        "OS Version",
        format_args!(
            "{}.{}.{} SP {}",
            header.os_major, header.os_minor, header.os_build, header.os_service_pack
        ),
    );
    facts.text_if(header.repair_count > 0, "Repair Count", header.repair_count);
    for (name, event) in [
        ("ECC Fix Success Count", header.ecc_fix_success),
        ("ECC Fix Fail Count", header.ecc_fix_fail),
        ("Bad Checksum Count", header.bad_checksum),
    ] {
        facts.text_if(
            event.count > 0,
            name,
            format_args!("{} {}", event.count, event.time),
        );
    }
    facts.text_if(header.last_resize.is_set(), "Last Resize", header.last_resize);
}

fn backup_text(backup: BackupInfo) -> String {
    format!(
        "generations {}-{}, mark {} {}",
        backup.generation_low, backup.generation_high, backup.mark, backup.time
    )
}

/// A backup copy ends in a trailer page. Other databases end in a page that is none, of which nothing is said.
fn describe_trailer(facts: &mut Facts, file: &dyn File, header: &DatabaseHeader) -> Result<(), JetError> {
    let (len, size) = (len_of(file)?, header.page_size.bytes_u64());
    let is_copy = header.backup_full_current.is_set();
    let Some(offset) = (len / size)
        .checked_sub(1)
        .filter(|&last| last > 1)
        .map(|last| last * size)
    else {
        return Ok(());
    };
    let mut page = vec![0; header.page_size.bytes()];
    file.read_exact_at(&mut page, offset)
        .map_err(|error| JetError::io("read", error).at_offset(offset))?;
    match Trailer::read(&page, header.page_size) {
        Ok(trailer) if trailer.signature == header.signature => {
            facts.add("Backup Trailer Offset", offset);
            facts.text("Backup Trailer", backup_text(trailer.backup));
            facts.text(
                "Backup Trailer Log Required",
                format_args!(
                    "{}-{}, committed to {}",
                    trailer.generation_min_required,
                    trailer.generation_max_required,
                    trailer.generation_max_committed
                ),
            );
        }
        _ if is_copy => facts.warnings.push(format!(
            "a backup copy without its trailer page ({})",
            JetErr::BadPatchPage
        )),
        _ => {}
    }
    Ok(())
}

/// A log.
pub(super) fn log(start: &[u8]) -> Result<Facts, FormatError> {
    let header = LogHeader::read(start)?;
    let mut facts = Facts::of("Log");
    facts.add("Generation", header.generation);
    facts.text("Generation (hex)", format_args!("{:08X}", header.generation));
    facts.text("Format Version", header.version());
    facts.text("Creation Time", header.create_time);
    facts.text("Previous Creation Time", header.previous_create_time);
    facts.text("Signature", header.signature);
    facts.text("Checkpoint", header.checkpoint);
    let flags: Vec<&str> = header.flags.iter_names().map(|(name, _)| name).collect();
    facts.add("Flags", flags.join(" | "));
    facts.add("Sector Size", header.sector_size);
    facts.add("Sectors", header.file_sectors);
    facts.add("File Size", header.file_len());
    facts.text_if(
        header.previous_segments_checksum != 0,
        "Previous Log Checksum",
        format_args!("{:#018x}", header.previous_segments_checksum),
    );
    if let Ok(size) = header.page_size() {
        facts.add("Database Page Size", size.bytes_u64());
    }
    describe_params(&mut facts, &header.dbms_param);
    describe_attachments(&mut facts, &header.attach_list);
    Ok(facts)
}

/// A checkpoint.
pub(super) fn checkpoint(start: &[u8]) -> Result<Facts, FormatError> {
    let chosen = Checkpoint::read(start)?;
    let checkpoint = &chosen.checkpoint;
    let mut facts = Facts::of("Checkpoint");
    judge_copies(&mut facts, chosen.used, &chosen.other);
    facts.text("Checkpoint", checkpoint.checkpoint);
    facts.text(
        "Last Full Backup Checkpoint",
        checkpoint.last_full_backup_checkpoint,
    );
    facts.text("Database Consistency", checkpoint.database_consistency);
    facts.text("Log Signature", checkpoint.log_signature);
    facts.text(
        "Full Backup",
        format_args!("{} {}", checkpoint.full_backup, checkpoint.full_backup_time),
    );
    facts.text(
        "Incremental Backup",
        format_args!(
            "{} {}",
            checkpoint.incremental_backup, checkpoint.incremental_backup_time
        ),
    );
    describe_params(&mut facts, &checkpoint.dbms_param);
    if checkpoint.has_attach_list() {
        describe_attachments(&mut facts, &checkpoint.attach_list);
    }
    Ok(facts)
}

/// A flush map.
pub(super) fn flush_map(start: &[u8]) -> Result<Facts, FormatError> {
    let header = FlushMapHeader::read(start)?;
    let mut facts = Facts::of("Flush Map");
    facts.text(
        "Format Version",
        format_args!(
            "{},{},{}",
            header.version_major, header.version_update_major, header.version_update_minor
        ),
    );
    facts.add("Clean", header.is_clean());
    facts.text("Creation Time", header.create_time);
    facts.text("Attach Time", header.attach_time);
    facts.text("Detach Time", header.detach_time);
    facts.add("Log Required", header.generation_min_required);
    facts.text("DB Header Flush Signature", header.header_flush_signature);
    facts.text("Flush Map Signature", header.flush_map_flush_signature);
    Ok(facts)
}

fn describe_params(facts: &mut Facts, params: &DbmsParam) {
    facts.add("System Path", params.system_path_text());
    facts.add("Log Path", params.log_path_text());
    facts.add("Circular Logging", params.is_circular());
}

fn describe_attachments(facts: &mut Facts, list: &AttachList) {
    match list.attachments() {
        Ok(attachments) => {
            let lines: Vec<String> = attachments
                .iter()
                .map(|attached| {
                    format!(
                        "{} dbid {}, attached at {}, consistent at {}, signature {}",
                        attached.path(),
                        attached.dbid,
                        attached.attach,
                        attached.consistent,
                        attached.signature
                    )
                })
                .collect();
            facts.add("Attached Database", lines);
        }
        Err(error) => {
            facts.is_damaged = true;
            facts.warnings.push(error.to_string());
        }
    }
}
