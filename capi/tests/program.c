/*
 * Makes an instance, fills it, and makes a whole backup of it, by the published calls: with the handle of the instance, or as
 * before there were handles. What a call answers is checked; the first wrong answer ends the program with its line.
 *
 * Usage: program instance|legacy DIRECTORY
 */
#include "jetfs_esent.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PAGE = 4096, BUFFER = 16 * PAGE, ROWS = 300, LIST = 1 << 16 };

static bool legacy;
static JET_INSTANCE instance;
static char directory[1024];
static alignas(PAGE) char buffer[BUFFER + 1];

static void expect_at(int line, const char *call, JET_ERR expected, JET_ERR answer) {
    if (answer != expected) {
        fprintf(stderr, "line %d: %s answered %d, not %d\n", line, call, (int)answer, (int)expected);
        exit(1);
    }
}

#define EXPECT(expected, call) expect_at(__LINE__, #call, expected, call)
#define OK(call) EXPECT(JET_errSuccess, call)
/* A backup call in the form that is tested: with the instance or without. */
#define EITHER(name, ...) (legacy ? name(__VA_ARGS__) : name##Instance(instance, __VA_ARGS__))
#define EITHER0(name) (legacy ? name() : name##Instance(instance))

static void require(bool is_right, int line) {
    if (!is_right) {
        fprintf(stderr, "line %d: that is not so\n", line);
        exit(1);
    }
}

#define REQUIRE(what) require(what, __LINE__)

static const char *in_directory(const char *name) {
    static char path[2048];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static const JET_WCHAR *wide(const char *text) {
    static JET_WCHAR units[2048];
    size_t at = 0;
    for (; text[at]; at++)
        units[at] = (unsigned char)text[at];
    units[at] = 0;
    return units;
}

static void set_text(JET_INSTANCE *of, uint32_t parameter, const char *value) {
    OK(JetSetSystemParameter(of, JET_sesidNil, parameter, 0, value));
}

static void set_number(JET_INSTANCE *of, uint32_t parameter, JET_API_PTR value) {
    OK(JetSetSystemParameter(of, JET_sesidNil, parameter, value, NULL));
}

static void set_parameters(JET_INSTANCE *of) {
    set_text(of, JET_paramSystemPath, directory);
    set_text(of, JET_paramLogFilePath, directory);
    set_text(of, JET_paramTempPath, directory);
    set_text(of, JET_paramBaseName, "edb");
    set_number(of, JET_paramLogFileSize, 128);
    set_number(of, JET_paramDatabasePageSize, PAGE);
    set_number(of, JET_paramCheckpointDepthMax, 1 << 18);
    EXPECT(JET_errInvalidParameter, JetSetSystemParameter(of, JET_sesidNil, 99999, 0, NULL));
    JET_API_PTR number = 0;
    char text[2048];
    OK(JetGetSystemParameter(of ? *of : 0, JET_sesidNil, JET_paramLogFileSize, &number, NULL, 0));
    REQUIRE(number == 128);
    OK(JetGetSystemParameter(of ? *of : 0, JET_sesidNil, JET_paramLogFilePath, NULL, text, sizeof text));
    REQUIRE(strcmp(text, directory) == 0);
}

static JET_COLUMNID column(JET_SESID session, JET_TABLEID table, const char *name, JET_COLTYP type, JET_GRBIT grbit) {
    JET_COLUMNDEF definition = {.cbStruct = sizeof definition, .coltyp = type, .grbit = grbit};
    JET_COLUMNID id = 0;
    OK(JetAddColumn(session, table, name, &definition, NULL, 0, &id));
    definition.cbStruct = 3;
    EXPECT(JET_errInvalidParameter, JetAddColumn(session, table, "x", &definition, NULL, 0, &id));
    return id;
}

static void insert(JET_SESID session, JET_TABLEID table, JET_COLUMNID k, JET_COLUMNID v, int32_t number) {
    static char bytes[3000];
    memset(bytes, number % 251, sizeof bytes);
    OK(JetPrepareUpdate(session, table, JET_prepInsert));
    OK(JetSetColumn(session, table, k, &number, sizeof number, 0, NULL));
    OK(JetSetColumn(session, table, v, bytes, (uint32_t)(number * 7 % 3000) + 1, 0, NULL));
    OK(JetUpdate(session, table, NULL, 0, NULL));
}

static void fill(JET_SESID session, JET_DBID database) {
    JET_TABLEID table = 0;
    OK(JetBeginTransaction(session));
    EXPECT(JET_errInvalidDatabaseId, JetCreateTable(session, 77, "t", 4, 80, &table));
    OK(JetCreateTable(session, database, "t", 4, 80, &table));
    JET_COLUMNID k = column(session, table, "k", JET_coltypLong, JET_bitColumnNotNULL);
    JET_COLUMNID v = column(session, table, "v", JET_coltypLongBinary, 0);
    OK(JetCreateIndex(session, table, "pk", JET_bitIndexPrimary, "+k\0", 4, 80));
    OK(JetCloseTable(session, table));
    OK(JetCommitTransaction(session, 0));
    EXPECT(JET_errInvalidTableId, JetCloseTable(session, table));

    OK(JetOpenTable(session, database, "t", NULL, 0, 0, &table));
    for (int32_t number = 1; number <= ROWS; number++) {
        OK(JetBeginTransaction(session));
        insert(session, table, k, v, number);
        OK(JetCommitTransaction(session, JET_bitCommitLazyFlush));
    }
    OK(JetBeginTransaction(session));
    insert(session, table, k, v, ROWS + 1);
    OK(JetRollback(session, 0));

    int32_t number = 7, found = 0;
    uint32_t actual = 0;
    EXPECT(JET_errRecordNotFound, (number = ROWS + 1, JetMakeKey(session, table, &number, sizeof number, JET_bitNewKey),
                                   JetSeek(session, table, JET_bitSeekEQ)));
    number = 7;
    OK(JetMakeKey(session, table, &number, sizeof number, JET_bitNewKey));
    OK(JetSeek(session, table, JET_bitSeekEQ));
    OK(JetRetrieveColumn(session, table, k, &found, sizeof found, &actual, 0, NULL));
    REQUIRE(found == 7 && actual == sizeof found);
    EXPECT(JET_wrnBufferTruncated, JetRetrieveColumn(session, table, v, buffer, 10, &actual, 0, NULL));
    REQUIRE(actual == 50 && buffer[0] == 7);
    EXPECT(JET_errColumnNotFound, JetRetrieveColumn(session, table, 999, buffer, 10, &actual, 0, NULL));
    number = 0;
    OK(JetMakeKey(session, table, &number, sizeof number, JET_bitNewKey));
    EXPECT(JET_wrnSeekNotEqual, JetSeek(session, table, JET_bitSeekGE));
    OK(JetMove(session, table, JET_MoveLast, 0));
    EXPECT(JET_errNoCurrentRecord, JetMove(session, table, JET_MoveNext, 0));
    EXPECT(JET_errUpdateNotPrepared, JetUpdate(session, table, NULL, 0, NULL));
    EXPECT(JET_errInvalidSesid, JetMove(session + 1, table, JET_MoveFirst, 0));
    OK(JetMove(session, table, JET_MoveFirst, 0));
    OK(JetPrepareUpdate(session, table, JET_prepReplace));
    OK(JetSetColumn(session, table, v, "new", 3, 0, NULL));
    OK(JetUpdate(session, table, NULL, 0, NULL));
    OK(JetRetrieveColumn(session, table, v, buffer, 10, &actual, 0, NULL));
    REQUIRE(actual == 3 && memcmp(buffer, "new", 3) == 0);
    OK(JetCloseTable(session, table));
}

/* Copies a file of the backup into the directory of the set. */
static void copy(const char *path) {
    JET_HANDLE file = 0;
    uint32_t low = 0, high = 0, actual = 0;
    OK(EITHER(JetOpenFile, path, &file, &low, &high));
    char target[4096];
    snprintf(target, sizeof target, "%s/set%s", directory, strrchr(path, '/'));
    FILE *to = fopen(target, "wb");
    REQUIRE(to != NULL);
    uint64_t copied = 0;
    do {
        OK(EITHER(JetReadFile, file, buffer, BUFFER, &actual));
        REQUIRE(fwrite(buffer, 1, actual, to) == actual);
        copied += actual;
    } while (actual > 0);
    REQUIRE(copied == (((uint64_t)high << 32) | low));
    fclose(to);
    OK(EITHER(JetCloseFile, file));
    EXPECT(JET_errInvalidParameter, EITHER(JetCloseFile, file));
}

static void copy_all(const char *list) {
    for (; *list; list += strlen(list) + 1)
        copy(list);
}

static void refuse_bad_arguments(void) {
    JET_HANDLE file = 0;
    uint32_t low = 0, high = 0, actual = 0;
    EXPECT(JET_errInvalidParameter, EITHER(JetOpenFile, NULL, &file, &low, &high));
    EXPECT(JET_errInvalidParameter, EITHER(JetOpenFile, "", &file, &low, &high));
    EXPECT(JET_errInvalidParameter, EITHER(JetOpenFile, in_directory("a.edb"), NULL, &low, &high));
    EXPECT(JET_errInvalidParameter, EITHER(JetOpenFile, in_directory("a.edb"), (JET_HANDLE *)(buffer + 1), &low, &high));
    EXPECT(JET_errDatabaseNotFound, EITHER(JetOpenFile, in_directory("nosuch.edb"), &file, &low, &high));
    EXPECT(JET_errInvalidParameter, EITHER(JetReadFile, 4711, buffer, BUFFER, &actual));
    EXPECT(JET_errInvalidParameter, EITHER(JetCloseFile, 4711));
    OK(EITHER(JetOpenFile, in_directory("a.edb"), &file, &low, &high));
    EXPECT(JET_errOutOfMemory, EITHER(JetOpenFile, in_directory("b.edb"), &file, &low, &high));
    EXPECT(JET_errInvalidParameter, EITHER(JetReadFile, file, buffer + 1, BUFFER, &actual));
    EXPECT(JET_errInvalidParameter, EITHER(JetReadFile, file, NULL, BUFFER, &actual));
    EXPECT(JET_errInvalidParameter, EITHER(JetReadFile, file, buffer, 2 * PAGE, &actual));
    EXPECT(JET_errInvalidParameter, EITHER(JetReadFile, file, buffer, BUFFER, (uint32_t *)(buffer + 1)));
    EXPECT(JET_errInvalidBackupSequence, EITHER(JetGetLogInfo, buffer, BUFFER, &actual));
    EXPECT(JET_errInvalidBackupSequence, EITHER0(JetTruncateLog));
    OK(EITHER(JetCloseFile, file));
}

static void back_up(void) {
    static char databases[LIST], logs[LIST];
    static JET_WCHAR wide_list[LIST];
    uint32_t actual = 0, wide_actual = 0;
    EXPECT(JET_errNoBackup, EITHER(JetGetAttachInfo, databases, LIST, &actual));
    EXPECT(JET_errNoBackup, EITHER0(JetEndExternalBackup));
    EXPECT(JET_errMissingFullBackup, EITHER(JetBeginExternalBackup, JET_bitBackupIncremental));
    EXPECT(JET_errInvalidGrbit, EITHER(JetBeginExternalBackup, 0x4));
    OK(EITHER(JetBeginExternalBackup, 0));
    EXPECT(JET_errBackupInProgress, EITHER(JetBeginExternalBackup, 0));

    OK(EITHER(JetGetAttachInfo, NULL, 0, &actual));
    EXPECT(JET_errBufferTooSmall, EITHER(JetGetAttachInfo, databases, actual - 1, NULL));
    OK(EITHER(JetGetAttachInfo, databases, actual, NULL));
    REQUIRE(actual == strlen(databases) * 2 + 3);
    OK(legacy ? JetGetAttachInfoW(wide_list, 4, &wide_actual)
              : JetGetAttachInfoInstanceW(instance, wide_list, 4, &wide_actual));
    REQUIRE(wide_actual == 2 * actual && wide_list[1] == (JET_WCHAR)databases[1]);
    refuse_bad_arguments();
    copy_all(databases);

    OK(EITHER(JetGetLogInfo, logs, LIST, &actual));
    OK(legacy ? JetGetLogInfoW(wide_list, 8, &wide_actual) : JetGetLogInfoInstanceW(instance, wide_list, 8, &wide_actual));
    REQUIRE(wide_actual == 8);
    OK(legacy ? JetGetLogInfoW(NULL, 8, &wide_actual) : JetGetLogInfoInstanceW(instance, NULL, 8, &wide_actual));
    REQUIRE(wide_actual == 2 * actual);
    JET_LOGINFO_A info = {.cbSize = 15};
    EXPECT(JET_errInvalidParameter, JetGetLogInfoInstance2(instance, logs, LIST, &actual, &info));
    info.cbSize = sizeof info;
    OK(JetGetLogInfoInstance2(instance, logs, LIST, &actual, &info));
    REQUIRE(info.ulGenLow >= 1 && info.ulGenHigh >= info.ulGenLow && strcmp(info.szBaseName, "edb") == 0);
    JET_LOGINFO_W wide_info = {.cbSize = 0};
    OK(JetGetLogInfoInstance2W(instance, wide_list, sizeof wide_list, &wide_actual, &wide_info));
    REQUIRE(wide_info.ulGenHigh == info.ulGenHigh && wide_info.szBaseName[2] == 'b' && wide_info.szBaseName[3] == 0);
    EXPECT(JET_errLogFileNotCopied, EITHER0(JetTruncateLog));
    OK(JetGetTruncateLogInfoInstance(instance, buffer, BUFFER, &actual));
    copy_all(logs);
    OK(EITHER0(JetTruncateLog));
    OK(EITHER0(JetEndExternalBackup));
    EXPECT(JET_errNoBackup, EITHER0(JetEndExternalBackup));
}

static void stop_a_backup(void) {
    OK(EITHER(JetBeginExternalBackup, JET_bitBackupIncremental));
    uint32_t actual = 0;
    EXPECT(JET_errInvalidBackupSequence, EITHER(JetGetAttachInfo, buffer, BUFFER, &actual));
    OK(EITHER0(JetStopBackup));
    EXPECT(JET_errBackupAbortByServer, EITHER(JetGetLogInfo, buffer, BUFFER, &actual));
    EXPECT(JET_errInvalidParameter, JetEndExternalBackupInstance2(instance, 0));
    OK(JetEndExternalBackupInstance2(instance, JET_bitBackupEndAbort));
}

static JET_INSTANCE restoring;
static int restore_calls;

static JET_ERR while_restoring(JET_SESID session, JET_SNP what, JET_SNT how, void *details) {
    (void)session, (void)details;
    REQUIRE(what == JET_snpRestore && (how == JET_sntBegin || how == JET_sntComplete));
    EXPECT(JET_errRestoreInProgress, JetBeginExternalBackupInstance(restoring, 0));
    restore_calls++;
    return JET_errSuccess;
}

static void restore(void) {
    char set[2048], target[2048];
    snprintf(set, sizeof set, "%s", in_directory("set"));
    snprintf(target, sizeof target, "%s", in_directory("restored-in-c"));
    OK(JetCreateInstance(&restoring, "restoring"));
    set_text(&restoring, JET_paramTempPath, directory);
    OK(JetRestoreInstance(restoring, set, target, while_restoring));
    REQUIRE(restore_calls == 2);
    EXPECT(JET_errNotInitialized, JetBeginExternalBackupInstance(restoring, 0));
    OK(JetTerm(restoring));
}

static void refuse_before_there_is_an_instance(void) {
    EXPECT(JET_errInvalidParameter, JetBeginExternalBackup(0));
    EXPECT(JET_errInvalidParameter, JetBeginExternalBackupInstance(0, 0));
    EXPECT(JET_errInvalidParameter, JetBeginExternalBackupInstance(JET_instanceNil, 0));
    EXPECT(JET_errInvalidParameter, JetBeginExternalBackupInstance(4711, 0));
    EXPECT(JET_errInvalidParameter, JetStopBackup());
    EXPECT(JET_errInvalidParameter, JetCreateInstance(NULL, "x"));
}

static void refuse_without_instance(void) {
    uint32_t actual = 0;
    JET_HANDLE file = 0;
    EXPECT(JET_errRunningInMultiInstanceMode, JetBeginExternalBackup(0));
    EXPECT(JET_errRunningInMultiInstanceMode, JetGetAttachInfo(buffer, BUFFER, &actual));
    EXPECT(JET_errRunningInMultiInstanceMode, JetOpenFile("a", &file, &actual, &actual));
    EXPECT(JET_errRunningInMultiInstanceMode, JetReadFile(1, buffer, BUFFER, &actual));
    EXPECT(JET_errRunningInMultiInstanceMode, JetCloseFile(1));
    EXPECT(JET_errRunningInMultiInstanceMode, JetGetLogInfo(buffer, BUFFER, &actual));
    EXPECT(JET_errRunningInMultiInstanceMode, JetTruncateLog());
    EXPECT(JET_errRunningInMultiInstanceMode, JetEndExternalBackup());
    EXPECT(JET_errRunningInMultiInstanceMode, JetStopBackup());
    EXPECT(JET_errRunningInMultiInstanceMode, JetStopService());
    EXPECT(JET_errNotInitialized, JetBeginExternalBackupInstance(instance, 0));
    OK(JetStopBackupInstance(instance));
}

static void start(void) {
    refuse_before_there_is_an_instance();
    if (legacy) {
        set_parameters(NULL);
        OK(JetInit(&instance));
        JET_INSTANCE other = 0;
        EXPECT(JET_errRunningInOneInstanceMode, JetCreateInstance(&other, "other"));
        /* The handle does not matter now. */
        EXPECT(JET_errNoBackup, JetCloseFileInstance(JET_instanceNil, 1));
    } else {
        OK(JetCreateInstance2(&instance, "one", "One", 0));
        refuse_without_instance();
        set_parameters(&instance);
        OK(JetInit(&instance));
        EXPECT(JET_errAlreadyInitialized, JetSetSystemParameter(&instance, JET_sesidNil, JET_paramLogFileSize, 64, NULL));
    }
    EXPECT(JET_errAlreadyInitialized, JetInit(&instance));
}

int main(int count, char **arguments) {
    if (count != 3)
        return 2;
    legacy = strcmp(arguments[1], "legacy") == 0;
    snprintf(directory, sizeof directory, "%s", arguments[2]);
    start();

    JET_SESID session = 0;
    JET_DBID a = 0, b = 0, again = 0;
    OK(JetBeginSession(instance, &session, NULL, NULL));
    OK(JetCreateDatabase(session, in_directory("a.edb"), NULL, &a, 0));
    OK(JetCreateDatabase2W(session, wide(in_directory("b.edb")), 0, &b, 0));
    fill(session, a);
    fill(session, b);
    EXPECT(JET_wrnDatabaseAttached, JetAttachDatabase(session, in_directory("a.edb"), 0));
    OK(JetOpenDatabase(session, in_directory("a.edb"), NULL, &again, 0));
    REQUIRE(again == a && a != b);
    OK(JetCloseDatabase(session, again, 0));

    REQUIRE(mkdir(in_directory("set"), 0777) == 0);
    back_up();
    stop_a_backup();
    if (!legacy)
        restore();

    OK(EITHER(JetBeginExternalBackup, 0));
    EXPECT(JET_errBackupInProgress, JetDetachDatabase(session, in_directory("b.edb")));
    EXPECT(JET_errBackupInProgress, JetTerm2(instance, JET_bitTermComplete));
    OK(JetEndExternalBackupInstance2(instance, JET_bitBackupEndAbort));
    EXPECT(JET_errBackupNotAllowedYet, EITHER(JetBeginExternalBackup, 0));
    OK(JetDetachDatabase(session, in_directory("b.edb")));
    OK(EITHER0(JetStopService));
    EXPECT(JET_errClientRequestToStopJetService, EITHER(JetBeginExternalBackup, 0));
    EXPECT(JET_errClientRequestToStopJetService, EITHER0(JetEndExternalBackup));
    OK(JetEndSession(session, 0));
    EXPECT(JET_errInvalidSesid, JetEndSession(session, 0));
    OK(JetTerm2(instance, JET_bitTermStopBackup));
    EXPECT(JET_errInvalidParameter, JetBeginExternalBackupInstance(instance, 0));
    EXPECT(JET_errInvalidParameter, JetTerm(instance));
    puts("done");
    return 0;
}
