//! The document of `json`, taken in while it is parsed.

use super::{error::Wrong, reader::ImportReader};
use crate::store::StoreError;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// The document of `json`: an object whose lists are taken in element by element.
pub(crate) struct Document<'a, 'm> {
    pub(crate) reader: &'a mut ImportReader<'m>,
    /// What the history could not do, which the parser's own error cannot hold.
    pub(crate) failed: &'a mut Option<StoreError>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Document { reader, failed } = self;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "export" => {
                    let head = map.next_value()?;
                    reader.export(head).map_err(|wrong| told(wrong, failed))?;
                }
                "checks" => map.next_value_seed(Each::new(failed, |check| reader.check(check)))?,
                "incidents" => map.next_value_seed(Each::new(failed, |o| reader.outage(o, true)))?,
                "gaps" => map.next_value_seed(Each::new(failed, |gap| reader.gap(gap)))?,
                "blips" => map.next_value_seed(Each::new(failed, |o| reader.outage(o, false)))?,
                "sums" => map.next_value_seed(Each::new(failed, |sum| reader.sum(sum)))?,
                "maintenance" => map.next_value_seed(Each::new(failed, |one| reader.maintenance(one)))?,
                "notes" => map.next_value_seed(Each::new(failed, |note| reader.note(note)))?,
                "acknowledgements" => map.next_value_seed(Each::new(failed, |one| reader.acknowledgement(one)))?,
                "silences" => map.next_value_seed(Each::new(failed, |one| reader.silence(one)))?,
                "diagnoses" => map.next_value_seed(Each::new(failed, |one| reader.diagnosis(one)))?,
                "silenced" => map.next_value_seed(Each::new(failed, |one| reader.silenced(one)))?,
                "end" => {
                    let end = map.next_value()?;
                    reader.end(&end).map_err(|wrong| told(wrong, failed))?;
                }
                other => {
                    return Err(A::Error::custom(format!("“{other}” in an export, which this version does not know")));
                }
            }
        }
        reader.is_whole().map_err(|wrong| told(wrong, failed))
    }
}

/// Brings what is wrong with an object out of the parser, which then says where it was.
fn told<E: serde::de::Error>(wrong: Wrong, failed: &mut Option<StoreError>) -> E {
    match wrong {
        Wrong::Said(what) => E::custom(what),
        Wrong::Json(error) => E::custom(error),
        Wrong::Store(error) => {
            let said = E::custom(&error);
            *failed = Some(error);
            said
        }
    }
}

/// A list whose elements are taken in one by one.
struct Each<'a, T, F> {
    failed: &'a mut Option<StoreError>,
    take: F,
    element: PhantomData<T>,
}

impl<'a, T, F: FnMut(T) -> Result<(), Wrong>> Each<'a, T, F> {
    fn new(failed: &'a mut Option<StoreError>, take: F) -> Each<'a, T, F> {
        Each { failed, take, element: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), Wrong>> DeserializeSeed<'de> for Each<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), Wrong>> Visitor<'de> for Each<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            (self.take)(element).map_err(|wrong| told(wrong, self.failed))?;
        }
        Ok(())
    }
}
