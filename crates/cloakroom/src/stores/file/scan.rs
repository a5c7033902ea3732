//! The walk over all records: a shard a step.

use cloakroom_store::{Cursor, Error, ErrorKind, Page, Result};

use super::folder::{Folder, present};
use super::layout::Layout;

impl Folder {
    pub(super) fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let first = match cursor.map(Cursor::as_bytes) {
            None => 0,
            Some(&[shard]) => shard,
            Some(_) => return Err(Error::new(ErrorKind::Other).because("not a cursor of this store")),
        };
        let mut page = Page::default();
        for shard in first..=u8::MAX {
            if page.records.len() >= limit.max(1) {
                page.next = Some(Cursor::new([shard]));
                break;
            }
            for found in Layout::keys_in(&self.layout.shard(shard)).map_err(Error::unavailable)? {
                let (key, _) = found.map_err(Error::unavailable)?;
                page.records.extend(present(self.load(&key))?.map(|record| (key, record)));
            }
        }
        Ok(page)
    }

    pub(super) fn count(&self) -> Result<u64> {
        let mut count = 0;
        for shard in 0..=u8::MAX {
            count += Layout::keys_in(&self.layout.shard(shard)).map_err(Error::unavailable)?.count() as u64;
        }
        Ok(count)
    }
}
