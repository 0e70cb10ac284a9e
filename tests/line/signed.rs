//! Signed addresses: what is secret in them is never in the ledger, and is there for as long as it is needed.

use crate::rehearsal::{House, house, tar};
use std::sync::{Arc, Weak};
use strongroom::books::config::{Config, Given};
use strongroom::model::checkpoint::Standing;
use strongroom::model::item::Asker;
use strongroom::model::trouble::Kind;
use strongroom::work::desk::Desk;
use strongroom::work::desk::words::{Answer, Ask, ItemView, Steering};
use strongroom::worlds::fate::Blow;

const PLAIN: &str = "https://drop.example.org/a.tar?versionId=7";

fn signed(secret: &str) -> String {
    format!("{PLAIN}&X-Amz-Date=1&X-Amz-Signature={secret}#allow-private")
}

fn desk(house: &House) -> Desk {
    let config = Arc::new(Config::from_text("", None, &Given::default()).unwrap());
    Desk::new(house.ledger.clone(), Weak::new(), config, house.settings.clone(), true)
}

fn ask(house: &House, ask: &Ask) -> Answer {
    desk(house).answer(ask, &Asker { uid: 0, name: "anna".into(), door: "test".into() })
}

fn submit(house: &House, address: &str) -> Result<(ItemView, bool), String> {
    let depositor = Some("uva.edu".to_string());
    match ask(house, &Ask::Submit { path: address.into(), depositor, policy: None, unasked: false }) {
        Answer::Submitted { item, new } => Ok((*item, new)),
        other => Err(format!("{other:?}")),
    }
}

/// The deposit lies there, whoever signs for it.
fn lies(house: &House, address: &str) {
    house.source.add_tar(address, tar("a", &[("a.txt", "alpha")]));
}

fn rows(house: &House) -> String {
    let mut text = String::new();
    house
        .ledger
        .export(&mut |key, row| {
            text.push_str(key);
            text.push_str(&String::from_utf8_lossy(&row.value));
        })
        .unwrap();
    text
}

fn trouble(house: &House) -> Kind {
    let item = house.items().pop().unwrap();
    let Standing::Held { trouble } = item.checkpoint.standing else { panic!("{item:#?}") };
    trouble.kind
}

#[test]
fn the_ledger_never_sees_a_signature_and_it_is_forgotten_once_the_item_is_kept() {
    let house = house();
    lies(&house, &signed("s3cret"));
    let (item, new) = submit(&house, &signed("s3cret")).unwrap();
    assert!(new && item.path.starts_with(&format!("{PLAIN}#signed-")), "{}", item.path);
    assert_eq!(house.source.withheld_addresses(), [signed("s3cret")]);
    house.run();
    assert_eq!(house.items()[0].checkpoint.standing, Standing::Kept);
    assert!(!rows(&house).contains("s3cret") && !rows(&house).contains("X-Amz"), "{}", rows(&house));
    assert!(house.source.withheld_addresses().is_empty());
    let object = &house.items()[0].found.store.clone().unwrap().object;
    for (path, bytes) in house.targets["a"].files(object) {
        assert!(!String::from_utf8_lossy(&bytes).contains("s3cret"));
        // Only the receipt names the item's key, which says that it was signed and not how.
        assert!(path.starts_with("logs/") || !String::from_utf8_lossy(&bytes).contains("#signed"));
    }
}

#[test]
fn the_same_deposit_signed_again_is_the_same_item_and_goes_on_with_the_new_signature() {
    let house = house();
    lies(&house, &signed("old"));
    submit(&house, &signed("old")).unwrap();
    // The old signature runs out: only the new one opens the door, to the same thing.
    house.source.rename(&signed("old"), &signed("new"));
    house.run();
    assert_eq!(trouble(&house), Kind::DepositGone);
    let (item, new) = submit(&house, &signed("new")).unwrap();
    assert_eq!((item.id, new), (1, false));
    assert_eq!(house.source.withheld_addresses(), [signed("new")]);
    house.run();
    assert_eq!((house.items().len(), &house.items()[0].checkpoint.standing), (1, &Standing::Kept));
    assert!(!submit(&house, &signed("new")).unwrap().1);
    assert!(house.source.withheld_addresses().is_empty(), "a kept one needs none");
}

#[test]
fn a_lost_signature_is_a_trouble_that_says_submit_it_again() {
    let house = house();
    lies(&house, &signed("s3cret"));
    submit(&house, &signed("s3cret")).unwrap();
    house.source.lose_withheld();
    house.run();
    assert_eq!(trouble(&house), Kind::AddressLost);
    let Answer::Item(story) = ask(&house, &Ask::Item { item: "1".into() }) else { panic!() };
    assert!(story.item.trouble.unwrap().advice.contains("submit the address again"));
    assert!(!submit(&house, &signed("s3cret")).unwrap().1);
    house.run();
    assert_eq!(house.items()[0].checkpoint.standing, Standing::Kept);
}

#[test]
fn what_is_cancelled_or_refused_needs_its_signature_no_more() {
    let house = house();
    lies(&house, &signed("one"));
    submit(&house, &signed("one")).unwrap();
    let cancel =
        Ask::Steer { items: vec!["1".into()], how: Steering::Cancel, reason: String::new(), dry_run: false };
    ask(&house, &cancel);
    assert!(house.source.withheld_addresses().is_empty());
    house.source.add_tar(&signed("two"), b"no tar at all".repeat(100));
    submit(&house, &signed("two")).unwrap();
    house.run();
    assert_eq!(house.items()[1].checkpoint.standing.name(), "refused");
    assert!(house.source.withheld_addresses().is_empty());
}

#[test]
fn a_refusal_shows_no_password_and_no_signature() {
    let house = house();
    for address in
        ["https://anna:s3cret@a.org/b.tar", "HTTPS://a.org/none.tar?sig=s3cret", "https://a.org/?s3cret"]
    {
        let refused = submit(&house, address).unwrap_err();
        assert!(!refused.contains("s3cret"), "{refused}");
    }
    assert!(house.items().is_empty() && house.source.withheld_addresses().is_empty());
}

#[test]
fn wherever_the_power_goes_no_item_is_without_its_signature_and_none_is_left_behind() {
    let undisturbed = house();
    lies(&undisturbed, &signed("s3cret"));
    let before = undisturbed.fate.writes();
    submit(&undisturbed, &signed("s3cret")).unwrap();
    let submitting = undisturbed.fate.writes() - before;
    undisturbed.run();
    let writes = undisturbed.fate.writes();
    assert!(submitting >= 2 && writes > submitting + 10);
    for blow in [Blow::Error, Blow::PowerBefore, Blow::PowerAfter] {
        for at in 1..=writes {
            let house = house();
            lies(&house, &signed("s3cret"));
            house.fate.plan(at, blow);
            let told = submit(&house, &signed("s3cret"));
            if at > submitting {
                assert!(told.is_ok(), "{told:?}");
            }
            house.run_once();
            house.fate.recover();
            house.run();
            let standings: Vec<&str> =
                house.items().iter().map(|item| item.checkpoint.standing.name()).collect();
            assert!(
                standings == ["kept"] || (told.is_err() && standings.is_empty()),
                "{blow:?} at {at}: {standings:?}"
            );
            // The next start finds what a blow at the very end left.
            house.run();
            assert!(house.source.withheld_addresses().is_empty(), "{blow:?} at {at} of {writes}");
        }
    }
}
