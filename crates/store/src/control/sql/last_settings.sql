-- last_settings.sql
SELECT detail FROM admin_log WHERE what = 'settings' ORDER BY seq DESC LIMIT 1
