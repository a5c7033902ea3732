//! The system's table of processes, as proc(5) shows it.

use std::fs;
use std::vec;

/// Whether there is no such process, or one that waits only for somebody to take note of its end.
pub(crate) fn has_ended(id: u32) -> bool {
    matches!(state(id), None | Some('Z'))
}

/// One letter, of proc(5).
pub(crate) fn state(id: u32) -> Option<char> {
    stat(id)?.next()?.chars().next()
}

/// The processes that this one has started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|id| stat(*id).and_then(|mut stat| stat.nth(1)?.parse().ok()) == Some(parent)).collect()
}

/// What proc(5) says of a process after its name, which is in parentheses and may contain anything: its state, its parent.
fn stat(id: u32) -> Option<vec::IntoIter<String>> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter())
}
