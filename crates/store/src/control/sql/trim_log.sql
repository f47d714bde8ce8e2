-- trim_log.sql
DELETE FROM admin_log WHERE seq <= ?1
