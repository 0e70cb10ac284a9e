//! Jobs: what is due is decided from what was done; starts too many, too few and cut off do no harm.

use crate::rehearsal::{House, house};
use std::sync::{Arc, Weak};
use std::time::Duration;
use strongroom::books::config::{Config, Given, Origin};
use strongroom::books::ledger::Ledger;
use strongroom::model::item::{Asker, Form};
use strongroom::model::job::{Job, Run, RunEnd, Told};
use strongroom::work::desk::Desk;
use strongroom::work::desk::repair_words::{RepairAsk, RepairWish};
use strongroom::work::desk::words::{Answer, Ask, JobAnswer, JobAsk, JobStep, JobView, Starter};
use strongroom::work::giving::ordering::{Wanted, order};
use strongroom::work::stages::INGEST_LINE;
use strongroom::worlds::disk::{Disk, Place};

const HOUR: Duration = Duration::from_secs(3_600);

/// A desk over a house in memory, with a folder for what backups need.
pub struct Office {
    pub house: House,
    pub desk: Desk,
    _folder: tempfile::TempDir,
}

pub fn office(text: &str) -> Office {
    office_in(house(), text)
}

pub fn office_in(house: House, text: &str) -> Office {
    let folder = tempfile::tempdir().unwrap();
    let given = Given { file: None, data: Some((folder.path().to_path_buf(), Origin::Option("--data"))) };
    let config = Config::from_text(text, None, &given).unwrap();
    let desk = desk_of(&house, &house.ledger, Arc::new(config));
    Office { house, desk, _folder: folder }
}

fn desk_of(house: &House, ledger: &Arc<Ledger>, config: Arc<Config>) -> Desk {
    Desk::new(ledger.clone(), Weak::new(), config, house.settings.clone(), true)
}

pub fn asker(name: &str) -> Asker {
    Asker { uid: 7, name: name.into(), door: "socket".into() }
}

impl Office {
    pub fn ask(&self, ask: JobAsk) -> JobAnswer {
        match self.desk.answer(&Ask::Job(ask), &asker("anna")) {
            Answer::Job(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub fn step(&self, job: &str, run: Option<u64>, scheduled: Option<Starter>) -> JobStep {
        match self.ask(JobAsk::Run { job: job.into(), run, scheduled }) {
            JobAnswer::Stepped(step) => step,
            other => panic!("{other:?}"),
        }
    }

    /// Begins and goes on to the end; none if nothing was to be done.
    pub fn run(&self, job: &str, scheduled: Option<Starter>) -> Option<Run> {
        let mut run = None;
        for _ in 0..1_000 {
            match self.step(job, run, scheduled) {
                JobStep::Going { run: number, .. } => run = Some(number),
                JobStep::Over { run } => return Some(*run),
                _ => return None,
            }
        }
        panic!("{job} never ends");
    }

    fn cron(&self, job: &str) -> Option<Run> {
        self.run(job, Some(Starter::Cron))
    }

    fn view(&self, job: Job) -> JobView {
        match self.ask(JobAsk::List) {
            JobAnswer::Jobs { jobs } => jobs.into_iter().find(|view| view.job == job).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_job_is_done_once_in_its_time_however_often_it_is_started() {
    let office = office("");
    let mut done = Vec::new();
    // Every hour for three days, by two schedulers at once; the machine is off for the second day.
    for hour in 0..72u64 {
        if !(24..48).contains(&hour) {
            for starter in [Starter::Cron, Starter::Timer] {
                done.extend(office.run("state-backup", Some(starter)).map(|run| (hour, run.by)));
            }
        }
        office.house.clock.advance(HOUR);
    }
    let by = |who: &str| format!("{who} (anna)");
    assert_eq!(done, [(0, by("cron")), (21, by("cron")), (48, by("cron")), (69, by("cron"))]);
    let view = office.view(Job::StateBackup);
    assert_eq!((view.every_seconds, view.late), (Some(86_400), false));
    assert_eq!(view.last.unwrap().end, RunEnd::Well);
    assert_eq!(office.house.ledger.last_backup().unwrap().unwrap().good(), 2);
}

#[test]
fn a_person_has_it_done_now_and_what_the_daemon_did_counts() {
    let office = office("");
    let made = office.desk.answer(&Ask::Backup, &asker("schedule"));
    assert!(matches!(made, Answer::BackedUp { .. }), "{made:?}");
    office.house.clock.advance(HOUR);
    assert_eq!(office.cron("state-backup"), None);
    let run = office.run("state-backup", None).unwrap();
    assert_eq!((run.number, run.by.as_str(), run.scheduled, run.end), (1, "anna", false, RunEnd::Well));
    assert!(run.told.line.contains("on 2 of 2 targets"), "{run:?}");
}

#[test]
fn a_second_run_is_told_of_the_first_until_nobody_goes_on_with_it() {
    let office = office("");
    let JobStep::Going { run: first, .. } = office.step("reconcile", None, Some(Starter::Timer)) else {
        panic!()
    };
    let JobStep::Runs { running } = office.step("reconcile", None, None) else { panic!() };
    assert_eq!((running.number, running.by.as_str()), (first, "timer (anna)"));
    assert!(matches!(office.step("reconcile", None, Some(Starter::Cron)), JobStep::Runs { .. }));
    // Other jobs are not kept from their work.
    assert!(office.run("retention", None).is_some());
    // Whoever began it is gone; it is somebody else's turn, and the first one hears that.
    office.house.clock.advance(Duration::from_secs(121));
    let JobStep::Going { run: second, .. } = office.step("reconcile", None, None) else { panic!() };
    assert_eq!(second, first + 1);
    let JobStep::Over { run } = office.step("reconcile", Some(first), None) else { panic!() };
    assert_eq!((run.number, run.end), (first, RunEnd::Interrupted));
    let JobStep::Over { run } = office.step("reconcile", Some(second), None) else { panic!() };
    assert_eq!(
        (run.end, run.told.line.as_str()),
        (RunEnd::Well, "reconcile: nothing is wrong; 0 objects on 2 targets looked at")
    );
}

#[test]
fn a_run_that_was_stopped_or_whose_process_ended_is_due_still() {
    let office = office("");
    let JobStep::Going { run, .. } = office.step("reconcile", None, Some(Starter::Cron)) else { panic!() };
    office.ask(JobAsk::Stop { job: "reconcile".into(), run });
    // The next run begins, and the process ends; a new one comes over the same ledger.
    let JobStep::Going { run, .. } = office.step("reconcile", None, Some(Starter::Cron)) else { panic!() };
    assert_eq!(run, 2);
    let ledger = Arc::new(Ledger::new(office.house.world.clone(), &INGEST_LINE));
    let desk = desk_of(&office.house, &ledger, office.desk.config());
    let office = Office { desk, ..office };
    assert_eq!(office.view(Job::Reconcile).running, None);
    let run = office.cron("reconcile").unwrap();
    assert_eq!((run.number, run.end), (3, RunEnd::Well));
    let JobAnswer::Runs { runs } = office.ask(JobAsk::Runs { job: None, limit: 10 }) else { panic!() };
    let ends: Vec<(u64, RunEnd)> = runs.iter().map(|run| (run.number, run.end)).collect();
    let wanted = [RunEnd::Interrupted, RunEnd::Interrupted, RunEnd::Well];
    assert!(wanted.iter().enumerate().all(|(at, end)| ends.contains(&(at as u64 + 1, *end))), "{ends:?}");
    assert_eq!(office.cron("reconcile"), None);
}

#[test]
fn a_job_that_is_left_out_comes_back_by_itself_and_a_person_is_not_kept_from_it() {
    let office = office("");
    let skip = |until, times, reason: &str| {
        let ask = JobAsk::Skip { job: "retention".into(), until, times, reason: reason.into() };
        office.desk.answer(&Ask::Job(ask), &asker("anna"))
    };
    for (answer, why) in [
        (skip(None, Some(1), " "), "no reason"),
        (skip(None, None, "why"), "how many times"),
        (skip(Some("2025-01-01T00:00:00Z".parse().unwrap()), None, "why"), "is over"),
    ] {
        assert!(format!("{answer:?}").contains(why), "{answer:?}");
    }
    skip(None, Some(2), "the vault is moved");
    for _ in 0..2 {
        let step = office.step("retention", None, Some(Starter::Cron));
        assert!(
            matches!(&step, JobStep::LeftOut { skip } if skip.reason == "the vault is moved"),
            "{step:?}"
        );
    }
    assert!(office.cron("retention").is_some());

    let until = office.house.world.clock.now().checked_add(jiff::SignedDuration::from_hours(48)).unwrap();
    skip(Some(until), None, "again");
    office.house.clock.advance(24 * HOUR);
    assert_eq!(office.cron("retention"), None);
    assert!(office.run("retention", None).is_some());
    office.house.clock.advance(24 * HOUR);
    assert!(office.cron("retention").is_some());
}

#[test]
fn a_backup_that_is_not_on_every_target_is_wrong_and_due_again() {
    let office = office("");
    office.house.targets["b"].unmount(true);
    let run = office.cron("state-backup").unwrap();
    assert_eq!(run.end, RunEnd::Wrong);
    assert!(run.told.line.contains("on 1 of 2 targets; next: strongroom state backup --last"), "{run:?}");
    assert!(run.told.lines[0].starts_with("b: "), "{run:?}");
    // It did what it could: once a day is often enough to try again.
    assert_eq!(office.cron("state-backup"), None);
}

#[test]
fn retention_removes_what_dead_processes_left_and_nothing_else() {
    let office = office("");
    let disk = &office.house.disk;
    let place = |path: &str| Place { volume: "staging".into(), path: path.into() };
    let own = std::process::id();
    let mine = format!("rehearsal-desk-proof-{own}-1/x");
    let giving = format!("rehearsal-restore-{own}-0/x");
    for path in [
        "rehearsal-desk-proof-1-1/x",
        "rehearsal-restore-1/x",
        "rehearsal-restore-1-0/x",
        "rehearsal-inventory-1-12/x",
        &giving,
        "rehearsal-7/facts",
        &mine,
        "other-restore-1/x",
    ] {
        disk.append(&place(path), 0, b"left").unwrap();
    }
    let run = office.cron("retention").unwrap();
    assert_eq!(run.told.line, "retention: 4 leftovers removed from staging, 0 orders from their places");
    let left = disk.list(&place("")).unwrap();
    let ours = [mine.trim_end_matches("/x"), giving.trim_end_matches("/x")];
    assert_eq!(left, ["other-restore-1", "rehearsal-7", ours[0], ours[1]]);
}

#[test]
fn what_the_daemon_did_by_a_clock_that_was_years_ahead_keeps_it_from_nothing() {
    let office = office("[repair]\nmode = \"auto\"\n[serve]\nreconcile_every = \"1 d\"\n");
    let (house, desk) = (&office.house, &office.desk);
    house.deposit("letters", &[("a.txt", "hello")]);
    house.run();
    house.clock.set_wall(jiff::SignedDuration::from_hours(24 * 4_000));
    assert!(matches!(desk.answer(&Ask::Backup, &asker("schedule")), Answer::BackedUp { .. }));
    while desk.reconcile_due() {
        desk.answer(&Ask::Reconcile { targets: Vec::new(), check: None }, &asker("schedule"));
    }
    let wish = RepairWish { by_itself: true, ..RepairWish::default() };
    desk.answer(&Ask::Repair(RepairAsk::Run { wish, run: None }), &asker("schedule"));
    assert!(!desk.backup_due() && !desk.reconcile_due(), "both were done just now");
    // A step of minutes makes nothing due.
    house.clock.set_wall(-jiff::SignedDuration::from_mins(10));
    assert!(!desk.backup_due() && !desk.reconcile_due());
    house.clock.set_wall(-jiff::SignedDuration::from_hours(24 * 3_900));
    assert!(desk.backup_due(), "a backup from a time that is still to come is none");
    assert!(desk.reconcile_due(), "and a check from such a time is none");
    let target = &house.targets["b"];
    let object = target.objects().remove(0);
    target.damage(&object, "v1/content/bag/data/a.txt", b"hellO".to_vec());
    crate::sweeping::sweep(house, &crate::sweeping::all());
    assert_eq!(house.ledger.damaged(None, 9).unwrap().len(), 1);
    assert!(desk.repair_due(), "what a sweep found is new, whatever time the last repair says");
    // Found by a clock that was ahead: tried once, it is tried again after a day, and not all the time.
    house.clock.set_wall(-jiff::SignedDuration::from_hours(24 * 50));
    let wish = RepairWish { by_itself: true, ..RepairWish::default() };
    house.targets["a"].damage(&object, "v1/content/bag/data/a.txt", b"hellO".to_vec());
    desk.answer(&Ask::Repair(RepairAsk::Run { wish, run: None }), &asker("schedule"));
    assert_eq!(house.ledger.damaged(None, 9).unwrap().len(), 1, "there is no proved copy");
    assert!(!desk.repair_due());
}

#[test]
fn the_runs_that_are_kept_are_bounded() {
    let office = office("");
    let ledger = &office.house.ledger;
    for _ in 0..450 {
        let running = ledger.begin_run(Job::Retention, "cron", true).unwrap();
        ledger.end_run(Job::Retention, running.number, RunEnd::Well, Told::line("done")).unwrap();
    }
    let runs = ledger.runs(Job::Retention, None, 1_000).unwrap();
    assert_eq!((runs.len(), runs[0].number, runs[399].number), (400, 450, 51));
    let older = ledger.runs(Job::Retention, Some(440), 5).unwrap();
    assert_eq!(older.iter().map(|run| run.number).collect::<Vec<_>>(), [439, 438, 437, 436, 435]);
}

#[test]
fn a_report_tells_of_the_time_since_the_last_one_and_of_no_other() {
    let office = office("");
    office.house.deposit("first", &[("a.txt", "hello")]);
    office.house.run();
    // What is given back is an item, too, and nothing that a depositor sent.
    let ledger = &office.house.ledger;
    let object = ledger.objects(None, 1).unwrap().remove(0);
    let version = ledger.versions(&object.id).unwrap().remove(0);
    let wanted = Wanted { file: None, form: Form::Folder, to: String::new(), spot_test: Some(7) };
    assert!(order(ledger, &object, &version, wanted, &asker("anna")).unwrap().1);
    office.house.clock.advance(HOUR);
    let run = office.cron("report").unwrap();
    assert_eq!(run.end, RunEnd::Well);
    assert!(
        run.told.line.starts_with("report: 1 deposits received: 1 kept, 0 refused, 0 held; 1 versions kept"),
        "{run:?}"
    );
    assert!(run.told.lines.iter().any(|line| line.starts_with("2 copies on 2 targets")), "{run:?}");
    assert_eq!(office.cron("report"), None);
    office.house.clock.advance(7 * 24 * HOUR);
    let run = office.cron("report").unwrap();
    assert!(run.told.line.starts_with("report: 0 deposits received: 0 kept"), "{run:?}");
    assert!(run.told.line.contains("2 copies on 2 targets"), "{run:?}");
}

#[test]
fn what_is_counted_in_many_parts_is_what_is_counted_in_one() {
    use strongroom::work::reports::Kind;
    use strongroom::work::reports::tally::{Period, Tally, part};
    let office = office("");
    for number in 0..12 {
        office.house.deposit(&format!("bag-{number}"), &[("a.txt", "hello")]);
    }
    office.house.run();
    let (ledger, settings) = (&office.house.ledger, &office.house.settings);
    let period = Period {
        since: "2026-01-01T00:00:00Z".parse().unwrap(),
        until: "2027-01-01T00:00:00Z".parse().unwrap(),
    };
    for walk in Kind::Audit.walks() {
        let whole = part(ledger, settings, *walk, period, None, HOUR).unwrap();
        assert_eq!(whole.1, None);
        let (mut sum, mut after, mut parts) = (Tally::default(), None, 0);
        loop {
            let (more, next) = part(ledger, settings, *walk, period, after, Duration::ZERO).unwrap();
            sum.add(more);
            parts += 1;
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(sum, whole.0, "{walk:?}");
        assert!(parts >= 1);
    }
}

#[test]
fn the_job_repair_changes_nothing_unless_it_is_allowed_to() {
    let rot = |office: &Office| {
        office.house.deposit("letters", &[("a.txt", "hello")]);
        office.house.run();
        let target = &office.house.targets["b"];
        let object = target.objects().remove(0);
        target.damage(&object, "v1/content/bag/data/a.txt", b"hellO".to_vec());
        let ask = Ask::Keep(strongroom::work::desk::words::KeepAsk::Prove {
            object: object.0.clone(),
            target: None,
        });
        office.desk.answer(&ask, &asker("anna"));
        (object, office.house.ledger.damaged(None, 9).unwrap())
    };
    let office_plan = office("[jobs]\nrepair = \"1 d\"\n");
    assert_eq!(office_plan.cron("repair").unwrap().told.line, "repair: no copy is damaged");
    let (object, damaged) = rot(&office_plan);
    assert_eq!(damaged.len(), 1);
    let run = office_plan.run("repair", None).unwrap();
    assert_eq!(run.end, RunEnd::Wrong);
    assert_eq!(
        run.told.text(),
        format!("repair: 1 damaged copy waits for a person; next: strongroom repair plan\n  {object} on b\n")
    );
    assert_eq!(office_plan.house.ledger.damaged(None, 9).unwrap(), damaged);

    // A person had it looked at, no sweep: by itself it is left alone in this mode, too, and told.
    let office_auto = office("[repair]\nmode = \"auto\"\n");
    assert_eq!(office_auto.cron("repair"), None, "it is off by default");
    rot(&office_auto);
    let run = office_auto.run("repair", None).unwrap();
    assert!(
        run.told.line.starts_with("repair: 0 of 1 copies put right, 0 failed, 1 left alone; next: "),
        "{run:?}"
    );
    assert_eq!((run.end, run.told.lines.len()), (RunEnd::Wrong, 1));
}

#[test]
fn the_job_fixity_proves_what_is_due_and_tells_what_is_damaged_and_what_was_away() {
    let office = office("");
    office.house.deposit("letters", &[("a.txt", "hello"), ("b.txt", "there")]);
    office.house.run();
    let target = office.house.targets["b"].clone();
    let object = target.objects().remove(0);
    assert_eq!(
        office.cron("fixity").unwrap().told.line,
        "fixity: 0 copies on 2 targets proved, none damaged"
    );

    office.house.clock.advance(200 * 24 * HOUR);
    target.damage(&object, "v1/content/bag/data/a.txt", b"hellO".to_vec());
    let run = office.cron("fixity").unwrap();
    assert_eq!(run.end, RunEnd::Wrong);
    let wanted = "fixity: 1 of 2 copies damaged (1 files mismatched, 0 missing, 0 unreadable, 0 extra); next: \
                  strongroom fixity failures --run ";
    assert!(run.told.line.starts_with(wanted), "{run:?}");
    assert!(run.told.lines[0].starts_with(&format!("{object} on b: ")), "{run:?}");
    assert_eq!(office.cron("fixity"), None);

    office.house.clock.advance(200 * 24 * HOUR);
    target.unmount(true);
    let run = office.cron("fixity").unwrap();
    assert_eq!(run.end, RunEnd::Wrong, "what could not be looked at is not well: {run:?}");
    assert!(run.told.line.contains("b away") && run.told.text().contains("b away: "), "{run:?}");
}
