//! Bags that are made oddly, on their way through the line.

use crate::rehearsal::{House, house};
use strongroom::model::checkpoint::Standing;
use strongroom::model::fact::BagPath;
use strongroom::model::item::Item;
use strongroom::rules::digester::sha256_hex;

/// A folder deposit of these files, with a declaration and a manifest of its payload.
fn deposit_folder(house: &House, bag: &str, files: &[(&str, Vec<u8>)], more: &[u8]) -> Item {
    let line = |(path, bytes): &(&str, Vec<u8>)| format!("{}  {path}\n", sha256_hex(bytes));
    let listed: String = files.iter().filter(|(path, _)| path.starts_with("data/")).map(line).collect();
    let declaration = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n".to_vec();
    let tags = [("bagit.txt", declaration), ("manifest-sha256.txt", [listed.as_bytes(), more].concat())];
    let key = format!("/inbox/{bag}");
    let all = files.iter().cloned().chain(tags);
    house.source.add_folder(&key, all.map(|(path, bytes)| (BagPath::from(path), bytes)));
    house.submit(bag, &key)
}

#[test]
fn a_tag_folder_called_bag_is_kept_as_it_is() {
    let house = house();
    let files = [
        ("bag/bag/deep.txt", b"deep".to_vec()),
        ("bag/notes.txt", b"in the folder".to_vec()),
        ("data/a", b"a".to_vec()),
        ("notes.txt", b"beside it".to_vec()),
    ];
    let item = deposit_folder(&house, "photos", &files, b"");
    house.run();
    let item = house.ledger.item(item.id).unwrap().unwrap();
    assert_eq!(item.checkpoint.standing, Standing::Kept);
    let object = item.found.store.unwrap().object;
    let kept = house.targets["a"].files(&object);
    for (path, bytes) in files {
        assert_eq!(*kept[&format!("v1/content/bag/{path}")], bytes, "{path}");
    }
}

#[test]
fn a_manifest_line_of_control_characters_is_the_depositors_fault_and_not_the_disks() {
    let house = house();
    // As long as a line may be, and made of what takes most room where people can read it.
    let mut line = "0".repeat(64).into_bytes();
    line.extend_from_slice(b"  data\\");
    line.resize(64 << 10, 0x1b);
    let item = deposit_folder(&house, "photos", &[("data/a", b"a".to_vec())], &line);
    let item = house.run_until(|found| found.id == item.id && found.checkpoint.standing.rests());
    assert!(matches!(item.checkpoint.standing, Standing::Refused { .. }), "{:?}", item.checkpoint.standing);
    assert_eq!(item.found.validate.unwrap().errors, 1);
}

#[test]
fn what_was_digested_before_a_large_file_that_cannot_be_read_stays_digested() {
    let house = house();
    let large = vec![7; 32 << 20];
    let files = [("a.txt", b"small".to_vec()), ("data/b", large.clone()), ("data/c", large)];
    deposit_folder(&house, "photos", &files, b"");
    house.run_until(|item| item.found.unpack.is_some() && item.found.checksum.is_none());
    house.source.change_member("/inbox/photos", &BagPath::from("data/c"), None);
    let item = house.run_until(|item| item.checkpoint.standing.rests());
    let folder = strongroom::work::job::staging_folder(&house.settings, &item).unwrap();
    let mut rows = Vec::new();
    strongroom::books::facts::peek_rows(&*house.disk, &folder, "digests", &mut |row| {
        rows.push(String::from_utf8(row.to_vec()).unwrap());
    })
    .unwrap();
    // a.txt, bagit.txt and data/b.
    assert_eq!(rows.len(), 3, "{rows:?} {:?}", item.checkpoint);
}
