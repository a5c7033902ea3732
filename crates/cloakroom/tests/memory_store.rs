//! Every rule of the contract, on the memory store.

cloakroom_store::conformance::suite!(
    facets = [Subjects, Scan],
    impossible = [plant, reopen],
    store = cloakroom::stores::MemoryStore::new()
);
