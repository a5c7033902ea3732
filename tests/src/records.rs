//! All that a store holds.

use cloakroom_store::{Key, Record, Scan};

/// All records of a store, tombstones and expired ones too.
pub async fn all_records(store: &impl Scan) -> Vec<(Key, Record)> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.page(cursor.as_ref(), 1000).await.unwrap();
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}
