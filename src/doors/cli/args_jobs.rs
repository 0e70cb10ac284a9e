//! Arguments of the verbs about scheduled work: jobs.

use clap::Subcommand;

/// Verbs on jobs.
#[derive(Debug, Subcommand)]
pub enum JobVerb {
    /// Do a job now; with --cron only when it is due. Exit 0 well, 1 something is wrong, 74 not done, 75 runs already
    Run {
        /// Its name: see job list
        #[arg(value_name = "JOB")]
        job: String,
        /// As cron and timers start it: nothing when it is not due, nothing printed when all is well
        #[arg(long)]
        cron: bool,
    },
    /// List jobs: when each was done last, when it is due, what it said
    List,
    /// What runs came to, newest first
    History {
        /// Only of this job
        #[arg(value_name = "JOB")]
        job: Option<String>,
        /// Show every one that is kept, with all it said
        #[arg(long)]
        all: bool,
    },
    /// Leave a job out when cron or a timer starts it; a person's job run does it in any case
    Skip {
        /// Its name
        #[arg(value_name = "JOB")]
        job: String,
        /// Until then: a time (2026-12-24T18:00Z), a day, or so long from now (3 d)
        #[arg(long, value_name = "TIME", conflicts_with = "end")]
        until: Option<String>,
        /// So many times
        #[arg(long, value_name = "N", conflicts_with = "end")]
        times: Option<u32>,
        /// Why; shown until it is over
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Leave it out no more
        #[arg(long, conflicts_with = "reason")]
        end: bool,
    },
}

/// Verbs on notices.
#[derive(Debug, Subcommand)]
pub enum NoticeVerb {
    /// Notices that could not go yet, and why
    List,
    /// Send what waits now
    Send,
    /// Write a notice to the operators and send it, to see whether it comes
    Test,
}
