//! A disk that loses what was not synced, as POSIX allows it: what was done to a real folder is replayed on a model, and every
//! folder that a power failure may have left is built.
//!
//! A file's bytes and time are safe after a sync of that file, and a name after a sync of the folder that it is in; a
//! rename from one folder to another is two changes of names. Nothing orders what is not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::disk::DiskChange;

/// A change, with paths from the place that the store's folder is in.
#[derive(Clone, Debug)]
pub(super) enum Done {
    Write(PathBuf, Vec<u8>),
    SetModified(PathBuf, SystemTime),
    Sync(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    MakeFolder(PathBuf),
    RemoveFolder(PathBuf),
    SyncFolder(PathBuf),
    /// A sync that a test left out.
    Nothing,
}

impl Done {
    pub(super) fn new(place: &Path, change: &DiskChange<'_>) -> Self {
        let inner = |path: &Path| path.strip_prefix(place).unwrap().to_owned();
        match *change {
            DiskChange::Write { path, bytes } => Self::Write(inner(path), bytes.to_owned()),
            DiskChange::SetModified { path, time } => Self::SetModified(inner(path), time),
            DiskChange::Sync { path } => Self::Sync(inner(path)),
            DiskChange::Link { from, to } => Self::Link(inner(from), inner(to)),
            DiskChange::Rename { from, to } => Self::Rename(inner(from), inner(to)),
            DiskChange::Remove { path } => Self::Remove(inner(path)),
            DiskChange::MakeFolder { path } => Self::MakeFolder(inner(path)),
            DiskChange::RemoveFolder { path } => Self::RemoveFolder(inner(path)),
            DiskChange::SyncFolder { path } => Self::SyncFolder(inner(path)),
        }
    }
}

type Inode = usize;

#[derive(Clone, Debug)]
pub(super) struct CrashDisk {
    inodes: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Folder {
        safe: BTreeMap<String, Inode>,
        pending: Vec<Name>,
    },
    /// The first of its contents and of its times is safe if the file was ever synced.
    File {
        synced: bool,
        contents: Vec<Vec<u8>>,
        times: Vec<SystemTime>,
    },
}

/// What one operation did to one folder: this name now means that.
type Name = (String, Option<Inode>);

/// What is left of everything that was not synced: for each inode which of its pending changes, by number, or
/// which of the contents and times that it may have.
type Loss = BTreeMap<Inode, Left>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Left {
    Names(Vec<bool>),
    File { content: usize, time: usize },
}

/// A folder as it may be found, by the paths in it. Names of one file have one number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Image {
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, (Inode, Vec<u8>, SystemTime)>,
}

impl CrashDisk {
    /// Everything that is there now is safe.
    pub(super) fn of(place: &Path) -> Self {
        let mut disk = Self { inodes: vec![Node::folder()] };
        disk.scan(0, place);
        disk
    }

    fn scan(&mut self, inode: Inode, path: &Path) {
        for entry in fs::read_dir(path).unwrap() {
            let (entry, new) = (entry.as_ref().unwrap(), self.inodes.len());
            let is_folder = entry.path().is_dir();
            self.inodes.push(if is_folder {
                Node::folder()
            } else {
                let time = entry.metadata().unwrap().modified().unwrap();
                Node::File {
                    synced: true,
                    contents: vec![fs::read(entry.path()).unwrap()],
                    times: vec![time],
                }
            });
            let Node::Folder { safe, .. } = &mut self.inodes[inode] else { unreachable!() };
            safe.insert(entry.file_name().into_string().unwrap(), new);
            if is_folder {
                self.scan(new, &entry.path());
            }
        }
    }

    pub(super) fn apply(&mut self, done: &Done) {
        match done {
            Done::Write(path, bytes) => match self.find(path) {
                None => {
                    let file = Node::File {
                        synced: false,
                        contents: vec![vec![], bytes.clone()],
                        times: vec![SystemTime::UNIX_EPOCH],
                    };
                    self.inodes.push(file);
                    self.name(path, Some(self.inodes.len() - 1));
                }
                Some(inode) => {
                    let Node::File { contents, .. } = &mut self.inodes[inode] else { panic!("{path:?}") };
                    contents.push(bytes.clone());
                }
            },
            Done::SetModified(path, time) => {
                let Some(Node::File { times, .. }) = self.node(path) else { panic!("{path:?}") };
                times.push(*time);
            }
            Done::Sync(path) => {
                let Some(Node::File { synced, contents, times }) = self.node(path) else {
                    panic!("{path:?}")
                };
                *synced = true;
                contents.drain(..contents.len() - 1);
                times.drain(..times.len() - 1);
            }
            Done::Nothing => {}
            // What the system refuses changes nothing.
            Done::Link(from, to) => {
                if self.find(to).is_none() {
                    self.name(to, self.find(from));
                }
            }
            Done::Rename(from, to) => {
                self.name(to, self.find(from));
                self.name(from, None);
            }
            Done::Remove(path) => {
                if self.find(path).is_some() {
                    self.name(path, None);
                }
            }
            Done::MakeFolder(path) => {
                if self.find(path).is_none() {
                    self.inodes.push(Node::folder());
                    self.name(path, Some(self.inodes.len() - 1));
                }
            }
            Done::RemoveFolder(path) => {
                if self.find(path).is_some_and(|inode| self.names(inode, None).is_empty()) {
                    self.name(path, None);
                }
            }
            Done::SyncFolder(path) => {
                // Where the system found none, there was an error and nothing was synced.
                if let Some(Node::Folder { safe, pending }) = self.node(path) {
                    pending.drain(..).for_each(|name| set(safe, name));
                }
            }
        }
    }

    /// The images that may be left now: all of them if they are few; otherwise each loss alone, and
    /// `random` others.
    pub(super) fn images(&self, random: &mut Random, others: usize) -> BTreeSet<Image> {
        let open: Vec<(Inode, Vec<Left>)> = (0..self.inodes.len())
            .map(|inode| (inode, self.options(inode)))
            .filter(|(_, o)| o.len() > 1)
            .collect();
        let pick = |choice: &dyn Fn(usize, &[Left]) -> usize| -> Loss {
            let chosen = open.iter().enumerate().map(|(n, (inode, o))| (*inode, o[choice(n, o)].clone()));
            chosen.collect()
        };
        let mut losses = Vec::new();
        let product = open.iter().fold(1_usize, |product, (_, o)| product.saturating_mul(o.len()));
        if product <= FEW {
            for mut number in 0..product {
                let digits: Vec<_> =
                    open.iter().map(|(_, o)| (number % o.len(), number /= o.len()).0).collect();
                losses.push(pick(&|n, _| digits[n]));
            }
        } else {
            // Options are in order: the first loses all, the last nothing.
            for (one, (_, options)) in open.iter().enumerate() {
                for option in 0..options.len() {
                    losses.push(pick(&|n, o| if n == one { option } else { o.len() - 1 }));
                    losses.push(pick(&|n, _| if n == one { option } else { 0 }));
                }
            }
            for _ in 0..others {
                let dice: Vec<_> = open.iter().map(|(_, o)| random.below(o.len())).collect();
                losses.push(pick(&|n, _| dice[n]));
            }
        }
        losses.iter().map(|loss| self.image(loss)).collect()
    }

    /// What may be left of an inode: from nothing new to everything.
    fn options(&self, inode: Inode) -> Vec<Left> {
        match &self.inodes[inode] {
            Node::Folder { pending, .. } => {
                let all = pending.len();
                // Of a great number alike, such as shards being made, some.
                let some = || {
                    (0..all)
                        .step_by(if all > 16 { all / 3 + 1 } else { 1 })
                        .chain((all > 16).then(|| all - 1))
                };
                let mut options: Vec<_> =
                    some().map(|n| Left::Names((0..all).map(|i| i < n).collect())).collect();
                options.extend(some().map(|n| Left::Names((0..all).map(|i| i != n).collect())));
                options.push(Left::Names(vec![true; all]));
                options.dedup();
                options
            }
            Node::File { contents, times, .. } => {
                let contents = self.contents(inode, contents).len();
                let pairs =
                    (0..times.len()).flat_map(|time| (0..contents).map(move |content| (time, content)));
                pairs.map(|(time, content)| Left::File { content, time }).collect()
            }
        }
    }

    fn contents(&self, inode: Inode, written: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let newest = written.last().unwrap();
        if let (Node::File { synced: true, .. }, [safe]) = (&self.inodes[inode], written) {
            return vec![safe.clone()];
        }
        let mut contents = vec![vec![], vec![0; newest.len()], newest[..newest.len() / 2].to_vec()];
        contents.extend_from_slice(written);
        contents.dedup();
        contents
    }

    fn image(&self, loss: &Loss) -> Image {
        let mut image = Image { folders: BTreeSet::new(), files: BTreeMap::new() };
        self.fill(&mut image, loss, 0, Path::new(""));
        image
    }

    fn fill(&self, image: &mut Image, loss: &Loss, folder: Inode, path: &Path) {
        let kept = loss.get(&folder).map(|left| match left {
            Left::Names(kept) => kept.as_slice(),
            Left::File { .. } => unreachable!(),
        });
        for (name, inode) in self.names(folder, kept) {
            let path = path.join(name);
            match &self.inodes[inode] {
                Node::Folder { .. } => {
                    image.folders.insert(path.clone());
                    self.fill(image, loss, inode, &path);
                }
                Node::File { contents, times, .. } => {
                    let (content, time) = match loss.get(&inode) {
                        Some(Left::File { content, time }) => (*content, *time),
                        _ => (0, 0),
                    };
                    let bytes = self.contents(inode, contents).swap_remove(content);
                    image.files.insert(path, (inode, bytes, times[time]));
                }
            }
        }
    }

    /// What is in a folder if these of its pending changes are kept; all, if it is not said.
    fn names(&self, folder: Inode, kept: Option<&[bool]>) -> BTreeMap<String, Inode> {
        let Node::Folder { safe, pending } = &self.inodes[folder] else { panic!("no folder") };
        let mut names = safe.clone();
        for (n, name) in pending.iter().enumerate() {
            if kept.is_none_or(|kept| kept[n]) {
                set(&mut names, name.clone());
            }
        }
        names
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        path.components().try_fold(0, |folder, component| {
            let Component::Normal(name) = component else { panic!("{path:?}") };
            let (Node::Folder { safe, pending }, name) = (&self.inodes[folder], name.to_str()?) else {
                panic!("no folder above {path:?}")
            };
            match pending.iter().rfind(|(changed, _)| changed == name) {
                Some((_, inode)) => *inode,
                None => safe.get(name).copied(),
            }
        })
    }

    fn node(&mut self, path: &Path) -> Option<&mut Node> {
        self.find(path).map(|inode| &mut self.inodes[inode])
    }

    fn name(&mut self, path: &Path, inode: Option<Inode>) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        // Where there is no folder, the system has refused it.
        if let Some(Node::Folder { pending, .. }) = self.node(path.parent().unwrap()) {
            pending.push((name, inode));
        }
    }
}

impl Node {
    fn folder() -> Self {
        Self::Folder { safe: BTreeMap::new(), pending: Vec::new() }
    }
}

fn set(names: &mut BTreeMap<String, Inode>, (name, inode): Name) {
    match inode {
        Some(inode) => _ = names.insert(name, inode),
        None => _ = names.remove(&name),
    }
}

impl Image {
    pub(super) fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(Path::new(path)).map(|(_, bytes, _)| bytes.as_slice())
    }

    /// Makes `place` look like this, whatever is in it; but in folders that are `idle` nothing is.
    pub(super) fn build(&self, place: &Path, idle: &dyn Fn(&Path) -> bool) {
        let mut there = BTreeSet::new();
        self.clear(place, Path::new(""), idle, &mut there);
        for folder in self.folders.difference(&there) {
            fs::create_dir(place.join(folder)).unwrap();
        }
        let mut first_names = BTreeMap::new();
        for (path, (inode, bytes, time)) in &self.files {
            let path = place.join(path);
            if let Some(other) = first_names.get(inode) {
                fs::hard_link(other, &path).unwrap();
                continue;
            }
            fs::write(&path, bytes).unwrap();
            File::open(&path).unwrap().set_modified(*time).unwrap();
            first_names.insert(*inode, path);
        }
    }

    fn clear(&self, place: &Path, inner: &Path, idle: &dyn Fn(&Path) -> bool, there: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(place.join(inner)).unwrap() {
            let entry = entry.unwrap();
            let inner = inner.join(entry.file_name());
            if !entry.file_type().unwrap().is_dir() {
                fs::remove_file(entry.path()).unwrap();
            } else if self.folders.contains(&inner) {
                if !idle(&inner) {
                    self.clear(place, &inner, idle, there);
                }
                there.insert(inner);
            } else {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
    }
}

/// SplitMix64: the same images in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Below this number of losses each is tried.
const FEW: usize = 48;
