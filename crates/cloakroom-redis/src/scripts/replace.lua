-- Replaces a record that still has the expected revision. After `records.lua`, which says how.
return replace()
