use cloakroom_store::{Cursor, Error, Page, Result, Scan};

use super::{Broken, Fault, NOW};

impl Scan for Broken {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page> {
        let limit = if self.has(Fault::PageIgnoresTheLimit) { usize::MAX } else { limit };
        let mut page = Scan::page(&self.inner, cursor, limit).await?;
        match self.fault {
            Fault::WalkOverNothingHasNoEnd if self.all().await.is_empty() => {
                page.next = Some(Cursor::new([0; 32]));
            }
            Fault::ScanHidesExpired => page.records.retain(|(_, record)| record.expires_at > NOW),
            Fault::PagesOfOneStandStill if limit == 1 => page.next = page.next.map(|_| Cursor::new([0])),
            Fault::ScanCountsOff => {
                let mut offset = [0; 8];
                if let Some(cursor) = cursor {
                    offset.copy_from_slice(cursor.as_bytes());
                }
                let start = u64::from_le_bytes(offset) as usize;
                let all = self.all().await;
                let records: Vec<_> = all.iter().skip(start).take(limit).cloned().collect();
                let end = start + records.len();
                page.next = (end < all.len()).then(|| Cursor::new((end as u64).to_le_bytes()));
                page.records = records;
            }
            Fault::CursorsAreOfOneHandle => {
                let mut known = self.cursors.lock().unwrap();
                if cursor.is_some_and(|cursor| !known.contains(cursor.as_bytes())) {
                    return Err(Error::corrupt("an unknown cursor"));
                }
                known.extend(page.next.iter().map(|cursor| cursor.as_bytes().to_vec()));
            }
            Fault::ScanStopsAtForeign if !self.memory().planted.is_empty() => {
                return Err(Error::corrupt("foreign"));
            }
            _ => {}
        }
        Ok(page)
    }

    async fn count(&self) -> Result<u64> {
        if self.has(Fault::CountHidesExpired) {
            return Ok(self.all().await.iter().filter(|(_, record)| record.expires_at > NOW).count() as u64);
        }
        Scan::count(&self.inner).await
    }
}
