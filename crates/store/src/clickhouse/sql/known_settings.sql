-- known_settings.sql
SELECT name, value FROM system.settings WHERE has({names:Array(String)}, name)
