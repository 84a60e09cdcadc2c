<#
.SYNOPSIS
DRAFT, for later: copies the files of an ESE instance on Windows with jetfs and robocopy.

.DESCRIPTION
jetfs does not run on Windows yet (no Dokan adapter, no esent.dll source), and this script has never been run.
It says how the Linux script backup-rsync.sh will look there: mount, check that the mount answers, robocopy,
verify, unmount; robocopy never mirrors a dead mount.

.PARAMETER Source
The directory of the instance.

.PARAMETER Destination
The directory that becomes the copy.

.PARAMETER Drive
A free drive letter with its colon.

.NOTES
Exit codes as jetfs: 0 done, 1 failed, 2 usage, 3 refused, 4 busy, 5 incomplete or aborted, 6 damaged data found.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $Source,
    [Parameter(Mandatory)] [string] $Destination,
    [string] $Drive = 'J:',
    [switch] $Keep
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'

function Assert-MountAnswers {
    if (-not (Test-Path -LiteralPath "$Drive\backup.json" -PathType Leaf)) {
        throw "the mount at $Drive does not answer or is not complete; nothing was deleted from $Destination"
    }
}

# Robocopy's codes are bits: 1 copied, 2 extra files, 4 mismatches, 8 failures, 16 fatal.
function Invoke-Robocopy([string[]] $Switches) {
    & robocopy.exe "$Drive\" $Destination /COPY:DAT /DCOPY:T /R:0 /W:0 /J /NP /NFL /NDL @Switches
    if ($LASTEXITCODE -ge 8) {
        throw "robocopy ended with $LASTEXITCODE; nothing was deleted from $Destination"
    }
}

& jetfs.exe mount --quiet $Source $Drive
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
$code = 1
try {
    Assert-MountAnswers
    Invoke-Robocopy @()
    Assert-MountAnswers
    if (-not $Keep) { Invoke-Robocopy @('/PURGE') }
    & jetfs.exe verify $Destination
    $code = $LASTEXITCODE
}
catch {
    [Console]::Error.WriteLine("robocopy.ps1: $_")
}
finally {
    & jetfs.exe umount $Drive
    if ($LASTEXITCODE -ne 0) { $code = $LASTEXITCODE }
}
exit $code
