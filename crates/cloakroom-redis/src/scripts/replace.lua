-- Replaces a record that still has the expected revision. See `replacing.lua`, which comes before this.
return replace()
