//! Packed deposits on the line: unpacked into staging once, then as any other; and nothing of it stays.

use crate::rehearsal::{House, house, tar};
use std::io::Write;
use strongroom::books::facts::FactsReader;
use strongroom::model::checkpoint::{Move, Stage, Standing, WaitWhy};
use strongroom::model::finding::Finding;
use strongroom::model::item::{Asker, Item};
use strongroom::model::trouble::Wait;
use strongroom::rules::packed::{Caps, Container};
use strongroom::work::job::Accept;
use strongroom::worlds::disk::Place;

const FILES: [(&str, &str); 2] = [("a.txt", "alpha"), ("b/c.txt", "gamma")];

fn tester() -> Asker {
    Asker { uid: 0, name: "tester".into(), door: "test".into() }
}

fn only(house: &House) -> Item {
    house.items().remove(0)
}

/// What lies in staging of tars.
fn staged(house: &House) -> Vec<String> {
    let places = house.disk.files().into_keys().filter(|place| place.path.contains("/tar"));
    places.map(|place| place.path).collect()
}

fn findings(house: &House, item: &Item) -> Vec<Finding> {
    let folder = Place { volume: "staging".into(), path: format!("rehearsal-{}", item.id) };
    let seal = &item.found.validate.as_ref().unwrap().findings;
    FactsReader::open(&*house.disk, &folder, seal).unwrap().map(|finding| finding.unwrap()).collect()
}

#[test]
fn a_packed_bag_is_kept_as_the_plain_one_is_and_its_record_names_what_was_sent() {
    let plain = house();
    plain.deposit("photos", &FILES);
    plain.run();
    let packed = house();
    packed.deposit_packed("photos", &FILES);
    packed.run();
    let object = packed.targets["a"].objects().remove(0);
    let content = |house: &House| -> Vec<(String, Vec<u8>)> {
        let files = house.targets["a"].files(&object);
        files
            .into_iter()
            .filter(|(path, _)| path.contains("/content/bag/"))
            .map(|(path, bytes)| (path, bytes.to_vec()))
            .collect()
    };
    assert_eq!(content(&packed), content(&plain));
    assert!(content(&packed).len() > 5);
    let item = only(&packed);
    let sent = item.found.download.as_ref().unwrap();
    let details: Vec<String> = packed.events().into_iter().map(|event| event.detail).collect();
    assert!(details.iter().any(|detail| detail.contains(&sent.sha256)), "{details:?}");
    let unpacked = details.iter().find(|detail| detail.contains("unpacked from gzip")).expect("it is told");
    assert!(unpacked.contains(&format!("({} bytes)", item.deposit.bytes)), "{unpacked}");
    let record = packed.targets["a"]
        .files(&object)
        .into_iter()
        .any(|(path, bytes)| path.ends_with(".json") && String::from_utf8_lossy(&bytes).contains("\"gzip\""));
    assert!(record, "the record does not say how the deposit came");
    assert_eq!(staged(&packed), [""; 0]);
}

#[test]
fn what_a_depositor_may_not_send_is_refused_with_the_way_to_send_it() {
    let mut house = house();
    let depositors = [("uva.edu".to_string(), vec![Container::Zip])].into();
    house.settings.accept = Accept { everybody: vec![Container::Gzip], depositors };
    house.deposit_packed("photos", &FILES);
    house.run();
    let item = only(&house);
    assert_eq!(item.checkpoint.standing.name(), "refused");
    let found = findings(&house, &item);
    assert_eq!(found[0].code, "SER-COMPRESSED");
    assert!(found[0].advice.contains("gunzip"), "{}", found[0].advice);
}

#[test]
fn a_packed_bag_that_is_refused_leaves_no_tar_and_can_be_tried_again() {
    let house = house();
    let mut bytes = tar("photos", &FILES);
    let place = bytes.windows(5).position(|window| window == b"alpha").unwrap();
    bytes[place] = b'A';
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&bytes).unwrap();
    house.source.add_tar("/inbox/photos.tgz", packed.finish().unwrap());
    let id = house.submit("photos", "/inbox/photos.tgz").id;
    house.run();
    for _ in 0..2 {
        let item = only(&house);
        assert_eq!(item.checkpoint.standing.name(), "refused");
        assert!(findings(&house, &item).iter().any(|finding| finding.code == "FIX-MISMATCH"));
        assert_eq!(staged(&house), [""; 0]);
        // From a stage that reads members: what is not there is made again.
        house.ledger.ask(id, &Move::Requeue { from: Some(Stage::Validate) }, &tester(), "").unwrap();
        house.run();
    }
}

#[test]
fn a_bomb_is_refused_and_leaves_nothing() {
    let mut house = house();
    house.settings.packed = Caps { bytes: 3_000, ..Caps::default() };
    house.deposit_packed("photos", &FILES);
    house.run();
    let item = only(&house);
    assert_eq!(item.checkpoint.standing.name(), "refused");
    assert_eq!(findings(&house, &item)[0].code, "SER-LIMIT");
    assert_eq!(staged(&house), [""; 0]);
}

#[test]
fn what_comes_out_is_promised_and_without_room_the_item_waits_with_nothing_in_staging() {
    let house = house();
    let text = "x".repeat(9 << 20);
    house.deposit_packed("photos", &[("a.txt", &text)]);
    // Enough for the facts of the packed bytes, not for what comes out of them.
    house.disk.set_free(4 << 20);
    let waits_in_work =
        |item: &Item| item.checkpoint.stage == Stage::Unpack && item.checkpoint.standing.name() == "waiting";
    let item = house.run_until(waits_in_work);
    let Standing::Waiting { why: WaitWhy::For(Wait::Space { place, bytes, .. }), .. } =
        item.checkpoint.standing
    else {
        panic!("{:?}", item.checkpoint)
    };
    assert_eq!(place, "staging");
    assert!(bytes > 8 << 20, "it waits for {bytes} bytes, which would not do");
    assert_eq!(staged(&house), [""; 0]);
    house.disk.set_free(1 << 40);
    house.run();
    assert_eq!((only(&house).checkpoint.standing.name(), only(&house).checkpoint.tries), ("kept", 0));
}

#[test]
fn a_tar_that_changed_in_staging_is_made_again_and_never_the_depositors_fault() {
    for (stage, change) in
        [(Stage::Checksum, 1), (Stage::Checksum, 0), (Stage::Validate, 0), (Stage::Store, 1)]
    {
        let mut house = house();
        house.deposit_packed("photos", &FILES);
        let item = crate::trouble::stop_before(&mut house, stage);
        let place = Place { volume: "staging".into(), path: format!("rehearsal-{}/tar", item.id) };
        let damaged = house.disk.damage(&place, |bytes| match change {
            0 => bytes.truncate(bytes.len() / 2),
            _ => {
                let at = bytes.windows(5).position(|window| window == b"alpha").unwrap();
                bytes[at] ^= 1;
            }
        });
        assert!(damaged, "there is no tar before {stage}");
        house.ledger.ask(item.id, &Move::Release, &tester(), "").unwrap();
        house.run();
        assert_eq!(only(&house).checkpoint.standing.name(), "kept", "change {change} before {stage}");
    }
}

#[test]
fn more_files_than_are_taken_here_hold_the_item_and_blame_nobody() {
    let mut house = house();
    house.settings.tar.members = 3;
    house.deposit("photos", &FILES);
    house.run();
    let item = only(&house);
    assert_eq!(item.checkpoint.standing.name(), "held");
    assert_eq!(item.checkpoint.standing.trouble().unwrap().kind.name(), "over-limit");
}
