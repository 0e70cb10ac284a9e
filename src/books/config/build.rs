//! From settings to the configuration, writing down where every value came from.

use super::fault::Fault;
use super::keys::{self, Key};
use super::tree::{Setting, Tree, Value};
use super::{
    At, Config, DepositorConfig, Effective, Given, Judging, Limits, Origin, PlaceConfig, Retry, Serve,
    Workers, check, units,
};
use crate::books::volume::Floor;
use crate::model::object::Policy;
use crate::rules::bagit::policy::{FileNames, StorageOption, Switches, Versions, Weighs};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Builds the configuration, or says everything that is wrong with it.
pub fn build(tree: Tree, file: Option<&Path>, given: &Given) -> Result<Config, Vec<Fault>> {
    let mut from = Builder { tree, folder: folder_of(file), effective: Vec::new(), faults: Vec::new() };
    let data = from.data(given);
    let one_disk_accepted = match file {
        Some(_) => from.flag("i_accept_copies_on_one_disk"),
        None => from.note("i_accept_copies_on_one_disk", "true", Origin::Default, true),
    };
    let one_account_accepted = from.flag("i_accept_copies_on_one_credential");
    let ledger = from.path("ledger.path", Some(data.join("ledger")));
    let mirror = from.optional_path("ledger.mirror");
    let staging = from.places("staging", &data, &["staging"]);
    let targets = from.places("target", &data, &["target-a", "target-b"]);
    let policies = from.policies(&targets);
    let storage_options = from.storage_options(&policies);
    let accept = from.words("accept");
    let depositors = from.depositors(&policies, &accept);
    let any_depositor = from.rows("depositor").is_empty();
    let network = from.network();
    let sources = from.sources(&depositors);
    let keeping = from.keeping();
    let roles = from.roles();
    let deletion = from.deletion(&policies);
    let repair = from.repair();
    let jobs = from.jobs();
    let notice = from.notice(&network);
    let fixity = from.fixity();
    let restoring = from.restoring();
    let workers = from.workers();
    let limits = from.limits();
    let retry = from.retry();
    let serve = from.serve(&data);
    let log_format = from.text("log.format");
    let config = Config {
        file: file.map(Path::to_path_buf),
        data,
        ledger,
        mirror,
        staging,
        targets,
        policies,
        storage_options,
        accept,
        depositors,
        any_depositor,
        network,
        sources,
        keeping,
        roles,
        deletion,
        repair,
        jobs,
        notice,
        fixity,
        restoring,
        workers,
        limits,
        retry,
        serve,
        log_format,
        one_disk_accepted,
        one_account_accepted,
        effective: from.effective,
    };
    let mut faults = from.faults;
    faults.extend(check::faults(&config, &from.tree));
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

pub(super) struct Builder {
    pub(super) tree: Tree,
    pub(super) folder: PathBuf,
    effective: Vec<Effective>,
    pub(super) faults: Vec<Fault>,
}

impl Builder {
    /// The value at `path`: from the file, else the default of the table.
    fn value(&mut self, path: &str) -> (Value, Origin) {
        let key =
            keys::key_of(path).expect("every path asked for here is in the table: checked by the tests");
        let (value, origin) = match self.tree.settings.get(path) {
            Some(Setting { value, line }) => (value.clone(), Origin::File(*line)),
            None => (default_of(key), Origin::Default),
        };
        let shown = show(key, &value);
        self.effective.push(Effective { key: self.nice(path), value: shown, origin: origin.clone() });
        (value, origin)
    }

    pub(super) fn note<T>(&mut self, path: &str, shown: impl Into<String>, origin: Origin, value: T) -> T {
        self.effective.push(Effective { key: self.nice(path), value: shown.into(), origin });
        value
    }

    /// `target[0].path` as people call it: `target.vault-a.path`.
    fn nice(&self, path: &str) -> String {
        let Some((table, rest)) = path.split_once("].") else { return path.to_string() };
        let name = self.tree.settings.get(&format!("{table}].name")).map(|setting| &setting.value);
        match (name, table.split_once('[')) {
            (Some(Value::Text(name)), Some((table, _))) => format!("{table}.{name}.{rest}"),
            _ => path.to_string(),
        }
    }

    /// What is there for this key without having been written.
    pub(super) fn note_text(&mut self, path: &str, text: &str) {
        let shown = if text == "none" { text.to_string() } else { quoted(text) };
        self.note(path, shown, Origin::Default, ());
    }

    pub(super) fn texts(&mut self, path: &str) -> Vec<String> {
        match self.value(path).0 {
            Value::Names(texts) => texts,
            other => unreachable_shape(path, &other),
        }
    }

    pub(super) fn number(&mut self, path: &str) -> u64 {
        match self.value(path).0 {
            Value::Number(number) => number,
            other => unreachable_shape(path, &other),
        }
    }

    pub(super) fn flag(&mut self, path: &str) -> bool {
        match self.value(path).0 {
            Value::Flag(flag) => flag,
            other => unreachable_shape(path, &other),
        }
    }

    pub(super) fn text(&mut self, path: &str) -> String {
        match self.value(path).0 {
            Value::Text(text) => text,
            other => unreachable_shape(path, &other),
        }
    }

    fn words(&mut self, path: &str) -> Vec<String> {
        match self.value(path).0 {
            Value::Names(words) => words,
            other => unreachable_shape(path, &other),
        }
    }

    pub(super) fn count(&mut self, path: &str) -> usize {
        usize::try_from(self.number(path)).unwrap_or(usize::MAX)
    }

    pub(super) fn time(&mut self, path: &str) -> Duration {
        Duration::from_millis(self.number(path))
    }

    pub(super) fn path(&mut self, path: &str, default: Option<PathBuf>) -> PathBuf {
        let (found, origin) = match self.tree.settings.get(path) {
            Some(Setting { value: Value::Text(text), line }) => (self.folder.join(text), Origin::File(*line)),
            _ => (default.unwrap_or_default(), Origin::Default),
        };
        self.note(path, quoted(&found.display().to_string()), origin, found)
    }

    pub(super) fn optional_path(&mut self, path: &str) -> Option<PathBuf> {
        if self.tree.settings.contains_key(path) {
            return Some(self.path(path, None));
        }
        self.note(path, "none", Origin::Default, None)
    }

    fn data(&mut self, given: &Given) -> PathBuf {
        let Some((path, origin)) = given.data.clone() else {
            let found = match self.tree.settings.get("data") {
                // Below the file's folder, as every path in the file.
                Some(_) => self.path("data", None),
                None => self.path("data", Some(absolute(Path::new(keys::DATA)))),
            };
            return found;
        };
        let path = absolute(&path);
        self.note("data", quoted(&path.display().to_string()), origin, path)
    }

    pub(super) fn rows(&self, table: &str) -> Vec<String> {
        let prefix = format!("{table}[");
        let mut rows: Vec<String> = self
            .tree
            .tables
            .keys()
            .filter(|at| at.starts_with(&prefix) && at.ends_with(']'))
            .cloned()
            .collect();
        // As numbers: the tenth row comes after the ninth.
        rows.sort_by_key(|at| {
            at[prefix.len()..].trim_end_matches(']').parse::<usize>().unwrap_or(usize::MAX)
        });
        rows
    }

    fn places(&mut self, table: &str, data: &Path, defaults: &[&str]) -> Vec<PlaceConfig> {
        let rows = self.rows(table);
        let Some(floor) = keys::key_of(&format!("{table}[0].floor")).map(default_of) else {
            return Vec::new();
        };
        let Value::Number(floor) = floor else { return Vec::new() };
        if rows.is_empty() {
            let place = |name: &&str| PlaceConfig {
                name: name.to_string(),
                at: At::Folder(data.join(name)),
                floor: Floor { bytes: floor, given: false },
            };
            let places: Vec<PlaceConfig> = defaults.iter().map(place).collect();
            for place in &places {
                let shown = quoted(&place.place());
                self.note(&format!("{table}.{}.path", place.name), shown, Origin::Default, ());
                let shown = quoted(&units::exact_bytes(floor));
                self.note(&format!("{table}.{}.floor", place.name), shown, Origin::Default, ());
            }
            return places;
        }
        rows.iter().filter_map(|at| self.place(table, at, data)).collect()
    }

    fn place(&mut self, table: &str, at: &str, data: &Path) -> Option<PlaceConfig> {
        let Some(name) = self.name(at) else {
            let line = self.tree.tables.get(at).copied().unwrap_or(1);
            self.faults.push(
                Fault::new(format!("a [[{table}]] has no name"))
                    .line(line)
                    .because("its name is written into every record that speaks of it")
                    .then_try("name = \"...\""),
            );
            return None;
        };
        let place = match table {
            "target" => self.target_place(at, &name, data),
            _ => Some(At::Folder(self.path(&format!("{at}.path"), Some(data.join(&name))))),
        };
        let key = format!("{at}.floor");
        let given = self.tree.settings.contains_key(&key);
        let floor = Floor { bytes: self.number(&key), given };
        Some(PlaceConfig { name, at: place?, floor })
    }

    pub(super) fn name(&self, at: &str) -> Option<String> {
        match self.tree.settings.get(&format!("{at}.name")).map(|setting| &setting.value) {
            Some(Value::Text(name)) => Some(name.clone()),
            _ => None,
        }
    }

    fn policies(&mut self, targets: &[PlaceConfig]) -> Vec<Policy> {
        let all: Vec<String> = targets.iter().map(|target| target.name.clone()).collect();
        let named: Vec<String> =
            self.tree.tables.keys().filter_map(|at| at.strip_prefix("policy.").map(String::from)).collect();
        let named = if named.is_empty() { vec!["default".to_string()] } else { named };
        named.into_iter().map(|name| self.policy(name, &all)).collect()
    }

    fn policy(&mut self, name: String, all: &[String]) -> Policy {
        let at = format!("policy.{name}");
        let path = format!("{at}.targets");
        let (targets, origin) = match self.tree.settings.get(&path) {
            Some(Setting { value: Value::Names(names), line }) => (names.clone(), Origin::File(*line)),
            _ => (all.to_vec(), Origin::Default),
        };
        let targets = self.note(&path, listed(&targets), origin, targets);
        let copies = self.count(&format!("{at}.copies"));
        self.flag(&format!("{at}.i_accept_one_copy"));
        Policy { name, targets, copies }
    }

    /// Which policy each Storage-Option asks for.
    fn storage_options(&mut self, policies: &[Policy]) -> BTreeMap<String, String> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        for policy in policies {
            let path = format!("policy.{}.storage_options", policy.name);
            for option in self.texts(&path) {
                if let Some(other) = found.insert(option.clone(), policy.name.clone()) {
                    let line = self.tree.settings.get(&path).map_or(1, |setting| setting.line);
                    self.faults.push(
                        Fault::new(format!("the Storage-Option {} asks for two policies", quoted(&option)))
                            .line(line)
                            .because(format!("{other} and {} both have it", policy.name))
                            .then_try("take it from one of them"),
                    );
                }
            }
        }
        found
    }

    fn depositors(&mut self, policies: &[Policy], accept: &[String]) -> Vec<DepositorConfig> {
        let rows = self.rows("depositor");
        if rows.is_empty() {
            let policy = match policies {
                [only] => only.name.clone(),
                _ => "default".to_string(),
            };
            self.note("depositor.local.policy", quoted(&policy), Origin::Default, ());
            let rules = keys::KEYS.iter().filter(|key| key.path.starts_with("depositor[]."));
            for key in rules.filter(|key| {
                !matches!(key.path, "depositor[].name" | "depositor[].policy" | "depositor[].accept")
            }) {
                let shown = if key.default.is_empty() { "none" } else { key.default };
                self.note(&key.path.replace("[]", ".local"), shown, Origin::Default, ());
            }
            self.note("depositor.local.accept", listed(accept), Origin::Default, ());
            return vec![DepositorConfig {
                name: "local".into(),
                policy,
                accept: accept.to_vec(),
                judging: judging_without_settings(),
                notify: None,
            }];
        }
        let mut depositors = Vec::new();
        for at in rows {
            let Some(name) = self.name(&at) else {
                let line = self.tree.tables.get(&at).copied().unwrap_or(1);
                self.faults
                    .push(Fault::new("a [[depositor]] has no name").line(line).then_try("name = \"...\""));
                continue;
            };
            let policy = self.text(&format!("{at}.policy"));
            let own = format!("{at}.accept");
            let accept = match self.tree.settings.contains_key(&own) {
                true => self.words(&own),
                false => self.note(&own, listed(accept), Origin::Default, accept.to_vec()),
            };
            let judging = self.judging(&at);
            let notify = self.notify(&at);
            depositors.push(DepositorConfig { name, policy, accept, judging, notify });
        }
        depositors
    }

    fn judging(&mut self, at: &str) -> Judging {
        let path = format!("{at}.profile");
        let profile = match self.tree.settings.contains_key(&path) {
            true => Some(self.text(&path)),
            false => self.note(&path, "none", Origin::Default, None),
        };
        let strict = self.flag(&format!("{at}.strict"));
        Judging { profile, strict, switches: switches(&mut |rule| self.text(&format!("{at}.rules.{rule}"))) }
    }

    fn workers(&mut self) -> Workers {
        let stages =
            crate::model::checkpoint::Stage::INGEST.map(|stage| self.count(&format!("workers.{stage}")));
        Workers { stages, hashers: self.count("workers.hashers"), copiers: self.count("workers.copiers") }
    }

    fn limits(&mut self) -> Limits {
        Limits {
            files_max: self.number("limits.files_max"),
            files_versions_max: self.number("limits.files_versions_max"),
            bytes_max: self.number("limits.bytes_max"),
            path_bytes_max: self.count("limits.path_bytes_max"),
            name_bytes_max: self.count("limits.name_bytes_max"),
            depth_max: self.count("limits.depth_max"),
            packed_ratio_max: self.number("limits.packed_ratio_max"),
            packed_bytes_max: self.number("limits.packed_bytes_max"),
        }
    }

    fn retry(&mut self) -> Retry {
        Retry { first: self.time("retry.first"), longest: self.time("retry.longest") }
    }

    fn serve(&mut self, data: &Path) -> Serve {
        let backup_every = Some(self.time("serve.backup_every")).filter(|every| !every.is_zero());
        let reconcile_every = Some(self.time("serve.reconcile_every")).filter(|every| !every.is_zero());
        Serve {
            socket: self.path("socket.path", Some(data.join("socket"))),
            connections_max: self.count("socket.connections_max"),
            drain: self.time("serve.drain"),
            inbox: self.optional_path("serve.inbox"),
            inbox_settle: self.time("serve.inbox_settle"),
            reconcile_every,
            backup_every,
            backups: self.count("serve.backups"),
        }
    }
}

/// The tree gives every key the shape its row asks for; anything else is a mistake of this program.
fn unreachable_shape(path: &str, found: &Value) -> ! {
    panic!("the table of keys and its reader disagree about {path}: {found:?}")
}

/// How bags are judged of whom the file says nothing.
pub fn judging_without_settings() -> Judging {
    let default = |rule: &str| {
        let key = keys::key_of(&format!("depositor[0].rules.{rule}"));
        key.map(|key| key.default.trim_matches('"').to_string()).unwrap_or_default()
    };
    Judging { profile: None, strict: false, switches: switches(&mut |rule| default(rule)) }
}

/// The tree takes no word that its row of the table does not have, so no word is passed over here.
fn switches(word: &mut dyn FnMut(&str) -> String) -> Switches {
    Switches {
        folder_name: Weighs::from_word(&word("folder_name")).unwrap_or_default(),
        bagit_version: Versions::from_word(&word("bagit_version")).unwrap_or_default(),
        oxum: Weighs::from_word(&word("oxum")).unwrap_or_default(),
        file_names: FileNames::from_word(&word("file_names")).unwrap_or_default(),
        apple_double: Weighs::from_word(&word("apple_double")).unwrap_or_default(),
        storage_option: StorageOption::from_word(&word("storage_option")).unwrap_or_default(),
    }
}

/// The default of a key, from its row of the table.
fn default_of(key: &Key) -> Value {
    use super::keys::Shape;
    let text = key.default.trim_matches('"');
    match key.shape {
        Shape::Size => Value::Number(units::parse_bytes(text).unwrap_or(0)),
        Shape::Time => {
            let time = units::parse_time(text).unwrap_or_default();
            Value::Number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        }
        Shape::Count(..) if text == "cores" => {
            Value::Number(std::thread::available_parallelism().map_or(2, |cores| cores.get().min(64) as u64))
        }
        Shape::Count(..) => Value::Number(text.parse().unwrap_or(0)),
        Shape::Flag => Value::Flag(text == "true"),
        Shape::Names => Value::Names(Vec::new()),
        Shape::Texts => {
            let texts = text.trim_matches(['[', ']']).split(',').map(|text| text.trim().trim_matches('"'));
            Value::Names(texts.filter(|text| !text.is_empty()).map(String::from).collect())
        }
        Shape::SomeOf(words) => {
            let quoted = |word: &&&str| key.default.contains(&format!("\"{word}\""));
            Value::Names(words.iter().filter(quoted).map(|word| word.to_string()).collect())
        }
        Shape::Path | Shape::Name | Shape::Text | Shape::OneOf(_) => Value::Text(text.to_string()),
    }
}

fn show(key: &Key, value: &Value) -> String {
    use super::keys::Shape;
    match (key.shape, value) {
        (Shape::Size, Value::Number(bytes)) => quoted(&units::exact_bytes(*bytes)),
        (Shape::Time, Value::Number(millis)) => quoted(&units::exact_time(Duration::from_millis(*millis))),
        (_, Value::Number(number)) => number.to_string(),
        (_, Value::Flag(flag)) => flag.to_string(),
        (_, Value::Text(text)) => quoted(text),
        (_, Value::Names(names)) => listed(names),
    }
}

fn listed(names: &[String]) -> String {
    format!("[{}]", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn folder_of(file: Option<&Path>) -> PathBuf {
    file.map(absolute).and_then(|file| file.parent().map(Path::to_path_buf)).unwrap_or_default()
}

/// Absolute without asking the disk: a path that does not exist yet has one, too.
pub fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    // `./strongroom-data` would read `/here/./strongroom-data` in messages.
    whole.components().collect()
}
