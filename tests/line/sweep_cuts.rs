//! Sweeps that are cut off go on where they were, and count and tell everything once.

use crate::rehearsal::House;
use crate::sweeping::{DAY, Seen, bag, due, index_follows, noting, stocked, sweep, sweep_by};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;
use strongroom::books::config::fixity::FixityConfig;
use strongroom::books::ledger::{SweepNews, SweepTarget};
use strongroom::model::proof::Proof;
use strongroom::model::trouble::Stop;
use strongroom::rules::sort::Scratch;
use strongroom::work::proving::{Begun, How, Wanted, prove_from};
use strongroom::work::sweep::Sweep;
use strongroom::worlds::fate::Blow;
use strongroom::worlds::target::Target;

/// Nobody else has an object, or somebody has one of every target until something is committed about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Elsewhere {
    Free,
    Held,
}

/// A run that may be struck at a write, and the one that goes on; what the second says of each target.
struct GoneOn {
    struck: bool,
    anew: bool,
    parts: BTreeMap<String, SweepTarget>,
    told: String,
}

fn cut_and_gone_on(house: &House, at: u64, elsewhere: Elsewhere) -> GoneOn {
    let held = Mutex::new(match elsewhere {
        Elsewhere::Free => None,
        Elsewhere::Held => house.ledger.try_claim_object(&bag(0)),
    });
    let told = Mutex::new(BTreeSet::new());
    let let_go = |part: &SweepTarget| {
        let mut told = told.lock().unwrap();
        told.insert(part.target.clone());
        if told.len() == 2 {
            held.lock().unwrap().take();
        }
    };
    house.clock.advance(Duration::from_secs(1));
    let sweeper = Sweep {
        world: &house.world,
        ledger: &house.ledger,
        settings: &house.settings,
        config: &FixityConfig::default(),
        prove: &prove_from,
        over: &|| false,
        busy: &|| false,
        told: &let_go,
    };
    let first = sweeper.begin(&due()).and_then(|row| sweeper.run(row));
    held.lock().unwrap().take();
    let struck = house.fate.writes() >= at;
    house.fate.recover();
    house.clock.advance(Duration::from_secs(60));
    let ended = first.as_ref().is_ok_and(|row| row.ended.is_some());
    let (row, parts) = sweep(house, &due());
    strongroom::work::logs::spread(&house.world, &house.ledger, None).unwrap();
    let told = format!("{elsewhere:?}: {first:?}, run {}: {parts:?}", row.number);
    let anew = ended || house.ledger.sweep(2).unwrap().is_some();
    assert_eq!(row.number, if anew { 2 } else { 1 }, "{told}");
    GoneOn { struck, anew, parts, told }
}

#[test]
fn a_run_that_is_cut_off_at_any_write_goes_on_and_counts_everything_once() {
    let mut cut = 0;
    let whole = [
        (Blow::PowerBefore, Elsewhere::Free),
        (Blow::Error, Elsewhere::Free),
        (Blow::PowerAfter, Elsewhere::Free),
        (Blow::PowerAfter, Elsewhere::Held),
    ];
    for (blow, elsewhere) in whole {
        for at in 1.. {
            let house = stocked(3);
            house.targets["a"].damage(&bag(1), "v1/content/bag/data/a.txt", b"?".to_vec());
            house.targets["b"].lose(&bag(2), Some("v1/content/bag/data/b/c.txt"));
            house.clock.advance(200 * DAY);
            house.fate.plan(at, blow);
            let GoneOn { struck, anew, parts, told } = cut_and_gone_on(&house, at, elsewhere);
            let told = format!("{blow:?} at {at}: {told}");
            for (target, bad) in [("a", 1), ("b", 2)] {
                let part = &parts[target];
                if !anew {
                    assert_eq!((part.sound, part.faulty, part.left), (2, 1, 0), "{told}");
                    let found = house.ledger.sweep_findings(1, None, 99).unwrap();
                    let found = found.iter().filter(|(_, told)| told.target == *target);
                    let found: Vec<_> = found.map(|(_, told)| (told.object.clone(), told.marked)).collect();
                    assert_eq!(found, [(Some(bag(bad)), true)], "{told}");
                }
                let since =
                    house.world.clock.now().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
                let old = house.ledger.oldest_proofs(target, None, 9).unwrap();
                let old = old.into_iter().filter(|copy| copy.proved_at < since).map(|copy| copy.object);
                assert_eq!(old.collect::<Vec<_>>(), [bag(bad)], "{told}");
                assert_eq!(house.ledger.object_events(&bag(bad)).unwrap().len(), 1, "once: {told}");
            }
            let damaged = house.ledger.damaged(None, 9).unwrap();
            let damaged: Vec<_> =
                damaged.iter().map(|copy| (copy.target.as_str(), copy.object.clone())).collect();
            assert_eq!(damaged, [("a", bag(1)), ("b", bag(2))], "{told}");
            index_follows(&house);
            cut += u64::from(struck);
            if !struck {
                break;
            }
        }
    }
    assert!(cut > 20, "only {cut} cuts");
}

#[test]
fn a_copy_that_waits_to_be_recorded_when_the_run_is_cut_off_is_proved_by_whoever_goes_on() {
    let mut cut = 0;
    for at in 1.. {
        let house = stocked(3);
        house.clock.advance(200 * DAY);
        house.fate.plan(at, Blow::PowerAfter);
        let claim = house.ledger.try_claim_object(&bag(2)).unwrap();
        let seen = Seen::default();
        let first = sweep_by(&house, &due(), &FixityConfig::default(), &noting(&seen), &|| false);
        drop(claim);
        let struck = house.fate.writes() >= at;
        house.fate.recover();
        if !struck {
            assert!(first.unwrap().ended.is_some());
            let parts = house.ledger.sweep_targets(1).unwrap();
            assert!(parts.iter().all(|part| (part.sound, part.left) == (2, 1)), "{parts:?}");
            break;
        }
        house.clock.advance(Duration::from_secs(60));
        let left_behind = house.ledger.sweep_targets(1).unwrap();
        let (row, parts) = sweep(&house, &due());
        let since = house.world.clock.now().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
        for part in parts.values() {
            assert!(part.sound + part.faulty <= 3, "cut at {at}: {part:?}");
            let old = house.ledger.oldest_proofs(&part.target, None, 9).unwrap();
            let old: Vec<_> = old.into_iter().filter(|copy| copy.proved_at < since).collect();
            let told = part.left == old.len() as u64;
            assert!(
                told,
                "cut at {at}: {old:?} of {part:?}, run {}, after the cut {left_behind:?}",
                row.number
            );
        }
        cut += 1;
    }
    assert!(cut > 4, "only {cut} cuts");
}

/// A bag so large that a run may stop in it, proved by who lets time go on and asks to stop after its first part.
fn large() -> House {
    let house = crate::rehearsal::house();
    let names: Vec<String> = (0..2_100).map(|number| format!("f{number:04}.txt")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    house.deposit("bag-000", &files);
    house.run();
    let kept = house.ledger.oldest_proofs("a", None, 9).unwrap();
    assert!(kept.len() == 1 && kept[0].files > 2_000, "{kept:?}, {:?}", house.items());
    house.clock.advance(200 * DAY);
    house
}

fn slowly(
    house: &House,
    stop: bool,
) -> impl Fn(&dyn Target, &Wanted<'_>, &dyn Scratch, How<'_>) -> Result<Proof, Stop> + Sync + '_ {
    move |target, wanted, scratch, how| {
        let keep = |begun: &Begun| {
            house.clock.advance(Duration::from_secs(30));
            (how.keep)(begun)?;
            if stop { Err(Stop::Drained) } else { Ok(()) }
        };
        prove_from(target, wanted, scratch, How { keep: &keep, begun: how.begun.clone(), ..how })
    }
}

#[test]
fn a_large_copy_is_gone_on_with_once_and_read_anew_when_it_is_due_again() {
    let house = large();
    let stopped =
        sweep_by(&house, &due(), &FixityConfig::default(), &slowly(&house, true), &|| false).unwrap();
    assert_eq!(stopped.why.as_deref(), Some("stopped"));
    let left = house.ledger.partial("a").unwrap().expect("where to go on");
    let read = Mutex::new(0);
    let counting = |target: &dyn Target, wanted: &Wanted<'_>, scratch: &dyn Scratch, how: How<'_>| {
        let so_far = how.begun.as_ref().map_or(0, |begun| begun.proof.matched);
        let proof = slowly(&house, false)(target, wanted, scratch, how)?;
        if !wanted.object.0.contains("canary") {
            *read.lock().unwrap() += proof.matched - so_far;
        }
        Ok(proof)
    };
    let go = || sweep_by(&house, &due(), &FixityConfig::default(), &counting, &|| false).unwrap();
    assert_eq!(go().why, None);
    let rest = std::mem::take(&mut *read.lock().unwrap());
    assert!(rest > 0 && rest < 200, "{rest} files of the second part");
    let parts = house.ledger.sweep_targets(2).unwrap();
    assert!(parts.iter().all(|part| part.sound == 1 && part.matched > 2_100), "{parts:?}");
    assert_eq!(house.ledger.partial("a").unwrap(), None, "nothing to go on with");
    // What earlier programs left behind when a copy was read to its end.
    let mut part = house.ledger.sweep_target(2, "a").unwrap().unwrap();
    let news = SweepNews { partial: Some(Some(&left)), ..SweepNews::default() };
    house.ledger.move_proofs(&[], house.ledger.sweep_rows(2, &mut part, &news).unwrap()).unwrap();
    house.clock.advance(200 * DAY);
    assert_eq!(go().why, None);
    let read = std::mem::take(&mut *read.lock().unwrap());
    assert!(read > 4_200, "{read} files of both copies");
    house.clock.advance(200 * DAY);
    house.targets["a"].damage(&bag(0), "v1/content/bag/data/f0001.txt", b"?".to_vec());
    go();
    assert_eq!(house.ledger.damaged(None, 9).unwrap().len(), 1, "what lies before the place is read again");
}

#[test]
fn a_large_copy_of_which_nothing_is_left_when_it_is_gone_on_with_is_not_called_sound() {
    let house = large();
    let config = FixityConfig::default();
    let stopped = sweep_by(&house, &due(), &config, &slowly(&house, true), &|| false).unwrap();
    assert_eq!(stopped.why.as_deref(), Some("stopped"));
    assert!(["a", "b"].iter().all(|target| house.ledger.partial(target).unwrap().is_some()));
    // Of one everything is gone, of the other only what says what should be there.
    house.targets["a"].lose(&bag(0), None);
    for path in ["inventory.json", "v1/inventory.json"] {
        house.targets["b"].damage(&bag(0), path, b"{}".to_vec());
    }
    let row = sweep_by(&house, &due(), &config, &slowly(&house, false), &|| false).unwrap();
    let parts = house.ledger.sweep_targets(row.number).unwrap();
    assert!(parts.iter().all(|part| (part.sound, part.faulty) == (0, 1)), "{parts:?}");
    assert_eq!(house.ledger.damaged(None, 9).unwrap().len(), 2);
}

#[test]
fn a_large_copy_whose_proof_is_of_a_time_still_to_come_is_gone_on_with() {
    let house = large();
    house.clock.set_wall(-jiff::SignedDuration::from_hours(24 * 300));
    let config = FixityConfig::default();
    let stopped = sweep_by(&house, &due(), &config, &slowly(&house, true), &|| false).unwrap();
    assert_eq!(stopped.why.as_deref(), Some("stopped"));
    let gone_on = Mutex::new(0);
    let noting = |target: &dyn Target, wanted: &Wanted<'_>, scratch: &dyn Scratch, how: How<'_>| {
        *gone_on.lock().unwrap() += u64::from(how.begun.is_some());
        prove_from(target, wanted, scratch, how)
    };
    assert_eq!(sweep_by(&house, &due(), &config, &noting, &|| false).unwrap().why, None);
    assert_eq!(*gone_on.lock().unwrap(), 2, "on both targets");
}
