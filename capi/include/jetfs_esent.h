/*
 * The published C interface of the Extensible Storage Engine, as far as jetfs has it (libjetfs_esent.so).
 *
 * Names, numbers and meanings are those of the public reference pages. On Windows a "long" has 32 bits; here it may have 64, so
 * the types are written with their sizes. Names of files and tables come in two forms: ANSI (the functions with A, and those
 * without; here names are the system's bytes) and UTF-16 (those with W). Every function answers 0, a positive warning, or a
 * negative JET_err.
 *
 * What differs from the pages:
 *   - JetReadFile and JetCloseFile answer JET_errInvalidParameter for a handle that is not open; handles are never the same twice.
 *   - Flags and options that jetfs has no use for are answered by JET_errInvalidGrbit, not ignored; parameters of tuning can be
 *     set, and change nothing.
 *   - JET_bitBackupSnapshot in JetBeginExternalBackup begins a frozen backup: see docs/architecture.md.
 *   - JetRestoreInstance wants a directory to restore into that is empty or missing.
 *   - What JetSetColumn refuses beyond the length of a value is answered by JetUpdate; JetRetrieveColumn reads the record as it
 *     is stored.
 */
#ifndef JETFS_ESENT_H
#define JETFS_ESENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t JET_ERR;
typedef uint32_t JET_GRBIT;
typedef uint32_t JET_DBID;
typedef uint32_t JET_COLUMNID;
typedef uint32_t JET_COLTYP;
typedef size_t JET_API_PTR;
typedef JET_API_PTR JET_HANDLE;
typedef JET_API_PTR JET_INSTANCE;
typedef JET_API_PTR JET_SESID;
typedef JET_API_PTR JET_TABLEID;
typedef uint16_t JET_WCHAR;
typedef const char *JET_PCSTR;
typedef const JET_WCHAR *JET_PCWSTR;
typedef uint32_t JET_SNP;
typedef uint32_t JET_SNT;

/* What is restored, and how far it is: JET_snpRestore with JET_sntBegin, JET_sntComplete, JET_sntFail. */
typedef JET_ERR (*JET_PFNSTATUS)(JET_SESID sesid, JET_SNP snp, JET_SNT snt, void *pv);

#define JET_instanceNil (~(JET_INSTANCE)0)
#define JET_sesidNil (~(JET_SESID)0)
#define JET_tableidNil (~(JET_TABLEID)0)

/* Parameters: the number of JetSetSystemParameter. */
#define JET_paramSystemPath 0
#define JET_paramTempPath 1
#define JET_paramLogFilePath 2
#define JET_paramBaseName 3
#define JET_paramEventSource 4
#define JET_paramMaxSessions 5
#define JET_paramLogFileSize 11
#define JET_paramLogBuffers 12
#define JET_paramCommitDefault 16
#define JET_paramCircularLog 17
#define JET_paramDbExtensionSize 18
#define JET_paramCacheSizeMax 23
#define JET_paramCheckpointDepthMax 24
#define JET_paramRecovery 34
#define JET_paramDatabasePageSize 64
#define JET_paramLegacyFileNames 136

/* Backups. */
#define JET_bitBackupIncremental 0x00000001
#define JET_bitBackupSnapshot 0x00000010
#define JET_bitBackupEndNormal 0x0001
#define JET_bitBackupEndAbort 0x0002
#define JET_bitBackupTruncateDone 0x0100

/* The end of an instance. */
#define JET_bitTermComplete 0x00000001
#define JET_bitTermAbrupt 0x00000002
#define JET_bitTermStopBackup 0x00000004
#define JET_bitTermDirty 0x00000008
#define JET_bitStopServiceAll 0x00000000
#define JET_bitStopServiceBackgroundUserTasks 0x00000002
#define JET_bitStopServiceQuiesceCaches 0x00000004
#define JET_bitStopServiceStopAndEmitLog 0x00000008
#define JET_bitStopServiceResume 0x80000000

#define JET_snpRestore 8
#define JET_sntFail 3
#define JET_sntBegin 5
#define JET_sntComplete 6

/* Columns. */
#define JET_coltypBit 1
#define JET_coltypUnsignedByte 2
#define JET_coltypShort 3
#define JET_coltypLong 4
#define JET_coltypCurrency 5
#define JET_coltypIEEESingle 6
#define JET_coltypIEEEDouble 7
#define JET_coltypDateTime 8
#define JET_coltypBinary 9
#define JET_coltypText 10
#define JET_coltypLongBinary 11
#define JET_coltypLongText 12
#define JET_coltypUnsignedLong 14
#define JET_coltypLongLong 15
#define JET_coltypGUID 16
#define JET_coltypUnsignedShort 17

#define JET_bitColumnFixed 0x00000001
#define JET_bitColumnTagged 0x00000002
#define JET_bitColumnNotNULL 0x00000004
#define JET_bitColumnVersion 0x00000008
#define JET_bitColumnAutoincrement 0x00000010
#define JET_bitColumnMultiValued 0x00000400
#define JET_bitColumnEscrowUpdate 0x00000800
#define JET_bitColumnDeleteOnZero 0x00002000
#define JET_bitColumnCompressed 0x00080000

/* Indexes and keys. */
#define JET_bitIndexUnique 0x00000001
#define JET_bitIndexPrimary 0x00000002
#define JET_bitIndexDisallowNull 0x00000004
#define JET_bitIndexIgnoreNull 0x00000008
#define JET_bitIndexIgnoreAnyNull 0x00000020
#define JET_bitIndexIgnoreFirstNull 0x00000040
#define JET_bitIndexSortNullsHigh 0x00000400
#define JET_bitNewKey 0x00000001
#define JET_bitStrLimit 0x00000002
#define JET_bitSubStrLimit 0x00000004
#define JET_bitKeyDataZeroLength 0x00000010
#define JET_bitFullColumnStartLimit 0x00000100
#define JET_bitFullColumnEndLimit 0x00000200
#define JET_bitPartialColumnStartLimit 0x00000400
#define JET_bitPartialColumnEndLimit 0x00000800
#define JET_bitSeekEQ 0x00000001
#define JET_bitSeekLT 0x00000002
#define JET_bitSeekLE 0x00000004
#define JET_bitSeekGE 0x00000008
#define JET_bitSeekGT 0x00000010

/* Rows. */
#define JET_MoveFirst ((int32_t)0x80000000)
#define JET_MovePrevious (-1)
#define JET_MoveNext 1
#define JET_MoveLast 0x7fffffff
#define JET_prepInsert 0
#define JET_prepReplace 2
#define JET_prepCancel 3
#define JET_prepReplaceNoLock 4
#define JET_bitSetAppendLV 0x00000001
#define JET_bitSetOverwriteLV 0x00000004
#define JET_bitSetSizeLV 0x00000008
#define JET_bitSetZeroLength 0x00000020
#define JET_bitCommitLazyFlush 0x00000001
#define JET_bitWaitLastLevel0Commit 0x00000002
#define JET_bitRollbackAll 0x00000001

/* Answers that are often looked for; the reference pages have them all. */
#define JET_errSuccess 0
#define JET_errBackupInProgress (-505)
#define JET_errRestoreInProgress (-506)
#define JET_errLogWriteFail (-510)
#define JET_errLoggingDisabled (-516)
#define JET_errNoBackup (-520)
#define JET_errInvalidBackupSequence (-521)
#define JET_errBackupNotAllowedYet (-523)
#define JET_errInvalidBackup (-526)
#define JET_errCheckpointCorrupt (-533)
#define JET_errCheckpointFileNotFound (-542)
#define JET_errMissingFullBackup (-560)
#define JET_errMissingFileToBackup (-569)
#define JET_errLogFileNotCopied (-616)
#define JET_errBackupAbortByServer (-801)
#define JET_errInvalidGrbit (-900)
#define JET_errTermInProgress (-1000)
#define JET_errInvalidParameter (-1003)
#define JET_errInvalidDatabaseId (-1010)
#define JET_errOutOfMemory (-1011)
#define JET_errNotInitialized (-1029)
#define JET_errAlreadyInitialized (-1030)
#define JET_errBufferTooSmall (-1038)
#define JET_errRunningInOneInstanceMode (-1080)
#define JET_errRunningInMultiInstanceMode (-1081)
#define JET_errInstanceUnavailable (-1090)
#define JET_errInvalidSesid (-1104)
#define JET_errDatabaseNotFound (-1203)
#define JET_errInvalidTableId (-1310)
#define JET_errClientRequestToStopJetService (-1329)
#define JET_errColumnNotFound (-1507)
#define JET_errRecordNotFound (-1601)
#define JET_errNoCurrentRecord (-1603)
#define JET_errUpdateNotPrepared (-1609)
#define JET_wrnColumnNull 1004
#define JET_wrnBufferTruncated 1006
#define JET_wrnDatabaseAttached 1007
#define JET_wrnSeekNotEqual 1039

typedef struct {
    uint32_t cbSize; /* 16 */
    uint32_t ulGenLow;
    uint32_t ulGenHigh;
    char szBaseName[4];
} JET_LOGINFO_A;

typedef struct {
    uint32_t cbSize; /* 20 */
    uint32_t ulGenLow;
    uint32_t ulGenHigh;
    JET_WCHAR szBaseName[4];
} JET_LOGINFO_W;

typedef struct {
    uint32_t cbStruct;
    JET_COLUMNID columnid;
    JET_COLTYP coltyp;
    uint16_t wCountry;
    uint16_t langid;
    uint16_t cp;
    uint16_t wCollate;
    uint32_t cbMax;
    JET_GRBIT grbit;
} JET_COLUMNDEF;

typedef struct {
    uint32_t cbStruct;
    uint32_t ibLongValue;
    uint32_t itagSequence;
} JET_SETINFO;

typedef struct {
    uint32_t cbStruct;
    uint32_t ibLongValue;
    uint32_t itagSequence;
    JET_COLUMNID columnidNextTagged;
} JET_RETINFO;

/* A restore map, which JetInit3 does not take yet: pass NULL. */
typedef struct JET_RSTINFO JET_RSTINFO;

/* Instances. With NULL or no handle JetInit begins the process's only instance, which the calls without an instance mean. */
JET_ERR JetCreateInstance(JET_INSTANCE *pinstance, JET_PCSTR szInstanceName);
JET_ERR JetCreateInstanceA(JET_INSTANCE *pinstance, JET_PCSTR szInstanceName);
JET_ERR JetCreateInstanceW(JET_INSTANCE *pinstance, JET_PCWSTR szInstanceName);
JET_ERR JetCreateInstance2(JET_INSTANCE *pinstance, JET_PCSTR szInstanceName, JET_PCSTR szDisplayName, JET_GRBIT grbit);
JET_ERR JetCreateInstance2A(JET_INSTANCE *pinstance, JET_PCSTR szInstanceName, JET_PCSTR szDisplayName, JET_GRBIT grbit);
JET_ERR JetCreateInstance2W(JET_INSTANCE *pinstance, JET_PCWSTR szInstanceName, JET_PCWSTR szDisplayName, JET_GRBIT grbit);
JET_ERR JetSetSystemParameter(JET_INSTANCE *pinstance, JET_SESID sesid, uint32_t paramid, JET_API_PTR lParam, JET_PCSTR szParam);
JET_ERR JetSetSystemParameterA(JET_INSTANCE *pinstance, JET_SESID sesid, uint32_t paramid, JET_API_PTR lParam, JET_PCSTR szParam);
JET_ERR JetSetSystemParameterW(JET_INSTANCE *pinstance, JET_SESID sesid, uint32_t paramid, JET_API_PTR lParam, JET_PCWSTR
    szParam);
JET_ERR JetGetSystemParameter(JET_INSTANCE instance, JET_SESID sesid, uint32_t paramid, JET_API_PTR *plParam, char *szParam,
    uint32_t cbMax);
JET_ERR JetGetSystemParameterA(JET_INSTANCE instance, JET_SESID sesid, uint32_t paramid, JET_API_PTR *plParam, char *szParam,
    uint32_t cbMax);
JET_ERR JetGetSystemParameterW(JET_INSTANCE instance, JET_SESID sesid, uint32_t paramid, JET_API_PTR *plParam, JET_WCHAR
    *szParam, uint32_t cbMax);
JET_ERR JetInit(JET_INSTANCE *pinstance);
JET_ERR JetInit2(JET_INSTANCE *pinstance, JET_GRBIT grbit);
JET_ERR JetInit3(JET_INSTANCE *pinstance, JET_RSTINFO *prstinfo, JET_GRBIT grbit);
JET_ERR JetInit3A(JET_INSTANCE *pinstance, JET_RSTINFO *prstinfo, JET_GRBIT grbit);
JET_ERR JetInit3W(JET_INSTANCE *pinstance, JET_RSTINFO *prstinfo, JET_GRBIT grbit);
JET_ERR JetTerm(JET_INSTANCE instance);
JET_ERR JetTerm2(JET_INSTANCE instance, JET_GRBIT grbit);
JET_ERR JetStopService(void);
JET_ERR JetStopServiceInstance(JET_INSTANCE instance);
JET_ERR JetStopServiceInstance2(JET_INSTANCE instance, JET_GRBIT grbit);
JET_ERR JetRestoreInstance(JET_INSTANCE instance, JET_PCSTR sz, JET_PCSTR szDest, JET_PFNSTATUS pfn);
JET_ERR JetRestoreInstanceA(JET_INSTANCE instance, JET_PCSTR sz, JET_PCSTR szDest, JET_PFNSTATUS pfn);
JET_ERR JetRestoreInstanceW(JET_INSTANCE instance, JET_PCWSTR sz, JET_PCWSTR szDest, JET_PFNSTATUS pfn);

/* External backups. */
JET_ERR JetBeginExternalBackup(JET_GRBIT grbit);
JET_ERR JetBeginExternalBackupInstance(JET_INSTANCE instance, JET_GRBIT grbit);
JET_ERR JetGetAttachInfo(char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetAttachInfoA(char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetAttachInfoW(JET_WCHAR *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetAttachInfoInstance(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetAttachInfoInstanceA(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetAttachInfoInstanceW(JET_INSTANCE instance, JET_WCHAR *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetOpenFile(JET_PCSTR szFileName, JET_HANDLE *phfFile, uint32_t *pulFileSizeLow, uint32_t *pulFileSizeHigh);
JET_ERR JetOpenFileA(JET_PCSTR szFileName, JET_HANDLE *phfFile, uint32_t *pulFileSizeLow, uint32_t *pulFileSizeHigh);
JET_ERR JetOpenFileW(JET_PCWSTR szFileName, JET_HANDLE *phfFile, uint32_t *pulFileSizeLow, uint32_t *pulFileSizeHigh);
JET_ERR JetOpenFileInstance(JET_INSTANCE instance, JET_PCSTR szFileName, JET_HANDLE *phfFile, uint32_t *pulFileSizeLow, uint32_t
    *pulFileSizeHigh);
JET_ERR JetOpenFileInstanceA(JET_INSTANCE instance, JET_PCSTR szFileName, JET_HANDLE *phfFile, uint32_t *pulFileSizeLow,
    uint32_t *pulFileSizeHigh);
JET_ERR JetOpenFileInstanceW(JET_INSTANCE instance, JET_PCWSTR szFileName, JET_HANDLE *phfFile, uint32_t *pulFileSizeLow,
    uint32_t *pulFileSizeHigh);
JET_ERR JetReadFile(JET_HANDLE hfFile, void *pv, uint32_t cb, uint32_t *pcbActual);
JET_ERR JetReadFileInstance(JET_INSTANCE instance, JET_HANDLE hfFile, void *pv, uint32_t cb, uint32_t *pcbActual);
JET_ERR JetCloseFile(JET_HANDLE hfFile);
JET_ERR JetCloseFileInstance(JET_INSTANCE instance, JET_HANDLE hfFile);
JET_ERR JetGetLogInfo(char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetLogInfoA(char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetLogInfoW(JET_WCHAR *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetLogInfoInstance(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetLogInfoInstanceA(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetLogInfoInstanceW(JET_INSTANCE instance, JET_WCHAR *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetLogInfoInstance2(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual, JET_LOGINFO_A *pLogInfo);
JET_ERR JetGetLogInfoInstance2A(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual, JET_LOGINFO_A *pLogInfo);
JET_ERR JetGetLogInfoInstance2W(JET_INSTANCE instance, JET_WCHAR *szz, uint32_t cbMax, uint32_t *pcbActual, JET_LOGINFO_W
    *pLogInfo);
JET_ERR JetGetTruncateLogInfoInstance(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetTruncateLogInfoInstanceA(JET_INSTANCE instance, char *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetGetTruncateLogInfoInstanceW(JET_INSTANCE instance, JET_WCHAR *szz, uint32_t cbMax, uint32_t *pcbActual);
JET_ERR JetTruncateLog(void);
JET_ERR JetTruncateLogInstance(JET_INSTANCE instance);
JET_ERR JetEndExternalBackup(void);
JET_ERR JetEndExternalBackupInstance(JET_INSTANCE instance);
JET_ERR JetEndExternalBackupInstance2(JET_INSTANCE instance, JET_GRBIT grbit);
JET_ERR JetStopBackup(void);
JET_ERR JetStopBackupInstance(JET_INSTANCE instance);

/* Sessions and transactions. */
JET_ERR JetBeginSession(JET_INSTANCE instance, JET_SESID *psesid, JET_PCSTR szUserName, JET_PCSTR szPassword);
JET_ERR JetBeginSessionA(JET_INSTANCE instance, JET_SESID *psesid, JET_PCSTR szUserName, JET_PCSTR szPassword);
JET_ERR JetBeginSessionW(JET_INSTANCE instance, JET_SESID *psesid, JET_PCWSTR szUserName, JET_PCWSTR szPassword);
JET_ERR JetEndSession(JET_SESID sesid, JET_GRBIT grbit);
JET_ERR JetBeginTransaction(JET_SESID sesid);
JET_ERR JetBeginTransaction2(JET_SESID sesid, JET_GRBIT grbit);
JET_ERR JetCommitTransaction(JET_SESID sesid, JET_GRBIT grbit);
JET_ERR JetRollback(JET_SESID sesid, JET_GRBIT grbit);

/* Databases. */
JET_ERR JetCreateDatabase(JET_SESID sesid, JET_PCSTR szFilename, JET_PCSTR szConnect, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetCreateDatabaseA(JET_SESID sesid, JET_PCSTR szFilename, JET_PCSTR szConnect, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetCreateDatabaseW(JET_SESID sesid, JET_PCWSTR szFilename, JET_PCWSTR szConnect, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetCreateDatabase2(JET_SESID sesid, JET_PCSTR szFilename, uint32_t cpgDatabaseSizeMax, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetCreateDatabase2A(JET_SESID sesid, JET_PCSTR szFilename, uint32_t cpgDatabaseSizeMax, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetCreateDatabase2W(JET_SESID sesid, JET_PCWSTR szFilename, uint32_t cpgDatabaseSizeMax, JET_DBID *pdbid, JET_GRBIT
    grbit);
JET_ERR JetAttachDatabase(JET_SESID sesid, JET_PCSTR szFilename, JET_GRBIT grbit);
JET_ERR JetAttachDatabaseA(JET_SESID sesid, JET_PCSTR szFilename, JET_GRBIT grbit);
JET_ERR JetAttachDatabaseW(JET_SESID sesid, JET_PCWSTR szFilename, JET_GRBIT grbit);
JET_ERR JetAttachDatabase2(JET_SESID sesid, JET_PCSTR szFilename, uint32_t cpgDatabaseSizeMax, JET_GRBIT grbit);
JET_ERR JetAttachDatabase2A(JET_SESID sesid, JET_PCSTR szFilename, uint32_t cpgDatabaseSizeMax, JET_GRBIT grbit);
JET_ERR JetAttachDatabase2W(JET_SESID sesid, JET_PCWSTR szFilename, uint32_t cpgDatabaseSizeMax, JET_GRBIT grbit);
JET_ERR JetDetachDatabase(JET_SESID sesid, JET_PCSTR szFilename);
JET_ERR JetDetachDatabaseA(JET_SESID sesid, JET_PCSTR szFilename);
JET_ERR JetDetachDatabaseW(JET_SESID sesid, JET_PCWSTR szFilename);
JET_ERR JetOpenDatabase(JET_SESID sesid, JET_PCSTR szFilename, JET_PCSTR szConnect, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetOpenDatabaseA(JET_SESID sesid, JET_PCSTR szFilename, JET_PCSTR szConnect, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetOpenDatabaseW(JET_SESID sesid, JET_PCWSTR szFilename, JET_PCWSTR szConnect, JET_DBID *pdbid, JET_GRBIT grbit);
JET_ERR JetCloseDatabase(JET_SESID sesid, JET_DBID dbid, JET_GRBIT grbit);

/* Tables and rows. */
JET_ERR JetCreateTable(JET_SESID sesid, JET_DBID dbid, JET_PCSTR szTableName, uint32_t lPages, uint32_t lDensity, JET_TABLEID
    *ptableid);
JET_ERR JetCreateTableA(JET_SESID sesid, JET_DBID dbid, JET_PCSTR szTableName, uint32_t lPages, uint32_t lDensity, JET_TABLEID
    *ptableid);
JET_ERR JetCreateTableW(JET_SESID sesid, JET_DBID dbid, JET_PCWSTR szTableName, uint32_t lPages, uint32_t lDensity, JET_TABLEID
    *ptableid);
JET_ERR JetOpenTable(JET_SESID sesid, JET_DBID dbid, JET_PCSTR szTableName, const void *pvParameters, uint32_t cbParameters,
    JET_GRBIT grbit, JET_TABLEID *ptableid);
JET_ERR JetOpenTableA(JET_SESID sesid, JET_DBID dbid, JET_PCSTR szTableName, const void *pvParameters, uint32_t cbParameters,
    JET_GRBIT grbit, JET_TABLEID *ptableid);
JET_ERR JetOpenTableW(JET_SESID sesid, JET_DBID dbid, JET_PCWSTR szTableName, const void *pvParameters, uint32_t cbParameters,
    JET_GRBIT grbit, JET_TABLEID *ptableid);
JET_ERR JetCloseTable(JET_SESID sesid, JET_TABLEID tableid);
JET_ERR JetAddColumn(JET_SESID sesid, JET_TABLEID tableid, JET_PCSTR szColumnName, const JET_COLUMNDEF *pcolumndef, const void
    *pvDefault, uint32_t cbDefault, JET_COLUMNID *pcolumnid);
JET_ERR JetAddColumnA(JET_SESID sesid, JET_TABLEID tableid, JET_PCSTR szColumnName, const JET_COLUMNDEF *pcolumndef, const void
    *pvDefault, uint32_t cbDefault, JET_COLUMNID *pcolumnid);
JET_ERR JetAddColumnW(JET_SESID sesid, JET_TABLEID tableid, JET_PCWSTR szColumnName, const JET_COLUMNDEF *pcolumndef, const void
    *pvDefault, uint32_t cbDefault, JET_COLUMNID *pcolumnid);
JET_ERR JetCreateIndex(JET_SESID sesid, JET_TABLEID tableid, JET_PCSTR szIndexName, JET_GRBIT grbit, JET_PCSTR szKey, uint32_t
    cbKey, uint32_t lDensity);
JET_ERR JetCreateIndexA(JET_SESID sesid, JET_TABLEID tableid, JET_PCSTR szIndexName, JET_GRBIT grbit, JET_PCSTR szKey, uint32_t
    cbKey, uint32_t lDensity);
JET_ERR JetCreateIndexW(JET_SESID sesid, JET_TABLEID tableid, JET_PCWSTR szIndexName, JET_GRBIT grbit, JET_PCWSTR szKey,
    uint32_t cbKey, uint32_t lDensity);
JET_ERR JetPrepareUpdate(JET_SESID sesid, JET_TABLEID tableid, uint32_t prep);
JET_ERR JetSetColumn(JET_SESID sesid, JET_TABLEID tableid, JET_COLUMNID columnid, const void *pvData, uint32_t cbData, JET_GRBIT
    grbit, const JET_SETINFO *psetinfo);
JET_ERR JetUpdate(JET_SESID sesid, JET_TABLEID tableid, void *pvBookmark, uint32_t cbBookmark, uint32_t *pcbActual);
JET_ERR JetRetrieveColumn(JET_SESID sesid, JET_TABLEID tableid, JET_COLUMNID columnid, void *pvData, uint32_t cbData, uint32_t
    *pcbActual, JET_GRBIT grbit, JET_RETINFO *pretinfo);
JET_ERR JetMove(JET_SESID sesid, JET_TABLEID tableid, int32_t cRow, JET_GRBIT grbit);
JET_ERR JetMakeKey(JET_SESID sesid, JET_TABLEID tableid, const void *pvData, uint32_t cbData, JET_GRBIT grbit);
JET_ERR JetSeek(JET_SESID sesid, JET_TABLEID tableid, JET_GRBIT grbit);

#ifdef __cplusplus
}
#endif

#endif
