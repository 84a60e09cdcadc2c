//! What `--deep` found, line by line: the first findings of each kind, then how many more there are.

use crate::output::Output;
use jetfs::verify::deep::{DeepReport, Finding, FindingKind};
use std::io;

/// Findings of a kind that are printed; `--json` has more.
const SHOWN: usize = 5;

/// Prints the damage, indented below its file.
pub(super) fn print_damage(report: &DeepReport, output: &Output) -> io::Result<()> {
    lines(report, true).try_for_each(|line| output.line(format!("  {line}")))
}

/// What is no damage.
pub(super) fn notes(report: &DeepReport) -> impl Iterator<Item = String> {
    lines(report, false)
}

fn lines(report: &DeepReport, damage: bool) -> impl Iterator<Item = String> {
    let kinds = report.findings.counts();
    kinds
        .filter(move |(kind, _)| kind.is_damage() == damage)
        .flat_map(|(kind, count)| lines_of(report, kind, count))
}

fn lines_of(report: &DeepReport, kind: FindingKind, count: u64) -> Vec<String> {
    let of_kind = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.kind == kind);
    let mut lines: Vec<_> = of_kind.take(SHOWN).map(line).collect();
    let hidden = count.saturating_sub(lines.len() as u64);
    if hidden > 0 {
        lines.push(format!("and {hidden} more like this"));
    }
    lines
}

fn line(finding: &Finding) -> String {
    let page = finding
        .page
        .map_or_else(String::new, |page| format!("page {page}, "));
    format!("{page}{}: {}", finding.tree, finding.what)
}
