//! The inbox: what lies there is taken in, sooner or later.

use crate::rehearsal::{house, tar};
use std::sync::{Arc, Weak};
use strongroom::books::config::{Config, Given};
use strongroom::doors::inbox::{AGAIN, Inbox};
use strongroom::model::item::Asker;
use strongroom::work::desk::Desk;

#[test]
fn a_deposit_that_could_not_be_taken_for_a_while_is_taken_later() {
    let house = house();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("local/a.tar");
    std::fs::create_dir(place.path().join("local")).unwrap();
    std::fs::write(&path, "x").unwrap();
    let text = format!("[serve]\ninbox = {:?}\ninbox_settle = \"0 s\"\n", place.path());
    let config = Arc::new(Config::from_text(&text, None, &Given::default()).unwrap());
    let desk = Desk::new(house.ledger.clone(), Weak::new(), config, house.settings.clone(), true);
    let asker = Asker { uid: 0, name: "inbox".into(), door: "inbox".into() };
    let mut inbox = Inbox::default();
    // The file lies there and cannot be read: nobody changes it until it can.
    for _ in 0..3 {
        inbox.look(&desk, &asker);
    }
    assert_eq!(house.items().len(), 0);
    house.source.add_tar(path.to_str().unwrap(), tar("a", &[("a.txt", "one")]));
    for _ in 0..=AGAIN {
        inbox.look(&desk, &asker);
    }
    assert_eq!(house.items().iter().map(|item| item.bag.as_str()).collect::<Vec<_>>(), ["a"]);
    for _ in 0..=2 * AGAIN {
        inbox.look(&desk, &asker);
    }
    assert_eq!(house.items().len(), 1);
}
