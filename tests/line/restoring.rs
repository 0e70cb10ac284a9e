//! An object is given back as it was deposited, or not called given back.

use crate::rehearsal::{House, house, tar};
use std::path::Path;
use strongroom::model::object::ObjectId;
use strongroom::model::trouble::Trouble;
use strongroom::work::restore::{Restored, restore};

const FILES: [(&str, &str); 3] = [("a.txt", "alpha"), ("b/c.txt", "gamma"), ("twin.txt", "alpha")];

fn kept() -> (House, ObjectId) {
    let house = house();
    house.deposit("photos", &FILES);
    house.run();
    let object = house.targets["a"].objects().remove(0);
    (house, object)
}

fn give(house: &House, object: &ObjectId, to: &Path) -> Result<Restored, Trouble> {
    restore(&house.world, &house.ledger, &house.settings, object, to)
}

#[test]
fn the_bag_comes_back_byte_for_byte_with_its_own_tag_files() {
    let (house, object) = kept();
    let to = tempfile::tempdir().unwrap();
    let restored = give(&house, &object, to.path()).unwrap();
    assert_eq!(restored.folder, to.path().join("photos"));
    for (path, text) in FILES {
        assert_eq!(std::fs::read(restored.folder.join("data").join(path)).unwrap(), text.as_bytes());
    }
    let archive = tar("photos", &FILES);
    let declared = std::fs::read(restored.folder.join("bagit.txt")).unwrap();
    assert!(archive.windows(declared.len()).any(|window| window == declared));
    assert!(restored.folder.join("tagmanifest-sha256.txt").exists());
    assert!(give(&house, &object, to.path()).is_err(), "what lies there is not written over");
}

#[test]
fn a_rotten_file_comes_from_the_other_copy_and_is_told() {
    let (house, object) = kept();
    house.targets["a"].damage(&object, "v1/content/bag/data/b/c.txt", b"gamm".to_vec());
    let to = tempfile::tempdir().unwrap();
    let restored = give(&house, &object, to.path()).unwrap();
    assert_eq!(std::fs::read(restored.folder.join("data/b/c.txt")).unwrap(), b"gamma");
    assert_eq!(restored.passed_over.len(), 1);
    assert!(restored.passed_over[0].ends_with("on a"), "{:?}", restored.passed_over);
}

#[test]
fn a_file_that_no_copy_can_give_is_an_error_and_is_not_left_there() {
    let (house, object) = kept();
    for target in house.targets.values() {
        target.damage(&object, "v1/content/bag/data/b/c.txt", b"GAMMA".to_vec());
    }
    let to = tempfile::tempdir().unwrap();
    let trouble = give(&house, &object, to.path()).unwrap_err();
    assert_eq!(trouble.kind.name(), "no-good-copy");
    assert!(!to.path().join("photos/data/b/c.txt").exists());
}
