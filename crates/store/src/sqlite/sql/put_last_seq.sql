-- put_last_seq.sql
INSERT INTO last_seqs (src, collector, epoch, seq, seal) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT DO UPDATE SET seq = excluded.seq, seal = excluded.seal
