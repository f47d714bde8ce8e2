-- lift_tombstone.sql
DELETE FROM erasures WHERE host = ?1
