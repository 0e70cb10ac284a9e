//! Who is judged how: from the configuration and the profiles at hand to the judge's policy.
//!
//! - It is looked up when a bag is judged, not when it was sent: an operator who changes a rule and requeues an item gets
//!   the new rule.
//! - A profile that cannot be used stops its depositor's bags; none is judged by less than was asked for.
//! - The pin says which bytes a bag was judged by.

use crate::books::config::{Config, Judging};
use crate::books::profiles::{self, ProfileError};
use crate::model::item::ProfilePin;
use crate::rules::bagit::policy::Policy;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::RwLock;

/// Who is judged how; replaced as a whole when the configuration is read again.
#[derive(Debug, Default)]
pub struct JudgingRules(RwLock<Rules>);

#[derive(Debug, Default)]
struct Rules {
    depositors: BTreeMap<String, Judging>,
    others: Judging,
    registry: PathBuf,
}

/// How one bag is judged.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// What the judge works by.
    pub policy: Policy,
    /// The profile in it.
    pub pin: Option<ProfilePin>,
}

impl Rules {
    fn of(config: &Config) -> Rules {
        let row = |depositor: &crate::books::config::DepositorConfig| {
            (depositor.name.clone(), depositor.judging.clone())
        };
        Rules {
            depositors: config.depositors.iter().map(row).collect(),
            // No depositor is called so: what is asked for is the answer for one that is not named.
            others: config.judging(""),
            registry: profiles::folder_of(&config.data),
        }
    }
}

impl JudgingRules {
    /// As this configuration has it.
    pub fn new(config: &Config) -> JudgingRules {
        JudgingRules(RwLock::new(Rules::of(config)))
    }

    /// From now on this configuration holds.
    pub fn set(&self, config: &Config) {
        *self.0.write().unwrap_or_else(|broken| broken.into_inner()) = Rules::of(config);
    }

    /// How a bag of this depositor is judged.
    pub fn judge(&self, depositor: &str) -> Result<Judge, ProfileError> {
        let (judging, registry) = {
            let rules = self.0.read().unwrap_or_else(|broken| broken.into_inner());
            (rules.depositors.get(depositor).unwrap_or(&rules.others).clone(), rules.registry.clone())
        };
        let profile = judging.profile.as_deref().map(|name| profiles::named(name, &registry)).transpose()?;
        let pin = judging
            .profile
            .zip(profile.as_ref())
            .map(|(name, profile)| ProfilePin { name, sha256: profile.sha256.clone() });
        Ok(Judge { policy: Policy { strict: judging.strict, profile, switches: judging.switches }, pin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::config::Given;
    use crate::rules::bagit::policy::{StorageOption, Weighs};

    fn config(text: &str) -> Config {
        Config::from_text(text, None, &Given::default()).unwrap()
    }

    #[test]
    fn each_depositor_is_judged_by_its_own_rules() {
        let text = "[[depositor]]\nname = \"uva.edu\"\nprofile = \"aptrust-2.3\"\nstrict = true\n\
                    [depositor.rules]\noxum = \"warning\"\n[[depositor]]\nname = \"other\"\n";
        let rules = JudgingRules::new(&config(text));
        let uva = rules.judge("uva.edu").unwrap();
        assert!(uva.policy.strict && uva.policy.profile.unwrap().title == "APTrust 2.3");
        assert_eq!(uva.policy.switches.oxum, Weighs::Warning);
        assert_eq!(uva.policy.switches.storage_option, StorageOption::Standard);
        let pin = uva.pin.unwrap();
        assert!(pin.name == "aptrust-2.3" && pin.sha256.len() == 64);
        for name in ["other", "gone"] {
            let judge = rules.judge(name).unwrap();
            assert!(judge.pin.is_none() && judge.policy.profile.is_none() && !judge.policy.strict, "{name}");
            assert_eq!(judge.policy.switches.apple_double, Weighs::Warning, "{name}");
        }
        rules.set(&config("[[depositor]]\nname = \"uva.edu\"\nprofile = \"gone\"\n"));
        assert!(matches!(rules.judge("uva.edu"), Err(ProfileError::Unknown { .. })));
    }

    #[test]
    fn a_configuration_that_names_an_absent_profile_is_refused_with_the_nearest_name() {
        let config = config("[[depositor]]\nname = \"u\"\nprofile = \"aptrust-2.4\"\n");
        let faults = config.faults_of_profiles();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].then_try.contains("did you mean aptrust-2."), "{}", faults[0].then_try);
        let sound = self::config("[[depositor]]\nname = \"u\"\nprofile = \"btr-1.0\"\n");
        assert!(sound.faults_of_profiles().is_empty());
    }
}
