//! A batch as it stands in the journal: checked before anything is written, JSON on disk.
//!
//! - Every value is one JSON text of at most `VALUE_MAX` bytes; it comes back byte for byte.
//! - Both kinds of book check with the same function, so that a rehearsal refuses what the real one refuses.

use super::{BookError, VALUE_MAX, Write};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// No batch may take more bytes in the journal: a record is read into memory whole.
pub(super) const BATCH_BYTES_MAX: usize = 8 << 20;

/// One change, as a line of the record: `{"put":KEY,"value":…}` or `{"delete":KEY}`.
#[derive(Serialize)]
struct LineOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    put: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete: Option<&'a str>,
}

#[derive(Deserialize)]
struct LineIn {
    put: Option<String>,
    value: Option<Box<RawValue>>,
    delete: Option<String>,
}

/// The JSON of a batch, or why it may not be written.
pub(super) fn encode(batch: &[Write]) -> Result<Vec<u8>, BookError> {
    let lines = batch.iter().map(line).collect::<Result<Vec<LineOut<'_>>, BookError>>()?;
    let body = serde_json::to_vec(&lines).expect("strings and raw JSON always serialise");
    if body.len() > BATCH_BYTES_MAX {
        let key = format!("(a batch of {} writes)", batch.len());
        return Err(BookError::TooLarge { key, bytes: body.len() });
    }
    Ok(body)
}

fn line(write: &Write) -> Result<LineOut<'_>, BookError> {
    let (Write::Put(key, _) | Write::Delete(key)) = write;
    if key.len() > VALUE_MAX {
        let start: String = key.chars().take(40).collect();
        return Err(BookError::TooLarge { key: format!("{start}…"), bytes: key.len() });
    }
    match write {
        Write::Delete(key) => Ok(LineOut { put: None, value: None, delete: Some(key) }),
        Write::Put(key, value) => {
            if value.len() > VALUE_MAX {
                return Err(BookError::TooLarge { key: key.clone(), bytes: value.len() });
            }
            let value = raw(value).map_err(|why| BookError::Damaged {
                what: format!("the value given for {key} is not JSON ({why}); nothing was written"),
            })?;
            Ok(LineOut { put: Some(key), value: Some(value), delete: None })
        }
    }
}

fn raw(value: &[u8]) -> Result<&RawValue, String> {
    let raw: &RawValue = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    // serde_json cuts white space around a raw value; what comes back would differ from what was given.
    if raw.get().len() == value.len() { Ok(raw) } else { Err("white space around it".into()) }
}

/// The batch in a record's body.
pub(super) fn decode(body: &[u8]) -> Result<Vec<Write>, String> {
    let lines: Vec<LineIn> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    lines
        .into_iter()
        .map(|line| match line {
            LineIn { put: Some(key), value: Some(value), delete: None } => {
                Ok(Write::Put(key, Box::<str>::from(value).into_boxed_bytes().into_vec()))
            }
            LineIn { put: None, value: None, delete: Some(key) } => Ok(Write::Delete(key)),
            _ => Err("a line is neither a put nor a delete".into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_byte_for_byte() {
        let batch = vec![
            Write::Put("i/1".into(), br#"{"a": [1, 2.50,"\u00e9"],  "b":null}"#.to_vec()),
            Write::Delete("key with \"quotes\" and é".into()),
            Write::Put(String::new(), b"0".to_vec()),
        ];
        assert_eq!(decode(&encode(&batch).unwrap()).unwrap(), batch);
    }

    #[test]
    fn what_is_not_one_json_text_is_refused() {
        for value in ["", " ", "{", "{} {}", " {}", "{}\n", "\u{feff}{}", "nul"] {
            let answer = encode(&[Write::Put("k".into(), value.into())]);
            assert!(matches!(answer, Err(BookError::Damaged { .. })), "{value:?} gave {answer:?}");
        }
    }

    #[test]
    fn a_batch_too_large_for_one_record_is_refused() {
        let value = format!("\"{}\"", "x".repeat(VALUE_MAX - 2)).into_bytes();
        let batch: Vec<Write> = (0..2_200).map(|n| Write::Put(format!("k/{n}"), value.clone())).collect();
        assert!(matches!(encode(&batch), Err(BookError::TooLarge { .. })));
    }
}
