-- last_seq.sql
SELECT seq, seal FROM last_seqs WHERE src = ?1 AND collector = ?2 AND epoch = ?3
