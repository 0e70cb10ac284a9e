//! An object is given back as it was deposited, and read back where it was brought; or it is not called given back.

use crate::rehearsal::{House, house, tar};
use std::collections::{BTreeMap, BTreeSet};
use strongroom::books::ledger::{GivenState, ItemFilter};
use strongroom::model::item::{Asker, Form, Item};
use strongroom::model::object::ObjectId;
use strongroom::model::trouble::Trouble;
use strongroom::work::giving::expiring::{Cursor, Expired, Expiring};
use strongroom::work::giving::ordering::{Wanted, order};
use strongroom::worlds::fate::Blow;

const FILES: [(&str, &str); 4] =
    [("a.txt", "alpha"), ("b/c.txt", "gamma"), ("empty", ""), ("twin.txt", "alpha")];

pub fn anna() -> Asker {
    Asker { uid: 7, name: "anna".into(), door: "test".into() }
}

pub fn photos() -> ObjectId {
    ObjectId::of("uva.edu", "photos")
}

fn kept() -> House {
    let house = house();
    house.deposit("photos", &FILES);
    house.run();
    house
}

fn ask(house: &House, form: Form, file: Option<(&str, u64)>) -> Item {
    let object = house.ledger.object(&photos()).unwrap().unwrap();
    let version = house.ledger.versions(&photos()).unwrap().remove(0);
    let wanted = Wanted {
        file: file.map(|(path, bytes)| (path.to_string(), bytes)),
        form,
        to: "/place".into(),
        spot_test: None,
    };
    order(&house.ledger, &object, &version, wanted, &anna()).unwrap().0
}

pub fn now(house: &House, item: &Item) -> Item {
    house.ledger.item(item.id).unwrap().unwrap()
}

pub fn standing(house: &House, item: &Item) -> String {
    let item = now(house, item);
    match item.checkpoint.standing.trouble() {
        Some(trouble) => format!(
            "{} at {}: {}",
            item.checkpoint.standing.name(),
            item.checkpoint.stage,
            trouble.kind.name()
        ),
        None => item.checkpoint.standing.name().to_string(),
    }
}

/// Files of the deposited tar by path in the bag.
fn deposited() -> BTreeMap<String, Vec<u8>> {
    files_in(&tar("photos", &FILES))
}

fn files_in(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let path = String::from_utf8(entry.path_bytes().to_vec()).unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            files.insert(path.strip_prefix("photos/").unwrap().to_string(), bytes);
        }
    }
    files
}

fn brought(house: &House, name: &str) -> BTreeMap<String, Vec<u8>> {
    house.outlet.lies_under(name).into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect()
}

fn told(house: &House) -> Vec<String> {
    let events = house.ledger.object_events(&photos()).unwrap();
    events.iter().map(|event| format!("{} {:?}", event.event_type.term().1, event.outcome)).collect()
}

#[test]
fn the_bag_comes_as_a_folder_file_for_file() {
    let house = kept();
    let item = ask(&house, Form::Folder, None);
    house.run();
    assert_eq!(standing(&house, &item), "done");
    assert!(brought(&house, "photos") == deposited());
    assert_eq!(house.outlet.names(), ["photos"], "nothing else lies there");
    let done = now(&house, &item).found.deliver.unwrap();
    assert_eq!((done.files, done.name.as_str()), (deposited().len() as u64, "photos"));
    assert_eq!(told(&house), ["dis Success"]);
    let left =
        house.disk.files().into_keys().any(|place| place.path.starts_with(&format!("rehearsal-{}", item.id)));
    assert!(!left, "staging is cleared");
}

#[test]
fn the_bag_comes_as_a_tar_that_is_the_same_every_time() {
    let house = kept();
    let first = ask(&house, Form::Tar, None);
    house.run();
    assert_eq!(standing(&house, &first), "done");
    let one = brought(&house, "photos.tar").remove("").unwrap();
    assert_eq!(files_in(&one), deposited());
    let names: Vec<String> = tar::Archive::new(&one[..])
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names[..2], ["photos/", "photos/data/"], "a bag has its payload folder, were it empty");
    assert!(names[2..].is_sorted(), "{names:?}");
    house.outlet.clear();
    house.targets["a"].unmount(true);
    ask(&house, Form::Tar, None);
    house.run();
    assert!(brought(&house, "photos.tar").remove("").unwrap() == one, "from another copy it is the same");
}

#[test]
fn one_file_comes_alone() {
    let house = kept();
    let item = ask(&house, Form::Folder, Some(("data/b/c.txt", 5)));
    house.run();
    assert_eq!(standing(&house, &item), "done");
    assert_eq!(brought(&house, "c.txt"), BTreeMap::from([(String::new(), b"gamma".to_vec())]));
}

#[test]
fn a_rotten_file_comes_from_the_other_copy_and_the_copy_is_marked() {
    let house = kept();
    house.targets["a"].damage(&photos(), "v1/content/bag/data/b/c.txt", b"GAMMA".to_vec());
    let item = ask(&house, Form::Folder, None);
    house.run();
    assert_eq!(standing(&house, &item), "done");
    assert!(brought(&house, "photos") == deposited());
    let mark = house.ledger.damage_of("a", &photos()).unwrap().expect("it is marked");
    assert_eq!((mark.proof.mismatched, house.ledger.damage_of("b", &photos()).unwrap().is_none()), (1, true));
    assert_eq!(told(&house), ["fix Failure", "dis Success"]);
}

#[test]
fn a_target_that_is_away_is_passed_over() {
    let house = kept();
    house.targets["a"].unmount(true);
    let item = ask(&house, Form::Folder, None);
    house.run();
    assert_eq!(standing(&house, &item), "done");
    assert!(brought(&house, "photos") == deposited());
}

#[test]
fn a_file_that_no_copy_can_give_holds_it_and_nothing_is_delivered() {
    let house = kept();
    for target in house.targets.values() {
        target.damage(&photos(), "v1/content/bag/data/b/c.txt", b"GAMMA".to_vec());
    }
    let item = ask(&house, Form::Folder, None);
    house.run();
    assert_eq!(standing(&house, &item), "held at gather: no-good-copy");
    assert!(house.outlet.names().is_empty());
    assert!(["a", "b"].iter().all(|target| house.ledger.damage_of(target, &photos()).unwrap().is_some()));
    assert!(!told(&house).iter().any(|told| told.starts_with("dis")));
}

#[test]
fn a_missing_source_holds_it_until_it_is_back() {
    let house = kept();
    house.targets.values().for_each(|target| target.unmount(true));
    let item = ask(&house, Form::Folder, None);
    house.run();
    assert_eq!(standing(&house, &item), "held at gather: target-missing");
    assert!(house.outlet.names().is_empty());
    house.targets.values().for_each(|target| target.unmount(false));
    let requeue = strongroom::model::checkpoint::Move::Requeue { from: None };
    house.ledger.ask(item.id, &requeue, &anna(), "").unwrap();
    house.run();
    assert_eq!(standing(&house, &item), "done");
}

#[test]
fn a_place_that_fails_fills_up_lies_or_is_away_is_never_called_done() {
    type Ill = (&'static str, fn(&House, bool), &'static str);
    let ills: [Ill; 3] = [
        ("full", |house, ill| house.outlet.fill(ill), "held at deliver: place-io"),
        ("lying", |house, ill| house.outlet.spoil(ill), "held at deliver: place-differs"),
        ("away", |house, ill| house.outlet.unmount(ill), "held at deliver: place-missing"),
    ];
    for (name, ail, wanted) in ills {
        for form in [Form::Folder, Form::Tar] {
            let house = kept();
            ail(&house, true);
            let item = ask(&house, form, None);
            house.run();
            assert_eq!(standing(&house, &item), wanted, "{name}");
            assert!(told(&house).is_empty(), "{name}");
            ail(&house, false);
            assert!(!house.outlet.names().iter().any(|under| under.starts_with("photos")), "{name}");
            let requeue = strongroom::model::checkpoint::Move::Requeue { from: None };
            house.ledger.ask(item.id, &requeue, &anna(), "").unwrap();
            house.run();
            assert_eq!(standing(&house, &item), "done", "{name}");
        }
    }
}

#[test]
fn what_others_put_there_is_left_alone() {
    let house = kept();
    house.outlet.lay("photos", "mine", b"mine");
    let item = ask(&house, Form::Folder, None);
    house.run();
    assert_eq!(standing(&house, &item), "held at deliver: place-taken");
    assert_eq!(brought(&house, "photos"), BTreeMap::from([("mine".to_string(), b"mine".to_vec())]));
    let cancel = strongroom::model::checkpoint::Move::Cancel;
    let cancelled = house.ledger.ask(item.id, &cancel, &anna(), "").unwrap();
    strongroom::work::pipeline::clear_cancelled(&house.world, &house.settings, &cancelled);
    assert_eq!(house.outlet.names(), ["photos"]);
}

#[test]
fn the_same_order_twice_is_one_item_until_it_is_done() {
    let house = kept();
    let first = ask(&house, Form::Folder, None);
    assert_eq!(ask(&house, Form::Folder, None).id, first.id);
    assert_ne!(ask(&house, Form::Tar, None).id, first.id);
    house.run();
    let again = ask(&house, Form::Folder, None);
    assert_ne!(again.id, first.id);
    house.run();
    assert_eq!(standing(&house, &again), "held at deliver: place-taken");
}

/// What an observer sees in the end, without times and tries.
#[derive(Debug, PartialEq, Eq)]
struct End {
    standings: Vec<String>,
    brought: BTreeMap<String, BTreeMap<String, String>>,
    told: Vec<String>,
    own: Vec<String>,
    registry: usize,
}

/// Files as text; of a tar those in it, for its times are those of when the object was kept.
fn seen(house: &House, name: &str) -> BTreeMap<String, String> {
    let mut files = brought(house, name);
    if name.ends_with(".tar") {
        files = files_in(&files[""]);
    }
    files.into_iter().map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap())).collect()
}

fn end(house: &House) -> End {
    let items = house.ledger.scan(&ItemFilter::default(), None, usize::MAX).unwrap();
    let of = |item: &Item| house.ledger.events(item.id).unwrap();
    let own = items.iter().filter(|item| item.errand.is_some()).flat_map(of);
    End {
        standings: items.iter().map(|item| standing(house, item)).collect(),
        brought: house.outlet.names().into_iter().map(|name| (name.clone(), seen(house, &name))).collect(),
        told: told(house),
        own: own.map(|event| event.event_type.term().1.to_string()).collect(),
        registry: house.ledger.versions(&photos()).unwrap().len(),
    }
}

fn order_all(house: &House) {
    ask(house, Form::Folder, None);
    ask(house, Form::Tar, None);
    ask(house, Form::Folder, Some(("data/b/c.txt", 5)));
}

#[test]
fn every_write_may_fail_or_lose_the_power_and_it_is_given_back_once() {
    let undisturbed = kept();
    order_all(&undisturbed);
    undisturbed.fate.recover();
    undisturbed.run();
    let wanted = end(&undisturbed);
    let writes = undisturbed.fate.writes();
    assert_eq!(wanted.standings, ["kept", "done", "done", "done"]);
    assert_eq!(wanted.told.len(), 3);
    assert!(writes > 30, "giving back made only {writes} writes");
    for blow in [Blow::Error, Blow::Full, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = kept();
            order_all(&house);
            house.fate.plan(at, blow);
            house.run();
            house.fate.recover();
            let found = end(&house);
            assert!(found.brought == wanted.brought, "{blow:?} at write {at}: {:?}", house.outlet.names());
            assert_eq!(
                (&found.standings, &found.told, &found.own),
                (&wanted.standings, &wanted.told, &wanted.own),
                "{blow:?} at write {at} of {writes}"
            );
            assert_eq!(found, wanted);
            assert!(house.run_once());
            let ids: Vec<String> =
                house.ledger.object_events(&photos()).unwrap().into_iter().map(|event| event.id).collect();
            assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "an event was told twice");
            let left: Vec<_> =
                house.disk.files().into_keys().filter(|place| place.path.starts_with("rehearsal-")).collect();
            assert!(left.is_empty(), "{blow:?} at write {at}: staging was not cleared: {left:?}");
        }
    }
    println!("{} faults over {writes} writes, the same end every time", 4 * writes);
}

fn expire(house: &House, dry_run: bool) -> Vec<(String, String)> {
    let (mut told, mut from) = (Vec::new(), None);
    loop {
        let (part, next) = step(house, from, dry_run).unwrap();
        told.extend(part.into_iter().map(|told| (told.what, told.why)));
        match next {
            Some(next) => from = Some(next),
            None => return told,
        }
    }
}

/// One step without time, which still does one thing.
fn step(
    house: &House,
    from: Option<Cursor>,
    dry_run: bool,
) -> Result<(Vec<Expired>, Option<Cursor>), Trouble> {
    let until = std::time::Instant::now();
    let expiring =
        Expiring { world: &house.world, ledger: &house.ledger, settings: &house.settings, until, dry_run };
    expiring.step(from)
}

const FORTNIGHT: std::time::Duration = std::time::Duration::from_secs(14 * 86_400 + 1);

#[test]
fn what_was_given_back_goes_when_its_time_is_over_and_the_order_says_so() {
    let house = kept();
    let items = [ask(&house, Form::Folder, None), ask(&house, Form::Tar, None)];
    house.run();
    assert!(expire(&house, false).is_empty(), "its time is not over");
    house.clock.advance(FORTNIGHT);
    let told = expire(&house, true);
    assert_eq!(told.len(), 2);
    assert_eq!(house.outlet.names(), ["photos", "photos.tar"], "it was only asked what would go");
    let told: Vec<String> = expire(&house, false).into_iter().map(|told| told.0).collect();
    assert_eq!(told, ["expired", "expired"]);
    assert!(house.outlet.names().is_empty());
    for item in &items {
        assert_eq!(house.ledger.given(item.id).unwrap().unwrap().state, GivenState::Expired);
    }
    assert!(expire(&house, false).is_empty(), "twice does no harm");
    let lists = house.disk.files().into_keys().any(|place| place.path.starts_with("given/"));
    assert!(!lists, "the lists are gone, too");
}

#[test]
fn what_somebody_changed_or_added_to_is_left_as_it_is() {
    type Change = fn(&House);
    let changes: [(&str, Change); 2] = [
        ("a file was changed", |house| house.outlet.lay("photos", "data/a.txt", b"my notes")),
        ("a file was added", |house| house.outlet.lay("photos", "data/mine.txt", b"mine")),
    ];
    for (name, change) in changes {
        let house = kept();
        let item = ask(&house, Form::Folder, None);
        house.run();
        change(&house);
        let before = brought(&house, "photos");
        house.clock.advance(FORTNIGHT);
        assert_eq!(expire(&house, false)[0].0, "left", "{name}");
        assert!(brought(&house, "photos") == before, "{name}");
        assert_eq!(house.ledger.given(item.id).unwrap().unwrap().state, GivenState::Left);
    }
    let house = kept();
    ask(&house, Form::Folder, None);
    house.run();
    house.outlet.clear();
    house.clock.advance(FORTNIGHT);
    assert_eq!(expire(&house, false), [("expired".to_string(), "somebody had taken it away".to_string())]);
}

/// Goes on until a removal has begun; gives where it was just before.
fn until_it_removes(house: &House) -> (Item, Option<Cursor>) {
    ask(house, Form::Folder, None);
    house.run();
    house.clock.advance(FORTNIGHT);
    let item = house.items().into_iter().find(|item| item.errand.is_some()).unwrap();
    let mut from = None;
    loop {
        let next = step(house, from, false).unwrap().1;
        if house.ledger.given(item.id).unwrap().is_some() {
            return (item, from);
        }
        from = next;
    }
}

#[test]
fn who_only_asks_what_would_go_removes_nothing_of_what_another_began_to_remove() {
    let house = kept();
    until_it_removes(&house);
    let before = brought(&house, "photos");
    assert!(!before.is_empty());
    assert_eq!(expire(&house, true).len(), 1);
    assert!(brought(&house, "photos") == before, "it was only asked");
    expire(&house, false);
    assert!(house.outlet.names().is_empty());
}

#[test]
fn two_who_remove_at_once_leave_no_file_behind() {
    let house = kept();
    // One has found the last file as it was left, when another begins to remove them.
    let (item, mut from) = until_it_removes(&house);
    for _ in 0..99 {
        from = step(&house, from, false).unwrap().1;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(house.ledger.given(item.id).unwrap().unwrap().state, GivenState::Expired);
    assert!(house.outlet.names().is_empty(), "{:?}", brought(&house, "photos").keys());
}

#[test]
fn a_removal_that_is_cut_off_is_taken_up_and_not_taken_for_a_change() {
    let prepare = || {
        let house = kept();
        ask(&house, Form::Folder, None);
        house.run();
        house.clock.advance(FORTNIGHT);
        house
    };
    let undisturbed = prepare();
    undisturbed.fate.recover();
    expire(&undisturbed, false);
    let writes = undisturbed.fate.writes();
    assert!(writes > 9, "{writes}");
    for blow in [Blow::Error, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = prepare();
            house.fate.plan(at, blow);
            let mut from = None;
            for _ in 0..40 {
                let stepped = step(&house, from, false);
                from = stepped.as_ref().ok().and_then(|(_, next)| *next);
                let failed = stepped.map_or(true, |(told, _)| told.iter().any(|told| told.what == "failed"));
                if failed || house.fate.dark() {
                    // A ledger that failed ends its process; the next one begins anew.
                    house.fate.recover();
                    from = None;
                }
            }
            assert!(house.outlet.names().is_empty(), "{blow:?} at write {at}");
            let item = house.items().into_iter().find(|item| item.errand.is_some()).unwrap();
            let given = house.ledger.given(item.id).unwrap().unwrap();
            assert_eq!(given.state, GivenState::Expired, "{blow:?} at write {at}");
        }
    }
}

#[test]
fn what_lies_staged_is_not_read_twice_and_what_was_brought_is_not_put_twice() {
    let files: Vec<(String, String)> = (0..40).map(|n| (format!("f{n:02}"), "x".repeat(300_000))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let house = house();
    house.deposit("photos", &files);
    house.run();
    let item = ask(&house, Form::Folder, None);
    // The place is full: everything up to there is done, and stays done.
    house.outlet.fill(true);
    house.run();
    assert_eq!(standing(&house, &item), "held at deliver: place-io");
    house.outlet.fill(false);
    // No copy could be read any more, were it read again.
    house.targets.values().for_each(|target| target.unmount(true));
    let requeue = strongroom::model::checkpoint::Move::Requeue { from: None };
    house.ledger.ask(item.id, &requeue, &anna(), "").unwrap();
    let puts = house.outlet.puts();
    house.run();
    assert_eq!(standing(&house, &item), "done");
    let journal = house.ledger.attempts(item.id).unwrap();
    let read: u64 = journal.iter().filter(|row| row.stage.name() == "gather").map(|row| row.files).sum();
    assert_eq!(read, brought(&house, "photos").len() as u64, "each file was read once");
    assert_eq!(house.outlet.puts() - puts, brought(&house, "photos").len() as u64);
}

#[test]
fn a_gathering_that_is_cut_off_goes_on_where_it_was() {
    let files: Vec<(String, String)> = (0..30).map(|n| (format!("f{n:02}"), "x".repeat(900_000))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let house = house();
    house.deposit("photos", &files);
    house.run();
    let item = ask(&house, Form::Folder, None);
    // The tar grows by appends of a few megabytes; the power goes at the third.
    house.fate.plan(9, Blow::PowerBefore);
    assert!(!house.run_once());
    house.fate.recover();
    house.run();
    assert_eq!(standing(&house, &item), "done");
    let journal = house.ledger.attempts(item.id).unwrap();
    let kept: Vec<u64> =
        journal.iter().filter(|row| row.stage.name() == "gather").map(|row| row.files_kept).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[1] > 0, "what lay staged was not read again: {kept:?}");
}
