-- last_seqs.sql
SELECT collector, epoch, seq, seal FROM last_seqs WHERE src = ?1 ORDER BY collector, epoch
