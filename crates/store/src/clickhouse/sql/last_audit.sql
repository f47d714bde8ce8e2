-- last_audit.sql
SELECT key, argMax(value, version) AS value FROM facts WHERE startsWith(key, 'audit_') GROUP BY key
