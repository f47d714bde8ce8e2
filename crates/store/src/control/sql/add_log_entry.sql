-- add_log_entry.sql
INSERT INTO admin_log (seq, at, who, what, site, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
