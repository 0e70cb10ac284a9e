//! Every key of the configuration, with its default and the reason for it, in one table.
//!
//! - A key that is not in this table is refused.
//! - The sample configuration, `config show --defaults` and the manual are made from this table.

use crate::rules::bagit::policy::FileNames;

/// What a key may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A path; a relative one is below the folder of the configuration file.
    Path,
    /// A name: letters, digits, `.`, `-` and `_`.
    Name,
    /// Several names.
    Names,
    /// A size: `"5 GiB"`, or a number of bytes.
    Size,
    /// A time: `"90 s"`, or a number of seconds.
    Time,
    /// A number within these bounds.
    Count(u64, u64),
    /// `true` or `false`.
    Flag,
    /// Text; what it may say is checked where it is used.
    Text,
    /// Several texts.
    Texts,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Several of these words.
    SomeOf(&'static [&'static str]),
}

impl Shape {
    /// What is expected, for messages.
    pub fn expected(self) -> String {
        match self {
            Shape::Path => "a path, as text".into(),
            Shape::Name => "a name of letters, digits, \".\", \"-\" and \"_\"".into(),
            Shape::Names => "a list of names, like [\"vault-a\", \"vault-b\"]".into(),
            Shape::Size => "a size, like \"5 GiB\"".into(),
            Shape::Time => "a time, like \"90 s\"".into(),
            Shape::Count(least, most) => format!("a number from {least} to {most}"),
            Shape::Flag => "true or false".into(),
            Shape::Text => "text".into(),
            Shape::Texts => "a list of texts, like [\".tar\", \".zip\"]".into(),
            Shape::OneOf(words) => format!("one of {}", words.join(", ")),
            Shape::SomeOf(words) => format!("a list of some of {}", words.join(", ")),
        }
    }
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Where it stands: `ledger.path`, `target[].path` (in every `[[target]]`), `policy.*.copies` (in every policy).
    pub path: &'static str,
    /// What it may hold.
    pub shape: Shape,
    /// Its default, as it would be written; empty when it must be given or has none.
    pub default: &'static str,
    /// What it means, and why the default is what it is.
    pub reason: &'static str,
}

const fn key(path: &'static str, shape: Shape, default: &'static str, reason: &'static str) -> Key {
    Key { path, shape, default, reason }
}

/// Default of `data`.
pub const DATA: &str = "./strongroom-data";

/// Forms in which a deposit may come in one file.
const CONTAINERS: Shape = Shape::SomeOf(&["tar", "gzip", "zstd", "bzip2", "zip"]);

const WORKERS: Shape = Shape::Count(1, 64);

const WEIGHS: Shape = Shape::OneOf(&["profile", "error", "warning", "note"]);

/// The table.
#[rustfmt::skip]
pub const KEYS: [Key; 157] = [
    key("data", Shape::Path, "\"./strongroom-data\"", "Folder below which everything lies that has no path of its own. A relative folder, so that a first try needs no rights; an installed service names /var/lib/strongroom."),
    key("i_accept_copies_on_one_disk", Shape::Flag, "false", "Two targets of one policy on one file system are refused, because one broken disk would take both copies. True is for trying out only; the embedded default without a file has it so."),
    key("i_accept_copies_on_one_credential", Shape::Flag, "false", "Two targets of one policy in buckets that are reached with one access key are refused, because one stolen or mistyped key would take both copies. True is for trying out only."),
    key("accept", CONTAINERS, "[\"tar\"]", "Forms in which depositors may send a bag in one file. Plain tars only, because they are read in place: a packed deposit (a compressed tar, or a zip) is unpacked into staging first, which costs space and time, and one flipped bit may cost all of it. What a deposit is, its first bytes say, not its name; plain tars are always taken."),
    key("ledger.path", Shape::Path, "DATA/ledger", "Folder of the ledger: journal and index. Small, written often, synced always: put it on a fast and sound disk."),
    key("ledger.mirror", Shape::Path, "", "Second copy of the journal, on another disk than the ledger. None by default, because a mirror on the same disk would only look safe; with one, a lost or damaged journal is repaired on start."),
    key("staging[].name", Shape::Name, "\"staging\"", "Name of a staging volume; it is kept in the ledger, so it must not change while items are in work."),
    key("staging[].path", Shape::Path, "DATA/staging", "Folder for work in progress."),
    key("staging[].floor", Shape::Size, "\"1 GiB\"", "Space that is never promised, so that the file system does not fill up to the last byte under other programs and its own bookkeeping; unless given, at most 2 % of the file system."),
    key("target[].name", Shape::Name, "", "Name of a target; it is part of every stored copy's record, so it must never change."),
    key("target[].kind", Shape::OneOf(&["local", "s3"]), "\"local\"", "What kind of storage it is: a folder on a mounted file system, or a bucket that speaks S3."),
    key("target[].path", Shape::Path, "DATA/NAME", "Folder of a target of the kind local; the OCFL storage root lies in it. It is refused when its marker file is absent, so that a missing mount is not filled."),
    key("target[].floor", Shape::Size, "\"1 GiB\"", "Space that is never promised on this target; unless given, at most 2 % of the file system."),
    key("target[].fixity_every", Shape::Time, "", "How long after it was proved a copy on this target is due again, where that is not what fixity.every says: cold storage that is paid by what is read, or disks that are trusted less."),
    key("target[].endpoint", Shape::Text, "", "Address of the service of a target of the kind s3. Without it AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL counts, else Amazon's service in the region."),
    key("target[].bucket", Shape::Text, "", "Bucket of a target of the kind s3. It must be there; strongroom makes none."),
    key("target[].prefix", Shape::Text, "", "Where in the bucket the target lies: the storage root is PREFIX/ocfl. None: the whole bucket is the target's."),
    key("target[].region", Shape::Text, "", "Region that requests are signed for; as for a source."),
    key("target[].style", Shape::OneOf(&["auto", "path", "host"]), "\"auto\"", "How the bucket is named in requests; as for a source."),
    key("target[].credentials", Shape::Text, "", "Where credentials come from; as for a source of the kind s3. They must allow reading, writing, listing and deleting below the prefix."),
    key("target[].storage_class", Shape::Text, "", "Storage class of content (STANDARD_IA, GLACIER_IR). Inventories, declarations and logs always lie in the usual class, or no validator could open an object. Classes that must be thawed first (GLACIER, DEEP_ARCHIVE) are refused: a copy that cannot be read back is not proved."),
    key("target[].read_back", Shape::OneOf(&["bytes", "store-checksum"]), "\"bytes\"", "When a copy counts as read back: when its bytes were fetched again, or also when the store itself tells the SHA-256 of the whole object. Bytes by default: a store's word proves that it received them, not that it can give them."),
    key("target[].quota", Shape::Size, "", "Bytes that a target of the kind s3 may take, as recorded by strongroom. None: buckets have no end."),
    key("target[].connections", Shape::Count(1, 64), "16", "Requests at once to a target of the kind s3. Small files take a round trip each, so several at once are what makes them fast; large ones go in parts over as many."),
    key("target[].bandwidth", Shape::Text, "\"unlimited\"", "Bytes a second to and from a target of the kind s3; written as for a source."),
    key("target[].proxy", Shape::Text, "\"environment\"", "Proxy of a target of the kind s3; written as for a source."),
    key("target[].ca_file", Shape::Path, "", "Certificates (PEM) that the service's own is signed by, instead of those the system trusts."),
    key("target[].allow_private", Shape::Flag, "false", "The service may lie on this machine or in a private network."),
    key("target[].timeout_connect", Shape::Time, "\"10 s\"", "Longest wait for a connection to a target of the kind s3; as for a source."),
    key("target[].timeout_answer", Shape::Time, "\"60 s\"", "Longest wait from a request, its body sent, to the head of its answer. Some services take long to join the parts of a large file."),
    key("target[].timeout_stall", Shape::Time, "\"25 s\"", "Longest wait for the next bytes to come or go; as for a source."),
    key("policy.*.targets", Shape::Names, "all targets", "Targets that get a copy, in the order in which they are read back from."),
    key("policy.*.copies", Shape::Count(1, 16), "2", "Proved copies that make an object kept. Two is the fewest that survive one loss."),
    key("policy.*.i_accept_one_copy", Shape::Flag, "false", "Fewer than two copies are refused unless this says that somebody meant it."),
    key("policy.*.storage_options", Shape::Texts, "[]", "Values of a bag's tag Storage-Option that choose this policy over its depositor's. A version of an object that is kept already follows the object's policy. None by default: what a depositor writes into a bag decides nothing unless the operator said so."),
    key("policy.*.retention", Shape::Time, "", "How long objects of this policy are kept at least, when other than deletion.retention: some classes of storage charge for a least time, and some contracts ask for one."),
    key("depositor[].name", Shape::Name, "\"local\"", "Who sends bags; it is part of every object's identifier, so it must never change."),
    key("depositor[].policy", Shape::Name, "\"default\"", "Policy that this depositor's objects follow."),
    key("depositor[].accept", CONTAINERS, "accept", "Forms in which this depositor may send a bag in one file, when others than everybody's."),
    key("depositor[].profile", Shape::Name, "", "Profile by which this depositor's bags are judged: one that comes with the program, or one that was taken in (strongroom profile list). None by default: BagIt itself asks for nothing more."),
    key("depositor[].notify", Shape::Text, "", "Mail address that is told what became of this depositor's deposits: once a day, when a job runs, and only when something did. None by default: a person decides whom a machine writes to."),
    key("depositor[].strict", Shape::Flag, "false", "True makes errors of the warnings that have no reason to be in a new bag. Off, because bags made long ago are sent, too."),
    key("depositor[].rules.folder_name", WEIGHS, "\"profile\"", "A tar whose folder has another name. \"profile\": an error where the profile wants the same name, as APTrust's do; else a warning."),
    key("depositor[].rules.bagit_version", Shape::OneOf(&["profile", "current", "any"]), "\"profile\"", "Versions of BagIt. \"profile\": those that the profile accepts; \"current\": 0.97 and 1.0; \"any\": all that can be judged, also where the profile says less."),
    key("depositor[].rules.oxum", WEIGHS, "\"error\"", "A Payload-Oxum that does not fit the payload. An error, as BagIt has it: it is the sender's own count."),
    key("depositor[].rules.file_names", Shape::OneOf(&FileNames::WORDS), "\"profile\"", "How files may be called. \"profile\": as the profile has it; \"guide\": printable, no leading dash, at most 255 characters, as APTrust's guide asks; \"permissive\": no control characters; \"aptrust\" and \"posix\": few characters only."),
    key("depositor[].rules.apple_double", WEIGHS, "\"warning\"", "Files named ._* that macOS adds and no manifest lists. A warning: they are no part of what was meant to be sent, and are told."),
    key("depositor[].rules.storage_option", Shape::OneOf(&["profile", "standard"]), "\"standard\"", "A bag without Storage-Option where its profile requires one. \"standard\": it is taken to say Standard, as APTrust's guide has it; \"profile\": it is refused."),
    key("source[].name", Shape::Name, "", "Name of a place where deposits arrive; keys of deposits are source://NAME/..., so it must not change while they are known."),
    key("source[].kind", Shape::OneOf(&["folder", "http", "s3"]), "\"folder\"", "What kind of place it is: a folder of this machine (for a drop box without further wishes serve.inbox is shorter), a web server, or a bucket that speaks S3."),
    key("source[].depositor", Shape::Name, "", "Whose deposits arrive there. May be left out when there is only one depositor."),
    key("source[].path", Shape::Path, "", "Folder of a source of the kind folder. Deposits are read where they lie."),
    key("source[].url", Shape::Text, "", "Address of a source of the kind http: source://NAME/KEY is KEY below it. Web servers have no listing; their deposits are submitted by name."),
    key("source[].endpoint", Shape::Text, "", "Address of the service of a source of the kind s3. Without it AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL counts, else Amazon's service in the region."),
    key("source[].bucket", Shape::Text, "", "Bucket of a source of the kind s3."),
    key("source[].prefix", Shape::Text, "", "Only keys that start with this belong to the source. None: the whole bucket."),
    key("source[].region", Shape::Text, "", "Region that requests are signed for. Without it AWS_REGION or AWS_DEFAULT_REGION counts, else us-east-1; a service that names another is believed."),
    key("source[].style", Shape::OneOf(&["auto", "path", "host"]), "\"auto\"", "How the bucket is named in requests: by host at Amazon and by path elsewhere, which is what most services understand."),
    key("source[].credentials", Shape::Text, "", "Where credentials come from: file:PATH or file:PATH#PROFILE, systemd:NAME, profile:NAME, environment, instance, anonymous, or chain (whatever of these is there). Never the credentials themselves, for this file is read by many. Without it chain for s3 and anonymous for http, whose file holds user:password or bearer TOKEN."),
    key("source[].suffixes", Shape::Texts, "[\".tar\"]", "Endings of names of files that are taken; anything else becomes an item that says why it was not. An empty list takes every name. In a source of the kind folder, a folder with a bagit.txt is a bag and is taken whatever its name."),
    key("source[].size_max", Shape::Size, "", "Bytes of one deposit; a larger one becomes an item that says why it was not taken. Without it limits.bytes_max counts."),
    key("source[].after_kept", Shape::Text, "\"leave\"", "What becomes of a deposit once its object is kept, and only while it still is what was ingested: leave, delete, or move:PLACE within the source. Left by default, because nobody should lose a deposit by not having read this."),
    key("source[].scan_every", Shape::Time, "\"15 min\"", "How often the source is listed by itself; 0 s: only when somebody asks. A listing costs one request for a thousand keys."),
    key("source[].still_for", Shape::Time, "\"60 s\"", "A deposit in a folder is listed when it has not changed for this long, because it may still be on its way. Not asked where marker is set; objects of a bucket appear whole."),
    key("source[].temporary", Shape::Texts, "[\".part\", \".tmp\", \".filepart\", \".crdownload\"]", "Endings of names under which programs write what they rename when it is complete. What is called so, or starts with a dot, is no deposit yet, and nothing is said of it."),
    key("source[].marker", Shape::Text, "", "Ending of the file that a depositor puts beside a deposit when it is complete: with \".done\", x.tar counts once x.tar.done lies beside it and is not older. It is no deposit, and is moved or deleted with its deposit. None by default: stillness (still_for) needs no agreement with the depositor, but takes its time and can be wrong about an upload that stalls."),
    key("source[].connections", Shape::Count(1, 64), "8", "Ranges fetched from the source at once, at most; how many are used is found out by measuring, because several pay on far and limited lines only."),
    key("source[].bandwidth", Shape::Text, "\"unlimited\"", "Bytes a second, over all connections: 50 MiB/s; or by hours of the machine's day: 08-18 = 10 MiB/s, 50 MiB/s. The first that fits counts."),
    key("source[].proxy", Shape::Text, "\"environment\"", "Proxy: environment (https_proxy, http_proxy, all_proxy, no_proxy), direct, or an address like http://proxy.example.org:3128. One that wants a password is given by the environment."),
    key("source[].ca_file", Shape::Path, "", "Certificates (PEM) that the source's own is signed by, instead of those the system trusts."),
    key("source[].allow_private", Shape::Flag, "false", "The source may lie on this machine or in a private network, and redirects may lead there. Refused by default, so that nobody outside can make this machine ask its neighbours."),
    key("source[].timeout_connect", Shape::Time, "\"10 s\"", "Longest wait for a connection, with its name looked up and its TLS agreed on."),
    key("source[].timeout_answer", Shape::Time, "\"25 s\"", "Longest wait from a request to the head of its answer."),
    key("source[].timeout_stall", Shape::Time, "\"25 s\"", "Longest wait for the next bytes of a body, and longest time in which fewer than 8 KiB may come."),
    key("network.connections", Shape::Count(1, 64), "8", "Ranges fetched at once from a host or bucket that belongs to no source."),
    key("network.bandwidth", Shape::Text, "\"unlimited\"", "Bytes a second from each host or bucket that belongs to no source; written as for a source."),
    key("network.proxy", Shape::Text, "\"environment\"", "Proxy for addresses that belong to no source; written as for a source."),
    key("network.ca_file", Shape::Path, "", "Certificates (PEM) that are trusted for addresses that belong to no source, instead of those of SSL_CERT_FILE or the system."),
    key("network.allow_private", Shape::Flag, "false", "Addresses that belong to no source may lie on this machine or in a private network, whoever submits them. Without it each submission must say --allow-private."),
    key("network.timeout_connect", Shape::Time, "\"10 s\"", "As for a source, for addresses that belong to none."),
    key("network.timeout_answer", Shape::Time, "\"25 s\"", "As for a source, for addresses that belong to none."),
    key("network.timeout_stall", Shape::Time, "\"25 s\"", "As for a source, for addresses that belong to none."),
    key("keeping.every", Shape::Time, "\"10 min\"", "How often the daemon looks whether a policy asks for copies that are not there, and makes them. Often enough that a target which was added fills up by itself, seldom enough that reading the registry costs nothing; 0 s: only when asked (strongroom target add)."),
    key("keeping.bandwidth", Shape::Text, "\"unlimited\"", "Bytes a second that are read for making such copies; written as for a source, by hours if need be, so that deposits come first by day."),
    key("repair.mode", Shape::OneOf(&["plan", "auto"]), "\"plan\"", "Whether copies that a sweep found damaged are put right by themselves (auto), or when a person says so (plan). A person by default: one who looks first notices when many copies are bad for one reason. Either way only proved copies are taken from, what was wrong is kept, and a target that looks ill is left alone."),
    key("fixity.every", Shape::Time, "\"90 d\"", "How long after a copy was proved it is due to be read and compared again. A quarter: long enough that disks have other work, short enough that a second fault in the same object has little time to come about."),
    key("fixity.recheck", Shape::Time, "\"7 d\"", "How long after a copy was found damaged a sweep reads it again, while nobody put it right. Not at every run, so that one large bad copy does not take the time of all others."),
    key("fixity.run_for", Shape::Time, "\"0 s\"", "How long a run of fixity may take when it is not told (--for); 0 s: until nothing is due."),
    key("fixity.run_bytes", Shape::Size, "\"0 B\"", "How many bytes a run of fixity may read when it is not told (--bytes); 0 B: as many as are due."),
    key("fixity.bandwidth", Shape::Text, "\"unlimited\"", "Bytes a second that sweeps read, all targets together; written as for a source, by hours if need be."),
    key("fixity.share", Shape::Count(1, 100), "10", "Percent of the time in which a sweep works while deposits are in work; the rest of it waits. A tenth, so that deposits hardly notice it and it still goes on. Its threads always let others go first."),
    key("fixity.breaker", Shape::Count(2, 1_000), "10", "Copies that may fail in one way in a row, or make up half of the first five times as many, before the target itself is taken for ill: its sweep stops with one alert, and no copy is marked to be put right."),
    key("workers.download", WORKERS, "2", "Items that may be in this stage at once. Two, so that a small deposit is not behind a large one."),
    key("workers.unpack", WORKERS, "2", "Items that may be in this stage at once. It reads tar headers only."),
    key("workers.checksum", WORKERS, "1", "Items that may be in this stage at once. One, because one item already uses every core (workers.hashers)."),
    key("workers.validate", WORKERS, "2", "Items that may be in this stage at once. It judges facts, and reads tag files only."),
    key("workers.store", WORKERS, "2", "Items that may be in this stage at once."),
    key("workers.record", WORKERS, "1", "Items that may be in this stage at once. It is short."),
    key("workers.hashers", WORKERS, "cores", "Threads that compute digests of one item. As many as the machine has cores: digests are what takes the time."),
    key("workers.copiers", WORKERS, "4", "Threads that copy files of one item to one target and read them back. Small files are read back past the page cache, one wait for the disk each, so several at once keep it busy (13,000 files/s by one thread, 52,000 by eight, on a solid-state disk); give fewer to a spinning one."),
    key("limits.files_max", Shape::Count(1, 100_000_000), "10000000", "Files in one bag; a larger bag is held. Ten times the largest bag that was tried, and small enough that no list of it fills a disk."),
    key("limits.files_versions_max", Shape::Count(1, 1_000_000_000), "20000000", "Files times versions of one object; a deposit that would go beyond it is held. An inventory names every file of every version, and grows by about 300 bytes for each."),
    key("limits.bytes_max", Shape::Size, "\"64 TiB\"", "Bytes of one bag; a larger one is held. No deposit came near it, and a tar that lies about its size is caught before space is promised."),
    key("limits.path_bytes_max", Shape::Count(64, 65_536), "4096", "Bytes of a path in a bag. 4,096 is what the kernel takes in one call."),
    key("limits.name_bytes_max", Shape::Count(16, 255), "255", "Bytes of one part of a path. 255 is what file systems hold; some that encrypt names hold 143."),
    key("limits.depth_max", Shape::Count(1, 4_096), "256", "Folders within folders. Deeper ones are made by mistake or to harm: many programs climb them by calling themselves."),
    key("limits.packed_ratio_max", Shape::Count(1, 100_000), "250", "Bytes that may come out of a packed deposit for each byte of it (below 64 MiB they are not counted). Scans and texts pack 2 to 20 times smaller, a tar of many small files up to 100 times; what packs better was made to fill a disk."),
    key("limits.packed_bytes_max", Shape::Size, "\"1 TiB\"", "Bytes that may come out of one packed deposit. They lie in staging until the bag is kept, so a larger one should be sent as a plain tar, which is read in place."),
    key("retry.first", Shape::Time, "\"30 s\"", "First pause after a trouble that time may cure. Long enough for a mount to come back, short enough that nobody waits for it."),
    key("retry.longest", Shape::Time, "\"1 h\"", "Longest pause; every pause is longer than the one before, and spread by chance so that items do not come back all at once."),
    key("place[].name", Shape::Name, "", "Name of a place that objects are given back to; orders name it (restore request OBJECT --to NAME). The first place is meant where none is named."),
    key("place[].kind", Shape::OneOf(&["folder", "s3"]), "\"folder\"", "What kind of place it is: a folder of this machine, or a bucket that speaks S3."),
    key("place[].path", Shape::Path, "", "Folder of a place of the kind folder. It must be there, so that a missing mount is not filled, and apart from everything else that is named here."),
    key("place[].endpoint", Shape::Text, "", "Address of the service of a place of the kind s3; as for a target."),
    key("place[].bucket", Shape::Text, "", "Bucket of a place of the kind s3. It must be there; strongroom makes none."),
    key("place[].prefix", Shape::Text, "", "Where in the bucket objects are put: PREFIX/NAME. None: directly into the bucket."),
    key("place[].region", Shape::Text, "", "Region that requests are signed for; as for a source."),
    key("place[].style", Shape::OneOf(&["auto", "path", "host"]), "\"auto\"", "How the bucket is named in requests; as for a source."),
    key("place[].credentials", Shape::Text, "", "Where credentials come from; as for a source of the kind s3. They must allow reading, writing, listing and deleting below the prefix."),
    key("place[].connections", Shape::Count(1, 64), "4", "Requests at once to a place of the kind s3. Fewer than to a target, because giving back must not take the line from keeping."),
    key("place[].bandwidth", Shape::Text, "\"unlimited\"", "Bytes a second to and from a place of the kind s3; written as for a source."),
    key("place[].proxy", Shape::Text, "\"environment\"", "Proxy of a place of the kind s3; written as for a source."),
    key("place[].ca_file", Shape::Path, "", "Certificates (PEM) that the service's own is signed by, instead of those the system trusts."),
    key("place[].allow_private", Shape::Flag, "false", "The service may lie on this machine or in a private network."),
    key("place[].timeout_connect", Shape::Time, "\"10 s\"", "Longest wait for a connection to a place of the kind s3; as for a source."),
    key("place[].timeout_answer", Shape::Time, "\"60 s\"", "Longest wait from a request, its body sent, to the head of its answer; as for a target."),
    key("place[].timeout_stall", Shape::Time, "\"25 s\"", "Longest wait for the next bytes to come or go; as for a source."),
    key("restore.keep", Shape::Time, "\"14 d\"", "How long what was given back stays at its place; then it is removed, if it is still what was put there. Two weeks, because it is a copy for somebody's use and places fill up; 0 s: it stays until somebody else removes it."),
    key("spot_test.every", Shape::Time, "\"30 d\"", "How often an object of each depositor is read back whole, judged as a bag and thrown away again, to try what nobody asks for in years. Once a month; 0 s: only when asked (strongroom spot-test run)."),
    key("socket.path", Shape::Path, "DATA/socket", "Unix socket of the daemon. Who may open it may give every order, so it is made 0660; the service's unit puts it below /run/strongroom."),
    key("socket.connections_max", Shape::Count(1, 1_000), "64", "Connections at once; further ones are told to come again."),
    key("serve.drain", Shape::Time, "\"100 s\"", "How long SIGTERM lets workers reach a safe point before the process leaves; below the 120 s that the service's unit allows."),
    key("serve.inbox", Shape::Path, "", "Folder with one folder a depositor, whose tars and bag folders, and ZIPs where they are accepted, are submitted as if by hand: soon, for every depositor, and always left where they are. For more (a schedule, limits, suffixes, markers, moving or deleting what is kept, an item for what is not taken) give the depositor a [[source]] of the kind folder instead; the two must not overlap. None by default: nothing is taken that nobody submitted."),
    key("serve.inbox_settle", Shape::Time, "\"60 s\"", "A deposit in the inbox is taken when it has not changed for this long, because it may still be on its way."),
    key("serve.reconcile_every", Shape::Time, "\"7 d\"", "How often the daemon holds what lies on every target against the registry, both ways: what is lost, damaged, orphaned or extra. Once a week, because it lists every file and reads every inventory, but no content; 0 s: only when asked (strongroom target reconcile)."),
    key("serve.backup_every", Shape::Time, "\"1 d\"", "How often the daemon makes a backup of the ledger on every target, restored into a scratch ledger before it is called good. Once a day: what is newer is read back from the targets (strongroom rebuild --into-existing); 0 s: only when asked (strongroom state backup)."),
    key("serve.backups", Shape::Count(1, 10_000), "14", "Backups of the ledger that stay on each target. Two weeks of daily ones, so that a mistake that is noticed late can still be looked at."),
    key("roles.approver", Shape::Texts, "[]", "Who may give the second word for a deletion: names of users of this machine, and group:NAME for all of a group (/etc/passwd, /etc/group). Nobody by default: then nothing can be deleted. Root and the service's own user never may."),
    key("roles.operator", Shape::Texts, "[]", "Who runs the house; written as approver. A name in both is refused, and so is the word of somebody who is in both by a group: no one person may ask for a deletion and approve it."),
    key("deletion.retention", Shape::Time, "\"0 s\"", "How long an object is kept at least after its newest version was; until then a deletion is refused. No least time by default: what a house owes its depositors it knows itself."),
    key("deletion.grace", Shape::Time, "\"7 d\"", "Between the second word and the first file that is removed; until then anybody may cancel. A week, so that a mistake that comes up at the next meeting can still be undone."),
    key("jobs.fixity", Shape::Time, "\"1 d\"", "How often the job fixity is due: copies are proved again, oldest proof first, within the budget of [fixity]. Once a day, because a short run every night disturbs nobody and never falls behind by much; a run that a person made counts. 0 s: only when a person asks."),
    key("jobs.repair", Shape::Time, "\"0 s\"", "How often the job repair is due: with repair.mode = \"auto\" it puts right what sweeps found damaged, otherwise it tells how many copies wait for a person. 0 s, never by itself: the daemon mends by itself in that mode, and check fixity tells of damaged copies."),
    key("jobs.spot_test", Shape::Time, "\"1 d\"", "How often the job spot-test is due: it looks which depositors' last test is longer ago than spot_test.every, and tests an object of each. 0 s: only when a person asks."),
    key("jobs.reconcile", Shape::Time, "\"7 d\"", "How often the job reconcile is due (strongroom job run reconcile --cron): targets are held against the registry. What the daemon did by itself (serve.reconcile_every) counts. A job is due a little before its time is over, so that a start that comes at the same hour is never too early by seconds. 0 s: only when a person asks."),
    key("jobs.retention", Shape::Time, "\"1 d\"", "How often the job retention is due: leftovers of processes that ended in the middle of something are removed, and what was given back when its time (restore.keep) is over. 0 s: only when a person asks."),
    key("jobs.state_backup", Shape::Time, "\"1 d\"", "How often the job state-backup is due. What the daemon did by itself (serve.backup_every) counts. 0 s: only when a person asks."),
    key("jobs.report", Shape::Time, "\"7 d\"", "How often the job report is due: what happened since the last one is told to the operators. Once a week: seldom enough to be read. 0 s: only when a person asks."),
    key("notice.command", Shape::Texts, "[]", "Program and its arguments that is given what a run found: the text at stdin, STRONGROOM_SUBJECT, STRONGROOM_DEPOSITOR and STRONGROOM_TO in the environment. No shell reads them. None by default."),
    key("notice.smtp", Shape::Text, "", "Mail relay, host:port, that takes mail of this machine without password and TLS: the one that runs on it, as a rule. None by default: what is found is in the ledger, and cron's own mail tells it, too."),
    key("notice.from", Shape::Text, "", "Whose mail it is. Must be given with notice.smtp."),
    key("notice.to", Shape::Texts, "[]", "Mail addresses of the operators. They are told of every run that found something, and get the report."),
    key("notice.webhook", Shape::Text, "", "Address that the same is posted to as JSON (text, subject, body). One that is a secret itself, as those of chat servers are, stands in a file: file:PATH or systemd:NAME. None by default."),
    key("notice.webhook_credentials", Shape::Text, "", "File with bearer TOKEN or user:password for the webhook: file:PATH or systemd:NAME. None by default."),
    key("notice.allow_private", Shape::Flag, "false", "The webhook may lie on this machine or in a private network; then no proxy is asked."),
    key("notice.ca_file", Shape::Path, "", "Certificates (PEM) that the webhook's own is signed by, instead of those of network.ca_file or the system."),
    key("log.format", Shape::OneOf(&["auto", "text", "journald", "json"]), "\"auto\"", "How the log is written to stderr: fields for journald when it listens, else text for people."),
];

/// The key at this concrete place (`target[0].path`, `policy.default.copies`), if there is one.
pub fn key_of(path: &str) -> Option<&'static Key> {
    let pattern = pattern_of(path);
    KEYS.iter().find(|key| key.path == pattern)
}

/// The tables that are there: `ledger`, `target[]`, `policy.*`.
pub fn is_table(path: &str) -> bool {
    let pattern = pattern_of(path);
    pattern == "policy"
        || KEYS.iter().any(|key| key.path.strip_prefix(&pattern).is_some_and(|rest| rest.starts_with('.')))
}

/// Names that may stand directly in the table at `path` ("" for the file itself).
pub fn names_in(path: &str) -> Vec<&'static str> {
    let pattern = pattern_of(path);
    let prefix = if pattern.is_empty() { String::new() } else { format!("{pattern}.") };
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| key.path.strip_prefix(&prefix))
        .map(|rest| rest.split(['.', '[']).next().unwrap_or(rest))
        .filter(|name| *name != "*")
        .collect();
    names.dedup();
    names
}

/// The nearest of `names`, when it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (distance(word, name), name)).min()?;
    let bound = 1 + word.chars().count().max(near.1.chars().count()) / 3;
    (near.0 <= bound).then_some(near.1)
}

/// Letters to change, add or remove (or neighbours to swap) to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(100).collect(), b.chars().take(100).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let other = usize::from(!a[i - 1].eq_ignore_ascii_case(&b[j - 1]));
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + other);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// `target[0].path` is described by `target[].path`, `policy.default.copies` by `policy.*.copies`.
fn pattern_of(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (place, part) in path.split('.').enumerate() {
        let is_policy_name = place == 1 && parts[0] == "policy";
        let part = match part.split_once('[') {
            _ if is_policy_name => "*".to_string(),
            Some((name, _)) => format!("{name}[]"),
            None => part.to_string(),
        };
        parts.push(part);
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_at_its_place_and_has_a_reason() {
        for key in KEYS {
            let path = key.path.replace("[]", "[3]").replace('*', "gold");
            assert_eq!(key_of(&path).map(|found| found.path), Some(key.path));
            assert!(key.reason.len() > 20 && key.reason.ends_with('.'), "{}", key.path);
        }
        assert!(key_of("target[0].pth").is_none());
        assert!(is_table("policy") && is_table("policy.x") && is_table("target[1]") && is_table("ledger"));
        assert!(!is_table("data") && !is_table("lodger"));
    }

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("copeis", names_in("policy.x")), Some("copies"));
        assert_eq!(nearest("traget", names_in("")), Some("target"));
        assert_eq!(nearest("colour", names_in("")), None);
        assert!(names_in("").contains(&"policy"));
    }
}
