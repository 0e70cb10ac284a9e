//! A ledger made anew from one target, and a target held against it: time an object and the most memory, by the built
//! program, at several sizes. The cost of an object must not grow with their number.
//!
//! One bag is ingested; its object is then written again and again under other names, with its own inventory, documents
//! and events. Numbers of objects may be given: `cargo bench --bench rebuild -- 5000 20000`.

use sha2::{Digest, Sha512};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strongroom::model::digest::hex;
use strongroom::model::object::ObjectId;
use strongroom::rules::ocfl::layout;

mod watched;

use watched::run;

/// Sizes, unless others are given.
const SIZES: [u64; 2] = [5_000, 20_000];

fn main() {
    println!("  objects  verb          seconds  us an object  us of a core  MiB at most");
    for size in watched::given_or(&SIZES) {
        measure(size);
    }
}

fn measure(objects: u64) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the target folder can be written");
    let data = folder.path();
    fill(data, objects);
    fs::remove_dir_all(data.join("data/ledger")).expect("there is a ledger to lose");
    // What was written is on its way to the disk; it is not to be waited for by what is measured.
    rustix::fs::sync();
    let verbs: [&[&str]; 2] = [&["rebuild", "--from", "target-a"], &["target", "reconcile", "target-a"]];
    for args in verbs {
        let run = run(data, args);
        let each = |time: Duration| time.as_micros() as u64 / objects.max(1);
        let verb = args[..args.len().min(2)].join(" ").replace(" --from", "");
        println!(
            "{objects:>9}  {verb:<10.10} {:>10.1} {:>13} {:>13} {:>12}",
            run.took.as_secs_f64(),
            each(run.took),
            each(run.cpu),
            run.most >> 10
        );
    }
}

/// The object that all others are written after.
struct Model {
    id: ObjectId,
    root: PathBuf,
    /// Path in the object's folder, and bytes.
    files: Vec<(String, Vec<u8>)>,
}

const NAME: &str = "bag-00000000";

fn fill(data: &Path, objects: u64) {
    watched::one_bag(data, NAME);
    let model = Model::read(&data.join("data/target-a/ocfl"));
    (1..objects).for_each(|number| model.write_again(number));
}

impl Model {
    fn read(root: &Path) -> Model {
        let id = ObjectId::of("local", NAME);
        let folder = root.join(layout::object_path(&id));
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(&folder) {
            let entry = entry.expect("a folder of ours can be read");
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(&folder).expect("it lies below").display().to_string();
                files.push((path, fs::read(entry.path()).expect("a file of ours can be read")));
            }
        }
        Model { id, root: root.into(), files }
    }

    fn bytes(&self, path: &str) -> &[u8] {
        &self.files.iter().find(|(known, _)| known == path).expect("every object has it").1
    }

    /// The same object under another name and item number: what names them is replaced, and digests follow.
    fn write_again(&self, number: u64) {
        let name = format!("bag-{number:08}");
        let id = ObjectId::of("local", &name);
        let mut replaced = vec![
            (NAME.to_string(), name),
            (format!("\"item\": {}", 1), format!("\"item\": {}", number + 1)),
            ("\"item\":{\"id\":1,".to_string(), format!("\"item\":{{\"id\":{},", number + 1)),
            (layout::object_path(&self.id), layout::object_path(&id)),
        ];
        // The folder's name holds the bag's name, so it goes first.
        replaced.rotate_right(1);
        for path in
            ["v1/content/metadata/strongroom.json", "v1/content/metadata/premis.xml", "inventory.json"]
        {
            let bytes = self.bytes(path);
            let new = replace(bytes, &replaced);
            replaced.push((hex(&Sha512::digest(bytes)), hex(&Sha512::digest(&new))));
        }
        let folder = self.root.join(layout::object_path(&id));
        for (path, bytes) in &self.files {
            let to = folder.join(path);
            fs::create_dir_all(to.parent().expect("it lies in a folder")).expect("folders can be made");
            let content = path.contains("/bag/");
            let bytes = if content { bytes.clone() } else { replace(bytes, &replaced) };
            fs::write(to, bytes).expect("the disk has room");
        }
    }
}

fn replace(bytes: &[u8], replaced: &[(String, String)]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).expect("our documents are text");
    replaced.iter().fold(text, |text, (from, to)| text.replace(from, to)).into_bytes()
}
