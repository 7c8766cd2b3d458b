//! The public futures of the crate, as its sources declare them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{ImplItem, Item, ReturnType, Signature, TraitItem, Type, Visibility};

/// `Type::function` for each `pub async fn` and each `pub fn` that returns a future or a `Poll`, `Trait::function` for
/// those of public traits, `function` for free ones, and `Type` for each public type that is a future or a stream.
pub(super) fn public_futures() -> BTreeSet<String> {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let items: Vec<Item> = files.into_iter().flat_map(|file| file.items).collect();
    let mut inventory = Inventory { public: public_types(&items), found: BTreeSet::new() };
    inventory.collect(&items);
    inventory.found
}

fn sources(folder: &Path) -> Vec<syn::File> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            files.push(syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
    files
}

fn public_types(items: &[Item]) -> BTreeSet<String> {
    let public = |item: &Item| match item {
        Item::Struct(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        Item::Enum(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(public).collect()
}

struct Inventory {
    public: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Inventory {
    fn collect(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Impl(item) => self.implementation(item),
                Item::Trait(item) if is_public(&item.vis) => {
                    for function in &item.items {
                        if let TraitItem::Fn(function) = function {
                            self.function(Some(&item.ident.to_string()), &function.sig);
                        }
                    }
                }
                Item::Fn(item) if is_public(&item.vis) => self.function(None, &item.sig),
                // Modules of tests are not public.
                Item::Mod(item) if is_public(&item.vis) => {
                    self.collect(item.content.as_ref().map_or(&[], |(_, items)| items));
                }
                _ => {}
            }
        }
    }

    fn implementation(&mut self, item: &syn::ItemImpl) {
        let Type::Path(path) = &*item.self_ty else { return };
        let name = path.path.segments.last().unwrap().ident.to_string();
        if !self.public.contains(&name) {
            return;
        }
        match &item.trait_ {
            Some((of, _)) => {
                let of = of.segments.last().unwrap().ident.to_string();
                if FUTURES.contains(&of.as_str()) {
                    self.found.insert(name);
                }
            }
            None => {
                for function in &item.items {
                    if let ImplItem::Fn(function) = function
                        && is_public(&function.vis)
                    {
                        self.function(Some(&name), &function.sig);
                    }
                }
            }
        }
    }

    fn function(&mut self, of: Option<&str>, signature: &Signature) {
        if signature.asyncness.is_some() || returns_a_future(&signature.output) {
            let of = of.map_or(String::new(), |of| format!("{of}::"));
            self.found.insert(format!("{of}{}", signature.ident));
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn returns_a_future(output: &ReturnType) -> bool {
    struct Search(bool);
    impl<'a> Visit<'a> for Search {
        fn visit_path_segment(&mut self, segment: &'a syn::PathSegment) {
            self.0 |= FUTURES.contains(&segment.ident.to_string().as_str());
            visit::visit_path_segment(self, segment);
        }
    }
    // A stream of bytes, which is what `Connector` makes, is not one of items.
    let mut search = Search(false);
    search.visit_return_type(output);
    search.0
}

const FUTURES: [&str; 6] = ["Future", "IntoFuture", "BoxFuture", "LocalBoxFuture", "Poll", "BoxStream"];
