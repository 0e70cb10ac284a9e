//! strongroom is gone. What lies in a target's root says how to check an object and how to get a bag out, and it is true.

use crate::house::House;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The commands in the explanation, in their order.
fn commands(text: &str) -> Vec<String> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.map(|block| block.strip_prefix("sh\n").unwrap().to_string()).collect()
}

fn shell(folder: &Path, command: &str) -> (bool, String) {
    let done = Command::new("sh").arg("-c").arg(command).current_dir(folder).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_the_readme_in_a_target_says_can_be_typed_as_it_stands() {
    let house = House::new();
    house.deposit("uva.edu", 1, "photos.tar", 1);
    house.deposit("uva.edu", 2, "photos.tar", 2);
    let root = house.path("data/vault-a/ocfl");
    let text = fs::read_to_string(root.join("STRONGROOM.md")).unwrap();
    let commands = commands(&text);
    let [list, sidecar, files, get, check] = commands.as_slice() else {
        panic!("{} commands", commands.len())
    };
    let (done, said) = shell(&root, list);
    assert!(done && said.lines().count() == 1, "{said}");
    let object = house.object("vault-a", "photos");
    for command in [sidecar, files] {
        let (done, said) = shell(&object, command);
        assert!(done, "{command}: {said}");
    }
    let out = house.path("out");
    let elsewhere = |command: &str| command.replace("/somewhere/else", out.to_str().unwrap());
    let (done, said) = shell(&object, &elsewhere(get));
    assert!(done, "{said}");
    let (done, said) = shell(&object, &elsewhere(check));
    assert!(done, "{said}");
    house.ok(&["bag", "validate", "out/bag"]);
    house.ok(&["object", "restore", "uva.edu/photos", "--to", house.path("ours").to_str().unwrap()]);
    let (same, said) = shell(&house.path("."), "diff -r out/bag ours/photos");
    assert!(same, "{said}");
    // And what is wrong is found by it.
    let file = object.join("v1/content/bag/data/000/file-000001.bin");
    let mut bytes = fs::read(&file).unwrap();
    bytes[3] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (done, said) = shell(&object, files);
    assert!(!done && said.contains("file-000001.bin"), "{said}");
}
