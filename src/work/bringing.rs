//! Bringing a file of a copy into staging, and knowing its digest when it is there.
//!
//! - What the target says is no error of ours: whoever asks may go to the next copy.
//! - What could not be brought whole leaves nothing under its name.

use crate::books::facts::{scratch_stop, write_blob};
use crate::model::digest::Algorithm;
use crate::model::item::Seal;
use crate::model::trouble::Stop;
use crate::rules::digester::Digester;
use crate::work::proving::Step;
use crate::worlds::disk::{Disk, DiskError, Place};
use crate::worlds::target::{Target, TargetError, Where};

/// SHA-512 of a file that was brought, and what it is in staging; or why its target did not give it.
pub type Brought = Result<(String, Seal), TargetError>;

/// Why a file was not brought to its end.
enum Cut {
    Target(TargetError),
    Stop(Stop),
}

impl From<DiskError> for Cut {
    fn from(error: DiskError) -> Cut {
        Cut::Stop(error.into())
    }
}

/// Brings a file, past the page cache, to this name in the folder. `step` is told of bytes and says when to stop.
pub fn bring(
    target: &dyn Target,
    at: Where<'_>,
    (disk, folder, name, fence): (&dyn Disk, &Place, &str, u64),
    step: Step<'_>,
) -> Result<Brought, Stop> {
    let mut digester = Digester::new(&[Algorithm::Sha512]);
    let written = write_blob::<Cut>(disk, folder, name, fence, &mut |out| {
        let mut stop = None;
        let read = target.read_while(at, &mut |bytes| {
            digester.update(bytes);
            let written = out.write_all(bytes).map_err(|error| scratch_stop(&folder.volume, error));
            stop = written.and_then(|()| step(bytes.len() as u64)).err();
            stop.is_none()
        });
        match (stop, read) {
            (Some(stop), _) => Err(Cut::Stop(stop)),
            (None, Err(error)) => Err(Cut::Target(error)),
            (None, Ok(_)) => Ok(()),
        }
    });
    match written {
        Ok(seal) => {
            let digests = digester.finish();
            Ok(Ok((digests.get(Algorithm::Sha512).expect("it was asked for").to_string(), seal)))
        }
        Err(Cut::Target(error)) => Ok(Err(error)),
        Err(Cut::Stop(stop)) => Err(stop),
    }
}
