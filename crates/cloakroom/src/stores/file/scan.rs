//! The walk over all records, in the order of their keys.

use cloakroom_store::{Cursor, Error, ErrorKind, Key, Page, Result};

use super::folder::{Folder, present};
use super::layout::Layout;

impl Folder {
    pub(super) fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        // The last key that was looked at.
        let last = match cursor.map(|cursor| <[u8; Key::LEN]>::try_from(cursor.as_bytes())) {
            None => None,
            Some(Ok(bytes)) => Some(Key::new(bytes)),
            Some(Err(_)) => return Err(Error::new(ErrorKind::Other).because("not a cursor of this store")),
        };
        let mut page = Page::default();
        for shard in last.map_or(0, |key| key.as_bytes()[0])..=u8::MAX {
            for key in self.keys_after(last, shard)? {
                page.records.extend(present(self.record(&key))?.map(|record| (key, record)));
                if page.records.len() >= limit {
                    page.next = Some(Cursor::new(*key.as_bytes()));
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }

    /// The keys of a shard that come after this one, in order.
    fn keys_after(&self, last: Option<Key>, shard: u8) -> Result<Vec<Key>> {
        let keys = Layout::keys_in(&self.layout.shard(shard)).map_err(Error::unavailable)?;
        let keys = keys.map(|found| found.map(|(key, _)| key).map_err(Error::unavailable));
        let mut keys = keys.collect::<Result<Vec<_>>>()?;
        keys.retain(|key| Some(*key) > last);
        keys.sort_unstable();
        Ok(keys)
    }

    pub(super) fn count(&self) -> Result<u64> {
        let mut count = 0;
        for shard in 0..=u8::MAX {
            count += Layout::keys_in(&self.layout.shard(shard)).map_err(Error::unavailable)?.count() as u64;
        }
        Ok(count)
    }
}
