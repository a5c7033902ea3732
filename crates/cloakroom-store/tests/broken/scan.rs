use std::time::Duration;

use cloakroom_store::{Cursor, Error, Key, Page, Record, Result, Scan, Timestamp};

use super::{Broken, Fault, NOW};

impl Scan for Broken {
    async fn page(&self, cursor: Option<&Cursor>, limit: usize) -> Result<Page<(Key, Record)>> {
        let limit = if self.has(Fault::PageIgnoresTheLimit) { usize::MAX } else { limit };
        let mut page = Scan::page(&self.inner, cursor, limit).await?;
        match self.fault {
            Fault::WalkOverNothingHasNoEnd if self.all().await.is_empty() => {
                page.next = Some(Cursor::new([0; 32]));
            }
            Fault::ScanHidesExpired => page.items.retain(|(_, record)| record.expires_at > NOW),
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
                page.items = records;
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
        page.items = page.items.into_iter().map(|(key, record)| (key, self.turned(&record))).collect();
        Ok(page)
    }

    async fn count(&self, now: Timestamp) -> Result<u64> {
        let all = self.all().await;
        let alive = |expires_at: &dyn Fn(&Key, &Record) -> Timestamp| {
            Ok(all.iter().filter(|(key, record)| expires_at(key, record) > now).count() as u64)
        };
        match self.fault {
            Fault::CountsWhatIsStored => Ok(all.len() as u64),
            Fault::CountsAtTheExpiry => {
                let later = Duration::from_millis(1);
                alive(&|_, record| record.expires_at.saturating_add(later))
            }
            Fault::CountGoesByTheCreatedExpiry => {
                let memory = self.memory();
                alive(&|key, record| memory.created.get(key).unwrap_or(record).expires_at)
            }
            _ => Scan::count(&self.inner, now).await,
        }
    }
}
