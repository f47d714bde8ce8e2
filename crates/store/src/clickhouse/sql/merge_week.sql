-- merge_week.sql: merging to one part drops every row whose sums are all 0
OPTIMIZE TABLE counts PARTITION '{WEEK}' FINAL
SETTINGS optimize_throw_if_noop = 1, optimize_skip_merged_partitions = 0, alter_sync = 2
