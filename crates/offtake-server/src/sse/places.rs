//! How many streams one principal has open in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use offtake_model::id::OrgId;
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};

/// Streams of one principal at most.
const MOST: usize = 16;

type Key = (OrgId, String);

/// Who has how many.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<Key, usize>>>);

impl Places {
    /// # Errors
    /// `too_many_requests`.
    pub(super) fn take(&self, principal: &Principal) -> Result<Place> {
        let key = (principal.org.clone(), principal.sub.clone());
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key.clone()).or_default();
        if *count >= MOST {
            let detail = format!("this caller has {MOST} streams of events open, and no more are possible; close one");
            return Err(Error::new(ErrorKind::TooManyRequests, detail));
        }
        *count += 1;
        Ok(Place { places: self.clone(), key })
    }
}

/// One open stream. Its place is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    key: Key,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use offtake_model::permission::Permissions;

    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_stream_ends() {
        let places = Places::default();
        let of = |sub: &str| Principal {
            org: OrgId::new("acme").unwrap(),
            sub: sub.to_owned(),
            email: None,
            permissions: Permissions::from_words(["all"]),
        };
        let mut taken: Vec<_> = (0..MOST).map(|_| places.take(&of("ada")).unwrap()).collect();
        assert_eq!(places.take(&of("ada")).unwrap_err().kind(), ErrorKind::TooManyRequests);
        places.take(&of("bob")).unwrap();
        taken.pop();
        taken.push(places.take(&of("ada")).unwrap());
        drop(taken);
        assert!(places.0.lock().unwrap().is_empty());
    }
}
