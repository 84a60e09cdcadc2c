//! What ends the backup of a running instance by itself: nobody reads, or too many logs pile up (design, section 5).

use crate::live_backup::LiveRequest;
use crate::tree::Tree;
use jetfs::backup::EndGrbit;
use std::time::Duration;

/// How often it is looked.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// Looks after one backup.
#[derive(Debug)]
pub(crate) struct Watch {
    request: LiveRequest,
    has_warned: bool,
}

impl Watch {
    /// As its user asked for.
    pub(crate) fn new(request: LiveRequest) -> Self {
        Watch {
            request,
            has_warned: false,
        }
    }

    /// Ends the backup if there is a reason to. The mount stays, and every access is an error from then on.
    pub(crate) fn look(&mut self, tree: &Tree) {
        if tree.over().is_some() {
            return;
        }
        if let Some(why) = self.idle(tree).or_else(|| self.too_many_logs(tree)) {
            tree.give_up(why);
            let _ = tree.session().end_with(EndGrbit::ABORT.bits());
        }
    }

    fn idle(&self, tree: &Tree) -> Option<String> {
        let timeout = self.request.timeout?;
        let is_idle = tree.last_used().elapsed() >= Duration::from_secs(timeout);
        is_idle.then(|| format!("nobody has read for {timeout} s"))
    }

    /// Asks also where no limit is set: an instance that is gone is noticed.
    fn too_many_logs(&mut self, tree: &Tree) -> Option<String> {
        let pinned = match tree.session().source().log_standing() {
            Ok(standing) => standing.pinned,
            Err(error) => return Some(error.to_string()),
        };
        let most = self.request.max_logs?;
        if pinned > most {
            return Some(format!(
                "the instance had to keep {pinned} logs for it, more than {most}"
            ));
        }
        if u64::from(pinned) * 4 > u64::from(most) * 3 && !std::mem::replace(&mut self.has_warned, true) {
            let what = format!(
                "the instance keeps {pinned} logs for this backup; it ends when there are more than {most}"
            );
            tracing::warn!("{what}");
            tree.notice(what);
        }
        None
    }
}
