//! What a bucket's refusals mean for a deposit: the code within the answer where there is one, else its status.

use crate::rules::address::shown;
use crate::worlds::s3::refusal::Refusal;
use crate::worlds::source::SourceError;
use crate::worlds::source::ranged::of_status;
use jiff::Timestamp;

/// A refusal as an error of the source.
pub fn error(refusal: &Refusal, key: &str, now: Timestamp) -> SourceError {
    let why = refusal.words();
    let key = shown(key);
    match refusal.code.as_str() {
        "NoSuchKey" | "NoSuchVersion" | "NotFound" => SourceError::Gone { key },
        "NoSuchBucket" => SourceError::Denied { key, why: "there is no bucket of this name".into() },
        "PreconditionFailed" | "InvalidRange" | "ConditionalRequestConflict" => {
            SourceError::Changed { key, why }
        }
        "SlowDown"
        | "ServiceUnavailable"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "Busy" => SourceError::Busy { key, why, after: refusal.after },
        "InternalError" | "OperationAborted" | "RequestTimeout" => SourceError::Unreachable { key, why },
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestNotYetValid" => {
            let theirs =
                refusal.date.map_or(String::new(), |date| format!(" (there it is {date}, here {now})"));
            let why = format!("its clock and this machine's do not agree{theirs}; mend the clock");
            SourceError::Denied { key, why }
        }
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "AccessDenied"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "InvalidSecurity" => SourceError::Denied { key, why },
        "InvalidObjectState" => {
            let why = "it lies in an archive, and must be restored there before it can be fetched".into();
            SourceError::Denied { key, why }
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect" => {
            let region =
                refusal.region.as_ref().map_or(String::new(), |region| format!(" (region {region})"));
            SourceError::Denied {
                key,
                why: format!("the bucket is elsewhere{region}: set region or endpoint"),
            }
        }
        _ => match of_status(&key, refusal.status, &refusal.told, refusal.after) {
            SourceError::Denied { key, .. } => SourceError::Denied { key, why },
            SourceError::Unreachable { key, .. } => SourceError::Unreachable { key, why },
            SourceError::Wrong { key, .. } => SourceError::Wrong { key, why },
            other => other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning_whatever_the_status() {
        let table = [
            (404, "NoSuchKey", "Gone"),
            (404, "NoSuchBucket", "Denied"),
            (503, "SlowDown", "Busy"),
            (400, "RequestTimeout", "Unreachable"),
            (500, "InternalError", "Unreachable"),
            (403, "RequestTimeTooSkewed", "mend the clock"),
            (403, "SignatureDoesNotMatch", "Denied"),
            (400, "ExpiredToken", "Denied"),
            (403, "InvalidObjectState", "archive"),
            (301, "PermanentRedirect", "region eu-west-1"),
            (412, "PreconditionFailed", "Changed"),
            (400, "InvalidArgument", "Wrong"),
            (404, "", "Gone"),
            (403, "", "Denied"),
            (503, "", "Busy"),
        ];
        for (status, code, wanted) in table {
            let refusal = Refusal {
                status,
                code: code.into(),
                region: Some("eu-west-1".into()),
                date: Some(Timestamp::UNIX_EPOCH),
                ..Refusal::default()
            };
            let found = format!("{:?}", error(&refusal, "s3://b/k", Timestamp::UNIX_EPOCH));
            assert!(found.contains(wanted), "{status} {code}: {found}");
        }
    }
}
