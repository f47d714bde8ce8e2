-- drop_week.sql
ALTER TABLE counts DROP PARTITION '{WEEK}' SETTINGS alter_sync = 2
