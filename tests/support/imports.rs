//! Which files of a crate import which others of it, read off the sources, and the rings among them.
//!
//! A file imports another if its code names something that is defined there: in a `use`, in a path (`crate::a::b`,
//! `super::c`, `child::d`), or in the body of a macro. Code for tests alone (`#[cfg(test)]`) does not count. A name that
//! goes through the root of the crate (`use crate::Name`, where `lib.rs` has it from a module) is imported from the root.
//! A name that goes through a re-export elsewhere is imported from the file that defines it; such a re-export is no import
//! of its own, unless the module itself uses the name, or one of its children imports the module.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, ItemUse, Meta, UseTree, Visibility};

/// The imports between the files of one crate.
pub(crate) struct Imports {
    /// By their path below the folder of the crate's root.
    files: Vec<PathBuf>,
    /// For each pair of a file and a file that it imports: the paths that it names.
    taken: BTreeMap<(usize, usize), BTreeSet<String>>,
}

impl Imports {
    /// Draws the imports of the crate whose root is the file `root`. `read` returns the text of a file that is there.
    pub(crate) fn of_crate(root: &Path, read: impl Fn(&Path) -> Option<String>) -> Self {
        let modules = Modules::read(root, &read);
        let mut edges = Edges::default();
        for module in 0..modules.all.len() {
            modules.add_uses(module, &mut edges);
            modules.add_paths(module, &mut edges);
        }
        modules.add_re_exports(&mut edges);
        let folder = root.parent().expect("a file is in a folder");
        let names = modules.files.iter().map(|file| file.strip_prefix(folder).unwrap_or(file).to_owned());
        Self { files: names.collect(), taken: edges.taken }
    }

    /// The files of the crate, by their path below the folder of its root; without those for tests alone.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The files that this one imports.
    fn imports(&self, file: usize) -> impl Iterator<Item = usize> {
        self.taken.range((file, 0)..(file + 1, 0)).map(|((_, to), _)| *to)
    }

    /// For each import that is part of a ring, the shortest ring that it is part of; shorter rings first.
    pub(crate) fn rings(&self) -> Vec<Ring<'_>> {
        let mut rings = BTreeSet::new();
        for (from, to) in self.taken.keys() {
            if let Some(mut ring) = self.shortest_path(*to, *from) {
                let first = ring.iter().min().expect("a path is not empty");
                let turn = ring.iter().position(|file| file == first).expect("it was just found");
                ring.rotate_left(turn);
                rings.insert((ring.len(), ring));
            }
        }
        rings.into_iter().map(|(_, files)| Ring { imports: self, files }).collect()
    }

    fn shortest_path(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut reached = BTreeMap::from([(from, from)]);
        let mut next = VecDeque::from([from]);
        while let Some(file) = next.pop_front() {
            if file == to {
                let mut path = vec![to];
                while path[path.len() - 1] != from {
                    path.push(reached[&path[path.len() - 1]]);
                }
                path.reverse();
                return Some(path);
            }
            for import in self.imports(file) {
                reached.entry(import).or_insert_with(|| {
                    next.push_back(import);
                    file
                });
            }
        }
        None
    }
}

/// Files of which each imports the next, and the last the first. Prints as `a.rs -> b.rs -> a.rs`, and what each takes.
pub(crate) struct Ring<'a> {
    imports: &'a Imports,
    files: Vec<usize>,
}

impl Ring<'_> {
    fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| &*self.imports.files[*file])
    }
}

impl fmt::Display for Ring<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in self.files() {
            write!(f, "{} -> ", file.display())?;
        }
        write!(f, "{}", self.imports.files[self.files[0]].display())?;
        for (at, from) in self.files.iter().enumerate() {
            let to = self.files[(at + 1) % self.files.len()];
            let taken: Vec<_> = self.imports.taken[&(*from, to)].iter().map(String::as_str).collect();
            write!(f, "\n    {} takes {}", self.imports.files[*from].display(), taken.join(", "))?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Edges {
    taken: BTreeMap<(usize, usize), BTreeSet<String>>,
}

impl Edges {
    fn add(&mut self, from: usize, to: usize, path: &[String]) {
        if from != to {
            self.taken.entry((from, to)).or_default().insert(path.join("::"));
        }
    }
}

/// The modules of a crate; the first is its root.
struct Modules {
    files: Vec<PathBuf>,
    all: Vec<Module>,
    /// Where the macros with `#[macro_export]` are defined, which are named as if in the root.
    exported_macros: BTreeMap<String, usize>,
}

struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    defines: BTreeSet<String>,
    uses: Vec<Use>,
    /// The paths in its code, at their full length.
    paths: Vec<Vec<String>>,
    /// Every word in its code.
    words: BTreeSet<String>,
}

/// One name that a `use` brings.
struct Use {
    path: Vec<String>,
    /// `*` for all of them.
    name: String,
    is_re_export: bool,
}

/// What a path leads to.
#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// Something that is defined in this file.
    File(usize),
}

impl Modules {
    fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut modules = Self { files: Vec::new(), all: Vec::new(), exported_macros: BTreeMap::new() };
        let folder = root.parent().expect("a file is in a folder");
        modules.add_file(root, folder, None, read);
        modules
    }

    /// Adds the module in this file, whose children lie in that folder.
    fn add_file(
        &mut self,
        path: &Path,
        folder: &Path,
        parent: Option<usize>,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> usize {
        let text = read(path).unwrap_or_else(|| panic!("{} cannot be read", path.display()));
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.files.push(path.to_owned());
        self.add_module(self.files.len() - 1, file.items, folder, parent, read)
    }

    fn add_module(
        &mut self,
        file: usize,
        items: Vec<Item>,
        folder: &Path,
        parent: Option<usize>,
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> usize {
        let this = self.all.len();
        self.all.push(Module {
            file,
            parent,
            children: BTreeMap::new(),
            defines: BTreeSet::new(),
            uses: Vec::new(),
            paths: Vec::new(),
            words: BTreeSet::new(),
        });
        for item in items {
            if is_for_tests(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(module) => {
                    let name = plain(&module.ident);
                    let inside = folder.join(&name);
                    let child = match (module.content, given_path(&module.attrs)) {
                        (Some((_, items)), _) => self.add_module(file, items, &inside, Some(this), read),
                        (None, Some(path)) => {
                            let path = self.files[file].parent().expect("a file is in a folder").join(path);
                            let folder = path.parent().expect("a file is in a folder").to_owned();
                            self.add_file(&path, &folder, Some(this), read)
                        }
                        (None, None) => {
                            let path = folder.join(format!("{name}.rs"));
                            let path = if read(&path).is_some() { path } else { inside.join("mod.rs") };
                            self.add_file(&path, &inside, Some(this), read)
                        }
                    };
                    self.all[this].children.insert(name, child);
                }
                Item::Use(item) => self.all[this].note_use(&item),
                Item::Impl(mut item) => {
                    item.items.retain(|item| match item {
                        ImplItem::Fn(item) => !is_for_tests(&item.attrs),
                        ImplItem::Const(item) => !is_for_tests(&item.attrs),
                        _ => true,
                    });
                    self.all[this].note_code(item.to_token_stream());
                }
                item => {
                    let exported = attributes(&item).iter().any(|attr| attr.path().is_ident("macro_export"));
                    if let Some(name) = defined(&item) {
                        if exported {
                            self.exported_macros.insert(name.clone(), file);
                        }
                        self.all[this].defines.insert(name);
                    }
                    // What an exported macro names is for the place where it is called.
                    if !exported {
                        self.all[this].note_code(item.to_token_stream());
                    }
                }
            }
        }
        this
    }

    fn is_root(&self, module: usize) -> bool {
        self.all[module].parent.is_none()
    }

    /// What a path that stands in this module leads to; `None` outside of the crate.
    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (0, &path[1..]),
            "self" => (module, &path[1..]),
            "super" => (self.all[module].parent?, &path[1..]),
            first => match self.all[module].children.get(first) {
                Some(child) => (*child, &path[1..]),
                None => (self.alias(module, first, depth)?, &path[1..]),
            },
        };
        loop {
            match rest.first().map(String::as_str) {
                None => return Some(Target::Module(at)),
                Some("super") => at = self.all[at].parent?,
                Some("self") => {}
                Some(name) => match self.all[at].children.get(name) {
                    Some(child) => at = *child,
                    None => return Some(self.named(at, rest, depth)),
                },
            }
            rest = &rest[1..];
        }
    }

    /// What the first of these names is in this module, which has no child of that name.
    fn named(&self, module: usize, rest: &[String], depth: usize) -> Target {
        let (here, name) = (&self.all[module], &rest[0]);
        let own = Target::File(here.file);
        if here.defines.contains(name) || depth > DEEP {
            return own;
        }
        if self.is_root(module) {
            return self.exported_macros.get(name).map_or(own, |file| Target::File(*file));
        }
        if let Some(item) = here.uses.iter().find(|item| item.name == *name) {
            return match self.resolve(module, &item.path, depth + 1) {
                Some(Target::Module(through)) if rest.len() > 1 => self
                    .resolve(through, &[&["self".to_owned()], &rest[1..]].concat(), depth + 1)
                    .unwrap_or(own),
                found => found.unwrap_or(own),
            };
        }
        for glob in here.uses.iter().filter(|item| item.name == "*") {
            if let Some(Target::Module(through)) = self.resolve(module, &glob.path, depth + 1)
                && self.all[through].defines.contains(name)
            {
                return Target::File(self.all[through].file);
            }
        }
        // Perhaps a macro makes it.
        own
    }

    /// The module that a `use` in this module calls by that name.
    fn alias(&self, module: usize, name: &str, depth: usize) -> Option<usize> {
        if depth > DEEP {
            return None;
        }
        let mut uses = self.all[module].uses.iter().filter(|item| item.name == name);
        uses.find_map(|item| match self.resolve(module, &item.path, depth + 1) {
            // One that is named like itself is outside of the crate.
            Some(Target::Module(found)) if item.path[0] != name => Some(found),
            _ => None,
        })
    }

    fn add_uses(&self, module: usize, edges: &mut Edges) {
        let here = &self.all[module];
        for item in here.uses.iter().filter(|item| !self.waits(module, item)) {
            match self.resolve(module, &item.path, 0) {
                // A module that is named for short: the paths say what is taken from it.
                Some(Target::Module(_)) if item.name != "*" && !item.is_re_export => {}
                Some(Target::Module(found)) => edges.add(here.file, self.all[found].file, &item.path),
                Some(Target::File(file)) => edges.add(here.file, file, &item.path),
                None => {}
            }
        }
    }

    fn add_paths(&self, module: usize, edges: &mut Edges) {
        let here = &self.all[module];
        for path in &here.paths {
            if let Some(Target::File(file)) = self.resolve(module, path, 0) {
                edges.add(here.file, file, path);
            }
        }
    }

    /// Whether this is a re-export that is an import only if a child imports the module.
    fn waits(&self, module: usize, item: &Use) -> bool {
        let target = match self.resolve(module, &item.path, 0) {
            Some(Target::Module(found)) => self.all[found].file,
            Some(Target::File(file)) => file,
            None => return false,
        };
        let of_child = self.below(module).any(|child| self.all[child].file == target);
        item.is_re_export && of_child && !self.is_root(module) && !self.all[module].words.contains(&item.name)
    }

    fn add_re_exports(&self, edges: &mut Edges) {
        for (module, here) in self.all.iter().enumerate() {
            let imported =
                self.below(module).any(|child| edges.taken.contains_key(&(self.all[child].file, here.file)));
            for item in here.uses.iter().filter(|item| imported && self.waits(module, item)) {
                match self.resolve(module, &item.path, 0) {
                    Some(Target::Module(found)) => edges.add(here.file, self.all[found].file, &item.path),
                    Some(Target::File(file)) => edges.add(here.file, file, &item.path),
                    None => {}
                }
            }
        }
    }

    /// The modules below this one, however deep.
    fn below(&self, module: usize) -> impl Iterator<Item = usize> {
        (0..self.all.len()).filter(move |other| {
            let parents = std::iter::successors(self.all[*other].parent, |parent| self.all[*parent].parent);
            parents.into_iter().any(|parent| parent == module)
        })
    }
}

impl Module {
    fn note_use(&mut self, item: &ItemUse) {
        // After `::` comes the name of another crate.
        if item.leading_colon.is_none() {
            let is_re_export = !matches!(item.vis, Visibility::Inherited);
            self.note_tree(&item.tree, &mut Vec::new(), is_re_export);
        }
    }

    fn note_tree(&mut self, tree: &UseTree, path: &mut Vec<String>, is_re_export: bool) {
        let mut note = |path: &[String], last: Option<String>, name: String| {
            // `use a::{self}` names `a`.
            let last = last.filter(|last| last != "self" || path.is_empty());
            let name = if name == "self" { path.last().cloned().unwrap_or(name) } else { name };
            let path = path.iter().cloned().chain(last).collect();
            self.uses.push(Use { path, name, is_re_export });
        };
        match tree {
            UseTree::Path(tree) => {
                path.push(plain(&tree.ident));
                self.note_tree(&tree.tree, path, is_re_export);
                path.pop();
            }
            UseTree::Name(tree) => note(path, Some(plain(&tree.ident)), plain(&tree.ident)),
            UseTree::Rename(tree) => note(path, Some(plain(&tree.ident)), plain(&tree.rename)),
            UseTree::Glob(_) => note(path, None, "*".to_owned()),
            UseTree::Group(tree) => {
                for tree in &tree.items {
                    self.note_tree(tree, path, is_re_export);
                }
            }
        }
    }

    /// Notes the paths and words in code, also where a macro gets or makes it.
    fn note_code(&mut self, code: TokenStream) {
        let tokens: Vec<_> = code.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map(|before| &tokens[before]);
            match &tokens[at] {
                TokenTree::Group(group) => {
                    // `pub(in crate::a)` says who may import, and imports nothing.
                    let is_visibility = group.delimiter() == Delimiter::Parenthesis
                        && before.is_some_and(|it| is_word(it, "pub"));
                    if !is_visibility {
                        self.note_code(group.stream());
                    }
                }
                TokenTree::Ident(word) if word == "use" => {
                    let end = tokens[at..].iter().position(|token| is_sign(token, ';')).map(|end| at + end);
                    let item = end.map(|end| tokens[at..=end].iter().cloned().collect());
                    if let Some(item) = item.and_then(|item| syn::parse2::<ItemUse>(item).ok()) {
                        self.note_use(&item);
                        at = end.expect("a use ends");
                    }
                }
                TokenTree::Ident(word) => {
                    self.words.insert(plain(word));
                    let is_after = |sign, back| at >= back && is_sign(&tokens[at - back], sign);
                    // `::a` and `.a` go on with something; after `: ` and `..` a path may begin.
                    let goes_on = is_after(':', 1) && is_after(':', 2)
                        || is_after('.', 1) && !is_after('.', 2)
                        || is_after('\'', 1);
                    let path = path_from(&tokens[at..]);
                    at += 3 * (path.len() - 1);
                    self.words.extend(path[1..].iter().cloned());
                    if path.len() > 1 && !goes_on {
                        self.paths.push(path);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// The words joined by `::` that these tokens begin with.
fn path_from(tokens: &[TokenTree]) -> Vec<String> {
    let mut path = Vec::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(word), more @ ..] = rest {
        path.push(plain(word));
        match more {
            [one, two, next @ ..] if is_sign(one, ':') && is_sign(two, ':') => rest = next,
            _ => break,
        }
    }
    path
}

fn is_sign(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn plain(word: &proc_macro2::Ident) -> String {
    word.to_string().trim_start_matches("r#").to_owned()
}

/// Whether something is compiled for tests alone.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string().replace(' ', "");
            condition == "test" || condition.starts_with("all(test,")
        }
        _ => false,
    })
}

/// The file that `#[path = "…"]` gives a module.
fn given_path(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(path) if path.path.is_ident("path") => {
            let text = path.value.to_token_stream().to_string();
            Some(text.trim_matches('"').to_owned())
        }
        _ => None,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name that an item defines.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(plain(name))
}

/// Re-exports of re-exports are followed this far.
const DEEP: usize = 16;

fn crate_of(files: &[(&str, &str)]) -> Imports {
    let read = |path: &Path| {
        let path = path.strip_prefix("src").unwrap();
        files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
    };
    Imports::of_crate(&Path::new("src").join(files[0].0), read)
}

/// The rings of an invented crate, as they are printed.
fn rings(files: &[(&str, &str)]) -> Vec<String> {
    crate_of(files).rings().iter().map(ToString::to_string).collect()
}

#[test]
fn a_crate_whose_files_import_downwards_has_no_ring() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; pub use a::A; pub use b::B;"),
        ("a.rs", "use crate::b::B; pub struct A(B, super::c::C);"),
        ("b.rs", "use super::c; pub struct B(c::C); fn own() { self::make(crate::b::make()) } fn make() {}"),
        ("c.rs", "use std::fmt; pub struct C; fn text(f: &fmt::Formatter) { ::a::b() }"),
    ];
    assert_eq!(rings(&files), [""; 0]);
}

#[test]
fn two_files_that_import_each_other_are_a_ring_and_are_named_with_what_they_take() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::{self, B}; pub struct A; fn f(_: B) -> usize { b::SIZE }"),
        ("b.rs", "pub struct B; pub const SIZE: usize = 1; impl crate::a::A {}"),
    ];
    assert_eq!(
        rings(&files),
        ["a.rs -> b.rs -> a.rs\n    a.rs takes b::SIZE, crate::b::B\n    b.rs takes crate::a::A"]
    );
}

#[test]
fn three_files_that_import_each_other_in_turn_are_one_ring() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b; use crate::d::D; pub fn f(_: D) { b::f() }"),
        ("b.rs", "pub fn f() { super::c::f(); }"),
        ("c.rs", "pub fn f() { println!(\"{}\", crate::a::f(crate::d::D)); }"),
        ("d.rs", "pub struct D;"),
    ];
    let found = rings(&files);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("a.rs -> b.rs -> c.rs -> a.rs\n"), "{}", found[0]);
}

#[test]
fn a_name_that_is_taken_through_the_root_makes_a_ring_with_it() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("a.rs", "use crate::B; pub struct A(B);"),
        ("b.rs", "pub struct B;"),
    ];
    assert_eq!(rings(&files), ["lib.rs -> a.rs -> lib.rs\n    lib.rs takes a::A\n    a.rs takes crate::B"]);
}

#[test]
fn a_name_that_is_taken_through_another_re_export_is_taken_from_where_it_is_defined() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "mod c; pub use self::c::*; pub use self::c::C as Renamed;"),
        ("a/c.rs", "pub struct C; pub fn f() { crate::b::f() }"),
        ("b.rs", "use crate::a::Renamed; pub fn f() { crate::a::f() }"),
    ];
    assert_eq!(
        rings(&files),
        [
            "a/c.rs -> b.rs -> a/c.rs\n    a/c.rs takes crate::b::f\n    b.rs takes crate::a::Renamed, crate::a::f"
        ]
    );
}

#[test]
fn a_module_may_re_export_its_children_unless_they_import_it() {
    let apart = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b; mod c; pub(crate) use b::B;"),
        ("a/b.rs", "use super::c::C; pub struct B(C);"),
        ("a/c.rs", "pub struct C;"),
    ];
    assert_eq!(rings(&apart), [""; 0]);

    let mut child_imports = apart;
    child_imports[1].1 = "mod b; mod c; pub(crate) use b::B; pub struct A;";
    child_imports[3].1 = "pub struct C(super::A);";
    let found = rings(&child_imports);
    assert!(found[0].starts_with("a.rs -> a/b.rs -> a/c.rs -> a.rs\n"), "{found:?}");
}

#[test]
fn a_module_that_uses_a_child_which_imports_it_is_in_a_ring() {
    for parent in ["mod b; pub use b::B; pub struct A(B);", "mod b; pub struct A; fn f() { b::f() }"] {
        let files =
            [("lib.rs", "mod a;"), ("a.rs", parent), ("a/b.rs", "use super::A; pub struct B; pub fn f() {}")];
        let found = rings(&files);
        assert!(found[0].starts_with("a.rs -> a/b.rs -> a.rs\n"), "{found:?}");
    }
}

#[test]
fn code_for_tests_alone_imports_nothing() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub struct A; impl A { #[cfg(test)] fn f(_: crate::b::B) {} } #[cfg(test)] mod tests;"),
        ("b.rs", "pub struct B(crate::a::A); #[cfg(all(test, unix))] use crate::b::B;"),
    ];
    assert_eq!(rings(&files), [""; 0]);
}

#[test]
fn modules_in_folders_and_in_files_of_another_name_are_found() {
    let files = [
        ("main.rs", "mod shared { pub(crate) mod one; } #[path = \"other/two.rs\"] mod two; mod three;"),
        ("shared/one.rs", "pub(in crate::two) fn f() { crate::three::f() }"),
        ("other/two.rs", "pub fn f() { crate::shared::one::f() }"),
        ("three/mod.rs", "mod four; pub fn f() { 0..crate::two::f() }"),
        ("three/four.rs", ""),
    ];
    let found = rings(&files);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("shared/one.rs -> three/mod.rs -> other/two.rs -> shared/one.rs\n"),
        "{found:?}"
    );
}

#[test]
fn what_a_macro_for_other_crates_names_is_for_where_it_is_called() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("a.rs", "#[macro_export] macro_rules! make { () => { ($crate::B, super::b::B) } } pub struct A;"),
        ("b.rs", "pub struct B; macro_rules! b { () => { crate::make!(); } }"),
    ];
    assert_eq!(rings(&files), [""; 0]);
}
